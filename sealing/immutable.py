"""Flags by which Linux refuses changes, even root's, until somebody takes them off (`chattr`).

ext4, XFS, Btrfs and others know them (tmpfs since Linux 6.6), NFS doesn't. Setting them needs the
capability CAP_LINUX_IMMUTABLE: root has it outside of most containers.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
from enum import StrEnum
from pathlib import Path
from typing import Final

# linux/fs.h; the direction and size bits of an ioctl's number as most architectures have them.
_LONG: Final = struct.calcsize("l")
_GET_FLAGS: Final = (2 << 30) | (_LONG << 16) | (ord("f") << 8) | 1
_SET_FLAGS: Final = (1 << 30) | (_LONG << 16) | (ord("f") << 8) | 2
_NOT_PERMITTED: Final = frozenset({errno.EPERM, errno.EACCES})
_NOT_SUPPORTED: Final = frozenset(
    {errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
)


class Flag(StrEnum):
    """What may be set, as people call it."""

    IMMUTABLE = "immutable"  # a file: no change, no removal, no other name
    APPEND_ONLY = "append-only"  # a folder: files are added, and none goes


_BITS: Final = {Flag.IMMUTABLE: 0x10, Flag.APPEND_ONLY: 0x20}


class Setting(StrEnum):
    """What came of asking for a flag."""

    SET = "set"
    NOT_PERMITTED = "not permitted here"
    NOT_SUPPORTED = "not supported here"


def protect(path: Path, flag: Flag) -> Setting:
    """Sets the flag and reads it back. There is nothing here that takes one off.

    Raises:
        OSError: for any other reason than that the place doesn't know or permit it.
    """
    if not sys.platform.startswith("linux"):
        return Setting.NOT_SUPPORTED
    descriptor = _opened(path)
    try:
        present = _read(descriptor)
        if present & _BITS[flag]:
            return Setting.SET
        fcntl.ioctl(descriptor, _SET_FLAGS, _packed(present | _BITS[flag]))
        os.fsync(descriptor)
        return Setting.SET if _read(descriptor) & _BITS[flag] else Setting.NOT_SUPPORTED
    except OSError as error:
        if error.errno in _NOT_PERMITTED:
            return Setting.NOT_PERMITTED
        if error.errno in _NOT_SUPPORTED:
            return Setting.NOT_SUPPORTED
        raise
    finally:
        os.close(descriptor)


def is_protected(path: Path, flag: Flag) -> bool:
    """Whether the flag is on the file or folder. Raises OSError if it can't be opened."""
    descriptor = _opened(path)
    try:
        return bool(_read(descriptor) & _BITS[flag])
    except OSError as error:
        if error.errno in _NOT_SUPPORTED:
            return False
        raise
    finally:
        os.close(descriptor)


# The kernel reads and writes an int, whatever the ioctl's number says of its size.


def _read(descriptor: int) -> int:
    raw = fcntl.ioctl(descriptor, _GET_FLAGS, bytes(_LONG))
    return int(struct.unpack("i", raw[:4])[0])


def _packed(flags: int) -> bytes:
    return struct.pack("i", flags).ljust(_LONG, b"\0")


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
