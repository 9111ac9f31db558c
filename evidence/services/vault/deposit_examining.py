"""Compares one deposit in the vault with its records, file by file."""

from __future__ import annotations

from evidence.models import Artifact, Deposit, DepositObject
from evidence.services.vault import holding
from evidence.services.vault.base import Vault
from evidence.services.vault.comparing import Examined, FolderExamination


def examine(deposit: Deposit, vault: Vault) -> Examined:
    """Everything that a deposit consists of, read from the vault and compared.

    Raises:
        VaultUnavailable: the vault can't be read now.
    """
    rows = {row.name: row for row in deposit.objects_kept.all()}
    state = deposit.locks.order_by("-number").first()
    rules = None if state is None else holding.lock_of(state)
    examination = FolderExamination(vault, deposit.folder, rows, rules)
    if not examination.check_names():
        return examination.found
    if state is None:
        examination.tell("vault_record_missing", "There is no record of its lock.")
    _check_artefact(examination, deposit, rows)
    for row in rows.values():
        stream = examination.look(row)
        if stream is not None:
            stream.drain()
            examination.check_bytes(stream, row)
    examination.check_folder()
    return examination.found


def _check_artefact(
    examination: FolderExamination, deposit: Deposit, rows: dict[str, DepositObject]
) -> None:
    """What the artefact's own record says of the same file."""
    artifact = Artifact.objects.filter(deposit=deposit).first()
    if artifact is None:
        return
    row = rows.get(artifact.file_name)
    if row is None:
        message = "There is no record of this file."
        examination.tell("vault_record_missing", message, artifact.file_name)
    elif (row.sha256, row.size_bytes) != (artifact.sha256, artifact.size_bytes):
        message = "The record of the vault is not that of the artefact."
        examination.tell("vault_record_differs", message, artifact.file_name)
