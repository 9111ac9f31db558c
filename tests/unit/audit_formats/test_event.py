"""Events and log lines."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.formats import event
from audit.formats.event import EventRefused, LineRefused
from sealing.errors import Invalid
from tests.unit.audit_formats import golden

GOOD = golden.EVENTS[1]
GENESIS = bytes.fromhex(golden.GENESIS)


def test_golden_lines() -> None:
    previous = event.genesis_hash(golden.ORIGIN)
    assert previous == GENESIS
    for seq, fields in enumerate(golden.EVENTS):
        made, previous = event.line(seq, golden.TIMES[seq], previous, event.build(**fields))
        assert made == golden.LINES[seq]
        assert previous.hex() == golden.HASHES[seq]


@pytest.mark.parametrize("seq", range(3))
def test_the_hash_is_that_of_the_raw_line(seq: int) -> None:
    line = golden.LINES[seq]
    leaf = line[: line.index(b',"hash":"')]
    assert event.leaf_part(line) == leaf
    assert hashlib.sha256(b"\x00" + leaf).hexdigest() == golden.HASHES[seq]


def test_a_shell_can_redo_the_hash() -> None:
    script = r"""{ printf '\0'; printf %s "${line%,\"hash\":*}"; } | sha256sum"""
    env = {"line": golden.LINES[1].decode(), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", script], env=env, capture_output=True, check=True)
    assert done.stdout.decode().split()[0] == golden.HASHES[1]


@pytest.mark.parametrize("seq", range(3))
@pytest.mark.parametrize("strict", [False, True])
def test_lines_are_taken_apart(seq: int, strict: bool) -> None:
    parsed = event.parse_line(golden.LINES[seq], strict=strict)
    assert parsed.seq == seq
    assert parsed.sealed_at == golden.TIMES[seq]
    assert parsed.hash.hex() == golden.HASHES[seq]
    assert parsed.prev_hash.hex() == [golden.GENESIS, *golden.HASHES][seq]
    assert parsed.event_bytes == event.build(**golden.EVENTS[seq])
    assert event.parse(parsed.event_bytes)["id"] == golden.EVENTS[seq]["id"]


LINE = golden.LINES[2]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        LINE + b"\n",
        LINE[:-1],
        b" " + LINE,
        LINE.replace(b'"v":1', b'"v":2'),
        LINE.replace(b'{"v":1,"seq":2,', b'{"seq":2,"v":1,'),
        LINE.replace(b'"seq":2', b'"seq":02'),
        LINE.replace(b'"seq":2', b'"seq":-2'),
        LINE.replace(b'"seq":2', b'"seq":2.0'),
        LINE.replace(b'"seq":2', b'"seq":"2"'),
        LINE.replace(b'"seq":2', b'"seq": 2'),
        LINE.replace(b'"seq":2', b'"seq":12345678901234567'),
        LINE.replace(b'"prev_hash"', b'"previous"'),
        LINE.replace(b'"prev_hash":"sha256:d', b'"prev_hash":"sha256:D'),
        LINE.replace(b',"hash":', b',"extra":1,"hash":'),
        LINE.replace(b'"hash":"sha256:6', b'"hash":"sha256:G'),
        LINE.replace(b'"sealed_at":"2026', b'"sealed_at":"x026'),
    ],
)
def test_lines_of_another_form_are_refused(line: bytes) -> None:
    with pytest.raises(LineRefused):
        event.parse_line(line)


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace(b"2026-01-31T09:00:03", b"2026-02-31T09:00:03"),
        LINE.replace(b"2026-01-31T09:00:03", b"2026:01:31T09:00:03"),
        LINE.replace(b'"data":{"files":7}', b'"data":{"files":7.0}'),
        LINE.replace(b'"data":{"files":7}', b'"data":{"files":7,"files":7}'),
        LINE.replace(b'"data":{"files":7}', b'"data":{"files":7},"extra":1'),
        LINE.replace(b'},"hash":', b'},"extra":{},"hash":'),
        LINE.replace(b'"recorder":"strongroom",', b""),
        LINE.replace(b'"outcome":"success"', b'"outcome":"maybe"'),
    ],
)
def test_strict_mode_looks_into_lines(line: bytes) -> None:
    assert event.parse_line(line).seq == 2
    with pytest.raises(Invalid):
        event.parse_line(line, strict=True)


@given(st.binary(max_size=120) | st.just(LINE))
def test_any_bytes_are_taken_apart_or_refused(raw: bytes) -> None:
    for strict in (False, True):
        try:
            parsed = event.parse_line(raw, strict=strict)
        except Invalid:
            continue
        assert raw == LINE
        assert parsed.seq == 2


@given(st.data())
def test_a_changed_byte_is_refused_or_another_line(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(LINE) - 1))
    changed = bytearray(LINE)
    changed[index] = data.draw(st.integers(0, 255))
    try:
        parsed = event.parse_line(bytes(changed), strict=True)
    except Invalid:
        return
    head = b'{"v":1,"seq":%d,"sealed_at":"%b","prev_hash":"sha256:%b","event":%b' % (
        parsed.seq,
        parsed.sealed_at.encode(),
        parsed.prev_hash.hex().encode(),
        parsed.event_bytes,
    )
    assert b'%b,"hash":"sha256:%b"}' % (head, parsed.hash.hex().encode()) == bytes(changed)


@pytest.mark.parametrize("line", [b"", b"x" * 82, LINE[:-1], LINE.replace(b',"hash"', b',"Hash"')])
def test_a_line_without_its_hash_has_no_leaf(line: bytes) -> None:
    with pytest.raises(LineRefused):
        event.leaf_part(line)


NESTED: Any = 1
for _ in range(31):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("id", "0190A6C1-0000-7000-8000-000000000001", "id"),
        ("id", "0190a6c1-0000-9000-8000-000000000001", "id"),
        ("id", "0190a6c1-0000-7000-c000-000000000001", "id"),
        ("id", "0190a6c1000070008000000000000001", "id"),
        ("id", "0190a6c1-0000-7000-8000-000000000001\n", "id"),
        ("id", None, "id"),
        ("type", "", "type"),
        ("type", "a" * 129, "type"),
        ("type", "a b", "type"),
        ("type", "ä", "type"),
        ("occurred_at", "2026-01-31T09:00:01Z", "occurred_at"),
        ("occurred_at", "2026-02-30T09:00:01.000000Z", "occurred_at"),
        ("occurred_at", 1, "occurred_at"),
        ("actor", None, "actor"),
        ("actor", {}, "actor"),
        ("actor", {"id": ""}, "actor.id"),
        ("actor", {"id": "é" * 129}, "actor.id"),
        ("actor", {"id": "a\x00"}, "actor.id"),
        ("actor", {"id": "\ud800"}, "actor.id"),
        ("actor", {"id": "a", "name": "b"}, "actor"),
        ("actor", {"id": "a", "person": None}, "actor.person"),
        ("recorder", "", "recorder"),
        ("recorder", None, "recorder"),
        ("client_id", "", "client_id"),
        ("client_id", "a" * 65, "client_id"),
        ("client_id", "a/b", "client_id"),
        ("object", {"type": "a"}, "object"),
        ("object", {"type": "a", "id": "b", "c": 1}, "object"),
        ("object", {"type": "a" * 65, "id": "b"}, "object.type"),
        ("object", {"type": "a", "id": "b" * 513}, "object.id"),
        ("object", [], "object"),
        ("outcome", "ok", "outcome"),
        ("outcome", None, "outcome"),
        ("outcome", ["success"], "outcome"),
        ("request_id", "", "request_id"),
        ("request_id", "a" * 129, "request_id"),
        ("source", [], "source"),
        ("source", {"host": "a"}, "source"),
        ("source", {"ip": 1}, "source.ip"),
        ("redacted", {}, "redacted"),
        ("redacted", "/a", "redacted"),
        ("redacted", ["a"], "redacted"),
        ("redacted", [1], "redacted"),
        ("data", float("nan"), "data"),
        ("data", float("inf"), "data"),
        ("data", 2**53, "data"),
        ("data", 1e17, "data"),
        ("data", "\ud800", "data"),
        ("data", {1: 2}, "data"),
        ("data", [NESTED], "data"),
        ("data", "x" * (256 << 10), "data"),
        ("data", {"a": "\x00"}, "/data/a"),
        ("data", {"\x00": 1}, "/data"),
        ("data", object(), "data"),
    ],
)
def test_fields_that_are_refused(field: str, value: Any, place: str) -> None:
    with pytest.raises(EventRefused) as caught:
        event.build(**{**GOOD, field: value})
    assert caught.value.field == place


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "a" * 128},
        {"client_id": None},
        {"client_id": "a" * 64},
        {"actor": {"id": "é" * 128, "person": "p"}},
        {"object": {"type": "a" * 64, "id": "b" * 512}},
        {"request_id": None, "source": None, "redacted": None},
        {"source": {"ip": None, "user_agent": None}},
        {"data": NESTED},
        {"data": "\\u0000"},
        {"data": None},
        {"data": [2**53 - 1, -(2**53) + 1, 1e300, 1e21, 5e-324]},
    ],
)
def test_fields_at_the_limit_are_accepted(changes: dict[str, Any]) -> None:
    raw = event.build(**{**GOOD, **changes})
    parsed = event.parse(raw)
    assert set(parsed) == set(event.FIELDS)


DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(DATA)
def test_whatever_is_built_can_be_parsed(data: Any) -> None:
    try:
        raw = event.build(**{**GOOD, "data": data})
    except EventRefused:
        return
    assert event.parse(raw)["data"] == data


def test_unknown_and_missing_fields_are_refused() -> None:
    parsed = event.parse(event.build(**GOOD))
    with pytest.raises(EventRefused) as caught:
        event.validate({**parsed, "extra": 1})
    assert caught.value.field == "extra"
    for name in event.FIELDS:
        with pytest.raises(EventRefused) as caught:
            event.validate({key: value for key, value in parsed.items() if key != name})
        assert caught.value.field == name
    with pytest.raises(EventRefused):
        event.validate([])


def test_only_canonical_bytes_are_parsed() -> None:
    raw = event.build(**GOOD)
    for other in (raw + b"\n", json.dumps(json.loads(raw)).encode(), b" " + raw, b"", b"null"):
        with pytest.raises(EventRefused):
            event.parse(other)
