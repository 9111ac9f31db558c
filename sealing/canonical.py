"""Canonical JSON (RFC 8785), and a parser that accepts only what it could have written back.

A parser that lets two texts mean the same, or one text mean two things, is where forged documents
hide: duplicate keys, numbers beyond a double's integers, and half characters are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from sealing import fastjson
from sealing.errors import Invalid, Unavailable

MAX_INTEGER = 2**53 - 1
_plain_encoder = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[\ud800-\udfff]")


class NotCanonical(Invalid):
    """The value can't be written as canonical JSON, or the text is not canonical."""

    code = "json_not_canonical"


class EncoderMissing(Unavailable):
    """The value needs a package that is not installed; nothing is said about the value."""

    code = "encoder_missing"


class JSONRefused(Invalid):
    """The text is not JSON of the strict kind; `code` says why and `field` where."""

    code = "json_invalid"


def dumps(value: Any) -> bytes:
    """The canonical bytes of ``value`` (RFC 8785).

    Raises:
        NotCanonical: it holds something that JSON can't, such as NaN, a lone surrogate, an integer
            beyond ±(2^53 - 1), or a key that is not text.
        EncoderMissing: it holds something rare, and the package for that is not installed.
    """
    quick = fastjson.encode(value)
    return _exactly(value) if quick is fastjson.UNDECIDED else bytes(quick)


def _exactly(value: Any) -> bytes:
    try:
        if _is_plain((value,)):
            return _plain_encoder.encode(value).encode("utf-8")
        _refuse_wide_floats((value,))
    except (UnicodeError, RecursionError, ValueError) as error:
        raise NotCanonical(f"This can't be written as canonical JSON: {error}.") from error
    try:
        import rfc8785
    except ImportError as error:
        raise EncoderMissing(
            "Fractions and rare keys are written by the package rfc8785: pip install rfc8785."
        ) from error
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError, ValueError) as error:
        raise NotCanonical(f"This can't be written as canonical JSON: {error}.") from error


def _is_plain(values: Iterable[Any]) -> bool:
    """Whether the standard library's encoder writes the same bytes, an order faster.

    It does unless there are numbers with fractions, keys whose order depends on the encoding, or
    types that need a second look. A property test holds the two against one another.
    """
    for value in values:
        kind = type(value)
        if kind is str or value is None or kind is bool:
            continue
        if kind is int:
            if not -MAX_INTEGER <= value <= MAX_INTEGER:
                return False
        elif kind is dict:
            if not all(type(key) is str and key.isascii() for key in value):
                return False
            if not _is_plain(value.values()):
                return False
        elif kind is not list or not _is_plain(value):
            return False
    return True


def _refuse_wide_floats(values: Iterable[Any]) -> None:
    """RFC 8785 writes 1e16 without a fraction, and `loads` would refuse to read that integer."""
    for value in values:
        if isinstance(value, float):
            if MAX_INTEGER < abs(value) < 1e21:
                raise NotCanonical("A number beyond ±(2^53-1) that would be written as an integer.")
        elif isinstance(value, dict):
            _refuse_wide_floats(value.values())
        elif isinstance(value, (list, tuple)):
            _refuse_wide_floats(value)


def document(value: Any) -> bytes:
    """A file of ours: canonical bytes and one newline."""
    return dumps(value) + b"\n"


def loads(raw: bytes, *, max_bytes: int = 1 << 20, max_depth: int = 32) -> Any:
    """Parses JSON strictly.

    Args:
        raw: UTF-8 without a byte order mark.
        max_bytes: larger input is refused unread.
        max_depth: how many arrays and objects may enclose one another.

    Raises:
        JSONRefused: with a code beginning with `json_` and, where it can be told, the place.
    """
    if len(raw) > max_bytes:
        raise JSONRefused(f"JSON larger than {max_bytes} bytes.", code="json_too_large")
    quick = fastjson.decode(raw, max_depth)
    return _parsed(raw, max_depth) if quick is fastjson.UNDECIDED else quick


