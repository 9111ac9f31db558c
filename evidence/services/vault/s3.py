"""A vault in a bucket with Object Lock: the store itself keeps its objects, in compliance mode."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from audit import failpoints
from audit.services import preflight
from evidence.formats.contents import VaultMode
from evidence.services.errors import VaultNotConfigured
from evidence.services.vault.base import (
    MAX_DOCUMENT_BYTES,
    Document,
    Entry,
    Kept,
    Lock,
    Preparation,
    Source,
    of_bytes,
    refuse_other,
)
from evidence.services.vault.errors import VaultDiffers, VaultUnavailable
from sealing.errors import NotFound
from sealing.files import AlreadyExists
from sealing.stores.base import (
    LockMode,
    RetentionShortened,
    Stored,
    StoreDenied,
    StoreUnavailable,
    covers,
)
from sealing.stores.content import Content
from sealing.stores.s3 import S3Store
from sealing.stores.s3probe import S3Probe

PREFIX: Final = "vault"
_SETTING: Final = "EVIDENCE_VAULT_S3_BUCKET"


class S3Preparation:
    """What is to be put: in a bucket nothing can lie and not be kept, so nothing is put yet."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.sources: list[Source] = []

    def add(self, source: Source) -> None:
        """See `Preparation.add`."""
        self.sources.append(source)
        failpoints.reach("vault-1")

    def discard(self) -> None:
        """See `Preparation.discard`."""
        self.sources.clear()


