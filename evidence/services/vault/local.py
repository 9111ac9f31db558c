"""A vault in a local folder: read-only files, flagged against changes where the system can."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final

from audit import failpoints
from evidence.formats.contents import VaultMode
from evidence.services.vault import staging
from evidence.services.vault.base import (
    MAX_DOCUMENT_BYTES,
    Document,
    Entry,
    Kept,
    Lock,
    Preparation,
    Source,
    of_bytes,
)
from evidence.services.vault.closing import (
    WRITABLE,
    below,
    blocks_of,
    changed_at,
    close_file,
    close_folder,
    described,
    digest_of,
    opened_for_adding,
    problems,
)
from evidence.services.vault.errors import VaultDiffers
from evidence.services.vault.staging import StagingFolder
from sealing import files, immutable
from sealing.errors import NotFound, TooLarge
from sealing.files import AlreadyExists
from sealing.immutable import Flag

_ADDING: Final = "adding"


class LocalPreparation:
    """What is staged for a folder. Where the folder is there already, there is nothing to stage:
    an earlier attempt has committed it, and committing compares."""

    def __init__(self, root: Path, folder: str) -> None:
        self.folder = folder
        self.sources: list[Source] = []
        is_there = files.safe_join(root, folder).is_dir()
        self.staging = None if is_there else StagingFolder(root, Path(folder).name)

    def add(self, source: Source) -> None:
        """See `Preparation.add`. The file is on disk when this returns."""
        if self.staging is not None:
            with problems():
                self.staging.write(source)
        self.sources.append(source)
        failpoints.reach("vault-1")

    def discard(self) -> None:
        """See `Preparation.discard`."""
        if self.staging is not None:
            with problems():
                self.staging.close()


class LocalVault:
    """See `Vault`. A package's folder appears whole, by one rename.

    Files are read-only and, where the system permits, immutable; their folder is append-only
    there, and read-only elsewhere. Root can take all of that off: the daily audit tells.

    Args:
        with_flags: whether to ask the system for these flags at all.
    """

    mode: Final = VaultMode.LOCAL

    def __init__(self, root: Path, *, with_flags: bool = True) -> None:
        self._root = root
        self._with_flags = with_flags

    @property
    def location(self) -> str:
        """See `Vault.location`."""
        return str(self._root)

    def path(self, folder: str, name: str = "") -> str:
        """See `Vault.path`."""
        return str(self._path(folder, name))

    def prepare(self, folder: str) -> LocalPreparation:
        """See `Vault.prepare`."""
        with problems():
            return LocalPreparation(self._root, folder)

    def commit(
        self, preparation: Preparation, lock: Lock, documents: Sequence[Document]
    ) -> tuple[Kept, ...]:
        """See `Vault.commit`. Everything is read back from the disk at the end."""
        assert isinstance(preparation, LocalPreparation)
        folder, staged = preparation.folder, preparation.staging
        written: dict[str, str] = {}
        with problems():
            if staged is not None:
                for document in documents:
                    if (raw := document.build({})) is not None:
                        staged.write(of_bytes(document.name, raw))
                    failpoints.reach("vault-2")
                # Another attempt may have been faster; then its folder is compared.
                with contextlib.suppress(AlreadyExists):
                    staged.move_to(self._path(folder))
                    written = staged.digests
                staged.close()
            failpoints.reach("vault-3")
            self._close(folder)
            failpoints.reach("vault-5")
            known = {source.name for source in preparation.sources}
            self._refuse_others(folder, known | {document.name for document in documents})
            kept = [
                self._settled(folder, source, written.get(source.name), lock)
                for source in preparation.sources
            ]
            kept += self._documented(folder, documents, lock)
            return tuple(kept)

    def add(self, folder: str, source: Source, lock: Lock) -> Kept:
        """See `Vault.add`."""
        with problems():
            scratch = StagingFolder(self._root, source.name)
            try:
                written, target = scratch.write(source), self._path(folder, source.name)
                failpoints.reach("vault-6")
                with self._exclusively(), self._opened(folder):
                    with contextlib.suppress(AlreadyExists):
                        files.link_new(written, target)
                    # One name only, before it can't be taken away any more.
                    scratch.close()
                    failpoints.reach("vault-7")
                    close_file(target, with_flag=self._with_flags)
            finally:
                scratch.close()
            kept = self._kept(folder, source.name)
            if kept.sha256 != scratch.digests[source.name]:
                raise VaultDiffers(f"{source.name} is in the vault already, with other bytes.")
            return kept

    def protect(self, folder: str, kept: Iterable[tuple[str, str]], lock: Lock) -> None:
        """See `Vault.protect`: the lock of a folder is its record, which nothing of ours breaks.

        The files are made read-only and immutable again, should somebody have changed that.
        """
        with problems():
            self._close(folder)

    def look(self, folder: str, name: str, version_id: str = "") -> tuple[Kept, Iterator[bytes]]:
        """See `Vault.look`."""
        path = self._path(folder, name)
        with problems():
            return described(name, path), blocks_of(path)

    def read(self, folder: str, name: str, version_id: str = "") -> bytes:
        """See `Vault.read`."""
        try:
            return files.read_regular(self._path(folder, name), MAX_DOCUMENT_BYTES)
        except TooLarge as error:
            raise VaultDiffers(f"{name} is larger than any document of ours.") from error

    def entries(self, folder: str) -> Iterator[Entry]:
        """See `Vault.entries`."""
        for name in self._names(folder):
            yield Entry(name, stored_at=changed_at(self._path(folder) / name))

    def folders(self) -> Iterator[str]:
        """See `Vault.folders`; four levels below the vault: client, year, month, day."""
        yield from below(self._root, "", 0)

    def folder_faults(self, folder: str, *, is_immutable: bool) -> tuple[tuple[str, str], ...]:
        """See `Vault.folder_faults`."""
        path = self._path(folder)
        with problems():
            if immutable.is_protected(path, Flag.APPEND_ONLY):
                return ()
            if is_immutable:
                return (("vault_flag_lost", "The folder is not append-only any more."),)
            if path.stat().st_mode & WRITABLE:
                return (("vault_permissions", "The folder can be written to."),)
        return ()

    def sweep(self) -> int:
        """Takes away what processes left in the staging folder that are gone."""
        with problems():
            return staging.sweep(self._root)

    def _path(self, folder: str, name: str = "") -> Path:
        return files.safe_join(self._root, f"{folder}/{name}" if name else folder)

    def _names(self, folder: str) -> list[str]:
        with problems(), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return sorted(os.listdir(self._path(folder)))
        return []

    def _exclusively(self) -> AbstractContextManager[None]:
        """Two who add at once must not close a folder on each other."""
        return files.locked(self._root / staging.FOLDER / _ADDING)

    def _opened(self, folder: str) -> AbstractContextManager[None]:
        return opened_for_adding(self._path(folder), with_flag=self._with_flags)

    def _close(self, folder: str) -> None:
        path = self._path(folder)
        for name in self._names(folder):
            close_file(path / name, with_flag=self._with_flags)
            failpoints.reach("vault-4")
        close_folder(path, with_flag=self._with_flags)

    def _refuse_others(self, folder: str, wanted: set[str]) -> None:
        for name in self._names(folder):
            if name not in wanted:
                raise VaultDiffers(f"{name} lies in the vault, and does not belong there.")

    def _settled(self, folder: str, source: Source, digest: str | None, lock: Lock) -> Kept:
        """A file in its place, read back, if it is the one that was to be put there.

        Args:
            digest: of what was written, where it was written just now.
        """
        try:
            kept = self._kept(folder, source.name)
        except NotFound:
            # An earlier attempt did not have it, such as the token of a timestamp authority.
            return self.add(folder, source, lock)
        if kept.sha256 != (digest or digest_of(source.blocks())):
            raise VaultDiffers(f"{source.name} is in the vault already, with other bytes.")
        return kept

    def _documented(self, folder: str, documents: Sequence[Document], lock: Lock) -> Iterator[Kept]:
        for document in documents:
            name = document.name
            if self._path(folder, name).exists():
                if not document.accepts(self.read(folder, name)):
                    raise VaultDiffers(f"{name} is in the vault, and is of another package.")
                yield self._kept(folder, name)
            elif (raw := document.build({})) is not None:
                # An earlier attempt had nothing to say here, such as no answer of an archive.
                yield self.add(folder, of_bytes(name, raw), lock)

    def _kept(self, folder: str, name: str) -> Kept:
        """A file that is in its place for good, read back."""
        protection = close_file(self._path(folder, name), with_flag=self._with_flags)
        kept, blocks = self.look(folder, name)
        return replace(kept, sha256=digest_of(blocks), protection=protection)
