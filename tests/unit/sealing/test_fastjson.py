"""The quick ways of canonical JSON say what the strict ones say, or nothing."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
import sys
import uuid
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from sealing import canonical, fastjson
from sealing.canonical import MAX_INTEGER, EncoderMissing, JSONRefused, NotCanonical
from sealing.errors import Invalid
from sealing.fastjson import UNDECIDED

DEPTH = 6


class Word(str):
    """A text that is more than text."""


class Colour(enum.StrEnum):
    """A text with a name."""

    RED = "red"


class Number(enum.IntEnum):
    """A number with a name."""

    ONE = 1


@dataclasses.dataclass
class Point:
    """Something that orjson would write by itself."""

    x: int = 1


ODD = [
    math.nan,
    math.inf,
    -math.inf,
    -0.0,
    1e16,
    1.0,
    0.1,
    2**53,
    -(2**53),
    2**64,
    10**400,
    "\ud800",
    "\x00",
    (1, 2),
    {1, 2},
    b"x",
    uuid.UUID(int=1),
    datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    datetime.date(2026, 1, 2),
    Word("w"),
    Colour.RED,
    Number.ONE,
    Point(),
    Point,
    {1: 2},
    {None: 1},
    {True: 1},
    {Word("k"): 1},
    {Colour.RED: 1},
    {uuid.UUID(int=1): 1},
    {"\ue000": 1, "\U00010000": 2},
    {"\ud800": 1},
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.sampled_from([MAX_INTEGER, -MAX_INTEGER, *ODD])
    | st.floats()
    | st.text(max_size=8)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.tuples(inner)
    ),
    max_leaves=10,
)

# Texts that are JSON, or nearly.
WORDS = (
    "null true false 0 -0 1 -1 12 9007199254740991 9007199254740992 -9007199254740992"
    " 18446744073709551615 18446744073709551616 1.0 1.5 -0.0 1e2 1E400 1e-7 01 +1 .5 1. NaN"
    ' Infinity -Infinity nul "" "a" "\\u0041" "\\u0000" "\\u2013" "\\ud800" "\\uD83D\\uDE00"'
    ' "\\udc00" "\\/" "/" "\\n" "\\x" "a":1 "\\":" "a\\":" "\\u0022:" "\\u0022\\u003a"'
)
SCALARS = st.sampled_from(
    [
        *WORDS.split(),
        *('"–"', '"\U0001f600"', '"\ue000"', '"\t"', '"\x7f"', "'a'", '"', ""),
        '"\\":1,\\"b\\":"',
    ]
)
KEYS = st.sampled_from(
    ['"a"', '"b"', '"\\u0061"', '"a:"', '"\\""', '"\\":"', '"\ue000"', '"\U00010000"', "a"]
)
SPACES = st.sampled_from(["", "", "", "", " ", "\n", "\t", "  ", "\x0c", "\xa0"])


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.builds("{}{}:{}{}{}".format, KEYS, SPACES, SPACES, inner, SPACES)
    comma = st.sampled_from([",", ",", ", ", ",,"])
    return st.builds(
        lambda members, between, end: "{" + between.join(members) + end,
        st.lists(member, max_size=4),
        comma,
        st.sampled_from(["}", "}", "}", "}", ",}", "", "]"]),
    )


TEXTS = st.recursive(
    SCALARS,
    lambda inner: (
        objects(inner)
        | st.builds(lambda items: "[" + ",".join(items) + "]", st.lists(inner, max_size=3))
    ),
    max_leaves=10,
).flatmap(lambda text: st.builds("{}{}{}".format, SPACES, st.just(text), SPACES))


def strictly(raw: bytes) -> Any:
    """What the strict parser says; NotImplemented where it refuses."""
    try:
        return canonical._parsed(raw, DEPTH)
    except JSONRefused:
        return NotImplemented


@given(VALUES)
def test_what_is_encoded_is_what_rfc8785_writes(value: Any) -> None:
    quick = fastjson.encode(value)
    if quick is not UNDECIDED:
        assert quick == rfc8785.dumps(value)


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_odd_values_are_left_to_the_strict_encoder(value: Any) -> None:
    for nested in (value, [value], {"a": [value]}):
        quick = fastjson.encode(nested)
        if value == "\x00":
            # It is canonical; only events refuse it, and they look for it themselves.
            assert quick == rfc8785.dumps(nested)
        else:
            assert quick is UNDECIDED


@given(TEXTS)
@example('{"a":1,"\\u0061":2}')
@example('{"a":{"a":1},"a":"\\":"}')
@example('{"a":1,"a" :2}')
@example('{"a":1,"a"\n:"\\":"}')
@example('{"a":1,"a":"\\u0022:"}')
@example('{"a":"\\":","a":1,"b":"\\":"}')
def test_what_is_decoded_is_what_the_strict_parser_reads(text: str) -> None:
    raw = text.encode("utf-8")
    quick = fastjson.decode(raw, DEPTH)
    if quick is not UNDECIDED:
        # Types and the order of members count too.
        assert repr(quick) == repr(strictly(raw))


@given(st.binary(max_size=40))
def test_any_bytes_are_read_alike(raw: bytes) -> None:
    quick = fastjson.decode(raw, DEPTH)
    if quick is not UNDECIDED:
        assert repr(quick) == repr(strictly(raw))


@given(TEXTS | VALUES.map(lambda value: json.dumps(value, default=str, skipkeys=True)))
def test_what_is_decoded_as_canonical_is_canonical(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    quick = fastjson.decode_canonical(raw, DEPTH)
    if quick is not UNDECIDED:
        value = strictly(raw)
        assert repr(quick) == repr(value)
        assert rfc8785.dumps(value) == raw


@given(VALUES)
def test_canonical_text_is_accepted_and_read(value: Any) -> None:
    try:
        raw = canonical.dumps(value)
        expected = canonical.loads(raw, max_depth=100)
    except Invalid:
        return
    assert repr(canonical.loads_canonical(raw, max_depth=100)) == repr(expected)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_ordinary_objects_go_the_quick_way(separators: tuple[str, str]) -> None:
    value = {"b": [1, {"x": None}], "a": "Zoë – 2026-01-02T03:04:05.000006Z"}
    for ascii_only in (True, False):
        raw = json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode()
        assert fastjson.decode(raw, DEPTH) == value
    assert fastjson.decode_canonical(canonical.dumps(value), DEPTH) == value


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"b":"\\":","a":1}',
        b'{"a":1,"a":"\\u0022:"}',
        b'{"a" :1}',
        b"[1.5]",
        b"[1e2]",
        b"[9007199254740992]",
        b"[18446744073709551616]",
        b'["\\u0000"]',
        b'["\\ud83d\\ude00"]',
        b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1),
        b"\xef\xbb\xbf[]",
        b"NaN",
        b"",
    ],
)
def test_whatever_is_in_doubt_is_left_to_the_strict_parser(raw: bytes) -> None:
    assert fastjson.decode(raw, DEPTH) is UNDECIDED
    assert fastjson.decode_canonical(raw, DEPTH) is UNDECIDED


def test_depth_is_counted_as_the_strict_parser_counts() -> None:
    for depth in (DEPTH - 1, DEPTH, DEPTH + 1):
        raw = b'{"a":' * depth + b"1" + b"}" * depth
        assert (fastjson.decode(raw, DEPTH) is UNDECIDED) == (depth > DEPTH)
        assert (strictly(raw) is NotImplemented) == (depth > DEPTH)


def test_all_works_without_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastjson, "orjson", None)
    raw = b'{"a":[1,null],"b":"x"}'
    value = canonical.loads(raw)
    assert value == canonical.loads_canonical(raw)
    assert canonical.dumps(value) == raw
    with pytest.raises(NotCanonical):
        canonical.loads_canonical(b'{"a": 1}')


def test_a_missing_encoder_is_not_a_fault_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rfc8785", None)
    assert canonical.dumps({"a": 1}) == b'{"a":1}'
    with pytest.raises(EncoderMissing) as caught:
        canonical.dumps([1.5])
    assert caught.value.code == "encoder_missing"
    assert not isinstance(caught.value, Invalid)
