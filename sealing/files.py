"""Files that are complete or not there, and names that stay below their folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from sealing.errors import Conflict, Invalid, NotFound, TooLarge

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC


class AlreadyExists(Conflict):
    """There is a file of that name; it is never replaced."""

    code = "file_exists"


class PathRefused(Invalid):
    """The name does not stay below the folder. Says nothing of whether anything is there."""

    code = "path_invalid"


def write_new(
    path: Path,
    data: bytes | Iterable[bytes],
    mode: int = 0o640,
    *,
    adopt_identical: bool = False,
) -> None:
    """Writes a file that was not there, so that it is complete under its name or absent.

    A temporary file in the same folder is written and synced, linked to its name without
    replacing anything, and the folder is synced: a crash leaves the whole file or none.

    Args:
        adopt_identical: an equal file in place counts as written (for retries).

    Raises:
        AlreadyExists: a file of that name is there.
    """
    ensure_folder(path.parent)
    with _temporary(path, data, mode) as scratch:
        try:
            os.link(scratch, path, follow_symlinks=False)
        except FileExistsError as error:
            if not (adopt_identical and _same(scratch, path)):
                raise AlreadyExists(f"{path.name} is there already.") from error
    _sync_folder(path.parent)


def replace(path: Path, data: bytes | Iterable[bytes], mode: int = 0o640) -> None:
    """Puts a file in place of the one of that name, atomically and durably."""
    ensure_folder(path.parent)
    with _temporary(path, data, mode) as scratch:
        os.replace(scratch, path)
    _sync_folder(path.parent)


def remove(path: Path) -> None:
    """Removes a file, durably. Raises FileNotFoundError."""
    path.unlink()
    _sync_folder(path.parent)


def link_new(scratch: Path, path: Path) -> None:
    """Gives a complete, synced file a second name, durably; nothing is replaced.

    Raises:
        AlreadyExists: a file of that name is there.
    """
    try:
        os.link(scratch, path, follow_symlinks=False)
    except FileExistsError as error:
        raise AlreadyExists(f"{path.name} is there already.") from error
    _sync_folder(path.parent)


def move_folder(scratch: Path, path: Path) -> None:
    """Gives a folder of complete, synced files its name, in one step and durably.

    Both names are in one file system. The folders above the new one are made where missing.

    Raises:
        AlreadyExists: there is a file, or a folder with anything in it, of that name.
    """
    ensure_folder(path.parent)
    _sync_folder(scratch)
    try:
        scratch.rename(path)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise AlreadyExists(f"{path.name} is there already.") from error
        raise
    _sync_folder(path.parent)
    _sync_folder(scratch.parent)


def ensure_folder(path: Path, mode: int = 0o750) -> None:
    """Makes a folder and the folders above it, durably, where they are missing."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=mode, exist_ok=True)
        _sync_folder(folder.parent)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes out for as long as the block lasts, by the lock of a file (flock(2)).

    The file is made where it is missing, and stays.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def check_name(name: str) -> None:
    """Raises PathRefused unless ``name`` is parts with `/` between them, none of them special."""
    if len(name) > 1024 or "\\" in name or _CONTROLS.search(name):
        raise PathRefused("Not a name below the folder.")
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise PathRefused("Not a name below the folder.")
    try:
        too_long = any(len(part.encode("utf-8")) > 255 for part in parts)
    except UnicodeEncodeError as error:
        raise PathRefused("Not a name below the folder.") from error
    if too_long:
        raise PathRefused("Not a name below the folder.")


def safe_join(root: Path, name: str) -> Path:
    """The path of ``name`` below ``root``.

    Refuses absolute names, `..`, `.`, empty parts, backslashes, control characters such as NUL,
    and symbolic links anywhere below ``root``. The answer is the same whether or not it exists.

    Raises:
        PathRefused: the name is none of ours.
    """
    check_name(name)
    path = root
    for part in name.split("/"):
        path = path / part
        try:
            if stat.S_ISLNK(path.lstat().st_mode):
                raise PathRefused("Not a name below the folder.")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise PathRefused("Not a name below the folder.") from error
    return path


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file, never through a symbolic link at its end.

    Raises:
        NotFound: there is no such file, or it is not a regular one. TooLarge.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _NO_FOLLOW)
    except OSError as error:
        raise NotFound(f"{path.name} can't be read.") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotFound(f"{path.name} is not a file.")
        if status.st_size > max_bytes:
            raise TooLarge(f"{path.name} is larger than {max_bytes} bytes.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise TooLarge(f"{path.name} is larger than {max_bytes} bytes.")
    return data


@contextlib.contextmanager
def _temporary(path: Path, data: bytes | Iterable[bytes], mode: int) -> Iterator[Path]:
    scratch = path.parent / f".{path.name[:100]}.{secrets.token_hex(8)}.tmp"
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            for block in (data,) if isinstance(data, bytes) else data:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _same(one: Path, other: Path) -> bool:
    if other.is_symlink() or not other.is_file() or one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        while block := left.read(1 << 20):
            if block != right.read(1 << 20):
                return False
    return True
