"""Export jobs on the pages of jobs and runs: what is asked for, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.forms import DayField
from evidence.admin import columns
from evidence.admin.custody_vault import outside_status
from evidence.admin.forms import ExportForm
from evidence.formats.contents import VaultMode
from evidence.models import Package
from evidence.services.exporting import JOB_TYPE
from evidence.services.periods import Period
from ops.admin import facts
from ops.admin.facts import Facts, Pages, PayloadForm
from ops.models import Run
from sealing.times import format_time

FIXED = "fixed"
_EVENT_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_PERIODS = {
    Period.DAY: "The day before",
    Period.WEEK: "The week before, Monday to Sunday",
    Period.MONTH: "The month before",
    Period.QUARTER: "The quarter before",
    Period.YEAR: "The year before",
}
_VAULTS = {
    VaultMode.NONE: "None: only the working copy",
    VaultMode.LOCAL: "The local vault",
    VaultMode.S3: "The S3 bucket with Object Lock",
}
_FLAGS = ("external_kms", "external_worm", "external_require_success")
_TEXTS = ("package_prefix", "retention_policy", "vault_mode", "note")


def connect() -> None:
    """Says how export jobs are shown; called once, at start-up."""
    facts.register(JOB_TYPE, Pages(form=ExportPayloadForm, asked=asked, came=came))


class ExportPayloadForm(ExportForm, PayloadForm):
    """What each run of an export job exports, and where it is kept."""

    period = forms.ChoiceField(
        choices=[*((name.value, words) for name, words in _PERIODS.items()), (FIXED, "These days")],
        initial=Period.MONTH.value,
        help_text="Counted from the moment that the run is meant for, in UTC.",
    )
    first_day = DayField(
        required=False,
        help_text="Only with “These days”.",
    )
    last_day = DayField(
        required=False,
        help_text="Only with “These days”; the whole day, UTC.",
    )
    event_types = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line, such as evidence.package.exported. Empty: all types.",
    )
    package_prefix = forms.CharField(
        label="Name begins with",
        max_length=40,
        initial="evidence",
        help_text="Letters, digits, dashes and underscores.",
    )
    sign_bundle = forms.BooleanField(
        label="Signed by the service",
        required=False,
        initial=True,
        help_text="Without a signature nothing proves where a package is from.",
    )
    kms_key_id = forms.CharField(
        label="Key id",
        max_length=512,
        required=False,
        help_text="Of the key service, where another key than the configured one shall be used.",
    )

    field_order = (
        "client_id", "period", "first_day", "last_day", "event_types", "package_prefix",
        "sign_bundle", "required_countersignatures", "retention_policy", "retention_days",
        "vault_mode", "kms_key_id", "external_kms", "external_worm", "external_require_success",
        "note",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("first_day", "last_day"):
            self.fields[name].initial = None

    def clean_event_types(self) -> list[str]:
        """One a line; a name that no event can have would silently export nothing."""
        lines = [line.strip() for line in self.cleaned_data["event_types"].splitlines()]
        names = [line for line in lines if line]
        wrong = [name for name in names if not _EVENT_TYPE.fullmatch(name)]
        if wrong:
            raise forms.ValidationError(f"No type of event is called “{wrong[0]}”.")
        return names

    def clean(self) -> dict[str, Any]:
        """Days are given where they are asked for, and nowhere else."""
        given = super().clean()
        is_fixed = given.get("period") == FIXED
        for name in ("first_day", "last_day"):
            if is_fixed and not given.get(name) and name not in self.errors:
                self.add_error(name, "Which day?")
            elif not is_fixed and given.get(name):
                self.add_error(name, "Choose “These days” as well.")
        return given

    def payload(self) -> dict[str, Any]:
        """The answers as the payload of the job."""
        given = self.cleaned_data
        found: dict[str, Any] = {name: given[name] for name in (*_TEXTS, "sign_bundle")}
        found |= {name: given[name] for name in _FLAGS if name in given}
        found |= {
            "client_id": given["client_id"] or None,
            "event_types": given["event_types"] or None,
            "kms_key_id": given["kms_key_id"] or None,
            "required_countersignatures": given["required_countersignatures"],
        }
        if given["period"] == FIXED:
            ends = ("period_start", "period_end")
            return found | {name: format_time(given[name]) for name in ends}
        return found | {"period": given["period"]}


def asked(payload: Mapping[str, Any]) -> Facts:
    """What each run exports, in words."""
    needed = payload.get("required_countersignatures")
    return [
        ("Period", _period(payload)),
        ("Event types", ", ".join(payload.get("event_types") or ()) or "All"),
        ("Name begins with", components.identifier(payload.get("package_prefix"))),
        ("Signed by the service", facts.shown(payload.get("sign_bundle"))),
        ("Countersignatures needed", "As usual: one" if needed is None else f"{needed}"),
        ("Retention", components.identifier(payload.get("retention_policy"))),
        ("Locked away in", _VAULTS[VaultMode(payload.get("vault_mode", VaultMode.NONE))]),
        ("Key id", components.identifier(payload.get("kms_key_id"))),
        ("Outside services", _outside(payload)),
        ("Note", payload.get("note") or components.NOTHING),
    ]


def came(run: Run) -> Facts:
    """The package, and what became of it."""
    package = Package.objects.filter(run=run).first()
    if package is None:
        return facts.plain(run.result_summary)
    found: Facts = [("Package", _link(package)), ("State", columns.state(package))]
    if not package.is_complete:
        return found
    told = run.result_summary
    return [
        *found,
        ("Digest", components.digest(package.package_sha256, full=True)),
        ("Events", f"{package.event_count:,}"),
        ("Working copy", components.identifier(package.package_path)),
        ("Signed", facts.shown(told.get("signature_enabled"))),
        ("Copy in the vault", _in_vault(told.get("vault_copy_path"))),
        ("Lock", _in_vault(told.get("vault_worm_lock_path"))),
        ("Key envelope", _in_vault(told.get("vault_envelope_path"))),
        ("Timestamp", outside_status(package.timestamp_status)),
        ("External key service", outside_status(package.external_kms_status)),
        ("External archive", outside_status(package.external_worm_status)),
        ("Archive id", _archive_id(told.get("external_worm_receipt"))),
    ]


def _link(package: Package) -> SafeString:
    url = reverse("admin:evidence_package_change", args=[package.pk])
    return format_html('<a href="{}">{}</a>', url, components.identifier(package.bundle_id))


def _in_vault(path: str | None) -> Any:
    return components.identifier(path) if path else "None: not deposited"


def _archive_id(receipt: Mapping[str, Any] | None) -> Any:
    return components.identifier((receipt or {}).get("archive_id"))


def _period(payload: Mapping[str, Any]) -> Any:
    name = payload.get("period")
    if name is not None:
        return _PERIODS[Period(name)]
    ends = (components.when(payload.get(name)) for name in ("period_start", "period_end"))
    return format_html("{} up to {}", *ends)


def _outside(payload: Mapping[str, Any]) -> str:
    names = [
        words
        for key, words in (("external_kms", "key service"), ("external_worm", "archive"))
        if payload.get(key)
    ]
    if not names:
        return "None"
    strict = "; a failure there fails the run" if payload.get("external_require_success") else ""
    return f"{' and '.join(names)}{strict}".capitalize()
