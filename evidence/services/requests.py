"""What an export may ask for, checked before anything is done."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from audit.models import SigningKey
from audit.services import keys
from evidence.formats import retention
from evidence.formats.check_signature import PURPOSE
from evidence.formats.contents import VaultMode
from evidence.formats.manifest import MAX_COUNTERSIGNATURES
from evidence.formats.names import make_bundle_id
from evidence.services.errors import RequestRefused

MAX_NOTE = 1000
MAX_MEANING = 200
MAX_TYPES = 100
MAX_TYPE = 128


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The checked fields of an export."""

    period_start: datetime
    period_end: datetime
    event_types: tuple[str, ...] | None
    sign_bundle: bool
    package_prefix: str
    retention_policy: retention.Retention
    vault_mode: VaultMode
    kms_key_id: str
    required_countersignatures: int
    note: str
    external_worm: bool
    external_kms: bool
    external_require_success: bool


def checked(
    *,
    period_start: datetime,
    period_end: datetime,
    event_types: Sequence[str] | None,
    sign_bundle: bool,
    package_prefix: str,
    retention_policy: str,
    vault_mode: str,
    kms_key_id: str | None,
    required_countersignatures: int | None,
    note: str,
    external_worm: bool = False,
    external_kms: bool = False,
    external_require_success: bool = False,
) -> ExportRequest:
    """The request, if it can be carried out.

    Raises:
        Invalid: Naming the field that can't be accepted.
    """
    if period_start.tzinfo is None or period_end.tzinfo is None:
        raise RequestRefused("A time needs an offset from UTC.", field="period_start")
    if period_start >= period_end:
        raise RequestRefused("The period must end after it starts.", field="period_end")
    make_bundle_id(package_prefix, period_start, "0" * 8)
    return ExportRequest(
        period_start=period_start,
        period_end=period_end,
        event_types=_types(event_types),
        sign_bundle=sign_bundle,
        package_prefix=package_prefix,
        retention_policy=retention.parse(retention_policy),
        vault_mode=_vault_mode(vault_mode),
        kms_key_id=_kms_key(kms_key_id),
        required_countersignatures=_countersignatures(required_countersignatures, sign_bundle),
        note=text(note, limit=MAX_NOTE, field="note"),
        external_worm=external_worm,
        external_kms=external_kms,
        external_require_success=external_require_success,
    )


def text(value: str, *, limit: int, field: str, required: bool = False) -> str:
    """Text that may stand in a signed statement: no control characters, not too long.

    Raises:
        RequestRefused: Otherwise.
    """
    value = value.replace("\r\n", "\n")  # as browsers send text areas
    if len(value) > limit:
        raise RequestRefused(f"At most {limit} characters.", field=field)
    if required and not value.strip():
        raise RequestRefused("This may not be empty.", field=field)
    if any(unicodedata.category(char) in {"Cc", "Cs"} and char != "\n" for char in value):
        raise RequestRefused("Control characters are not accepted.", field=field)
    return value


def check_service_signer(*, signer: str | None, signing_key_id: str | None) -> None:
    """Refuse a request that expects another signer than the one there is.

    Raises:
        RequestRefused: Naming the key that signs packages.
        KeyMissing: There is none that could sign.
    """
    if signer is None and signing_key_id is None:
        return
    key = service_key()
    if signer is not None and signer != key.name:
        raise RequestRefused(f"Packages are signed by '{key.name}'.", field="signer")
    if signing_key_id is not None and signing_key_id != key.key_id:
        raise RequestRefused(f"Packages are signed with {key.key_id}.", field="signing_key_id")


def service_key() -> SigningKey:
    """The key that signs packages now.

    Raises:
        KeyMissing: There is none that could.
    """
    return SigningKey.objects.get(key_id=keys.signer_for(PURPOSE).key_id)


def check_external(request: ExportRequest) -> None:
    """Refuse what would have to succeed and can't, before anything is made.

    Raises:
        RequestRefused: Naming the service that is asked for and not configured.
    """
    for asked, url, field in (
        (
            request.external_worm,
            settings.COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT,
            "external_worm",
        ),
        (
            request.external_kms,
            settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT,
            "external_kms",
        ),
    ):
        if asked and not url:
            raise RequestRefused("This installation has no such service configured.", field=field)


def _types(given: Sequence[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    types = tuple(sorted(set(given)))
    if not types or len(types) > MAX_TYPES or any(not t or len(t) > MAX_TYPE for t in types):
        raise RequestRefused(f"Name 1 to {MAX_TYPES} event types.", field="event_types")
    for item in types:
        text(item, limit=MAX_TYPE, field="event_types")
    return types


def vault_modes() -> list[VaultMode]:
    """Where packages can be locked away, as the settings have it; the default first."""
    configured = {
        VaultMode.LOCAL: bool(settings.COMPLIANCE_EVIDENCE_VAULT_DIR),
        VaultMode.S3: bool(settings.EVIDENCE_VAULT_S3_BUCKET),
        VaultMode.NONE: True,
    }
    return [mode for mode, is_there in configured.items() if is_there]


def _vault_mode(value: str) -> VaultMode:
    if value not in vault_modes():
        raise RequestRefused(f"Possible here: {', '.join(vault_modes())}.", field="vault_mode")
    return VaultMode(value)


def _kms_key(given: str | None) -> str:
    """The wrapping key that was asked for; empty for the one of the settings.

    Whoever exports does not choose a key of his own: with it he could make the copy unreadable
    that nobody may remove.
    """
    if not given:
        return ""
    known = {settings.EVIDENCE_VAULT_KMS_KEY_ID, *settings.EVIDENCE_VAULT_KMS_KEY_IDS} - {""}
    if given not in known:
        raise RequestRefused(
            "Only keys that the settings name are used: "
            + (", ".join(sorted(known)) or "there is none."),
            field="kms_key_id",
        )
    return given


def _countersignatures(given: int | None, sign_bundle: bool) -> int:
    wanted = int(sign_bundle) if given is None else given
    if not 0 <= wanted <= MAX_COUNTERSIGNATURES:
        raise RequestRefused(
            f"A number from 0 to {MAX_COUNTERSIGNATURES}.", field="required_countersignatures"
        )
    if wanted and not sign_bundle:
        raise RequestRefused(
            "A package without a signature can't be countersigned.",
            field="required_countersignatures",
        )
    return wanted
