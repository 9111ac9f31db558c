"""Ids of our own events: UUIDs of version 7 (RFC 9562 §5.7), which sort by time."""

from __future__ import annotations

import os
import time

_VERSION, _VARIANT = 0x7 << 76, 0b10 << 62
_RANDOM_BITS = 62


def uuid7() -> str:
    """A new id: milliseconds, the fraction of one in 12 bits (§6.2, method 3), 62 random bits."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8)) >> (64 - _RANDOM_BITS)
    value = (milliseconds & (1 << 48) - 1) << 80 | _VERSION | fraction << 64 | _VARIANT | random
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
