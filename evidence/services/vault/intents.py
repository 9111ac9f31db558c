"""What attempts left in a vault that ended before their record: as they intended it, or not."""

from __future__ import annotations

from evidence.models import DepositIntent
from evidence.services.vault.base import Entry, Vault, measured
from evidence.services.vault.depositing import Plan
from sealing.errors import NotFound
from sealing.files import PathRefused


def of_folder(vault: Vault, folder: str) -> DepositIntent | None:
    """Who meant to put something there; None where nobody did."""
    return DepositIntent.objects.filter(mode=vault.mode, folder=folder).first()


def locked(plan: Plan) -> None:
    """Within a transaction: whoever else records the same deposit waits, or is waited for."""
    found = DepositIntent.objects.select_for_update().filter(mode=plan.mode, folder=plan.folder)
    found.first()


def found_of(vault: Vault, intent: DepositIntent) -> set[str] | None:
    """The files that lie in the folder; None if one is not what the intent names.

    Raises:
        VaultUnavailable.
    """
    found = set()
    for entry in vault.entries(intent.folder):
        if not _is_as_named(vault, intent, entry):
            return None
        found.add(entry.name)
    return found


def _is_as_named(vault: Vault, intent: DepositIntent, entry: Entry) -> bool:
    told = intent.files.get(entry.name)
    if told is None or entry.is_marker:
        return False
    try:
        _, blocks = vault.look(intent.folder, entry.name, entry.version_id)
    except (NotFound, PathRefused):
        return False
    return measured(blocks) == (told["sha256"], told["size_bytes"])
