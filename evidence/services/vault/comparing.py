"""Compares the files of one folder of the vault with their records, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evidence.models import DepositObject, VaultObject
from evidence.services.vault.base import MAX_DOCUMENT_BYTES, Kept, Lock, Stream, Vault
from evidence.services.vault.closing import IMMUTABLE
from evidence.services.vault.errors import VaultDiffers
from sealing.errors import NotFound
from sealing.files import PathRefused
from sealing.results import Finding
from sealing.stores.base import covers

_ADVICE = "check storage permission for COMPLIANCE_EVIDENCE_VAULT_DIR"


@dataclass(slots=True)
class Examined:
    """What was found at one copy.

    Attributes:
        findings: what is wrong (False) or could not be checked (None).
        notices: what people should know, though every record holds.
        is_loose: something lost its protection or its lock, which can be given back.
    """

    findings: list[Finding] = field(default_factory=list)
    notices: list[Finding] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    is_loose: bool = False


class FolderExamination:
    """What every folder of the vault is asked, of a package or not: its names, each file's bytes
    and protection. What is found gathers as it is read.

    Args:
        rows: the recorded files, by name.
        rules: what the last state of the lock asks for; None where no record says.
    """

    def __init__(
        self,
        vault: Vault,
        folder: str,
        rows: Mapping[str, VaultObject | DepositObject],
        rules: Lock | None,
    ) -> None:
        self.vault, self.folder, self.rows, self.rules = vault, folder, rows, rules
        self.found = Examined()

    def tell(self, code: str, message: str, name: str = "", *, ok: bool | None = False) -> None:
        """Adds a finding."""
        self.found.findings.append(Finding(code, ok, message, self.where(name)))

    def notice(self, code: str, message: str, name: str = "") -> None:
        """Adds what people should know."""
        self.found.notices.append(Finding(code, True, message, self.where(name)))

    def where(self, name: str) -> str:
        """The folder, or a file of it, as findings name it."""
        return f"{self.folder}/{name}".rstrip("/")

    def check_names(self) -> bool:
        """Whether there is anything. Tells what no record knows."""
        present = list(self.vault.entries(self.folder))
        if not present:
            self.tell("vault_copy_missing", f"The copy is missing: {_ADVICE}.")
            return False
        for entry in present:
            row = self.rows.get(entry.name)
            if row is None:
                self.tell("vault_file_extra", "No record knows of this file.", entry.name)
            elif entry.version_id != row.version_id:
                code = "vault_delete_marker" if entry.is_marker else "vault_version_added"
                message = "Something was put over the recorded version, which is still there."
                self.notice(code, message, entry.name)
        return True

    def look(self, row: VaultObject | DepositObject) -> Stream | None:
        """The recorded file, after what the vault says of it was compared."""
        self.found.files += 1
        try:
            kept, blocks = self.vault.look(self.folder, row.name, row.version_id)
        except NotFound:
            self.tell("vault_file_missing", f"The file is missing: {_ADVICE}.", row.name)
            return None
        except (VaultDiffers, PathRefused) as error:
            self.tell("vault_file_changed", error.message, row.name)
            return None
        for code, message in kept.faults:
            self._tell_loose(code, message, row.name)
        if row.protection == IMMUTABLE and kept.protection != IMMUTABLE:
            self._tell_loose("vault_flag_lost", "The file is not immutable any more.", row.name)
        self._check_store_lock(kept, row.name)
        return Stream(blocks)

    def check_file(self, row: VaultObject | DepositObject) -> bytes | None:
        """The bytes of a small file that are those that were put there; of a larger one, some."""
        stream = self.look(row)
        if stream is None:
            return None
        parts, size = [], 0
        while block := stream.read(MAX_DOCUMENT_BYTES):
            size += len(block)
            if size <= MAX_DOCUMENT_BYTES:
                parts.append(block)
        return b"".join(parts) if self.check_bytes(stream, row) else None

    def check_bytes(self, stream: Stream, row: VaultObject | DepositObject) -> bool:
        """Whether what was read to its end is what was put there."""
        self.found.bytes += stream.size_bytes
        if (stream.sha256, stream.size_bytes) == (row.sha256, row.size_bytes):
            return True
        self.tell("vault_file_changed", "Its bytes are not those that were put there.", row.name)
        return False

    def check_folder(self) -> None:
        """What protects the folder itself."""
        is_immutable = any(item.protection == IMMUTABLE for item in self.rows.values())
        for code, message in self.vault.folder_faults(self.folder, is_immutable=is_immutable):
            self._tell_loose(code, message)

    def _check_store_lock(self, kept: Kept, name: str) -> None:
        """In S3, what the store holds must be what the last state of the lock asks for."""
        if kept.retention is None or self.rules is None:
            return
        if not covers(kept.retention, self.rules.retention):
            until = f"{kept.retention.until:%Y-%m-%d %H:%M:%S}"
            message = f"The store locks it in {kept.retention.mode} mode until {until} UTC only."
            self._tell_loose("vault_retention_short", message, name)
        if self.rules.is_held and not kept.is_held:
            self._tell_loose("vault_hold_missing", "The store has no legal hold on it.", name)
        if kept.is_held and not self.rules.is_held:
            message = "The store has a legal hold on it that no case of ours asks for."
            self.notice("vault_hold_stray", message, name)

    def _tell_loose(self, code: str, message: str, name: str = "") -> None:
        self.tell(code, message, name)
        self.found.is_loose = True
