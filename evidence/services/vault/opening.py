"""The vaults that the settings name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from audit import storage
from evidence.formats.contents import VaultMode
from evidence.services.errors import VaultNotConfigured
from evidence.services.vault.base import Vault
from evidence.services.vault.local import LocalVault
from evidence.services.vault.s3 import PREFIX, S3Vault
from sealing.stores.opening import S3Options
from sealing.stores.s3 import S3Store
from sealing.stores.s3probe import S3Probe


def vault_of(mode: str) -> Vault:
    """The vault of a mode. S3 is reached as the archive's settings say.

    Raises:
        VaultNotConfigured: there is none of this mode.
    """
    if mode == VaultMode.LOCAL:
        if not settings.COMPLIANCE_EVIDENCE_VAULT_DIR:
            raise VaultNotConfigured(
                "There is no local vault: set COMPLIANCE_EVIDENCE_VAULT_DIR.", field="vault_mode"
            )
        root = Path(settings.COMPLIANCE_EVIDENCE_VAULT_DIR).resolve()
        return LocalVault(root, with_flags=settings.EVIDENCE_VAULT_IMMUTABLE)
    if mode == VaultMode.S3:
        if not settings.EVIDENCE_VAULT_S3_BUCKET:
            raise VaultNotConfigured(
                "There is no vault in S3: set EVIDENCE_VAULT_S3_BUCKET.", field="vault_mode"
            )
        return _in_s3(
            settings.EVIDENCE_VAULT_S3_BUCKET,
            storage.s3_options(),
            Path(settings.EVIDENCE_PACKAGE_DIR),
        )
    raise VaultNotConfigured("The package is not to be put into a vault.", field="vault_mode")


def configured() -> tuple[VaultMode, ...]:
    """The modes of the vaults that there are."""
    found = []
    if settings.COMPLIANCE_EVIDENCE_VAULT_DIR:
        found.append(VaultMode.LOCAL)
    if settings.EVIDENCE_VAULT_S3_BUCKET:
        found.append(VaultMode.S3)
    return tuple(found)


@lru_cache(maxsize=8)
def _in_s3(bucket: str, options: S3Options, scratch: Path) -> S3Vault:
    return S3Vault(S3Store(bucket, PREFIX, options), S3Probe(bucket, options), scratch)
