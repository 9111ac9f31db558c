"""What the decision pages of packages ask for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone

from access import policy
from access.admin.forms import ActionForm, DayField, PasswordForm
from access.models import Client
from access.roles import Action
from evidence.formats import retention
from evidence.formats.contents import VaultMode
from evidence.formats.manifest import MAX_COUNTERSIGNATURES
from evidence.formats.retention import FLOORS, MAX_DAYS
from evidence.services import payloads, requests
from evidence.services.countersigning import MEANING
from evidence.services.downloads import file_names

PLATFORM = ""
_OWN_DAYS = "days_for_"
_RETENTION = {
    "hipaa_6y": "HIPAA, six years",
    "regulatory_7y": "Regulatory, seven years",
} | {
    f"{_OWN_DAYS}{framework}": f"Another number of days, for {label} (at least {FLOORS[framework]})"
    for framework, label in (("hipaa", "HIPAA"), ("regulatory", "a regulator"), ("soc2", "SOC 2"))
}
_VAULT = {
    VaultMode.LOCAL: "The local vault",
    VaultMode.S3: "The S3 bucket with Object Lock",
    VaultMode.NONE: "Nowhere: only the working copy is made",
}


def _note(help_text: str) -> forms.CharField:
    return forms.CharField(
        label="Note",
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=help_text,
    )


class ExportForm(ActionForm):
    """Whose events, of which days, and who has to sign."""

    client_id = forms.ChoiceField(label="Client", required=False)
    first_day = DayField(
        help_text="From 00:00 UTC of this day.",
    )
    last_day = DayField(
        help_text="Up to the end of this day, UTC.",
    )
    retention_policy = forms.ChoiceField(choices=list(_RETENTION.items()))
    retention_days = forms.IntegerField(
        label="Days",
        required=False,
        min_value=1,
        max_value=MAX_DAYS,
        help_text="Only with another number of days.",
    )
    vault_mode = forms.ChoiceField(
        label="Locked away in",
        required=False,
        help_text="What lies there can't be changed or deleted before its retention ends.",
    )
    external_kms = forms.BooleanField(label="Wrapped by the external key service", required=False)
    external_worm = forms.BooleanField(label="Sent to the external archive", required=False)
    external_require_success = forms.BooleanField(
        label="Fail if one of these fails", required=False
    )
    required_countersignatures = forms.IntegerField(
        label="Countersignatures needed",
        min_value=0,
        max_value=MAX_COUNTERSIGNATURES,
        initial=1,
        help_text="Each by another person than you.",
    )
    note = _note("Why you make it. It becomes part of the package.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        user = self.request.user if self.request is not None else None
        scope = policy.scope(user, Action.EXPORT)
        clients = Client.objects.order_by("name")
        if not scope.all_clients:
            clients = clients.filter(pk__in=scope.client_ids)
        choices = [(client.pk, client.name) for client in clients]
        if scope.all_clients:
            choices.append((PLATFORM, "None: events of the installation itself"))
        field = self.fields["client_id"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices
        self._choose_places()
        yesterday = timezone.now().astimezone(UTC).date() - timedelta(days=1)
        self.fields["first_day"].initial = yesterday.replace(day=1)
        self.fields["last_day"].initial = yesterday

    def _choose_places(self) -> None:
        """Offers what is configured, and nothing else."""
        vault = self.fields["vault_mode"]
        assert isinstance(vault, forms.ChoiceField)
        vault.choices = [(mode.value, _VAULT[mode]) for mode in requests.vault_modes()]
        vault.initial = payloads.default_vault_mode().value
        for name, url in (
            ("external_kms", settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT),
            ("external_worm", settings.COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT),
        ):
            if not url:
                del self.fields[name]
        if not {"external_kms", "external_worm"} & self.fields.keys():
            del self.fields["external_require_success"]

    def clean(self) -> dict[str, Any]:
        """Turns the days into a half-open period, and the retention into a policy."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        self._clean_retention(values)
        first, last = values.get("first_day"), values.get("last_day")
        if first and last:
            if last < first:
                self.add_error("last_day", "The last day is before the first.")
            elif last == date.max:
                self.add_error("last_day", "There is no day after this one.")
            else:
                values["period_start"] = datetime.combine(first, time(), UTC)
                values["period_end"] = datetime.combine(last + timedelta(days=1), time(), UTC)
        return values

    def _clean_retention(self, values: dict[str, Any]) -> None:
        policy_name, days = values.get("retention_policy", ""), values.get("retention_days")
        if not policy_name.startswith(_OWN_DAYS):
            if days is not None:
                self.add_error("retention_days", "Choose “Another number of days” as well.")
            return
        framework = policy_name.removeprefix(_OWN_DAYS)
        try:
            values["retention_policy"] = retention.parse(f"custom_{framework}_{days}d").name
        except retention.RetentionRefused as error:
            self.add_error("retention_days", "How many days?" if days is None else error.message)


class CountersignForm(PasswordForm):
    """What the signature means, a remark, and the password."""

    meaning = forms.CharField(max_length=200, initial=MEANING, help_text="Part of what you sign.")
    note = _note("Part of what you sign, for whoever reads it later.")

    field_order = ("meaning", "note", "password")


class DownloadForm(ActionForm):
    """Which of the package's files."""

    file = forms.ChoiceField(label="File", widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = file_names(self.obj) if self.obj is not None else []
        field = self.fields["file"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(name, name) for name in names]
        field.initial = names[0] if names else None


class VerifyForm(ActionForm):
    """Nothing has to be said to verify; a shared secret may be."""

    signing_secret = forms.CharField(
        label="Shared secret",
        required=False,
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Only to check a mac of older times. It is neither stored nor recorded.",
    )
