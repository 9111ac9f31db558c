"""Compares one copy in the vault with its records, file by file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from evidence.formats import names
from evidence.formats.vault import KmsEnvelope, WormLock, WormReceipt, ruling
from evidence.models import (
    DepositObject,
    Package,
    PackageTimestamp,
    Signature,
    VaultLock,
    VaultObject,
)
from evidence.services.errors import EncryptionNotConfigured
from evidence.services.vault import envelope as envelopes
from evidence.services.vault import holding, reading
from evidence.services.vault.base import Vault
from evidence.services.vault.comparing import Examined, FolderExamination
from evidence.services.vault.documents import expected_names
from sealing import digests
from sealing.errors import Forbidden, IntegrityFailure, Invalid, Unavailable

T = TypeVar("T")


def examine(package: Package, vault: Vault) -> Examined:
    """Everything that a copy consists of, read from the vault and compared.

    Raises:
        VaultUnavailable: the vault can't be read now.
    """
    return _Examination(package, vault).run()


class _Examination(FolderExamination):
    """One copy of a package. Documents are kept as they are read, they are small."""

    def __init__(self, package: Package, vault: Vault) -> None:
        rows = {row.name: row for row in package.vault_objects.all()}
        self._locks = list(package.vault_locks.order_by("number"))
        rules = holding.lock_of(self._locks[-1]) if self._locks else None
        super().__init__(vault, package.vault_copy.folder, rows, rules)
        self._package, self._copy = package, package.vault_copy
        self._documents: dict[str, bytes] = {}

    def run(self) -> Examined:
        """All checks. The envelope comes before the copy, which it opens."""
        if not self.check_names():
            return self.found
        self._check_names_of_package()
        for name, row in self.rows.items():
            if name != self._copy.package_name and (raw := self.check_file(row)) is not None:
                self._documents[name] = raw
        self._check_locks()
        self._check_receipt()
        self._check_records()
        key = self._check_envelope()
        if self._copy.package_name in self.rows:
            self._check_package(self.rows[self._copy.package_name], key)
        self.check_folder()
        return self.found

    def _name(self, suffix: str) -> str:
        return f"{self._package.bundle_id}{suffix}"

    def _check_names_of_package(self) -> None:
        """Tells which records are missing."""
        for name in sorted(expected_names(self._package) - self.rows.keys()):
            self.tell("vault_record_missing", "There is no record of this file.", name)
        for lock in self._locks:
            if lock.name not in self.rows:
                message = "This state of the lock was stored and has not been carried out."
                self.tell("vault_lock_waiting", message, lock.name)

    def _check_package(self, row: VaultObject | DepositObject, data_key: bytes | None) -> None:
        """The copy itself, in one pass: its own bytes, and the package that comes out of it."""
        stream = self.look(row)
        if stream is None:
            return
        if self._copy.encryption and data_key is None:
            stream.drain()
            self.check_bytes(stream, row)
            self.tell("vault_package_unchecked", "It could not be decrypted.", row.name, ok=None)
            return
        digest = hashlib.sha256()
        try:
            for block in reading.decrypted(self._package, self._copy, stream, data_key):
                digest.update(block)
        except IntegrityFailure as error:
            stream.drain()
            self.check_bytes(stream, row)
            self.tell(error.code, error.message, row.name)
            return
        is_same = self.check_bytes(stream, row)
        if is_same and digests.tag(digest.digest()) != self._package.package_sha256:
            message = "What it holds is not the package that was exported."
            self.tell("vault_package_differs", message, row.name)

    # --- documents --------------------------------------------------------------------------

    def _check_locks(self) -> None:
        documents: dict[int, WormLock] = {}
        for state in self._locks:
            raw = self._documents.get(state.name)
            if raw is None:
                continue
            if digests.sha256_tag(raw) != state.sha256 or raw != self._written(state):
                message = "The lock document is not what was recorded of this state."
                self.tell("vault_lock_differs", message, state.name)
                continue
            documents[state.number] = WormLock.parse(raw)
        if len(documents) == len(self._locks):
            try:
                ruling(documents)
            except Invalid as error:
                self.tell(error.code, error.message)

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
            self.tell("vault_receipt_differs", "The receipt is of another package.", name)

    def _check_records(self) -> None:
        """What other records say of the same files."""
        recorded = dict(self._sidecars())
        for name, digest in recorded.items():
            row = self.rows.get(name)
            if row is not None and row.sha256 != digest:
                message = "The record of the vault is not that of the package's own file."
                self.tell("vault_record_differs", message, name)

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
            self.tell("vault_envelope_differs", "The envelope is of another package.", name)
            return None
        try:
            return envelopes.check(self._package, envelope)
        except IntegrityFailure as error:
            self.tell(error.code, error.message, name)
        except (Unavailable, Forbidden, Invalid, EncryptionNotConfigured) as error:
            if isinstance(error, EncryptionNotConfigured) and not self._copy.encryption:
                # An outside service wrapped the digest alone and unwraps for nobody.
                self.notice("vault_envelope_closed", error.message, name)
            else:
                self.tell("vault_envelope_unchecked", error.message, name, ok=None)
        return None

    def _parsed(self, parse: Callable[[bytes], T], name: str, code: str) -> T | None:
        try:
            return parse(self._documents[name])
        except Invalid as error:
            self.tell(code, error.message, name)
            return None