def loads_canonical(raw: bytes, *, max_bytes: int = 1 << 20, max_depth: int = 32) -> Any:
    """Parses JSON that must be in its canonical form.

    Raises:
        JSONRefused: as `loads`. NotCanonical: it has another spelling.
    """
    if len(raw) <= max_bytes:
        quick = fastjson.decode_canonical(raw, max_depth)
        if quick is not fastjson.UNDECIDED:
            return quick
    value = loads(raw, max_bytes=max_bytes, max_depth=max_depth)
    if dumps(value) != raw:
        raise NotCanonical("The text is not canonical JSON.")
    return value


def _parsed(raw: bytes, max_depth: int) -> Any:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JSONRefused(
            f"Not UTF-8 at byte {error.start}.", code="json_encoding", field=f"byte {error.start}"
        ) from error
    if text.startswith("\ufeff"):
        raise JSONRefused("A byte order mark is not accepted.", code="json_encoding")
    _check_depth(text, max_depth)
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise JSONRefused(f"{error.msg} at {place}.", field=place) from error
    except RecursionError as error:
        raise JSONRefused("Nested too deeply.", code="json_too_deep") from error
    if _SUSPECT.search(text):
        _check_strings(value)
    return value


def load_document(raw: bytes, *, max_bytes: int = 1 << 20, max_depth: int = 32) -> Any:
    """Parses a file of ours. Raises NotCanonical unless it is what `document` writes."""
    value = loads(raw, max_bytes=max_bytes, max_depth=max_depth)
    if document(value) != raw:
        raise NotCanonical("The file is not canonical JSON followed by one newline.")
    return value


def is_canonical(raw: bytes) -> bool:
    """Whether ``raw`` is strict JSON in its canonical form (without a newline)."""
    try:
        loads_canonical(raw, max_bytes=max(len(raw), 1))
    except Invalid:
        return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JSONRefused(
                    f"The key {key[:80]!a} is there twice.",
                    code="json_duplicate_key",
                    field=_pointer([key]),
                )
            seen.add(key)
    return found


def _integer(text: str) -> int:
    if len(text) > 17 or abs(value := int(text)) > MAX_INTEGER:
        raise JSONRefused("An integer beyond ±(2^53 - 1).", code="json_number", field=text[:40])
    return value


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise JSONRefused("A number too large for a double.", code="json_number", field=text[:40])
    return value


def _constant(text: str) -> Any:
    raise JSONRefused(f"{text} is not JSON.", code="json_number", field=text)


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
_OUTSIDE_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def _check_depth(text: str, max_depth: int) -> None:
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for token in _OUTSIDE_STRINGS.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
            if depth > max_depth:
                raise JSONRefused(
                    f"Nested deeper than {max_depth}.",
                    code="json_too_deep",
                    field=f"character {token.start()}",
                )
        elif mark in "]}":
            depth -= 1


def _check_strings(value: Any) -> None:
    stack: list[tuple[list[str], Any]] = [([], value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, str):
            _check_string(item, path)
        elif isinstance(item, dict):
            for key, inner in item.items():
                _check_string(key, path)
                stack.append(([*path, key], inner))
        elif isinstance(item, list):
            stack.extend(([*path, str(index)], inner) for index, inner in enumerate(item))


def _check_string(text: str, path: list[str]) -> None:
    if "\x00" in text:
        raise JSONRefused("The character U+0000.", code="json_nul", field=_pointer(path))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise JSONRefused(
            "Half a character.", code="json_surrogate", field=_pointer(path)
        ) from error


def _pointer(path: list[str]) -> str:
    escaped = (part.replace("~", "~0").replace("/", "~1") for part in path)
    return "".join(f"/{part}" for part in escaped).encode("ascii", "backslashreplace").decode()
