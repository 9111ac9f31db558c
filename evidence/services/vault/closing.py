"""Files and folders of a local vault: how they are closed against changes, and read."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from evidence.services.vault import staging
from evidence.services.vault.base import Kept
from evidence.services.vault.errors import VaultDiffers, VaultUnavailable
from evidence.services.vault.staging import FILE_MODE
from sealing import digests, immutable
from sealing.errors import NotFound
from sealing.files import PathRefused
from sealing.immutable import Flag, Setting

READ_ONLY: Final = "read-only"
IMMUTABLE: Final = f"{READ_ONLY}, {Flag.IMMUTABLE}"
WRITABLE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_SETTING: Final = "COMPLIANCE_EVIDENCE_VAULT_DIR"
# At the root: what is not committed yet, and what a file system of its own keeps for repairs.
_NOT_OURS: Final = frozenset({staging.FOLDER, "lost+found"})
_BLOCK: Final = 1 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_FOLDER: Final = frozenset({errno.ENOTDIR, errno.EEXIST})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextlib.contextmanager
def problems() -> Iterator[None]:
    """Says of what the system refuses what it means, and what to do; no path is told."""
    try:
        yield
    except OSError as error:
        raise _unavailable(error) from error
    except PathRefused as error:
        # The name may be one of ours, and the system did not let us look where it leads.
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno == errno.ENAMETOOLONG:
            raise
        raise _unavailable(cause) from error


def _unavailable(error: OSError) -> VaultUnavailable:
    told = f"{errno.errorcode.get(error.errno or 0, 'EIO')}, {error.strerror}"
    if error.errno in _FULL:
        message = f"The vault is full: free or add space for {_SETTING} ({told})."
    elif error.errno in _REFUSED:
        message = f"The vault refuses: check storage permission for {_SETTING} ({told})."
    elif error.errno in _NO_FOLDER:
        message = f"The vault is no folder: check {_SETTING} ({told})."
    else:
        message = f"The vault can't be used: check {_SETTING} ({told})."
    return VaultUnavailable(message, field=_SETTING)


def close_file(path: Path, *, with_flag: bool) -> str:
    """Makes it read-only and, where the system knows it and lets us, immutable; tells which."""
    if path.is_symlink() or not path.is_file():
        return ""
    if immutable.is_protected(path, Flag.IMMUTABLE):
        return IMMUTABLE
    path.chmod(FILE_MODE)
    if not with_flag:
        return f"{READ_ONLY} ({Flag.IMMUTABLE} flag: switched off)"
    setting = immutable.protect(path, Flag.IMMUTABLE)
    if setting is Setting.SET:
        return IMMUTABLE
    return f"{READ_ONLY} ({Flag.IMMUTABLE} flag: {setting})"


def close_folder(path: Path, *, with_flag: bool) -> None:
    """Append-only, so that files are added and none goes; or else read-only."""
    if immutable.is_protected(path, Flag.APPEND_ONLY):
        return
    path.chmod(0o755)
    if not with_flag or immutable.protect(path, Flag.APPEND_ONLY) is not Setting.SET:
        path.chmod(0o555)


@contextlib.contextmanager
def opened_for_adding(path: Path, *, with_flag: bool) -> Iterator[None]:
    """A folder to which files can be added for as long as the block lasts."""
    if not immutable.is_protected(path, Flag.APPEND_ONLY):
        path.chmod(0o755)
    try:
        yield
    finally:
        close_folder(path, with_flag=with_flag)


def described(name: str, path: Path) -> Kept:
    """What the system says of a file. Raises NotFound, VaultDiffers for what is no file."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"There is no {name}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise VaultDiffers(f"{name} is not a regular file.")
    is_writable = bool(status.st_mode & WRITABLE)
    is_immutable = immutable.is_protected(path, Flag.IMMUTABLE)
    return Kept(
        name,
        "",
        status.st_size,
        IMMUTABLE if is_immutable else "writable" if is_writable else READ_ONLY,
        stored_at=datetime.fromtimestamp(status.st_mtime, UTC),
        faults=(("vault_permissions", "The file can be written to."),) if is_writable else (),
    )


def changed_at(path: Path) -> datetime | None:
    """When what lies there was changed last; None where the system does not say."""
    with contextlib.suppress(OSError):
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    return None


def below(path: Path, name: str, level: int) -> Iterator[str]:
    """The folders of packages below the vault's root, and whatever else lies on the way."""
    try:
        with problems(), os.scandir(path) as entries:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except VaultUnavailable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return
        raise
    for part, is_folder in found:
        inner = f"{name}/{part}" if name else part
        if inner in _NOT_OURS:
            continue
        if is_folder and level < 4:
            yield from below(path / part, inner, level + 1)
        else:
            yield inner


def blocks_of(path: Path) -> Iterator[bytes]:
    """The file as the disk has it: the kernel is asked to forget what it remembers first."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with problems(), os.fdopen(descriptor, "rb", buffering=0) as file:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        while block := file.read(_BLOCK):
            yield block


def digest_of(blocks: Iterable[bytes]) -> str:
    """The tagged digest of all of them."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digests.tag(digest.digest())
