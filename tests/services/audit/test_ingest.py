"""Ingest: what service accounts may send, and that a request counts as a whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from access.models import Client
from audit.events import OWN_PREFIXES
from audit.formats import event as formats
from audit.models import AuditEvent
from audit.selectors import all_lines, line_of
from audit.services import loghead, sealing, trail
from audit.services.ingest import EventIdConflict, IngestResult, TypeReserved, ingest
from audit.services.waiting import waiting_events
from sealing.errors import Forbidden, Invalid, NotFound, StrongroomError
from tests.factories import World
from tests.services.audit.helpers import record, sent_event


def send(
    world: World, *events: Any, account: str = "svc-clinic-001", **options: Any
) -> IngestResult:
    return ingest(actor=world.actor(account), events=list(events), **options)


def stored(event: dict[str, Any]) -> dict[str, Any]:
    return json.loads(AuditEvent.objects.get(id=event["id"]).event)


def refused(world: World, *events: Any, **options: Any) -> StrongroomError:
    sealing.seal_pending()
    before = loghead.current().size
    with pytest.raises(StrongroomError) as caught:
        send(world, *events, **options)
    assert loghead.current().size == before
    return caught.value


def test_events_are_sealed_when_the_answer_comes(world: World) -> None:
    events = [sent_event(), sent_event()]
    result = send(world, *events)
    assert (result.accepted, result.duplicates) == (2, 0)
    assert (result.last_seq, result.size) == (result.first_seq + 1, result.last_seq + 1)
    assert result.head == bytes(AuditEvent.objects.get(seq=result.last_seq).hash)
    assert stored(events[0]) == {
        **events[0],
        "occurred_at": "2026-01-02T03:04:05.000000Z",
        "client_id": "clinic-001",
        "recorder": "service:svc-clinic-001",
        "request_id": None,
        "source": None,
        "redacted": [],
    }


def test_what_was_recorded_before_comes_first(world: World) -> None:
    recorded = record(3)
    result = send(world, sent_event())
    assert waiting_events().pending == 0
    assert str(AuditEvent.objects.get(seq=result.first_seq - 1).id) == recorded[-1]


def test_the_same_again_is_a_duplicate(world: World) -> None:
    events = [sent_event() for _ in range(5)]
    first = send(world, *events)
    again = send(world, *events)
    assert (again.accepted, again.duplicates) == (0, 5)
    assert (again.first_seq, again.last_seq) == (None, None)
    assert (again.size, again.head) == (first.size, first.head)
    mixed = send(world, events[0], sent_event(), events[1])
    assert (mixed.accepted, mixed.duplicates) == (1, 2)


def test_the_same_in_other_words_is_a_duplicate(world: World) -> None:
    event = sent_event()
    send(world, event)
    other = dict(reversed(event.items())) | {"occurred_at": "2026-01-02T04:04:05.0+01:00"}
    assert send(world, other).duplicates == 1


def test_duplicates_within_one_request(world: World) -> None:
    event = sent_event()
    result = send(world, event, event, sent_event(), event)
    assert (result.accepted, result.duplicates) == (2, 2)


@pytest.mark.parametrize("change", [{"data": 2}, {"outcome": "failure"}, {"object": None}])
def test_the_same_id_with_another_body_is_a_conflict(world: World, change: dict[str, Any]) -> None:
    event = sent_event()
    send(world, event)
    error = refused(world, sent_event(), event | change)
    assert isinstance(error, EventIdConflict)
    assert (error.code, error.field) == ("event_id_conflict", "events[1].id")


def test_the_same_id_twice_within_one_request_is_a_conflict(world: World) -> None:
    event = sent_event()
    assert refused(world, event, event | {"data": 2}).field == "events[1].id"


def test_the_same_event_of_another_sender_is_a_conflict(world: World) -> None:
    event = sent_event()
    send(world, event)
    error = refused(world, event, account="svc-clinic-002")
    assert error.code == "event_id_conflict"


def test_an_id_of_our_own_is_a_conflict(world: World) -> None:
    (event_id,) = record(1)
    assert refused(world, sent_event(id=event_id)).code == "event_id_conflict"


# --- who may send for whom -------------------------------------------------------------------


@pytest.mark.parametrize("account", ["alice", "olivia", "audrey", "omar", "ben", "nobody", "root"])
def test_people_send_no_events(world: World, account: str) -> None:
    assert isinstance(refused(world, sent_event(), account=account), Forbidden)


def test_events_of_other_clients_are_refused(world: World) -> None:
    error = refused(world, sent_event(), sent_event(client_id="clinic-002"))
    assert isinstance(error, NotFound)
    assert error.field == "events[1].client_id"
    unknown = refused(world, sent_event(client_id="clinic-999"))
    assert (type(unknown), unknown.message) == (type(error), error.message)


def test_events_of_the_platform_are_refused(world: World) -> None:
    error = refused(world, sent_event(client_id=None))
    assert isinstance(error, Forbidden)
    assert error.field == "events[0].client_id"


def test_the_client_may_be_named_for_the_whole_request(world: World) -> None:
    event = sent_event()
    send(world, event, client_id="clinic-001")
    assert stored(event)["client_id"] == "clinic-001"
    assert isinstance(refused(world, sent_event(), client_id="clinic-002"), NotFound)


def test_a_sender_for_several_clients_has_to_say_which(world: World) -> None:
    from access.roles import Role
    from ops.services import people

    people.grant(
        actor=world.actor("alice"),
        user=world.user("svc-clinic-001"),
        role=Role.AUTOMATION,
        client=world.client("clinic-002"),
    )
    assert refused(world, sent_event()).field == "events[0].client_id"
    event = sent_event(client_id="clinic-002")
    assert send(world, event).accepted == 1


def test_events_of_an_inactive_client_are_refused(world: World) -> None:
    Client.objects.filter(pk="clinic-001").update(is_active=False)
    assert refused(world, sent_event()).field == "events[0].client_id"


def test_while_disabled_nothing_is_taken_in(world: World, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    assert isinstance(refused(world, sent_event()), trail.AuditDisabled)


# --- what they may say -----------------------------------------------------------------------


@pytest.mark.parametrize("prefix", sorted(OWN_PREFIXES))
def test_our_own_types_are_refused(world: World, prefix: str) -> None:
    for kind in (f"{prefix}.package.exported", prefix.upper() + ".x", prefix):
        error = refused(world, sent_event(type=kind))
        assert isinstance(error, TypeReserved)
        assert (error.code, error.field) == ("event_type_reserved", "events[0].type")


def test_types_that_only_begin_alike_are_accepted(world: World) -> None:
    assert send(world, sent_event(type="auditor.visit.planned")).accepted == 1


@pytest.mark.parametrize("recorder", ["strongroom", "service:svc-clinic-001", None])
def test_the_recorder_is_ours_to_say(world: World, recorder: object) -> None:
    error = refused(world, sent_event(recorder=recorder))
    assert error.field == "events[0].recorder"


@pytest.mark.parametrize("name", ["id", "type", "occurred_at", "actor", "outcome"])
def test_a_missing_field_is_named(world: World, name: str) -> None:
    event = sent_event()
    del event[name]
    error = refused(world, sent_event(), event)
    assert (error.field, isinstance(error, Invalid)) == (f"events[1].{name}", True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": "not-a-uuid"}, "id"),
        ({"id": "01890A5D-AC96-774B-BCCE-B302099A8057"}, "id"),
        ({"id": 1}, "id"),
        ({"type": "with space"}, "type"),
        ({"type": "x" * 129}, "type"),
        ({"type": 5}, "type"),
        ({"occurred_at": "2026-01-02"}, "occurred_at"),
        ({"occurred_at": "2026-01-02T03:04:05"}, "occurred_at"),
        ({"occurred_at": "2026-01-02T03:04:05.1234567Z"}, "occurred_at"),
        ({"occurred_at": 1767323045}, "occurred_at"),
        ({"actor": "service:x"}, "actor"),
        ({"actor": {"id": ""}}, "actor.id"),
        ({"actor": {"id": "x" * 257}}, "actor.id"),
        ({"actor": {"id": "x", "role": "y"}}, "actor"),
        ({"client_id": 7}, "client_id"),
        ({"object": {"type": "x"}}, "object"),
        ({"object": {"type": "x" * 65, "id": "1"}}, "object.type"),
        ({"object": {"type": "x", "id": "é" * 257}}, "object.id"),
        ({"outcome": "ok"}, "outcome"),
        ({"outcome": None}, "outcome"),
        ({"source": "here"}, "source"),
        ({"redacted": "/data"}, "redacted"),
        ({"redacted": [1]}, "redacted"),
        ({"surprise": 1}, "surprise"),
        ({"data": "x" * (256 << 10)}, "data"),
    ],
)
def test_a_field_that_is_not_valid_is_named(
    world: World, changes: dict[str, Any], field: str
) -> None:
    error = refused(world, sent_event(), sent_event(), sent_event(**changes))
    assert (error.field, isinstance(error, Invalid)) == (f"events[2].{field}", True)


@pytest.mark.parametrize("event", [None, 1, "x", [], [{}], True])
def test_an_event_is_an_object(world: World, event: object) -> None:
    assert refused(world, event).field == "events[0]"


def test_a_request_has_events(world: World) -> None:
    assert refused(world).field == "events"


def test_profiles_are_a_closed_set(world: World) -> None:
    assert refused(world, sent_event(), profile="os.system").field == "profile"


# --- redaction -------------------------------------------------------------------------------


def test_what_a_client_does_not_want_is_removed_before_hashing(world: World) -> None:
    Client.objects.filter(pk="clinic-001").update(
        redaction_pointers=["/data/patient/name", "/data/none", "/source/ip"]
    )
    event = sent_event(
        data={"patient": {"name": "Jane Doe", "id": 7}},
        source={"ip": "192.0.2.1"},
        redacted=["/data/address"],
    )
    original = json.loads(json.dumps(event))
    send(world, event)
    kept = stored(event)
    assert kept["data"] == {"patient": {"id": 7}}
    assert kept["source"] == {}
    assert kept["redacted"] == ["/data/address", "/data/patient/name", "/source/ip"]
    assert "Jane" not in AuditEvent.objects.get(id=event["id"]).event
    assert send(world, original).duplicates == 1


def test_every_line_holds_afterwards(world: World) -> None:
    send(world, *[sent_event(data={"n": n, "text": "Zoë \\ \t \u2028"}) for n in range(700)])
    size = loghead.current().size
    lines = [line for _, line in all_lines(end_seq=size)]
    assert len(lines) == size
    for line in lines:
        formats.parse_line(line, strict=True)
    assert line_of(AuditEvent.objects.get(seq=size - 1)) == lines[-1]
