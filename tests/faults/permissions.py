"""Permissions of files hold for root, too, once it has laid down the right to pass them by."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

# linux/capability.h: what passes by the permissions of files, to write and to read.
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextlib.contextmanager
def as_anybody() -> Iterator[None]:
    """For this thread; it gets its rights back at the end. Nothing changes for who is not root."""
    header, sets = _Header(_VERSION_3, 0), (_Set * 2)()
    _call("capget", header, sets)
    before = sets[0].effective
    sets[0].effective = before & ~(_DAC_OVERRIDE | _DAC_READ_SEARCH)
    _call("capset", header, sets)
    try:
        yield
    finally:
        sets[0].effective = before
        _call("capset", header, sets)


def _call(name: str, header: _Header, sets: ctypes.Array[_Set]) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), f"{name} failed")
