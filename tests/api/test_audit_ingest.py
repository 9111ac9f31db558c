"""POST /api/audit/events: bodies of every kind, and what is refused."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from audit.api import parsers
from audit.models import AuditEvent
from audit.services import loghead, sealing
from tests.api.audit import EVENTS, Api, fields, problem
from tests.factories import World
from tests.services.audit.helpers import sent_event


@pytest.fixture
def api(world: World) -> Api:
    return Api(world, "svc-clinic-001")


def size() -> int:
    sealing.seal_pending()
    return loghead.current().size


def test_one_event(api: Api) -> None:
    event = sent_event()
    start = size()
    response = api.post(event)
    # Issuing the key was recorded before the event came.
    assert response.status_code == 201
    body = response.json()
    stored = AuditEvent.objects.get(id=event["id"])
    assert body == {
        "accepted": 1,
        "duplicates": 0,
        "first_seq": stored.seq,
        "last_seq": stored.seq,
        "head": f"sha256:{bytes(stored.hash).hex()}",
    }
    assert stored.seq >= start
    assert stored.recorder == "service:svc-clinic-001"


def test_an_array(api: Api) -> None:
    events = [sent_event() for _ in range(3)]
    body = api.post(events).json()
    assert (body["accepted"], body["last_seq"] - body["first_seq"]) == (3, 2)
    again = api.post(events)
    assert again.status_code == 201
    assert again.json() == body | {
        "accepted": 0,
        "duplicates": 3,
        "first_seq": None,
        "last_seq": None,
    }


def test_lines(api: Api) -> None:
    events = [sent_event(), sent_event()]
    raw = b"\n" + json.dumps(events[0]).encode() + b"\r\n\n" + json.dumps(events[1]).encode()
    assert api.post(raw, content_type="application/x-ndjson").json()["accepted"] == 2


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_compressed(api: Api, content_type: str, encoding: str) -> None:
    raw = gzip.compress(json.dumps(sent_event()).encode())
    response = api.post(raw, content_type=content_type, **{"Content-Encoding": encoding})
    assert response.json()["accepted"] == 1


def test_several_members_of_gzip(api: Api) -> None:
    raw = b"".join(gzip.compress(json.dumps(sent_event()).encode() + b"\n") for _ in range(3))
    response = api.post(raw, content_type="application/x-ndjson", **{"Content-Encoding": "gzip"})
    assert response.json()["accepted"] == 3


def test_a_body_beyond_djangos_own_limit(api: Api) -> None:
    events = [sent_event(data="x" * 200_000) for _ in range(10)]
    assert api.ndjson(events).json()["accepted"] == 10


def test_an_idempotency_key_with_a_large_body(api: Api) -> None:
    events = [sent_event(data="x" * 200_000) for _ in range(10)]
    key = {"Idempotency-Key": "import-1"}
    first = api.ndjson(events, **key)
    again = api.ndjson(events, **key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.json()["accepted"] == 10
    problem(api.ndjson(events[1:], **key), 409, "idempotency_key_reused")


def test_numbers_are_hashed_as_javascript_writes_them(api: Api) -> None:
    event = sent_event(data=None)
    raw = json.dumps(event).replace('"data": null', '"data": [1.0, 1e21, 1E-7, -0.0, 0.1]')
    assert api.post(raw.encode()).status_code == 201
    assert '"data":[1,1e+21,1e-7,0,0.1]' in AuditEvent.objects.get(id=event["id"]).event


# --- all or nothing --------------------------------------------------------------------------


def test_the_first_bad_event_is_named_and_nothing_is_taken_in(api: Api) -> None:
    events = [sent_event() for _ in range(20)]
    events[17]["actor"] = {"id": ""}
    events[19]["type"] = "no good"
    before = size()
    for send in (api.post, api.ndjson):
        assert fields(send(events)) == ["events[17].actor.id"]
    assert size() == before


def test_a_conflict_takes_nothing_in(api: Api) -> None:
    event = sent_event()
    api.post(event)
    before = size()
    response = api.post([sent_event(), event | {"data": "changed"}])
    body = problem(response, 409, "event_id_conflict")
    assert [error["field"] for error in body["errors"]] == ["events[1].id"]
    assert size() == before


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"recorder": "strongroom"}, 400, "event_invalid", "recorder"),
        ({"type": "evidence.package.exported"}, 400, "event_type_reserved", "type"),
        ({"client_id": "clinic-002"}, 404, "not_found", "client_id"),
        ({"client_id": None}, 403, "forbidden", "client_id"),
        ({"id": "1"}, 400, "event_invalid", "id"),
        ({"data": {"deep": [[[[1]]]]}, "zz": 1}, 400, "event_invalid", "zz"),
    ],
)
def test_refusals_have_a_code_and_a_place(
    api: Api, changes: dict[str, Any], status: int, code: str, field: str
) -> None:
    body = problem(api.post(sent_event(**changes)), status, code)
    assert [error["field"] for error in body["errors"]] == [f"events[0].{field}"]


# --- hostile bodies --------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    event = json.dumps(sent_event(data=0)).encode()
    return event.replace(b'"data": 0', b'"data": ' + b"[" * depth + b"]" * depth)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"{",
        b"[1]",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"id":"a","id":"b"}',
        json.dumps(sent_event()).encode().replace(b"10", b"NaN"),
        json.dumps(sent_event()).encode().replace(b"10", b"1e999"),
        json.dumps(sent_event()).encode().replace(b"10", b"9007199254740992"),
        json.dumps(sent_event()).encode().replace(b"10", b"9" * 6_000),
        json.dumps(sent_event()).encode().replace(b"10", b'"\\u0000"'),
        json.dumps(sent_event()).encode().replace(b"10", b'"\\ud800"'),
        json.dumps(sent_event()).encode().replace(b"bytes", b"\\udfff"),
        json.dumps(sent_event(actor={"id": "\x00"})).encode(),
        json.dumps(sent_event(client_id="\x00")).encode(),
        json.dumps(sent_event(object={"type": "\ud800", "id": "1"})).encode(),
        nested(33),
        nested(3_000),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
def test_hostile_bodies_are_refused(api: Api, raw: bytes, content_type: str) -> None:
    response = api.post(raw, content_type=content_type)
    assert response.status_code in (400, 404), response.content
    problem(response, response.status_code)


def test_the_deepest_event_is_accepted(api: Api) -> None:
    assert api.post(nested(30)).status_code == 201
    assert api.post(b"[" + nested(30) + b"]").status_code == 201


def test_the_place_of_broken_json_is_named(api: Api) -> None:
    raw = json.dumps(sent_event()).encode() + b"\n" + b'{"a":1,"a":2}\n'
    assert fields(api.post(raw, content_type="application/x-ndjson")) == ["events[1]/a"]


# --- size ------------------------------------------------------------------------------------


def test_a_body_that_is_too_large(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"[" + b" " * parsers.MAX_BODY_BYTES + b"]"
    for headers in ({}, {"Idempotency-Key": "k"}):
        problem(api.post(raw, **headers), 413, "body_too_large")


def test_a_body_that_unpacks_to_too_much(api: Api) -> None:
    bomb = gzip.compress(b" " * (parsers.MAX_BODY_BYTES + 1))
    problem(api.post(bomb, **{"Content-Encoding": "gzip"}), 413, "body_too_large")


def test_a_body_that_unpacks_too_well(api: Api) -> None:
    bomb = gzip.compress(b" " * (parsers.RATIO_FREE_BYTES + 1))
    problem(api.post(bomb, **{"Content-Encoding": "gzip"}), 413, "body_too_large")


def test_many_small_members_count_together() -> None:
    member = gzip.compress(b" " * 100_000, mtime=0)
    assert len(parsers.inflate(member * 10)) == 1_000_000
    with pytest.raises(parsers.Inflated):
        parsers.inflate(member * 11)


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b"",
        gzip.compress(b"{}", mtime=0)[:-1],
        gzip.compress(b"{}", mtime=0)[:-8] + bytes(8),
        gzip.compress(b"{}", mtime=0) + b"x",
        zlib.compress(b"{}"),
    ],
)
def test_what_is_not_gzip_is_refused(api: Api, raw: bytes) -> None:
    response = api.post(raw, **{"Content-Encoding": "gzip"})
    problem(response, 400)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_other_encodings_are_refused(api: Api, encoding: str) -> None:
    problem(api.post(sent_event(), **{"Content-Encoding": encoding}), 415)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "x"],
)
def test_other_kinds_of_body_are_refused(api: Api, content_type: str) -> None:
    response = api.post(json.dumps(sent_event()).encode(), content_type=content_type)
    assert response.status_code in (400, 415)
    problem(response, response.status_code)


# --- who -------------------------------------------------------------------------------------


def test_nobody_sends_events(world: World) -> None:
    response = Api(world).post(sent_event())
    problem(response, 401)
    assert "Bearer" in response["WWW-Authenticate"]


@pytest.mark.parametrize("username", ["alice", "olivia", "audrey", "omar", "ben", "root"])
def test_people_send_no_events(world: World, username: str) -> None:
    problem(Api(world, username).post(sent_event()), 403)


def test_while_disabled_nothing_is_taken_in(api: Api, settings: Any) -> None:
    before = size()
    settings.AUDIT_ENABLED = False
    problem(api.post(sent_event()), 503, "audit_disabled")
    assert size() == before


# --- profiles --------------------------------------------------------------------------------


def test_an_unknown_profile_is_refused(api: Api) -> None:
    assert fields(api.post(sent_event(), EVENTS + "?profile=splunk")) == ["profile"]
    assert fields(api.post(sent_event(), EVENTS + "?profile=%00")) == ["profile"]


def test_a_record_without_an_event_id_is_named(api: Api) -> None:
    response = api.post([{"eventTime": "x"}], EVENTS + "?profile=cloudtrail")
    assert fields(response)[0].startswith("events[0].event")
