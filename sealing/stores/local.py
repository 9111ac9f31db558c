"""A store in a local folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from sealing import files
from sealing.digests import sha256_tag
from sealing.errors import NotFound
from sealing.files import AlreadyExists, PathRefused
from sealing.stores.base import (
    Retention,
    Stored,
    StoreDenied,
    StoreUnavailable,
    Version,
    check_object_name,
    refuse_release,
    refuse_weaker,
)
from sealing.stores.lockrecords import Lock, LockRecords

MAX_OBJECT_BYTES = 4 << 30


class LocalStore:
    """Objects are read-only files below ``root``, written durably and never replaced.

    Locks and legal holds are records in ``<root>/.locks``; this class never shortens or weakens
    one, and removes nothing that is locked. That is all it can promise: whoever owns the folder
    or is root can remove files and records alike, so a local folder is not WORM storage. What
    such a person can't do is change it unnoticed: signed checkpoints tell.

    Args:
        root: made with the first object, if it is missing.
        now: the clock by which locks end; the host's unless another is given.
    """

    def __init__(self, root: Path, *, now: Callable[[], datetime] | None = None) -> None:
        self._root = root
        self._locks = LockRecords(root)
        self._now = now

    @property
    def location(self) -> str:
        """See `Store.location`."""
        return str(self._root)

    def key(self, name: str) -> str:
        """See `Store.key`."""
        check_object_name(name)
        return name

    def put_new(self, name: str, data: bytes, *, retention: Retention | None = None) -> Stored:
        """See `Store.put_new`. The lock's record is on disk before the object is."""
        path = self._path(name)
        with _problems_of(name):
            if retention is None:
                files.write_new(path, data, mode=0o440, adopt_identical=True)
            else:
                with self._locks.exclusively():
                    # An object that is another's must not get our lock.
                    if path.is_file() and self.read(name) != data:
                        raise AlreadyExists(f"{path.name} is there already.")
                    held = self._locks.read(name)
                    wanted = retention.with_at_least(held.retention)
                    if wanted != held.retention:
                        self._locks.write(name, Lock(wanted, held.legal_hold))
                    files.write_new(path, data, mode=0o440, adopt_identical=True)
        return self._describe(name, sha256_tag(self.read(name)))

    def read(self, name: str, *, version_id: str | None = None) -> bytes:
        """See `Store.read`."""
        path = self._path(name)
        _refuse_version(name, version_id)
        return files.read_regular(path, MAX_OBJECT_BYTES)

    def stat(self, name: str, *, version_id: str | None = None) -> Stored:
        """See `Store.stat`."""
        _refuse_version(name, version_id)
        return self._describe(name, "")

    def exists(self, name: str) -> bool:
        """See `Store.exists`."""
        return self._path(name).is_file()

    def iterate(self, prefix: str = "", *, start_after: str = "") -> Iterator[str]:
        """See `Store.iterate`; only the folder that ``prefix`` names is walked, lazily.

        Unfinished and hidden files are no objects, nor are symbolic links and names that
        `check_object_name` refuses.
        """
        within = prefix.rpartition("/")[0]
        if not within:
            yield from _walk(self._root, "", prefix, start_after)
        else:
            yield from _walk(self._path(within), f"{within}/", prefix, start_after)

    def versions(self, prefix: str = "") -> Iterator[Version]:
        """See `Store.versions`; there is one of each object."""
        for name in self.iterate(prefix):
            status = self._status(name)
            yield Version(name, None, True, False, status.st_size, _moment(status.st_mtime))

    def extend(self, name: str, retention: Retention, *, version_id: str | None = None) -> Stored:
        """See `Store.extend`."""
        _refuse_version(name, version_id)
        with _problems_of(name), self._locks.exclusively():
            self._status(name)
            held = self._locks.read(name)
            refuse_weaker(name, held.retention, retention)
            self._locks.write(name, Lock(retention, held.legal_hold))
        return self._describe(name, "")

    def hold(self, name: str, *, on: bool, version_id: str | None = None) -> Stored:
        """See `Store.hold`."""
        _refuse_version(name, version_id)
        with _problems_of(name), self._locks.exclusively():
            self._status(name)
            self._locks.write(name, Lock(self._locks.read(name).retention, on))
        return self._describe(name, "")

    def release(self, name: str) -> None:
        """See `Store.release`. The record goes last: a crash between leaves it, never less."""
        with _problems_of(name), self._locks.exclusively():
            refuse_release(self._describe(name, ""), self.clock())
            files.remove(self._path(name))
            record = self._locks.path(name)
            if record.exists():
                files.remove(record)

    def clock(self) -> datetime:
        """See `Store.clock`."""
        return self._now() if self._now is not None else datetime.now(UTC)

    def _path(self, name: str) -> Path:
        check_object_name(name)
        return files.safe_join(self._root, name)

    def _status(self, name: str) -> os.stat_result:
        path = self._path(name)
        if not path.is_file():
            raise NotFound(f"There is no {name}.")
        return path.stat()

    def _describe(self, name: str, digest: str) -> Stored:
        status, lock = self._status(name), self._locks.read(name)
        return Stored(
            name,
            status.st_size,
            digest,
            retention=lock.retention,
            legal_hold=lock.legal_hold,
            stored_at=_moment(status.st_mtime),
        )


def _walk(folder: Path, above: str, prefix: str, start_after: str) -> Iterator[str]:
    """Names below ``folder`` in the order of their bytes, as S3 lists them.

    A folder sorts as its name with a `/`: "a.b" comes before "a/c".
    """
    try:
        entries = sorted(
            (entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name, entry)
            for entry in os.scandir(folder)
            if not entry.name.startswith(".") and not entry.is_symlink()
        )
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StoreUnavailable(f"{folder} can't be listed: {error.strerror}.") from error
    for part, entry in entries:
        name = above + part
        if part.endswith("/"):
            agrees = name.startswith(prefix) or prefix.startswith(name)
            if agrees and (name > start_after or start_after.startswith(name)):
                yield from _walk(folder / entry.name, name, prefix, start_after)
        elif name.startswith(prefix) and name > start_after and _is_object(name, entry):
            yield name


def _is_object(name: str, entry: os.DirEntry[str]) -> bool:
    try:
        check_object_name(name)
    except PathRefused:
        return False
    return entry.is_file(follow_symlinks=False)


def _refuse_version(name: str, version_id: str | None) -> None:
    if version_id is not None:
        raise NotFound(f"There is no such version of {name}: a folder keeps none.")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@contextlib.contextmanager
def _problems_of(name: str) -> Iterator[None]:
    """Tells the file system's refusals in a store's words."""
    try:
        yield
    except PermissionError as error:
        raise StoreDenied(f"{name} can't be changed: {error.strerror}.") from error
    except OSError as error:
        raise StoreUnavailable(f"{name} can't be kept: {error.strerror}.") from error
