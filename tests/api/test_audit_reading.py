"""Reading the trail over REST: lists, lines, proofs, checkpoints and the state of the log."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.events import Actor
from audit.formats import checkpoint as checkpoint_format
from audit.formats import event as events
from audit.models import AuditEvent, PendingEvent
from audit.services import checkpoints, keys, loghead, sealing
from audit.services.ingest import ingest
from audit.services.verification import verify_database
from sealing import merkle
from sealing.keys import key_id, parse_signers
from tests.api.audit import EVENTS, Api, fields, problem
from tests.factories import World
from tests.services.audit.helpers import record, seal, sent_event

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def api(world: World) -> Api:
    return Api(world, "olivia")


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [line["event"]["id"] for line in response.json()["results"]]


def since(moment: datetime = START) -> dict[str, str]:
    """Narrows a list to the events that a test made itself."""
    return {"since": moment.isoformat(), "until": (moment + timedelta(days=1)).isoformat()}


def hashes(items: list[str]) -> list[bytes]:
    return [bytes.fromhex(item.removeprefix("sha256:")) for item in items]


# --- lists -----------------------------------------------------------------------------------


def test_the_newest_comes_first_and_each_is_a_line(api: Api) -> None:
    made = [seal(occurred_at=START + n * MINUTE)[0] for n in (1, 3, 2)]
    response = api.get(EVENTS, since())
    assert ids(response) == [made[1], made[2], made[0]]
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert (body["next"], body["previous"]) == (None, None)
    for line in body["results"]:
        assert line["hash"] == f"sha256:{bytes(AuditEvent.objects.get(seq=line['seq']).hash).hex()}"


def test_lines_in_a_list_are_the_bytes_that_were_hashed(api: Api, world: World) -> None:
    raw = b'{"n":[0.1,1e+21,1e-7,5e-324,9007199254740991],"t":"\\u2028Zo\\u00eb \\/"}'
    sent = sent_event(occurred_at="2026-01-01T00:00:00Z", data=json.loads(raw))
    ingest(actor=world.actor("svc-clinic-001"), events=[sent])
    line = api.get(f"{EVENTS}/{sent['id']}").content
    assert line in api.get(EVENTS, since()).content
    parsed = events.parse_line(line, strict=True)
    assert merkle.leaf_hash(events.leaf_part(line)) == parsed.hash


@pytest.mark.parametrize("size", [1, 2, 3, 7, 500])
def test_pages_hold_every_event_once(api: Api, size: int) -> None:
    # Seven at one time: no page boundary may lose or repeat any of them.
    made = record(7, occurred_at=START) + record(5, occurred_at=START + MINUTE)
    sealing.seal_pending()
    expected = sorted(made[7:], reverse=True) + sorted(made[:7], reverse=True)
    found, pages, address = [], [], EVENTS
    query: dict[str, Any] | None = {**since(), "page_size": size}
    while address:
        response = api.get(address, query)
        found += ids(response)
        pages.append(ids(response))
        address, query = response.json()["next"], None
    assert found == expected
    back, address = [], response.json()["previous"]
    while address:
        response = api.get(address)
        back.append(ids(response))
        address = response.json()["previous"]
    assert back == pages[:-1][::-1]


def test_a_list_stays_where_it_is_while_events_are_added(api: Api) -> None:
    made = [seal(occurred_at=START + n * MINUTE)[0] for n in range(4)]
    first = api.get(EVENTS, {**since(), "page_size": 2}).json()
    seal(occurred_at=START + 10 * MINUTE)
    assert ids(api.get(first["next"])) == [made[1], made[0]]


def test_filters(api: Api, world: World) -> None:
    mine = seal(occurred_at=START, actor=world.actor("alice"), obj=("account", "x-1"))[0]
    other = seal(occurred_at=START, client="clinic-002", outcome="denied")[0]
    sent = sent_event(occurred_at="2026-01-01T00:00:00Z", type="clinic.a.done")
    ingest(actor=world.actor("svc-clinic-001"), events=[sent])
    for query, expected in (
        ({"type": "clinic.a.done"}, [sent["id"]]),
        ({"type": "clinic"}, []),
        ({"actor": "user:alice"}, [mine]),
        ({"client_id": "clinic-002"}, [other]),
        ({"object_id": "x-1"}, [mine]),
        ({"outcome": "denied"}, [other]),
        ({"q": mine}, [mine]),
        ({"q": "x-1"}, [mine]),
        ({"q": "user:alice"}, [mine]),
        ({"q": "nothing"}, []),
        ({"actor": "user:alice", "client_id": "clinic-002"}, []),
    ):
        assert ids(api.get(EVENTS, {**since(), **query})) == expected, query


def test_periods_are_half_open_and_take_any_offset(api: Api) -> None:
    made = [seal(occurred_at=START + n * MINUTE)[0] for n in range(3)]
    for begin, end in (
        ("2026-01-01T00:00:00Z", "2026-01-01T00:02:00Z"),
        ("2026-01-01T01:00:00+01:00", "2026-01-01T02:02:00+02:00"),
        ("2026-01-01T01:00:00 01:00", "2025-12-31T19:02:00-05:00"),
        ("2026-01-01T00:00:00.000000Z", "2026-01-01T00:01:00.000001Z"),
    ):
        assert ids(api.get(EVENTS, {"since": begin, "until": end})) == [made[1], made[0]]
    # A plus sign that nobody escaped arrives as a space.
    address = f"{EVENTS}?since=2026-01-01T01:00:00+01:00&until=2026-01-01T01:01:00+01:00"
    assert ids(api.get(address)) == [made[0]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("since=2026-01-01", "since"),
        ("until=2026-01-01T00:00:00", "until"),
        ("until=2026-13-01T00:00:00Z", "until"),
        ("page_size=0", "page_size"),
        ("page_size=x", "page_size"),
        ("page_size=-1", "page_size"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=%ff", "cursor"),
        ("cursor=bnwyMDI2LTAxLTAxVDAwOjAwOjAwLjAwMDAwMFp8eA==", "cursor"),
        ("typ=x", "typ"),
        ("type=a&type=b", "type"),
        ("type=%00", "type"),
        ("q=%00", "q"),
        ("actor=a%00b", "actor"),
    ],
)
def test_a_filter_that_can_not_be_read_is_refused(api: Api, query: str, field: str) -> None:
    assert fields(api.get(f"{EVENTS}?{query}")) == [field]


@pytest.mark.parametrize("query", ["q=%ed%a0%80", "type=%f0%9f%94%92", "object_id=%27%3b--"])
def test_strange_words_find_nothing(api: Api, query: str) -> None:
    assert ids(api.get(f"{EVENTS}?{query}")) == []


def test_a_cursor_of_another_list_or_a_changed_one_is_refused(api: Api) -> None:
    for n in range(3):
        seal(occurred_at=START + n * MINUTE)
    address = api.get(EVENTS, {**since(), "page_size": 1}).json()["next"]
    cursor = address.partition("cursor=")[2].partition("&")[0]
    for at in range(0, len(cursor), 7):
        other = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        assert api.get(EVENTS, {"cursor": other}).status_code == 400


def test_what_has_waited_for_a_second_is_sealed_for_the_reader(api: Api) -> None:
    sealing.seal_pending()
    (event_id,) = record(1)
    PendingEvent.objects.update(created_at=datetime.now(UTC) - 2 * MINUTE)
    assert api.get(f"{EVENTS}/{event_id}").status_code == 200


# --- one event -------------------------------------------------------------------------------


def test_a_line_is_given_out_byte_for_byte(api: Api) -> None:
    (event_id,) = seal(occurred_at=START)
    response = api.get(f"{EVENTS}/{event_id}", Accept="application/json")
    stored = AuditEvent.objects.get(id=event_id)
    line = events.parse_line(response.content, strict=True)
    assert (line.seq, line.hash) == (stored.seq, bytes(stored.hash))
    assert line.event_bytes.decode() == stored.event


def test_a_proof_leads_to_a_signed_tree(api: Api) -> None:
    seal(300)
    (event_id,) = seal()
    proof = api.get(f"{EVENTS}/{event_id}/proof").json()
    assert set(proof) == {"seq", "tree_size", "leaf_hash", "hashes", "checkpoint"}
    checkpoint, findings = checkpoint_format.open_note(proof["checkpoint"].encode(), keys.signers())
    assert [finding.ok for finding in findings] == [True]
    assert checkpoint is not None and checkpoint.size == proof["tree_size"]
    (leaf,) = hashes([proof["leaf_hash"]])
    line = api.get(f"{EVENTS}/{event_id}").content
    assert merkle.leaf_hash(events.leaf_part(line)) == leaf
    assert merkle.verify_inclusion(
        leaf, proof["seq"], checkpoint.size, hashes(proof["hashes"]), checkpoint.root
    )


@pytest.mark.parametrize("suffix", ["", "/proof"])
def test_events_of_other_clients_are_not_there(world: World, suffix: str) -> None:
    (event_id,) = seal(client="clinic-001")
    for username in ("ben", "svc-clinic-002", "omar", "nobody", "root"):
        problem(Api(world, username).get(f"{EVENTS}/{event_id}{suffix}"), 404, "not_found")
        problem(Api(world, username).get(f"{EVENTS}/{uuid.uuid4()}{suffix}"), 404, "not_found")
    for username in ("audrey", "alice"):
        assert Api(world, username).get(f"{EVENTS}/{event_id}{suffix}").status_code == 200


def test_events_of_the_platform_are_for_whoever_sees_all_clients(world: World) -> None:
    (event_id,) = seal(client=None)
    problem(Api(world, "audrey").get(f"{EVENTS}/{event_id}"), 404)
    assert Api(world, "oscar").get(f"{EVENTS}/{event_id}").status_code == 200


def test_lists_hold_what_the_caller_may_see(world: World) -> None:
    one = seal(occurred_at=START, client="clinic-001")[0]
    two = seal(occurred_at=START, client="clinic-002")[0]
    platform = seal(occurred_at=START, client=None)[0]
    for username, expected in (
        ("olivia", {one, two, platform}),
        ("audrey", {one}),
        ("ben", {two}),
        ("omar", set()),
    ):
        assert set(ids(Api(world, username).get(EVENTS, since()))) == expected, username
    assert ids(Api(world, "ben").get(EVENTS, {**since(), "client_id": "clinic-001"})) == []
    assert ids(Api(world, "ben").get(EVENTS, {**since(), "q": one})) == []


@pytest.mark.parametrize("event_id", ["x", "1", "..", "%00", "0" * 32])
def test_what_is_no_id_is_not_there(api: Api, event_id: str) -> None:
    problem(api.get(f"{EVENTS}/{event_id}"), 404)


# --- the log as a whole ----------------------------------------------------------------------


def test_the_latest_checkpoint(api: Api) -> None:
    response = api.get("/api/audit/checkpoint", Accept="text/plain")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    latest = checkpoints.issue()
    response = api.get("/api/audit/checkpoint")
    assert response.content.decode() == latest.note
    _, findings = checkpoint_format.open_note(response.content, keys.signers())
    assert [finding.ok for finding in findings] == [True]


def test_consistency(api: Api) -> None:
    seal(100)
    old = checkpoints.issue()
    seal(200)
    new = checkpoints.issue()
    body = api.get("/api/audit/consistency", {"from": old.size, "to": new.size}).json()
    assert (body["from"], body["to"]) == (old.size, new.size)
    assert merkle.verify_consistency(
        old.size, new.size, hashes(body["hashes"]), bytes(old.root), bytes(new.root)
    )
    same = api.get("/api/audit/consistency", {"from": new.size, "to": new.size}).json()
    assert same["hashes"] == []


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"from": 1},
        {"to": 1},
        {"from": 0, "to": 1},
        {"from": 2, "to": 1},
        {"from": 1, "to": 10**6},
        {"from": "x", "to": 2},
        {"from": "-1", "to": 2},
        {"from": "1.0", "to": 2},
        {"from": "٣", "to": 4},
        {"from": 1, "to": "9" * 30},
        {"from": "1\x00", "to": 2},
    ],
)
def test_consistency_of_what_is_not_there(api: Api, query: dict[str, Any]) -> None:
    seal(5)
    problem(api.get("/api/audit/consistency", query), 400)


def test_the_state_of_the_log(api: Api) -> None:
    seal()
    empty = api.get("/api/audit/status").json()
    assert (empty["last_checkpoint"], empty["last_verified"]) == (None, None)
    checkpoint = checkpoints.issue()
    run = verify_database(actor=Actor.system("test")).run
    sealing.seal_pending()
    record(2)
    body = api.get("/api/audit/status").json()
    head = loghead.current()
    assert (body["origin"], body["size"]) == ("strongroom.test/audit", head.size)
    assert body["head"] == f"sha256:{head.hash.hex()}"
    assert (body["unsealed"], body["set_aside"]) == (2, 0)
    assert body["last_checkpoint"]["size"] == checkpoint.size
    assert body["last_verified"]["verdict"] == "VALID"
    assert body["last_verified"]["end_seq"] == run.end_seq


WHOLE = ("/api/audit/checkpoint", "/api/audit/status", EVENTS, "/api/audit/consistency")


@pytest.mark.parametrize("path", [*WHOLE, f"{EVENTS}/01942f4c-0000-7000-8000-00000000ffff"])
def test_nobody_reads_without_signing_in(world: World, path: str) -> None:
    response = Api(world).get(path)
    problem(response, 401)
    assert "Bearer" in response["WWW-Authenticate"]


@pytest.mark.parametrize("path", WHOLE)
@pytest.mark.parametrize("username", ["nobody", "root"])
def test_without_a_role_nothing_is_told(world: World, path: str, username: str) -> None:
    problem(Api(world, username).get(path), 403, "no_role")


@pytest.mark.parametrize("path", WHOLE[:2])
@pytest.mark.parametrize("username", ["audrey", "ben", "omar", "svc-clinic-001"])
def test_every_role_may_know_how_the_log_stands(world: World, path: str, username: str) -> None:
    assert Api(world, username).get(path).status_code == 200


def test_while_disabled_reading_goes_on(api: Api, settings: Any) -> None:
    (event_id,) = seal()
    settings.AUDIT_ENABLED = False
    for path in (EVENTS, f"{EVENTS}/{event_id}", f"{EVENTS}/{event_id}/proof", *WHOLE[:2]):
        assert api.get(path).status_code == 200, path


def test_a_refused_checkpoint_is_a_conflict(api: Api, settings: Any) -> None:
    (event_id,) = seal()
    settings.AUDIT_SIGNER_STATE.write_text("nonsense")
    problem(api.get(f"{EVENTS}/{event_id}/proof"), 409, "signer_state_invalid")


# --- public keys -----------------------------------------------------------------------------


def test_the_public_key_needs_no_login(world: World) -> None:
    response = Api(world).get("/api/compliance/public-key", Accept="application/x-pem-file")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/x-pem-file"
    assert key_id(response.content.decode()) == keys.signer_for("package").key_id


def test_a_public_key_is_found_by_its_id(world: World) -> None:
    key = world.key("olivia")
    response = Api(world).get("/api/compliance/public-key", {"key_id": key.key_id})
    assert response.content.decode() == key.public_key_pem
    for unknown in ("sha256:" + "0" * 64, "x", ""):
        problem(Api(world).get("/api/compliance/public-key", {"key_id": unknown}), 404)
    problem(Api(world).get("/api/compliance/public-key?key_id=%00"), 400)


def test_the_signers_file_needs_no_login(world: World) -> None:
    world.key("olivia")
    response = Api(world).get("/api/compliance/public-keys")
    assert response["Content-Type"] == "application/json"
    assert parse_signers(response.content) == keys.signers()
    assert b"PRIVATE" not in response.content


def test_a_bad_token_does_not_close_the_public_addresses(world: World) -> None:
    for path in ("/api/compliance/public-key", "/api/compliance/public-keys"):
        assert Api(world).get(path, Authorization="Bearer nonsense").status_code == 200
