"""What an export job is told: a JSON object, checked when it is registered and when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from access.models import Client
from evidence.formats.contents import VaultMode
from evidence.formats.errors import FormatRefused
from evidence.formats.fields import Fields
from evidence.formats.names import is_client_folder
from evidence.services import requests
from evidence.services.errors import PackageNotFound, RequestRefused
from evidence.services.periods import Period, before
from evidence.services.requests import ExportRequest
from sealing.errors import Invalid
from sealing.times import format_time, parse_rfc3339

_PERIOD = ("period", "period_start", "period_end")
_TEXTS = ("client_id", "package_prefix", "signer", "signing_key_id", "retention_policy",
          "vault_mode", "kms_key_id", "note")  # fmt: skip
_FLAGS = ("sign_bundle", "external_worm", "external_kms", "external_require_success")
_OTHERS = ("event_types", "required_countersignatures")
_NULLABLE = frozenset(
    {"client_id", "kms_key_id", "signer", "signing_key_id", "event_types",
     "required_countersignatures", "period", "period_start", "period_end"}
)  # fmt: skip
# Any moment does to check a payload whose period depends on when it runs.
_ANY_MOMENT = parse_rfc3339("2000-01-01T00:00:00Z")


def default_vault_mode() -> VaultMode:
    """Where packages are locked away unless a request says otherwise."""
    return requests.vault_modes()[0]


def validated(given: Mapping[str, Any]) -> dict[str, Any]:
    """The payload as it is stored: every key, defaults filled in, nothing unknown.

    Raises:
        Invalid: naming the key that can't be accepted.
    """
    known = (*_PERIOD, *_TEXTS, *_FLAGS, *_OTHERS)
    for key in given.keys() - set(known):
        raise RequestRefused(f"There is no such key; there are {', '.join(known)}.", field=key)
    read = Fields(dict(given), required=(), optional=known)
    payload: dict[str, Any] = {
        "client_id": None,
        "package_prefix": "evidence",
        "sign_bundle": True,
        "signer": None,
        "signing_key_id": None,
        "retention_policy": "hipaa_6y",
        "vault_mode": default_vault_mode().value,
        "kms_key_id": None,
        "external_worm": False,
        "external_kms": False,
        "external_require_success": settings.COMPLIANCE_EVIDENCE_EXTERNAL_REQUIRE_SUCCESS,
        "event_types": None,
        "required_countersignatures": None,
        "note": "",
    }
    for key, value in given.items():
        _check_type(read, key)
        payload[key] = value
    payload |= _period(payload)
    client_of(payload)
    checked = request_of(payload, _ANY_MOMENT)
    if checked.sign_bundle:
        requests.check_service_signer(
            signer=payload["signer"], signing_key_id=payload["signing_key_id"]
        )
    if checked.external_require_success:
        requests.check_external(checked)
    return payload


def client_of(payload: Mapping[str, Any]) -> str | None:
    """The client whose events are exported; None for the platform.

    Raises:
        PackageNotFound: there is no such client; the same as for one of which nobody may know.
    """
    client_id = payload.get("client_id")
    if client_id is None:
        return None
    known = isinstance(client_id, str) and is_client_folder(client_id)
    if not known or not Client.objects.filter(pk=client_id).exists():
        raise PackageNotFound(
            "There is no such client among those that you may see.", field="client_id"
        )
    return str(client_id)


def request_of(payload: Mapping[str, Any], moment: datetime) -> ExportRequest:
    """The checked request, with the period as it is at ``moment``.

    Raises:
        Invalid: naming the key that can't be accepted.
    """
    if payload.get("period") is not None:
        start, end = before(Period(payload["period"]), moment)
    else:
        start, end = parse_rfc3339(payload["period_start"]), parse_rfc3339(payload["period_end"])
    return requests.checked(
        period_start=start,
        period_end=end,
        event_types=payload["event_types"],
        sign_bundle=payload["sign_bundle"],
        package_prefix=payload["package_prefix"],
        retention_policy=payload["retention_policy"],
        vault_mode=payload["vault_mode"],
        kms_key_id=payload["kms_key_id"],
        required_countersignatures=payload["required_countersignatures"],
        note=payload["note"],
        external_worm=payload["external_worm"],
        external_kms=payload["external_kms"],
        external_require_success=payload["external_require_success"],
    )


def _check_type(read: Fields, key: str) -> None:
    if read.get(key) is None and key in _NULLABLE:
        return
    try:
        if key in _FLAGS:
            read.flag(key)
        elif key == "required_countersignatures":
            read.integer(key)
        elif key == "event_types":
            if not all(isinstance(item, str) for item in read.items(key)):
                raise RequestRefused("A list of event types is expected.", field=key)
        else:
            read.text(key, empty=key == "note")
    except FormatRefused as error:
        raise RequestRefused(error.message, field=key) from error


def _period(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Either the name of a period, or two moments in our own form."""
    name, ends = payload.get("period"), [payload.get("period_start"), payload.get("period_end")]
    if name is not None:
        if name not in list(Period) or ends != [None, None]:
            raise RequestRefused(
                f"Either period ({', '.join(Period)}), or period_start and period_end.",
                field="period",
            )
        return {"period": name, "period_start": None, "period_end": None}
    told = {}
    for key, value in zip(("period_start", "period_end"), ends, strict=True):
        if value is None:
            raise RequestRefused("From when to when? Or name a period.", field=key)
        try:
            told[key] = format_time(parse_rfc3339(value))
        except Invalid as error:
            raise RequestRefused(error.message, field=key) from error
    return {"period": None} | told
