"""Canonical JSON and the strict parser."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from sealing import canonical
from sealing.canonical import MAX_INTEGER, JSONRefused, NotCanonical
from sealing.errors import Invalid

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
NUMBERS = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(
    allow_nan=False, allow_infinity=False
).filter(lambda value: not MAX_INTEGER < abs(value) < 1e21)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None, "x"]}, b'{"a":[true,null,"x"],"b":1}'),
        ({"\u20ac": 1, "\r": 2, "\U0001f600": 3, "\ufb33": 4}, None),
        ([1.0, -0.0, 1e21, 1e-7, 0.1, 5e-324], b"[1,0,1e+21,1e-7,0.1,5e-324]"),
        ('\b\t\n\f\r\x1f\x7f"\\/é', b'"\\b\\t\\n\\f\\r\\u001f\x7f\\"\\\\/\xc3\xa9"'),
        ([], b"[]"),
        ({"a": {}}, b'{"a":{}}'),
    ],
)
def test_golden_bytes(value: Any, expected: bytes | None) -> None:
    if expected is None:
        # Keys are sorted by UTF-16 code units: the emoji's surrogates come before U+FB33.
        expected = '{"\\r":2,"€":1,"\U0001f600":3,"\ufb33":4}'.encode()
    assert canonical.dumps(value) == expected


@given(VALUES)
def test_what_is_written_is_read_back_as_the_same_bytes(value: Any) -> None:
    raw = canonical.dumps(value)
    again = canonical.loads(raw, max_bytes=1 << 24, max_depth=100)
    assert canonical.dumps(again) == raw
    assert again == value


@given(VALUES)
def test_the_fast_way_writes_what_the_library_writes(value: Any) -> None:
    assert canonical.dumps(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53,
        -(2**53),
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        {None: 1},
        {"a", "b"},
        b"bytes",
        1e16,
        -1e20,
        object(),
    ],
)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    for nested in (value, [value], {"a": value}):
        with pytest.raises(NotCanonical):
            canonical.dumps(nested)


def test_a_value_within_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotCanonical):
        canonical.dumps(value)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"a":1,"a":1}', "json_duplicate_key"),
        (b'{"a":1,"\\u0061":1}', "json_duplicate_key"),
        (b"NaN", "json_number"),
        (b"[Infinity]", "json_number"),
        (b"-Infinity", "json_number"),
        (b"1e999", "json_number"),
        (b"9007199254740992", "json_number"),
        (b"-9007199254740992", "json_number"),
        (b"1" * 5000, "json_number"),
        (b'"\\ud800"', "json_surrogate"),
        (b'"\\udc00\\ud800"', "json_surrogate"),
        (b'{"\\uDFFF":1}', "json_surrogate"),
        (b'"\\u0000"', "json_nul"),
        (b'{"a":{"b":["\\u0000"]}}', "json_nul"),
        (b'"\xed\xa0\x80"', "json_encoding"),
        (b'"\xff"', "json_encoding"),
        (b"\xef\xbb\xbf{}", "json_encoding"),
        ("{}".encode("utf-16"), "json_encoding"),
        (b"[" * 33 + b"]" * 33, "json_too_deep"),
        (b'{"a":' * 100_000, "json_too_deep"),
        (b"[" * 100_000, "json_too_deep"),
        (b"{} {}", "json_invalid"),
        (b"{}x", "json_invalid"),
        (b"", "json_invalid"),
        (b"  ", "json_invalid"),
        (b"{'a':1}", "json_invalid"),
        (b'{"a":1,}', "json_invalid"),
        (b"[1,]", "json_invalid"),
        (b"01", "json_invalid"),
        (b'"\n"', "json_invalid"),
        (b'"a\x00b"', "json_invalid"),
        (b"// x\n1", "json_invalid"),
        (b"\xc2\xa0{}", "json_invalid"),
    ],
)
def test_refused_text(raw: bytes, code: str) -> None:
    with pytest.raises(JSONRefused) as caught:
        canonical.loads(raw)
    assert caught.value.code == code


def test_the_place_of_a_fault_is_named() -> None:
    with pytest.raises(JSONRefused) as caught:
        canonical.loads(b'{"a":{"b/c":["x","\\ud800"]}}')
    assert caught.value.field == "/a/b~1c/1"
    with pytest.raises(JSONRefused) as caught:
        canonical.loads(b'{"a":\n!}')
    assert caught.value.field == "line 2 column 1"


def test_pairs_of_surrogates_and_escaped_backslashes_are_text() -> None:
    assert canonical.loads(b'"\\ud83d\\ude00"') == "\U0001f600"
    assert canonical.loads(b'"\\\\u0000 \\\\ud800"') == "\\u0000 \\ud800"


def test_depth_counts_brackets_outside_of_strings() -> None:
    assert canonical.loads(b"[" * 32 + b"]" * 32)
    assert canonical.loads(json.dumps(["[{" * 100, '"[' * 100]).encode())
    assert canonical.loads(b"[" + b",".join([b"[]"] * 100) + b"]")


def test_size_is_limited_before_anything_is_parsed() -> None:
    assert canonical.loads(b'"abc"', max_bytes=5) == "abc"
    with pytest.raises(JSONRefused) as caught:
        canonical.loads(b'"abcd"', max_bytes=5)
    assert caught.value.code == "json_too_large"


@given(st.text(max_size=40) | st.sampled_from(["{", "[1,2", '{"a":', '"\\u', "1e", "-", "1."]))
def test_the_strict_parser_accepts_nothing_that_the_standard_library_refuses(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    try:
        value = canonical.loads(raw)
    except Invalid:
        return
    assert json.loads(raw) == value


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_the_strict_parser_reads_what_the_standard_library_writes(
    value: Any, indent: Any, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert canonical.loads(text.encode(), max_bytes=1 << 24, max_depth=100) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        canonical.loads(raw)
    except JSONRefused as error:
        assert error.code.startswith("json_")


def test_documents_end_with_one_newline() -> None:
    assert canonical.document({"b": 1, "a": 2}) == b'{"a":2,"b":1}\n'
    assert canonical.load_document(b'{"a":2,"b":1}\n') == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":2,"b":1}',
        b'{"a":2,"b":1}\n\n',
        b'{"b":1,"a":2}\n',
        b'{"a": 2,"b":1}\n',
        b'{"a":2.0,"b":1}\n',
        b'{"a":2,"b":1}\r\n',
        b'{"\\u0061":2,"b":1}\n',
    ],
)
def test_another_spelling_of_a_document_is_refused(raw: bytes) -> None:
    with pytest.raises(NotCanonical):
        canonical.load_document(raw)


def test_is_canonical() -> None:
    assert canonical.is_canonical(b'{"a":1}')
    assert not canonical.is_canonical(b'{"a":1}\n')
    assert not canonical.is_canonical(b'{"a":1.0}')
    assert not canonical.is_canonical(b'{"a":1')
    assert not canonical.is_canonical(b"")
