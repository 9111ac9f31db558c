"""Recording: what the outbox takes, and when it refuses."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import RequestFactory

from audit.events import OWN_PREFIXES, Actor, EventType
from audit.formats.event import EventRefused
from audit.ids import uuid7
from audit.models import PendingEvent
from audit.services import trail
from tests.databases import CommittedDatabase
from tests.factories import World


def last_event() -> dict[str, Any]:
    pending = PendingEvent.objects.order_by("-id").first()
    assert pending is not None
    return json.loads(pending.event)


def test_an_event_says_who_did_what_from_where(world: World) -> None:
    request = RequestFactory().get("/", HTTP_USER_AGENT="curl/8", REMOTE_ADDR="192.0.2.7")
    request.request_id = "req-12345678"
    user = world.user("olivia")
    event_id = trail.record(
        EventType.EVIDENCE_PACKAGE_EXPORTED,
        actor=Actor.of(user, request),
        client=world.client("clinic-001"),
        obj=("package", "evidence_1"),
        data={"events": 3},
        occurred_at=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    )
    assert last_event() == {
        "id": event_id,
        "type": "evidence.package.exported",
        "occurred_at": "2026-01-02T03:04:05.000006Z",
        "actor": {"id": "user:olivia", "person": str(user.person_id)},
        "recorder": "strongroom",
        "client_id": "clinic-001",
        "object": {"type": "package", "id": "evidence_1"},
        "outcome": "success",
        "request_id": "req-12345678",
        "source": {"ip": "192.0.2.7", "user_agent": "curl/8"},
        "data": {"events": 3},
        "redacted": [],
    }


def test_a_part_of_strongroom_has_neither_person_nor_source(world: World) -> None:
    trail.record(EventType.ACCESS_LOGOUT, actor=Actor.system("worker"))
    event = last_event()
    assert event["actor"] == {"id": "service:worker"}
    assert (event["client_id"], event["object"], event["source"]) == (None, None, None)


@pytest.mark.parametrize(
    ("agent", "address", "expected"),
    [
        ("a" * 300, "192.0.2.7", {"ip": "192.0.2.7", "user_agent": "a" * 256}),
        ("tab\there\x00", "2001:db8::1", {"ip": "2001:db8::1", "user_agent": "tab?here?"}),
        ("", "", None),
        ("", "unix:", None),
    ],
)
def test_headers_can_not_spoil_an_event(agent: str, address: str, expected: object) -> None:
    request = RequestFactory().get("/", HTTP_USER_AGENT=agent, REMOTE_ADDR=address)
    assert Actor.anonymous(request).as_event_source() == expected


def test_service_accounts_are_services(world: World) -> None:
    actor = world.actor("svc-clinic-001")
    assert (actor.id, actor.person_id) == ("service:svc-clinic-001", None)


def test_nothing_is_recorded_while_disabled(world: World, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    before = PendingEvent.objects.count()
    for record in (trail.record, trail.record_alone):
        with pytest.raises(trail.AuditDisabled) as caught:
            record(EventType.ACCESS_LOGOUT, actor=Actor.system("test"))
        assert caught.value.code == "audit_disabled"
    with pytest.raises(trail.AuditDisabled):
        trail.ensure_enabled()
    assert PendingEvent.objects.count() == before


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"outcome": "perhaps"}, "outcome"),
        ({"obj": ("", "1")}, "object.type"),
        ({"obj": ("package", "x" * 513)}, "object.id"),
        ({"client": "x" * 65}, "client_id"),
        ({"data": float("nan")}, "data"),
        ({"data": 2**53}, "data"),
        ({"data": "\ud800"}, "data"),
        ({"data": "x" * (256 << 10)}, "data"),
    ],
)
def test_what_could_not_be_sealed_is_refused(db: None, options: dict[str, Any], field: str) -> None:
    before = PendingEvent.objects.count()
    with pytest.raises(EventRefused) as caught:
        trail.record(EventType.ACCESS_LOGOUT, actor=Actor.system("test"), **options)
    assert caught.value.field == field
    assert PendingEvent.objects.count() == before


def test_only_our_own_types_are_recorded(db: None) -> None:
    with pytest.raises(ValueError, match="invented"):
        trail.record("access.invented", actor=Actor.system("test"))  # type: ignore[arg-type]


def test_an_event_belongs_into_a_transaction(committed_db: CommittedDatabase) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        trail.record(EventType.ACCESS_LOGOUT, actor=Actor.system("test"))


def test_change_and_event_stand_or_fall_together(committed_db: CommittedDatabase) -> None:
    with pytest.raises(LookupError), transaction.atomic():
        trail.record(EventType.ACCESS_LOGOUT, actor=Actor.system("test"))
        raise LookupError
    assert not PendingEvent.objects.exists()
    trail.record_alone(EventType.ACCESS_DENIED, actor=Actor.system("test"), outcome="denied")
    connections.close_all()
    assert PendingEvent.objects.count() == 1


def test_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    made = [uuid7() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    parsed = uuid.UUID(made[0])
    assert (str(parsed), parsed.version, parsed.variant) == (made[0], 7, uuid.RFC_4122)
    assert abs((parsed.int >> 80) / 1000 - datetime.now(UTC).timestamp()) < 60
    # Two within the same quarter of a microsecond may change places.
    heads = [text[:18] for text in made]
    assert heads == sorted(heads)


def test_own_prefixes_cover_own_types() -> None:
    assert all(kind.value.split(".")[0] in OWN_PREFIXES for kind in EventType)
    assert "strongroom" in OWN_PREFIXES
