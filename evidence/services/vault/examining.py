"""Compares one copy in the vault with its records, file by file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from evidence.formats import names
from evidence.formats.vault import KmsEnvelope, WormLock, WormReceipt, ruling
from evidence.models import Package, PackageTimestamp, Signature, VaultLock, VaultObject
from evidence.services.errors import EncryptionNotConfigured
from evidence.services.vault import envelope as envelopes
from evidence.services.vault import holding, reading
from evidence.services.vault.base import MAX_DOCUMENT_BYTES, Kept, Stream, Vault
from evidence.services.vault.closing import IMMUTABLE
from evidence.services.vault.documents import expected_names
from evidence.services.vault.errors import VaultDiffers
from sealing import digests
from sealing.errors import Forbidden, IntegrityFailure, Invalid, NotFound, Unavailable
from sealing.files import PathRefused
from sealing.results import Finding
from sealing.stores.base import LockMode, Retention, covers

T = TypeVar("T")
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


def examine(package: Package, vault: Vault) -> Examined:
    """Everything that a copy consists of, read from the vault and compared.

    Raises:
        VaultUnavailable: the vault can't be read now.
    """
    return _Examination(package, vault).run()


class _Examination:
    """One copy: what is found gathers as it is read. Documents are kept, they are small."""

    def __init__(self, package: Package, vault: Vault) -> None:
        self._package, self._vault, self._copy = package, vault, package.vault_copy
        self._rows = {row.name: row for row in package.vault_objects.all()}
        self._locks = list(package.vault_locks.order_by("number"))
        self._documents: dict[str, bytes] = {}
        self._kept: dict[str, Kept] = {}
        self._found = Examined()

    def run(self) -> Examined:
        """All checks. The envelope comes before the copy, which it opens."""
        if not self._check_names():
            return self._found
        rows = [row for name, row in self._rows.items() if name != self._copy.package_name]
        for row in rows:
            self._check_file(row)
        self._check_locks()
        self._check_receipt()
        self._check_records()
        key = self._check_envelope()
        if self._copy.package_name in self._rows:
            self._check_package(self._rows[self._copy.package_name], key)
        is_immutable = any(item.protection == IMMUTABLE for item in self._rows.values())
        for code, message in self._vault.folder_faults(
            self._copy.folder, is_immutable=is_immutable
        ):
            self._tell(code, message)
            self._found.is_loose = True
        return self._found

    def _tell(self, code: str, message: str, name: str = "", *, ok: bool | None = False) -> None:
        self._found.findings.append(Finding(code, ok, message, self._where(name)))

    def _where(self, name: str) -> str:
        return f"{self._copy.folder}/{name}".rstrip("/")

    def _name(self, suffix: str) -> str:
        return f"{self._package.bundle_id}{suffix}"

    # --- names ------------------------------------------------------------------------------

    def _check_names(self) -> bool:
        """Whether there is anything. Tells what no record knows, and which records are missing."""
        present = list(self._vault.entries(self._copy.folder))
        if not present:
            self._tell("vault_copy_missing", f"The copy is missing: {_ADVICE}.")
            return False
        for entry in present:
            row = self._rows.get(entry.name)
            if row is None:
                self._tell("vault_file_extra", "No record knows of this file.", entry.name)
            elif entry.version_id != row.version_id:
                code = "vault_delete_marker" if entry.is_marker else "vault_version_added"
                message = "Something was put over the recorded version, which is still there."
                notice = Finding(code, True, message, self._where(entry.name))
                self._found.notices.append(notice)
        for name in sorted(expected_names(self._package) - self._rows.keys()):
            self._tell("vault_record_missing", "There is no record of this file.", name)
        for lock in self._locks:
            if lock.name not in self._rows:
                message = "This state of the lock was stored and has not been carried out."
                self._tell("vault_lock_waiting", message, lock.name)
        return True

    # --- single files -----------------------------------------------------------------------

    def _look(self, row: VaultObject) -> Stream | None:
        """The recorded file, after what the vault says of it was compared."""
        self._found.files += 1
        try:
            kept, blocks = self._vault.look(self._copy.folder, row.name, row.version_id)
        except NotFound:
            self._tell("vault_file_missing", f"The file is missing: {_ADVICE}.", row.name)
            return None
        except (VaultDiffers, PathRefused) as error:
            self._tell("vault_file_changed", error.message, row.name)
            return None
        self._kept[row.name] = kept
        for code, message in kept.faults:
            self._tell(code, message, row.name)
            self._found.is_loose = True
        if row.protection == IMMUTABLE and kept.protection != IMMUTABLE:
            self._tell("vault_flag_lost", "The file is not immutable any more.", row.name)
            self._found.is_loose = True
        self._check_store_lock(kept, row)
        return Stream(blocks)

    def _check_store_lock(self, kept: Kept, row: VaultObject) -> None:
        """In S3, what the store holds must be what the last state of the lock asks for."""
        if kept.retention is None or not self._locks:
            return
        rules = self._locks[-1]
        if not covers(kept.retention, Retention(LockMode.COMPLIANCE, rules.retain_until)):
            until = f"{kept.retention.until:%Y-%m-%d %H:%M:%S}"
            message = f"The store locks it in {kept.retention.mode} mode until {until} UTC only."
            self._tell("vault_retention_short", message, row.name)
            self._found.is_loose = True
        if rules.legal_holds and not kept.is_held:
            self._tell("vault_hold_missing", "The store has no legal hold on it.", row.name)
            self._found.is_loose = True
        if kept.is_held and not rules.legal_holds:
            message = "The store has a legal hold on it that no case of ours asks for."
            self._found.notices.append(
                Finding("vault_hold_stray", True, message, self._where(row.name))
            )

    def _check_file(self, row: VaultObject) -> None:
        stream = self._look(row)
        if stream is None:
            return
        parts, size = [], 0
        while block := stream.read(MAX_DOCUMENT_BYTES):
            size += len(block)
            if size <= MAX_DOCUMENT_BYTES:
                parts.append(block)
        if self._check_bytes(stream, row):
            self._documents[row.name] = b"".join(parts)

    def _check_bytes(self, stream: Stream, row: VaultObject) -> bool:
        self._found.bytes += stream.size_bytes
        if (stream.sha256, stream.size_bytes) == (row.sha256, row.size_bytes):
            return True
        self._tell("vault_file_changed", "Its bytes are not those that were put there.", row.name)
        return False

    def _check_package(self, row: VaultObject, data_key: bytes | None) -> None:
        """The copy itself, in one pass: its own bytes, and the package that comes out of it."""
        stream = self._look(row)
        if stream is None:
            return
        if self._copy.encryption and data_key is None:
            stream.drain()
            self._check_bytes(stream, row)
            self._tell("vault_package_unchecked", "It could not be decrypted.", row.name, ok=None)
            return
        digest = hashlib.sha256()
        try:
            for block in reading.decrypted(self._package, self._copy, stream, data_key):
                digest.update(block)
        except IntegrityFailure as error:
            stream.drain()
            self._check_bytes(stream, row)
            self._tell(error.code, error.message, row.name)
            return
        is_same = self._check_bytes(stream, row)
        if is_same and digests.tag(digest.digest()) != self._package.package_sha256:
            message = "What it holds is not the package that was exported."
            self._tell("vault_package_differs", message, row.name)

    # --- documents --------------------------------------------------------------------------

    def _check_locks(self) -> None:
        documents: dict[int, WormLock] = {}
        for state in self._locks:
            raw = self._documents.get(state.name)
            if raw is None:
                continue
            if digests.sha256_tag(raw) != state.sha256 or raw != self._written(state):
                message = "The lock document is not what was recorded of this state."
                self._tell("vault_lock_differs", message, state.name)
                continue
            documents[state.number] = WormLock.parse(raw)
        if len(documents) == len(self._locks):
            try:
                ruling(documents)
            except Invalid as error:
                self._tell(error.code, error.message)

    def _written(self, state: VaultLock) -> bytes:
        return holding.document_of(self._package, state).build()

    def _check_receipt(self) -> None:
        name = self._name(names.WORM_RECEIPT_SUFFIX)
        if name not in self._documents:
            return
        receipt = self._parsed(WormReceipt.parse, name, "vault_receipt_differs")
        if receipt is not None and (receipt.bundle_id, receipt.package_sha256) != (
            self._package.bundle_id,
            self._package.package_sha256,
        ):
            self._tell("vault_receipt_differs", "The receipt is of another package.", name)

    def _check_records(self) -> None:
        """What other records say of the same files."""
        recorded = dict(self._sidecars())
        for name, digest in recorded.items():
            row = self._rows.get(name)
            if row is not None and row.sha256 != digest:
                message = "The record of the vault is not that of the package's own file."
                self._tell("vault_record_differs", message, name)

    def _sidecars(self) -> Iterator[tuple[str, str]]:
        for signature in Signature.objects.filter(package=self._package):
            yield self._name(names.SIG_SUFFIX), signature.sig_sha256
            yield self._name(names.SIGNATURE_SUFFIX), signature.signature_sha256
        for stamp in PackageTimestamp.objects.filter(package=self._package):
            yield self._name(names.TIMESTAMP_SUFFIX), stamp.token_sha256

    def _check_envelope(self) -> bytes | None:
        """The data key, if there is one and the envelope gives it out."""
        name = self._name(names.KMS_ENVELOPE_SUFFIX)
        if name not in self._documents:
            return None
        envelope = self._parsed(KmsEnvelope.parse, name, "vault_envelope_differs")
        if envelope is None:
            return None
        if (envelope.bundle_id, envelope.digest) != (
            self._package.bundle_id,
            self._package.package_sha256,
        ):
            self._tell("vault_envelope_differs", "The envelope is of another package.", name)
            return None
        try:
            return envelopes.check(self._package, envelope)
        except IntegrityFailure as error:
            self._tell(error.code, error.message, name)
        except (Unavailable, Forbidden, Invalid, EncryptionNotConfigured) as error:
            if isinstance(error, EncryptionNotConfigured) and not self._copy.encryption:
                # An outside service wrapped the digest alone and unwraps for nobody.
                self._found.notices.append(
                    Finding("vault_envelope_closed", True, error.message, self._where(name))
                )
            else:
                self._tell("vault_envelope_unchecked", error.message, name, ok=None)
        return None

    def _parsed(self, parse: Callable[[bytes], T], name: str, code: str) -> T | None:
        try:
            return parse(self._documents[name])
        except Invalid as error:
            self._tell(code, error.message, name)
            return None
