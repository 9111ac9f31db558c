"""What the decision pages of jobs ask for."""

from __future__ import annotations

from functools import cache
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from access import policy
from access.admin.forms import ReasonForm
from access.roles import Action
from ops import cron, registry
from ops.admin import facts
from ops.admin.facts import PayloadForm
from ops.admin.schedule_words import in_words
from sealing.errors import Invalid

EXAMPLES = ("0 3 * * *", "0 3 * * 1", "0 3 1 * *", "0 3 1 1,4,7,10 *")
_OWN = ("name", "schedule_cron", "description", "enabled", "reason")


def registers_alone(user: Any) -> bool:
    """Whether the account registers jobs without asking anybody else.

    Asked before the client is known: nobody is administrator of one and officer of another, so
    whoever manages any client's jobs manages those of all for which he may have jobs.
    """
    return bool(policy.scope(user, Action.MANAGE_JOBS))


class DisableForm(ReasonForm):
    """Why it is to stop; the request carries the reason to whoever decides."""


def _examples() -> SafeString:
    lines = format_html_join(
        "", '<br><code class="cron">{}</code> {}', ((text, in_words(text)) for text in EXAMPLES)
    )
    return format_html(
        "Minute, hour, day, month and weekday, in UTC. Empty: only when somebody asks.{}", lines
    )


class RegisterForm(PayloadForm):
    """A job of one type; `form_for` adds what the type's payload needs."""

    job_type = ""

    name = forms.CharField(
        max_length=100, help_text="It names the job for ever, in this list and in the audit trail."
    )
    schedule_cron = forms.CharField(
        label="Schedule", max_length=100, required=False, help_text=_examples()
    )
    description = forms.CharField(max_length=500, required=False)
    enabled = forms.BooleanField(label="Active from the start", required=False, initial=True)
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For the administrator who has to approve it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        user = self.request.user if self.request is not None else None
        if registers_alone(user):
            del self.fields["reason"]
        rest = [name for name in self.fields if name not in _OWN]
        self.order_fields(["name", "schedule_cron", *rest, "description", "enabled", "reason"])

    def clean_schedule_cron(self) -> str:
        """A schedule that comes."""
        try:
            return cron.check(self.cleaned_data["schedule_cron"])
        except Invalid as error:
            raise forms.ValidationError(error.message) from error

    def clean(self) -> dict[str, Any]:
        """Adds the type, and the payload that the answers make."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        given["job_type"] = self.job_type
        if not self.errors:
            given["payload"] = self.payload()
        return given


@cache
def form_for(job_type: str) -> type[RegisterForm]:
    """The form that registers a job of a type, with the fields of its payload."""
    payload_form = facts.pages_of(job_type).form
    bases = (RegisterForm,) if payload_form is PayloadForm else (RegisterForm, payload_form)
    return type(f"Register_{job_type}", bases, {"job_type": job_type})


def choices() -> list[str]:
    """The types of which people may register jobs."""
    return [kind.name for kind in registry.all_types() if kind.may_register]
