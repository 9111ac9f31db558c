"""Where an archive is read from: a folder, or S3, behind one interface.

Only what `audit.folder` makes of names and bytes is known here; nothing is verified. boto3 is
imported when an S3 address is opened, and not before.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple, Protocol, TypeVar

from audit import folder
from audit.folder import File, Folder
from audit.formats.segment import day_of, range_of
from sealing.errors import StrongroomError
from sealing.files import read_regular
from sealing.notes import MAX_NOTE_BYTES
from sealing.results import Finding
from sealing.stores.base import Store, Stored, Version
from sealing.stores.opening import SCHEME, S3Options, open_store

# Segments are of about 1 MiB before they are packed; what is far from that is none.
MAX_OBJECT_BYTES: Final = 64 << 20
# Requests under way at once; twice as many answers may wait.
THREADS: Final = 4
DEFAULT_OPTIONS: Final = S3Options()
_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class SourceUnreachable(Exception):
    """The place can't be listed; the message says why."""


class Source(Protocol):
    """A place from which an archive is read.

    Attributes:
        location: what the caller named.
        options: how it is reached, so that another process can open it too.
    """

    location: str
    options: S3Options

    def scan(self) -> Folder:
        """The files of the archive. Raises SourceUnreachable."""

    def open_lines(self, file: File) -> AbstractContextManager[IO[bytes]]:
        """The lines of a file, in bounded memory. Raises OSError, FileDamaged."""

    def read(self, file: File) -> bytes | None:
        """A small file whole; None if it can't be read."""

    def read_each(self, files: Iterable[File]) -> Iterator[tuple[File, bytes | None]]:
        """Small files in order, read ahead where that is faster."""

    def open_each(
        self, files: Iterable[File]
    ) -> Iterator[tuple[File, AbstractContextManager[IO[bytes]]]]:
        """Files of lines in order, read ahead where that is faster.

        Entering each context may raise OSError; reading its lines, OSError or FileDamaged.
        """


def open_source(location: str, options: S3Options = DEFAULT_OPTIONS) -> Source:
    """The source at ``location``: ``s3://bucket/prefix``, or else a path.

    Raises:
        StrongroomError: S3 can't be used, or the address is none.
        ImportError: it is an S3 address, and boto3 is not installed.
    """
    if location.startswith(SCHEME):
        return StoreSource(open_store(location, options), options)
    return FolderSource(location)


class FolderSource:
    """A local folder, or one file of lines with what lies beside it.

    Args:
        location: the path.
    """

    options = DEFAULT_OPTIONS

    def __init__(self, location: str) -> None:
        self.location = location
        self._path = Path(location)
        self._root = self._path.parent if self._path.is_file() else self._path

    def scan(self) -> Folder:
        """See `Source.scan`."""
        if not self._path.exists():
            raise SourceUnreachable(f"there is no {self._path}.")
        return folder.scan(self._path)

    def open_lines(self, file: File) -> AbstractContextManager[IO[bytes]]:
        """See `Source.open_lines`."""
        return folder.open_lines(self._root / file.where)

    def read(self, file: File) -> bytes | None:
        """See `Source.read`."""
        try:
            return read_regular(self._root / file.where, MAX_NOTE_BYTES)
        except (StrongroomError, OSError):
            return None

    def read_each(self, files: Iterable[File]) -> Iterator[tuple[File, bytes | None]]:
        """See `Source.read_each`."""
        return ((file, self.read(file)) for file in files)

    def open_each(
        self, files: Iterable[File]
    ) -> Iterator[tuple[File, AbstractContextManager[IO[bytes]]]]:
        """See `Source.open_each`."""
        return ((file, self.open_lines(file)) for file in files)


