"""Quick ways of canonical JSON, by orjson; they answer only where they are certain.

`sealing.canonical` asks here first and does the work itself where the answer is `UNDECIDED`.
docs/adr/0017-fast-paths.md says why each answer is certain, and property tests hold every function
against the strict one. Without orjson, as on an auditor's machine, nothing is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

try:
    import orjson
except ImportError:  # an auditor needs none of it: the strict way does the same
    orjson = None  # type: ignore[assignment,unused-ignore]

# What the functions below return in place of an answer.
UNDECIDED: Final = object()

_LEAVES = frozenset({str, int, bool, type(None)})
# Canonical JSON sorts keys by UTF-16, orjson by UTF-8. The two differ only from U+E000 on, whose
# characters begin with these bytes; deleting all others from a text shows whether it has any.
_SORTED_ALIKE = bytes(range(0xEE))
# NUL and halves of characters are refused, with the place; a quotation mark or a colon in another
# spelling would be a mark that comes and goes (see `decode`).
_RARE_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F]|0022|003[aA])")
if orjson is not None:
    # Integers beyond ±(2^53 - 1) and subclasses (of str, of dict) are errors, not guesses.
    _STRICT = (
        orjson.OPT_STRICT_INTEGER
        | orjson.OPT_PASSTHROUGH_SUBCLASS
        | orjson.OPT_PASSTHROUGH_DATETIME
        | orjson.OPT_PASSTHROUGH_DATACLASS
    )
    _CANONICAL = _STRICT | orjson.OPT_SORT_KEYS


def encode(value: Any, max_depth: int = 200) -> Any:
    """The canonical bytes of ``value``, or UNDECIDED; so also where it nests too deeply."""
    if orjson is None:
        return UNDECIDED
    try:
        raw = orjson.dumps(value, option=_CANONICAL)
    except orjson.JSONEncodeError:
        return UNDECIDED
    # Fractions are written in another way than RFC 8785 does, NaN as null, and ids as text.
    if not (raw.isascii() or _sorts_alike(raw)) or not _is_plain((value,), max_depth):
        return UNDECIDED
    return raw


def decode(raw: bytes, max_depth: int) -> Any:
    """The value of JSON without duplicate keys, fractions and anything else in doubt.

    Returns:
        The value, or UNDECIDED: also for whatever must be refused, so that the strict parser
        says why.
    """
    # No space is let through between a key's quotation mark and its colon. So `":` marks every
    # member, and a few places inside of strings, which stay what they are.
    if b" :" in raw or b"\n" in raw or b"\t" in raw or b"\r" in raw:
        return UNDECIDED
    value = _loads(raw)
    if value is UNDECIDED or not _is_plain((value,), max_depth):
        return UNDECIDED
    try:
        again = orjson.dumps(value, option=_STRICT)
    except orjson.JSONEncodeError:
        return UNDECIDED
    # A member that was overwritten by another of the same key is missing now, with its mark.
    return value if again.count(b'":') == raw.count(b'":') else UNDECIDED


def decode_canonical(raw: bytes, max_depth: int) -> Any:
    """The value of text that is certain to be canonical, or UNDECIDED."""
    value = _loads(raw)
    # Text that comes out as it went in has no duplicate keys, spaces or other spellings.
    if value is UNDECIDED or encode(value, max_depth) != raw:
        return UNDECIDED
    return value


def _loads(raw: bytes) -> Any:
    if orjson is None or (b"\\u" in raw and _RARE_ESCAPE.search(raw)):
        return UNDECIDED
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return UNDECIDED


def _sorts_alike(raw: bytes) -> bool:
    return not raw.translate(None, _SORTED_ALIKE)


def _is_plain(values: Iterable[Any], max_depth: int) -> bool:
    """Whether there is nothing but text, integers, constants, lists and objects, not too deep."""
    for value in values:
        kind = type(value)
        if kind in _LEAVES:
            continue
        if kind is dict:
            inner = value.values()
        elif kind is list:
            inner = value
        else:
            return False
        if not max_depth or not _is_plain(inner, max_depth - 1):
            return False
    return True
