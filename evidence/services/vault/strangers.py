"""Finds what lies in a vault and what no record names."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from evidence.formats import names
from evidence.formats.contents import VaultMode
from evidence.formats.errors import FormatRefused
from evidence.models import Deposit, DepositKind, Package, PackageStatus, VaultCopy
from evidence.services.vault import intents
from evidence.services.vault.audited import VaultAudit
from evidence.services.vault.base import Vault
from evidence.services.vault.errors import VaultUnavailable
from evidence.services.vault.opening import vault_of
from sealing.errors import Invalid
from sealing.results import Finding

_BATCH: Final = 200
# A deposit lies in the vault before its record is stored, and an attempt that was killed in between
# is taken up by the next one. After a day nobody comes any more.
_NEW: Final = timedelta(days=1)


def find(audit: VaultAudit, mode: VaultMode) -> None:
    """Tells of the folders of a vault that no record names."""
    try:
        vault = vault_of(mode)
        for batch in _batches(vault.folders()):
            known = _recorded(mode, batch)
            for folder in batch:
                if folder not in known:
                    _tell(audit, vault, folder)
    except (VaultUnavailable, OSError) as error:
        audit.tell(Finding("vault_unavailable", None, str(error), mode))


def _recorded(mode: VaultMode, folders: list[str]) -> set[str]:
    copies = VaultCopy.objects.filter(mode=mode, folder__in=folders)
    deposits = Deposit.objects.filter(mode=mode, folder__in=folders)
    return {*copies.values_list("folder", flat=True), *deposits.values_list("folder", flat=True)}


def _tell(audit: VaultAudit, vault: Vault, folder: str) -> None:
    try:
        bundle_id = names.parse_vault_folder(folder).bundle_id
    except Invalid:
        _tell_no_package(audit, vault, folder)
        return
    package = Package.objects.filter(bundle_id=bundle_id, vault_mode=vault.mode).first()
    is_known = package is not None and VaultCopy.objects.filter(package=package).exists()
    if is_known or (package is not None and package.status == PackageStatus.WRITING):
        return  # recorded meanwhile, or about to be
    message = (
        "An export that failed left it, locked: it stays until its lock ends."
        if package is not None
        else "No record knows of this copy."
    )
    audit.tell(Finding("vault_copy_unrecorded", False, message, folder))


def _tell_no_package(audit: VaultAudit, vault: Vault, folder: str) -> None:
    try:
        names.parse_deposit_folder(folder)
    except FormatRefused:
        message = "This is no folder of a package or a deposit, and lies in the vault."
        audit.tell(Finding("vault_path_strange", False, message, folder))
        return
    if _recorded(vault.mode, [folder]):
        return  # meanwhile
    if _is_new(vault, folder):
        message = (
            "No record knows of this deposit. It is less than a day old: it may be on its way."
        )
        audit.notice(Finding("vault_deposit_new", True, message, folder))
        return
    if _is_unfinished(vault, folder):
        what = DepositKind(names.parse_deposit_folder(folder).kind).label.lower()
        message = (
            f"The {what} {folder.rpartition('/')[2]} was put here and never recorded. It is what"
            " was to be put here, and stays until its lock ends."
        )
        audit.notice(Finding("vault_deposit_unfinished", True, message, folder))
        return
    message = "No record knows of this deposit: what failed, or somebody else, left it."
    audit.tell(Finding("vault_deposit_unrecorded", False, message, folder))


def _is_unfinished(vault: Vault, folder: str) -> bool:
    """Whether somebody meant to put there what lies there, and nothing else does."""
    intent = intents.of_folder(vault, folder)
    return intent is not None and bool(intents.found_of(vault, intent))


def _is_new(vault: Vault, folder: str) -> bool:
    """Whether everything in the folder was put there within the last day, and not after now."""
    now, moments = datetime.now(UTC), [entry.stored_at for entry in vault.entries(folder)]
    return bool(moments) and all(
        moment is not None and now - _NEW < moment < now + timedelta(hours=1) for moment in moments
    )


def _batches(folders: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(itertools.islice(folders, _BATCH)):
        yield batch