class StoreSource:
    """Objects of a store that keeps versions: the oldest of each is what was archived.

    Nothing in an archive is ever replaced, so a later version, or a marker that hides an object,
    is somebody's doing. It is told as a notice; the original decides the verdict.

    Args:
        store: the store.
        options: how it was opened.
    """

    def __init__(self, store: Store, options: S3Options = DEFAULT_OPTIONS) -> None:
        self.location = store.location
        self.options = options
        self._store = store

    def scan(self) -> Folder:
        """See `Source.scan`."""
        found = Folder()
        try:
            for versions in _by_name(self._store.versions("")):
                self._take(found, versions)
        except (StrongroomError, OSError) as error:
            raise SourceUnreachable(f"{self.location} can't be listed: {error}") from error
        return found.finish()

    def open_lines(self, file: File) -> AbstractContextManager[IO[bytes]]:
        """See `Source.open_lines`."""
        return _opened(file, lambda: self._fetch_unpacked(file))

    def read(self, file: File) -> bytes | None:
        """See `Source.read`."""
        try:
            return self._fetch(file, MAX_NOTE_BYTES)
        except OSError:
            return None

    def read_each(self, files: Iterable[File]) -> Iterator[tuple[File, bytes | None]]:
        """See `Source.read_each`."""
        for file, future in ahead(self.read, files):
            yield file, future.result()

    def open_each(
        self, files: Iterable[File]
    ) -> Iterator[tuple[File, AbstractContextManager[IO[bytes]]]]:
        """See `Source.open_each`."""
        for file, future in ahead(self._fetch_unpacked, files):
            yield file, _opened(file, future.result)

    def stat(self, file: File) -> Stored:
        """What the store says of the version that is verified. Raises StrongroomError."""
        return self._store.stat(file.where, version_id=file.version_id)

    def _fetch(self, file: File, max_bytes: int) -> bytes:
        if file.size_bytes is not None and file.size_bytes > max_bytes:
            raise OSError(f"the object has {file.size_bytes} bytes, more than {max_bytes}")
        try:
            return self._store.read(file.where, version_id=file.version_id)
        except StrongroomError as error:
            raise OSError(str(error)) from error

    def _fetch_unpacked(self, file: File) -> _Object:
        """What several threads can do at once: waiting for the store, and unpacking."""
        data = self._fetch(file, MAX_OBJECT_BYTES)
        unpacked = folder.unpack(data) if file.where.endswith(".gz") else None
        return _Object(data) if unpacked is None else _Object(unpacked, is_plain=True)

    def _take(self, found: Folder, versions: list[Version]) -> None:
        name = versions[0].name
        kept = [version for version in versions if not version.is_delete_marker]
        if name.rpartition("/")[2].startswith(".") or not kept:
            return
        original, *later = kept
        range_, day = range_of(name.rpartition("/")[2]), day_of(f"{self.location}/{name}")
        # Without versions there is but the latest, and not every server takes "null" for its name.
        unversioned = original.version_id == "null" and original.is_latest
        version_id = None if unversioned else original.version_id
        found.add(File(name, range_, day, version_id, original.size_bytes))
        if later:
            message = f"{name} was overwritten {len(later)} times; its first version is verified."
            if len(later) == 1:
                message = f"{name} was overwritten; its first version is verified."
            found.notices.append(Finding("object_overwritten", None, message, name))
        if len(kept) < len(versions):
            message = f"{name} has a delete marker; the version beneath it is verified."
            found.notices.append(Finding("object_hidden", None, message, name))


def ahead(
    work: Callable[[_Item], _Answer], items: Iterable[_Item], threads: int = THREADS
) -> Iterator[tuple[_Item, Future[_Answer]]]:
    """Does the work in a few threads, at most twice as many items ahead of who takes the results.

    Args:
        work: may raise; asking the future for its result then raises it.
        items: handed out in this order.
        threads: how many work at once.
    """
    waiting: deque[tuple[_Item, Future[_Answer]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()


class _Object(NamedTuple):
    data: bytes
    # Whether it was unpacked already.
    is_plain: bool = False


@contextmanager
def _opened(file: File, fetch: Callable[[], _Object]) -> Iterator[IO[bytes]]:
    """The lines of an object whose bytes are, or will be, in memory."""
    fetched = fetch()
    data = io.BytesIO(fetched.data)
    if fetched.is_plain or not file.where.endswith(".gz"):
        yield data
        return
    with folder.lines_of(data) as lines:
        yield lines


def _by_name(versions: Iterable[Version]) -> Iterator[list[Version]]:
    """Groups versions by name, the oldest first, without holding more than one name's."""
    group: list[Version] = []
    for version in versions:
        if group and group[0].name != version.name:
            yield group
            group = []
        group.append(version)
    if group:
        yield group