class S3Vault:
    """See `Vault`. Objects are put one by one, the lock record last: with it a copy is complete.

    Of several versions the oldest counts; what is recorded names its version.

    Args:
        store: below the prefix of the vault.
        probe: of the same bucket.
        scratch: a folder on disk where encrypted copies are made before they are put.
    """

    mode: Final = VaultMode.S3

    def __init__(self, store: S3Store, probe: S3Probe, scratch: Path) -> None:
        self._store = store
        self._probe = probe
        self._scratch = scratch

    @property
    def location(self) -> str:
        """See `Vault.location`."""
        return self._store.location

    def path(self, folder: str, name: str = "") -> str:
        """See `Vault.path`."""
        return f"{self.location}/{folder}/{name}".rstrip("/")

    def prepare(self, folder: str) -> S3Preparation:
        """See `Vault.prepare`: whether the bucket keeps versions and locks them."""
        with problems():
            # Who may put objects need not be allowed to read the bucket's configuration: then
            # reading back what was put tells.
            with contextlib.suppress(StoreDenied):
                protection = self._probe.protection()
                if not protection.object_lock or protection.versioning != "Enabled":
                    raise VaultNotConfigured(
                        f"The bucket of {_SETTING} has no Object Lock: nothing would be locked."
                        " Object Lock is enabled when a bucket is made.",
                        field=_SETTING,
                    )
            return S3Preparation(folder)

    def commit(
        self, preparation: Preparation, lock: Lock, documents: Sequence[Document]
    ) -> tuple[Kept, ...]:
        """See `Vault.commit`."""
        assert isinstance(preparation, S3Preparation)
        folder, kept = preparation.folder, dict[str, Kept]()
        for source in preparation.sources:
            kept[source.name] = self.add(folder, source, lock)
            failpoints.reach("vault-3")
        for document in documents:
            raw = self._left(folder, document) or document.build(kept)
            if raw is not None:
                source = of_bytes(document.name, raw)
                kept[document.name] = self.add(folder, source, lock)
            failpoints.reach("vault-5")
        return tuple(kept.values())

    def add(self, folder: str, source: Source, lock: Lock) -> Kept:
        """See `Vault.add`."""
        name = f"{folder}/{source.name}"
        with problems(), self._content(source) as content:
            stored = self._store.put_file(name, content, retention=lock.retention)
            digest = stored.sha256
            if lock.is_held and not stored.legal_hold:
                stored = self._store.hold(name, on=True, version_id=stored.version_id)
            return replace(_kept(source.name, stored), sha256=digest)

    def protect(self, folder: str, kept: Iterable[tuple[str, str]], lock: Lock) -> None:
        """See `Vault.protect`; what the server then holds is read back."""
        for name, version_id in kept:
            key, version = f"{folder}/{name}", version_id or None
            with problems():
                stored = self._store.stat(key, version_id=version)
                if not covers(stored.retention, lock.retention):
                    longer = lock.retention.with_at_least(stored.retention)
                    stored = self._store.extend(key, longer, version_id=version)
                if stored.legal_hold is not lock.is_held:
                    self._store.hold(key, on=lock.is_held, version_id=version)

    def look(self, folder: str, name: str, version_id: str = "") -> tuple[Kept, Iterator[bytes]]:
        """See `Vault.look`."""
        with problems():
            stored, blocks = self._store.opened(f"{folder}/{name}", version_id=version_id or None)
            return _kept(name, stored), _told(blocks)

    def read(self, folder: str, name: str, version_id: str = "") -> bytes:
        """See `Vault.read`."""
        key = f"{folder}/{name}"
        with problems():
            version = version_id or self._store.original(key)
            if version is None:
                raise NotFound(f"There is no {name}.")
            if self._store.stat(key, version_id=version).size_bytes > MAX_DOCUMENT_BYTES:
                raise VaultDiffers(f"{name} is larger than any document of ours.")
            return self._store.read(key, version_id=version)

    def entries(self, folder: str) -> Iterator[Entry]:
        """See `Vault.entries`."""
        with problems():
            for version in self._store.versions(f"{folder}/"):
                name = version.name.removeprefix(f"{folder}/")
                yield Entry(
                    name, version.version_id or "", version.is_delete_marker, version.stored_at
                )

    def folders(self) -> Iterator[str]:
        """See `Vault.folders`. Keys that nothing of ours could have are told as they are."""
        last = ""
        with problems():
            for version in self._store.versions():
                folder = version.name.rpartition("/")[0] or version.name
                # What `s3_preflight` tried the bucket with is no client's.
                if folder not in (last, preflight.FOLDER):
                    yield folder
                last = folder

    def folder_faults(self, folder: str, *, is_immutable: bool) -> tuple[tuple[str, str], ...]:
        """See `Vault.folder_faults`: a bucket has no folders."""
        return ()

    def sweep(self) -> int:
        """See `Vault.sweep`: nothing is prepared in a bucket."""
        return 0

    def _left(self, folder: str, document: Document) -> bytes | None:
        """What an earlier attempt put under the document's name."""
        with problems():
            version = self._store.original(f"{folder}/{document.name}")
        if version is None:
            return None
        raw = self.read(folder, document.name, version)
        if not document.accepts(raw):
            raise VaultDiffers(f"{document.name} is in the vault, and is of another package.")
        return raw

    @contextlib.contextmanager
    def _content(self, source: Source) -> Iterator[Content]:
        """A PUT is sent from a file that can be read again: the source's own, or a copy."""
        if source.path is not None:
            with source.path.open("rb") as file:
                content = Content.of(file)
                refuse_other(content.tag, source.sha256)
                yield content
            return
        # Without a name it can't outlive the process.
        with tempfile.TemporaryFile(dir=self._scratch) as spool:
            for block in source.blocks():
                spool.write(block)
            spool.flush()
            yield Content.of(spool)


@contextlib.contextmanager
def problems() -> Iterator[None]:
    """Says of what the store refuses what to look at."""
    try:
        yield
    except (StoreUnavailable, StoreDenied) as error:
        raise VaultUnavailable(
            f"{error.message} Check {_SETTING}, its Object Lock, and what this identity may do.",
            field=_SETTING,
        ) from error
    except (AlreadyExists, RetentionShortened) as error:
        raise VaultDiffers(f"The vault keeps something else: {error.message}") from error


def _kept(name: str, stored: Stored) -> Kept:
    held = stored.retention
    faults = []
    if held is None:
        faults.append(("vault_lock_missing", "The store has no lock on it."))
    elif held.mode is not LockMode.COMPLIANCE:
        faults.append(("vault_lock_weak", f"The store's lock is in {held.mode} mode."))
    return Kept(
        name,
        stored.sha256,
        stored.size_bytes,
        "" if held is None else held.mode.upper(),
        version_id=stored.version_id or "",
        retention=held,
        is_held=stored.legal_hold,
        stored_at=stored.stored_at,
        replication=stored.replication,
        faults=tuple(faults),
    )


def _told(blocks: Iterator[bytes]) -> Iterator[bytes]:
    with problems():
        yield from blocks
