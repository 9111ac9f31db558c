"""Verifications that the worker carries out: asking for a window, and following it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.admin import display
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.forms import ActionForm, DayField
from access.admin.mixins import Decision, Done, ObjectAction, ObjectActionsMixin
from access.admin.site import site
from access.roles import Action
from audit.admin import actors
from audit.admin.log import LogAdmin
from audit.admin.verifications import days_in_words, findings_of
from audit.events import Actor
from audit.models import Storage, VerificationRequest
from audit.services import requests
from audit.services.archive_verification import configured_location, configured_locks
from sealing.errors import Invalid

DEFAULT_DAYS = 7


def connect() -> None:
    """Registers the page with the site."""
    site.register(VerificationRequest, VerificationRequestAdmin)


class WindowForm(ActionForm):
    """Which copy of the log, and which days."""

    storage = forms.ChoiceField(label="Which copy", choices=[])
    start_day = DayField(
        label="First day",
        required=False,
        help_text="By the UTC day on which events were sealed. Empty: from the beginning.",
    )
    end_day = DayField(
        label="Last day",
        required=False,
        help_text="Included. Empty: to the end.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field, today = self.fields["storage"], timezone.now().date()
        assert isinstance(field, forms.ChoiceField)
        field.choices = copies()
        self.initial = {
            "storage": field.choices[-1][0],
            "start_day": today - timedelta(days=DEFAULT_DAYS - 1),
            "end_day": today,
        }

    def clean_storage(self) -> Storage:
        """The copy itself."""
        return Storage(self.cleaned_data["storage"])

    def clean(self) -> dict[str, Any]:
        """Days in their order."""
        given: dict[str, Any] = super().clean() or {}
        start, end = given.get("start_day"), given.get("end_day")
        if start and end and start > end:
            self.add_error("end_day", "The last day is before the first.")
        return given


class VerificationRequestAdmin(ObjectActionsMixin, LogAdmin):
    """Verifications that the worker carries out, with their progress."""

    empty_sentence = "What you ask the worker to verify will be here, with its progress."
    list_display = ("requested_at", "state", "shown_storage", "shown_days", "actor_id", "outcome")
    list_filter = ("status",)
    list_select_related = ("run",)
    fields = ("state", "shown_storage", "shown_days", "shown_lock", "shown_actor", "requested_at")
    list_actions = [
        ObjectAction(
            "new",
            "Verify a window",
            Action.VERIFY,
            WindowForm,
            handler="do_ask",
            describe="describe_ask",
            primary=True,
        )
    ]

    def may(self, request: HttpRequest, act: ObjectAction, obj: Any) -> bool:
        """Whoever may have the log as a whole verified."""
        return requests.may_verify_log(request.user)

    def get_urls(self) -> list[URLPattern]:
        """Those of the admin, and how far a verification is."""
        view = self.admin_site.admin_view(self.progress_view)
        name = "audit_verificationrequest_progress"
        return [path("<path:object_id>/progress/", view, name=name), *super().get_urls()]

    def describe_ask(self, request: HttpRequest, obj: None) -> Decision:
        """What will happen."""
        return Decision(
            act="Verify these days",
            consequences=(
                "The worker verifies them; the next page shows how far it is.",
                "In the archive every line, checkpoint and, in S3, every lock is checked.",
                "The result is stored, recorded in the audit trail, and put into the archive.",
            ),
        )

    def do_ask(self, request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
        """Queues it."""
        asked = requests.ask(
            actor=Actor.of(request.user, request), locks=configured_locks(data["storage"]), **data
        )
        return Done(message=f"Verification {asked.pk} was asked for.", url=self._home(asked))

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How far it is, for the script of the page."""
        asked = self.object_or_404(request, object_id)
        body = {"status": asked.status, "done": asked.done, "total": asked.total}
        return JsonResponse(body)

    def page_context(self, request: HttpRequest, obj: VerificationRequest) -> dict[str, Any]:
        """The progress, and the verdict once there is one."""
        context = super().page_context(request, obj)
        found = findings_of(obj.run) if obj.run else {}
        return {**context, **found, "is_open": obj.status in requests.OPEN}

    @display(description="state")
    def state(self, asked: VerificationRequest) -> SafeString:
        """Where it stands."""
        return components.pill(asked.status)

    @display(description="copy")
    def shown_storage(self, asked: VerificationRequest) -> str:
        """Which copy of the log."""
        return asked.get_storage_display()

    @display(description="days")
    def shown_days(self, asked: VerificationRequest) -> str:
        """The days that were asked for."""
        return days_in_words(asked)

    @display(description="asked for by")
    def shown_actor(self, asked: VerificationRequest) -> SafeString:
        """Who, by name."""
        return actors.shown(asked.actor_id)

    @display(description="object lock")
    def shown_lock(self, asked: VerificationRequest) -> str:
        """The lock that is compared."""
        if not asked.lock_mode:
            return "Not looked at"
        return f"{asked.lock_mode.capitalize()}, at least {asked.lock_days} days"

    @display(description="outcome")
    def outcome(self, asked: VerificationRequest) -> Any:
        """The verdict, with the way to it; why it failed; or how far it is."""
        if asked.run is not None:
            url = reverse("admin:audit_verificationrun_change", args=[asked.run.pk])
            return format_html('<a href="{}">{}</a>', url, components.pill(asked.run.verdict))
        if asked.status == requests.Status.FAILED:
            return asked.error_message
        return f"{asked.done:,} of {asked.total:,}" if asked.total else components.NOTHING


def copies() -> list[tuple[str, str]]:
    """The copies of the log that the settings name; the archive in use comes last."""
    found = []
    for storage in Storage:
        if storage is not Storage.DATABASE:
            try:
                configured_location(storage)
            except Invalid:
                continue
        found.append((str(storage), str(storage.label)))
    return found
