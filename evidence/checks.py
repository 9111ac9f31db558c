"""System checks of the room: the vault and the services outside are configured as they must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from evidence.services import envelopes, outside
from sealing import secretbox
from sealing.errors import StrongroomError
from sealing.wrapping.base import Mode

_HINT = "docs/operators/vault.md tells what the vault needs."
_ENDPOINTS = (
    "COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT",
    "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT",
    "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT",
)


def connect() -> None:
    """Registers the checks with Django."""
    checks.register(check_vault)
    checks.register(check_endpoints)
    checks.register(check_vault_for_production, checks.Tags.security, deploy=True)


def check_vault(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """The vault has a place, and copies are encrypted by something that can be asked."""
    found: list[checks.CheckMessage] = []
    folder = settings.COMPLIANCE_EVIDENCE_VAULT_DIR
    if folder and not Path(folder).is_absolute():
        found.append(
            checks.Error(
                "COMPLIANCE_EVIDENCE_VAULT_DIR is not an absolute path.",
                hint=_HINT,
                id="evidence.E001",
            )
        )
    if any(len(key) != secretbox.KEY_BYTES for key in settings.KEY_ENCRYPTION_KEYS_FORMER):
        found.append(
            checks.Error(
                "KEY_ENCRYPTION_KEYS_FORMER has an entry that is not 32 bytes in base64.",
                id="evidence.E002",
            )
        )
    found += [
        checks.Error(f"EVIDENCE_VAULT_ENCRYPTION: {reason}", hint=_HINT, id="evidence.E003")
        for reason in _encryption_faults()
    ]
    return found


def _encryption_faults() -> Iterator[str]:
    try:
        mode = envelopes.encryption_mode()
        if mode is Mode.EXTERNAL_KMS:
            if not settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT:
                yield (
                    "a copy under an external key could not be opened again without"
                    " COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT."
                )
        elif mode is not None and mode is not Mode.LOCAL:
            envelopes.wrapper_of(mode)
    except StrongroomError as error:
        yield error.message


def check_endpoints(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Every address, network and token of an outside service can be used."""
    found: list[checks.CheckMessage] = []
    for name in _ENDPOINTS:
        try:
            outside.endpoint(getattr(settings, name))
        except StrongroomError as error:
            found.append(checks.Error(f"{name}: {error.message}", id="evidence.E004"))
        except ValueError as error:
            found.append(
                checks.Error(
                    f"COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS: {error}.", id="evidence.E005"
                )
            )
            break
    if settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT and not (
        settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT
    ):
        found.append(
            checks.Error(
                "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT is set, but not the endpoint"
                " that wraps.",
                id="evidence.E006",
            )
        )
    return found


def check_vault_for_production(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """What an auditor would ask about an installation that locks nothing away."""
    if settings.COMPLIANCE_EVIDENCE_VAULT_DIR or settings.EVIDENCE_VAULT_S3_BUCKET:
        return []
    return [
        checks.Warning(
            "No vault is configured: packages lie in the working folder alone.",
            hint="Set COMPLIANCE_EVIDENCE_VAULT_DIR or EVIDENCE_VAULT_S3_BUCKET.",
            id="evidence.W001",
        )
    ]
