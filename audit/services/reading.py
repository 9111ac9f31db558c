"""Reads events that lie in the outbox: quickly where the text is plain, strictly otherwise."""

from __future__ import annotations

import json
import re
from typing import Any

from audit.columns import Row, row_of
from audit.formats import event as formats

# Longer numbers may be more than a double can hold.
_SAFE_DIGITS = 15
# By UTF-16, after which canonical JSON sorts, letters from here on come in another order than in
# Unicode; in UTF-8 they begin with these bytes.
_SORTED_OTHERWISE = re.compile(rb"[\xee-\xff]")


class _NotPlainError(Exception):
    """The text holds a number that needs a second look."""


def _refuse(text: str) -> Any:
    raise _NotPlainError(text)


def _integer(text: str) -> int:
    if len(text) > _SAFE_DIGITS:
        raise _NotPlainError(text)
    return int(text)


_decode = json.JSONDecoder(parse_int=_integer, parse_float=_refuse, parse_constant=_refuse).decode
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def read(text: str) -> Row:
    """The row of an event that somebody stored as text.

    Raises:
        EventRefused: it is not the canonical JSON of a valid event.
    """
    raw = text.encode("utf-8")
    event = _plainly(text, raw)
    if event is None:
        event = formats.parse(raw)
    else:
        if len(raw) > formats.MAX_EVENT_BYTES:
            raise formats.EventRefused(f"Larger than {formats.MAX_EVENT_BYTES} bytes.")
        formats.validate(event)
    return row_of(raw, event)


def _plainly(text: str, raw: bytes) -> Any:
    """The value of ``text`` if the standard library can tell that it is canonical; else None.

    Without fractions and long numbers, escaped NULs, and letters that sort otherwise, sorted keys
    and no spaces are what RFC 8785 asks for, so text that comes out as it went in is canonical.
    """
    if "\\u0000" in text or not (text.isascii() or _SORTED_OTHERWISE.search(raw) is None):
        return None
    try:
        value = _decode(text)
        return value if _encode(value) == text else None
    except (ValueError, RecursionError, _NotPlainError):
        return None
