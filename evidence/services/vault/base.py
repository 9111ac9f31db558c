"""What every vault does, whether it is a folder of this host or a bucket with Object Lock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from evidence.formats import names
from evidence.formats.contents import VaultMode
from evidence.models import Package
from evidence.services.errors import PackageFileMissing
from sealing import digests, encrypted
from sealing.external_body import PackageDiffers
from sealing.stores.base import Retention

_BLOCK = 1 << 20
# Documents of the vault are small; what is larger was not written by us.
MAX_DOCUMENT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is to be put away. It has the same bytes each time that it is read.

    Attributes:
        name: in the package's folder of the vault.
        blocks: begins to read it anew.
        path: a file that holds exactly these bytes; None if there is none.
        sha256: of what that file has to hold; reading another to its end raises PackageDiffers.
    """

    name: str
    blocks: Callable[[], Iterator[bytes]]
    path: Path | None = None
    sha256: str = ""


class Stream:
    """Blocks as a file that is read once, with the digest and size of what was read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, memoryview(b"")
        self._digest, self.size_bytes = hashlib.sha256(), 0

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes, at least one; none at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._digest.update(block)
            self.size_bytes += len(block)
            self._rest = memoryview(block)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)

    def drain(self) -> None:
        """Reads what is left."""
        for block in self._blocks:
            self._digest.update(block)
            self.size_bytes += len(block)

    @property
    def sha256(self) -> str:
        """The tagged digest of all blocks that were taken."""
        return digests.tag(self._digest.digest())


def measured(blocks: Iterator[bytes]) -> tuple[str, int]:
    """The tagged digest and the size of what is read to its end."""
    stream = Stream(blocks)
    stream.drain()
    return stream.sha256, stream.size_bytes


def of_file(name: str, path: Path, sha256: str) -> Source:
    """The package as it is. Reading raises PackageFileMissing where it can't be read, and
    PackageDiffers at its end if it is not the one that was signed."""

    def blocks() -> Iterator[bytes]:
        stream = Stream(_blocks(path))
        while block := stream.read(_BLOCK):
            yield block
        refuse_other(stream.sha256, sha256)

    return Source(name, blocks, path, sha256)


def refuse_other(found: str, wanted: str) -> None:
    """Raises PackageDiffers if the package on the disk has not the digest that was signed."""
    if found != wanted:
        raise PackageDiffers("The package on the disk is not the one that was just signed.")


def of_bytes(name: str, raw: bytes) -> Source:
    """Bytes that are at hand."""
    return Source(name, lambda: iter((raw,)))


def of_encrypted(package: Package, path: Path, sha256: str, key: bytes) -> Source:
    """The encrypted copy of the package at ``path``: the same bytes for the same key.

    Args:
        sha256: of the package itself; reading raises as for `of_file`.
    """
    name = f"{package.bundle_id}{names.ENCRYPTED_SUFFIX}"

    def blocks() -> Iterator[bytes]:
        stream = Stream(_blocks(path))
        yield from encrypted.encrypt(
            stream, key, client=package.name.folder, bundle_id=package.bundle_id
        )
        refuse_other(stream.sha256, sha256)

    return Source(name, blocks)


@dataclass(frozen=True, slots=True)
class Lock:
    """What is to protect the files of a package: until when, and whether something holds it."""

    retention: Retention
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A file as it lies in the vault, read back.

    Attributes:
        version_id: of an object store; empty in a folder.
        protection: what keeps it from being changed, in words.
        retention: the lock that a store has on it; None in a folder, where the record rules.
        faults: what is wrong with how it is kept, as (code, sentence).
    """

    name: str
    sha256: str
    size_bytes: int
    protection: str
    version_id: str = ""
    retention: Retention | None = None
    is_held: bool = False
    stored_at: datetime | None = None
    replication: str | None = None
    faults: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder, in one version of it; a marker only hides what is under the name."""

    name: str
    version_id: str = ""
    is_marker: bool = False
    stored_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A small file that is made when the others lie in their places.

    Attributes:
        build: its bytes, given the files that are kept by then, by name; None if there is nothing
            that it would have to say.
        accepts: whether a file that an earlier attempt left under this name may stay.
    """

    name: str
    build: Callable[[Mapping[str, Kept]], bytes | None]
    accepts: Callable[[bytes], bool]


class Preparation(Protocol):
    """Files on their way into a vault, under no name that anybody reads."""

    def add(self, source: Source) -> None:
        """Takes one file more."""

    def discard(self) -> None:
        """Takes everything away again that was not committed."""


class Vault(Protocol):
    """Keeps the files of packages, each package in a folder. Nothing is replaced or removed.

    Every method may raise VaultUnavailable.
    """

    @property
    def mode(self) -> VaultMode:
        """Which kind it is."""

    @property
    def location(self) -> str:
        """Where it is, for people."""

    def path(self, folder: str, name: str = "") -> str:
        """Where a folder or a file of it lies: an absolute path, or ``s3://bucket/…``."""

    def prepare(self, folder: str) -> Preparation:
        """Begins a deposit; finds out whether there can be one."""

    def commit(
        self,
        preparation: Preparation,
        lock: Lock,
        documents: Sequence[Document],
    ) -> tuple[Kept, ...]:
        """Puts what was prepared in its place, then the documents in their order.

        What an earlier attempt left there is adopted if it is the same.

        Raises:
            VaultDiffers: there is something else in the place.
        """

    def add(self, folder: str, source: Source, lock: Lock) -> Kept:
        """Puts one file more into a folder. An equal one in place is adopted.

        Raises:
            VaultDiffers: there is another file of that name.
        """

    def protect(self, folder: str, kept: Iterable[tuple[str, str]], lock: Lock) -> None:
        """Makes the lock of files, given as name and version, at least as long, and holds them
        or lets them go. Asking twice changes nothing."""

    def look(self, folder: str, name: str, version_id: str = "") -> tuple[Kept, Iterator[bytes]]:
        """What is kept under a name (``sha256`` empty), and its bytes.

        Raises:
            NotFound: there is no such file.
        """

    def read(self, folder: str, name: str, version_id: str = "") -> bytes:
        """The bytes of a small file; without a version, of the one that counts.

        Raises:
            NotFound. VaultDiffers: it is too large.
        """

    def entries(self, folder: str) -> Iterator[Entry]:
        """Everything in a folder, every version of it; nothing if there is no such folder."""

    def folders(self) -> Iterator[str]:
        """Every folder with anything in it, and every path that lies where only folders do."""

    def folder_faults(self, folder: str, *, is_immutable: bool) -> tuple[tuple[str, str], ...]:
        """What is wrong with the folder itself, as (code, sentence).

        Args:
            is_immutable: whether its files were immutable when they were put there.
        """

    def sweep(self) -> int:
        """Takes away what was prepared by processes that are gone; returns how many folders."""


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                yield block
    except OSError as error:
        message = f"{path.name} is not where it was put, or can't be read."
        raise PackageFileMissing(message) from error
