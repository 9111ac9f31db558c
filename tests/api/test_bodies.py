"""Bodies: hostile JSON, unknown fields, other types."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.api import access_urls
from tests.factories import World

pytestmark = pytest.mark.urls("tests.api.access_urls")

# Words that break things elsewhere. All of them are text, and must come through unchanged.
STRINGS = [
    "",
    " ",
    "\t\n\r",
    "null",
    "undefined",
    "NaN",
    "true",
    "0",
    "-0",
    "1e1000",
    "0x0",
    "\uff19\uff19",
    "'",
    '"',
    "'; DROP TABLE access_user; --",
    "\\",
    "%00",
    "%s %d {0} {{7*7}} ${7*7} <%= 7*7 %>",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "=1+1",
    "a\u0300\u0301\u0302",
    "\u202eright to left",
    "\u200b\u200d\ufeff",
    "\u0001\u001f\u007f\u0080\u009f",
    "\ufffe\uffff\U0010ffff",
    "İıßẞﬀ",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "\U0001d56f\U0001d594",
    "ด้้้้้็็็็็้้้้้็็็็็",
]
HOSTILE: dict[str, bytes] = {
    "empty": b" ",
    "cut": b'{"text": "a',
    "trailing": b'{"text": "a"} x',
    "two values": b"{}{}",
    "comment": b'{"text": "a"} // x',
    "single quotes": b"{'text': 'a'}",
    "trailing comma": b'{"text": "a",}',
    "bare word": b"{text: 1}",
    "NaN": b'{"number": NaN}',
    "infinity": b'{"number": -Infinity}',
    "overflow": b'{"anything": 1e400}',
    "large integer": b'{"anything": 9007199254740993}',
    "very large integer": b'{"anything": ' + b"9" * 5000 + b"}",
    "leading zero": b'{"number": 01}',
    "plus": b'{"number": +1}',
    "hex": b'{"number": 0x1}',
    "duplicate": b'{"text": "a", "text": "b"}',
    "duplicate by escape": b'{"text": "a", "\\u0074ext": "b"}',
    "nested duplicate": b'{"anything": [{"a": 1, "a": 1}]}',
    "NUL escape": b'{"text": "a\\u0000b"}',
    "NUL escape in a key": b'{"a\\u0000": 1}',
    "raw NUL": b'{"text": "a\x00b"}',
    "raw newline": b'{"text": "a\nb"}',
    "lone surrogate": b'{"text": "\\ud800"}',
    "lone low surrogate": b'{"anything": ["\\udc00\\ud800"]}',
    "surrogate in a key": b'{"\\udfff": 1}',
    "raw surrogate": b'{"text": "\xed\xa0\x80"}',
    "bad escape": b'{"text": "\\x41"}',
    "not UTF-8": b'{"text": "\xff"}',
    "latin-1": '{"text": "é"}'.encode("latin-1"),
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
    "BOM": b'\xef\xbb\xbf{"text": "a"}',
    "deep": b'{"anything": ' + b"[" * 40 + b"]" * 40 + b"}",
    "very deep": b"[" * 200_000,
    "very deep objects": b'{"a":' * 100_000,
    "gzip": gzip.compress(b'{"text": "a"}'),
    "form": b"text=a",
}


@pytest.fixture(autouse=True)
def nothing_called() -> Iterator[None]:
    access_urls.calls.clear()
    yield
    access_urls.calls.clear()


@pytest.fixture
def write(world: World) -> Any:
    api = APIClient()
    api.force_authenticate(world.user("alice"))

    def send(raw: bytes | Any, content_type: str = "application/json") -> Any:
        data = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
        return api.generic("POST", "/api/write", data, content_type=content_type)

    return send


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_body(write: Any, name: str) -> None:
    answer = write(HOSTILE[name])
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"].startswith("json_")
    assert not access_urls.calls


@pytest.mark.parametrize("text", STRINGS)
def test_odd_text_comes_through(write: Any, text: str) -> None:
    assert write({"anything": {text or "empty": [text]}}).status_code == 201
    assert access_urls.calls == [{"anything": {text or "empty": [text]}}]


@pytest.mark.parametrize("body", [[], "text", 7, None, True, [{"text": "a"}]])
def test_body_that_is_no_object(write: Any, body: Any) -> None:
    assert write(body).status_code == 400
    assert not access_urls.calls


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("txet", "a"),
        ("Text", "a"),
        ("text ", "a"),
        ("made", "a"),
        ("__proto__", {}),
        ("téxt", 1),
    ],
)
def test_unknown_field(write: Any, field: str, value: Any) -> None:
    answer = write({"text": "a", field: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    shown = field.encode("ascii", "backslashreplace").decode()
    assert [error["field"] for error in answer.json()["errors"]] == [shown]
    assert not access_urls.calls


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("text", "1", [1, 1.5, True, [], {}, ["1"]]),
        ("number", 1, ["1", 1.0, 1.5, True, [], {}, None]),
        ("yes", False, ["false", "true", 0, 1, "", [], {}, None]),
        (
            "at",
            "2026-01-31T09:00:00+01:00",
            [
                1,
                None,
                "",
                "now",
                "2026-01-31",
                "2026-01-31T09:00:00",
                "2026-02-30T09:00:00Z",
                "2026-01-31T09:00:00.1234567Z",
            ],
        ),
    ],
)
def test_types_are_not_guessed(write: Any, field: str, good: Any, bad: list[Any]) -> None:
    assert write({field: good}).status_code == 201
    for value in bad:
        answer = write({field: value})
        assert answer.status_code == 400, value
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert len(access_urls.calls) == 1


def test_null_where_it_is_allowed(write: Any) -> None:
    assert write({"text": None}).status_code == 201


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", ["\x00"], {"\x00": 1}, {"a": ["\udfff"]}])
def test_serializer_refuses_what_can_not_be_stored(value: Any) -> None:
    """Also where no strict parser stood before it, as for forms."""
    body = access_urls.Body(data={"anything": value})
    assert not body.is_valid()
    assert set(body.errors) == {"anything"}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/json; charset=UTF-8", 201),
        ("APPLICATION/JSON", 201),
        ("application/json; charset=utf-16", 415),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=no-such", 415),
        ("text/json", 415),
        ("application/xml", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("rubbish", 415),
        (";;;", 415),
    ],
)
def test_content_type(write: Any, content_type: str, status: int) -> None:
    answer = write({"text": "a"}, content_type)
    assert answer.status_code == status
    if status != 201:
        assert answer["Content-Type"] == "application/problem+json"


def test_moment_is_shown_as_formats_write_it() -> None:
    body = access_urls.Body(data={"at": "2026-01-31T09:00:00.5+01:00"})
    assert body.is_valid()
    assert access_urls.Body(body.validated_data).data["at"] == "2026-01-31T08:00:00.500000Z"
