"""What the decision pages of packets and controls ask for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django import forms

from access import policy
from access.admin.forms import ActionForm, DayField, ReasonForm
from access.models import Client
from access.roles import Action
from evidence.admin.forms import CountersignForm
from reports.admin import months, packet_files
from reports.formats import period as periods
from reports.formats.period import Period
from reports.models import AssessmentState
from reports.services.controls import MAX_NOTE

__all__ = ["AssessForm", "CountersignForm", "FileForm", "GenerateForm", "ReviseForm"]
PLATFORM: Final = ""
_STATE_HELP: Final = {
    AssessmentState.COMPLIANT: "what was looked at does what it should",
    AssessmentState.ATTENTION: "it works, with exceptions that somebody has to see to",
    AssessmentState.NOT_COMPLIANT: "it did not do what it should",
    AssessmentState.NOT_APPLICABLE: "there is nothing here that it could apply to",
}


class PeriodForm(ActionForm):
    """Asks for a month, or for days."""

    month = forms.ChoiceField(label="Period", help_text="Whole months, in UTC.")
    first_day = DayField(
        required=False, help_text="Only with “These days”: from 00:00 UTC of this day."
    )
    last_day = DayField(
        required=False, help_text="Only with “These days”: up to the end of this day, UTC."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [*months.choices(), (months.FIXED, "These days")]
        field = _choice(self.fields["month"])
        asked = self.request.GET.get("month", "") if self.request is not None else ""
        known = months.of_text(asked)
        if known is not None and all(asked != name for name, _ in offered):
            offered.insert(0, (asked, months.words(known)))
        field.choices = offered
        field.initial = asked if known is not None else offered[0][0]

    def clean(self) -> dict[str, Any]:
        """Turns the month, or the days, into a half-open period."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        given = [values.get(name) for name in ("first_day", "last_day")]
        if values.get("month") == months.FIXED:
            self._days(values, *given)
            return values
        for name, day in zip(("first_day", "last_day"), given, strict=True):
            if day is not None:
                self.add_error(name, "Choose “These days” as well.")
        values["period"] = months.of_text(values.get("month", ""))
        return values

    def _days(self, values: dict[str, Any], first: date | None, last: date | None) -> None:
        for name, day in (("first_day", first), ("last_day", last)):
            if day is None and name not in self.errors:
                self.add_error(name, "Which day?")
        if first is None or last is None:
            return
        if last == date.max:
            self.add_error("last_day", "There is no day after this one.")
            return
        found = Period(
            datetime.combine(first, time(), UTC),
            datetime.combine(last + timedelta(days=1), time(), UTC),
        )
        try:
            values["period"] = periods.checked(found)
        except periods.PeriodRefused as error:
            self.add_error("last_day", error.message)


class GenerateForm(PeriodForm):
    """Whose packet, and of which period."""

    client_id = forms.ChoiceField(label="Client", required=False)
    confirmed = forms.BooleanField(required=False, widget=forms.HiddenInput)
    field_order = ("client_id", "month", "first_day", "last_day", "confirmed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        user = self.request.user if self.request is not None else None
        field = _choice(self.fields["client_id"])
        field.choices = clients_for(
            user, Action.EXPORT, platform="The installation: every client, and what belongs to none"
        )
        chosen = self.request.GET.get("client") if self.request is not None else None
        field.initial = chosen or field.choices[0][0] if field.choices else PLATFORM

    def to_confirm(self) -> GenerateForm:
        """The same answers as a form that asks for nothing more than to be sent again."""
        again = GenerateForm(
            request=self.request, initial={**self.cleaned_data, "confirmed": "yes"}
        )
        for field in again.fields.values():
            field.widget = field.hidden_widget()
        return again


class ReviseForm(ReasonForm):
    """Why another packet of the same period is made."""

    reason = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Part of the new packet. It tells the auditor why there are two.",
    )


class FileForm(ActionForm):
    """Which of the packet's files."""

    file = forms.ChoiceField(label="File", widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = packet_files.names_of(self.obj) if self.obj is not None else []
        field = _choice(self.fields["file"])
        field.choices = [(name, name) for name in names]
        asked = self.request.GET.get("file", "") if self.request is not None else ""
        field.initial = asked if asked in names else next(iter(names), None)


class AssessForm(PeriodForm):
    """What was found about a control, for whom and over which period, and what it rests on."""

    client_id = forms.ChoiceField(required=False, widget=forms.HiddenInput)
    state = forms.ChoiceField(
        label="What you found",
        choices=[
            (state.value, f"{state.label}: {_STATE_HELP[state]}") for state in AssessmentState
        ],
        widget=forms.RadioSelect,
    )
    note = forms.CharField(
        max_length=MAX_NOTE,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="What you looked at, and what you saw. It stands in the packet.",
    )
    evidence = forms.MultipleChoiceField(
        label="Evidence",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="The files that this rests on. They were uploaded for this control before.",
    )
    field_order = (
        "client_id", "month", "first_day", "last_day", "state", "note", "evidence",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["month"].help_text = (
            "It counts for packets whose period lies within this one and is over by now. For a"
            " period that still goes on it counts until that is over; then assess anew."
        )

    def clean(self) -> dict[str, Any]:
        """Says aloud what is wrong with the client, which has no field to be seen."""
        values = super().clean()
        if "client_id" in self.errors:
            self.add_error(None, "You can’t assess for this client.")
        return values

    def offer(self, client_id: str | None, artifacts: Iterable[tuple[str, Any]]) -> None:
        """Says for whom it is, and which artefacts there are to tick."""
        user = self.request.user if self.request is not None else None
        client = _choice(self.fields["client_id"])
        client.choices = clients_for(user, Action.ASSESS_CONTROL)
        client.initial = client_id or PLATFORM
        evidence = self.fields["evidence"]
        assert isinstance(evidence, forms.MultipleChoiceField)
        evidence.choices = list(artifacts)
        if not evidence.choices:
            del self.fields["evidence"]


def clients_for(
    user: Any, action: Action, *, platform: str = "The installation"
) -> list[tuple[str, str]]:
    """The clients for which an account may do something; the platform, where it may, is last."""
    scope = policy.scope(user, action)
    clients = Client.objects.order_by("name")
    if not scope.all_clients:
        clients = clients.filter(pk__in=scope.client_ids)
    found = [(str(client.pk), client.name) for client in clients]
    return [*found, (PLATFORM, platform)] if scope.all_clients else found


def _choice(field: forms.Field) -> forms.ChoiceField:
    assert isinstance(field, forms.ChoiceField)
    return field
