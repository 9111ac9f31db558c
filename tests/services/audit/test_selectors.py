"""Reading the log: periods, scope, and lines that hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from psycopg import connect

from audit import selectors
from audit.events import Actor
from audit.formats.event import parse_line
from audit.models import AuditEvent
from audit.services import loghead, sealing
from audit.services.ingest import ingest
from sealing.errors import NotFound
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.services.audit.helpers import record, seal, sent_event

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def lines_of(client_id: str | None, **options: object) -> list[str]:
    found = selectors.event_lines(
        client_id=client_id,
        start=START,
        end=START + 3 * HOUR,
        **options,  # type: ignore[arg-type]
    )
    numbers, ids = [], []
    for seq, line in found:
        parsed = parse_line(line, strict=True)
        assert parsed.seq == seq
        numbers.append(seq)
        ids.append(str(AuditEvent.objects.get(seq=seq).id))
    assert numbers == sorted(numbers)
    return ids


def test_a_period_is_half_open_and_goes_by_the_sources_clock(world: World) -> None:
    at = {hour: seal(occurred_at=START + hour * HOUR)[0] for hour in (2, -1, 3, 0, 1)}
    just_before = seal(occurred_at=START + 3 * HOUR - timedelta(microseconds=1))[0]
    assert lines_of("clinic-001") == [at[2], at[0], at[1], just_before]


def test_a_client_gets_its_own_events_only(world: World) -> None:
    mine = seal(occurred_at=START, client="clinic-001")
    other = seal(occurred_at=START, client="clinic-002")
    platform = seal(occurred_at=START, client=None)
    assert lines_of("clinic-001") == mine
    assert lines_of("clinic-002") == other
    assert lines_of(None) == platform
    assert lines_of("clinic-003") == []


def test_types_can_be_chosen(world: World) -> None:
    event = sent_event(occurred_at="2026-01-01T00:30:00Z", type="clinic.a.done")
    ingest(actor=world.actor("svc-clinic-001"), events=[event])
    seal(occurred_at=START)
    assert lines_of("clinic-001", types=["clinic.a.done"]) == [event["id"]]
    assert lines_of("clinic-001", types=[]) == []
    assert len(lines_of("clinic-001", types=["clinic.a.done", "access.logout"])) == 2


def test_a_line_that_does_not_hold_is_never_given_out(committed_db: CommittedDatabase) -> None:
    (event_id,) = seal(occurred_at=START)
    connections.close_all()
    with connect(committed_db.superuser_url) as connection:
        connection.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_only")
        connection.execute("UPDATE audit_events SET event = replace(event, '\"n\":0', '\"n\":1')")
    with pytest.raises(selectors.StoredLineInvalid):
        lines_of("clinic-001")
    with pytest.raises(selectors.StoredLineInvalid):
        list(selectors.all_lines(end_seq=loghead.current().size))
    with pytest.raises(selectors.StoredLineInvalid):
        selectors.line_of(AuditEvent.objects.get(id=event_id))


# --- who sees what ---------------------------------------------------------------------------


@pytest.fixture
def events(world: World) -> dict[str, str]:
    """Events of both clients and the platform, of people and services; name -> id."""
    made = {
        "one": record(client="clinic-001")[0],
        "two": record(client="clinic-002")[0],
        "platform": record(client=None)[0],
        "omar-one": record(client="clinic-001", actor=world.actor("omar"))[0],
        "omar-two": record(client="clinic-002", actor=world.actor("omar"))[0],
    }
    sealing.seal_pending()
    sent = sent_event()
    ingest(actor=world.actor("svc-clinic-001"), events=[sent])
    return {**made, "sent": sent["id"]}


SEES = {
    "alice": {"one", "two", "platform", "omar-one", "omar-two", "sent"},
    "olivia": {"one", "two", "platform", "omar-one", "omar-two", "sent"},
    "audrey": {"one", "omar-one", "sent"},
    "ben": {"two", "omar-two"},
    "omar": {"omar-one"},
    "svc-clinic-001": {"sent"},
    "svc-clinic-002": set(),
    "nobody": set(),
    "root": set(),
}


@pytest.mark.parametrize("username", SEES)
def test_everybody_sees_what_is_his(world: World, events: dict[str, str], username: str) -> None:
    user = world.user(username)
    visible = {str(pk) for pk in selectors.visible_events(user).values_list("id", flat=True)}
    assert {name for name, pk in events.items() if pk in visible} == SEES[username]
    for name, event_id in events.items():
        if name in SEES[username]:
            assert str(selectors.get_event(user, event_id).id) == event_id
        else:
            with pytest.raises(NotFound):
                selectors.get_event(user, event_id)


def test_an_inactive_account_sees_nothing(world: World, events: dict[str, str]) -> None:
    user = world.user("olivia")
    user.is_active = False
    user.save()
    assert not selectors.visible_events(user).exists()


@pytest.mark.parametrize("event_id", ["", "x", "01942f4c-0000-7000-8000-00000000ffff"])
def test_an_event_that_is_not_there_is_not_found(world: World, event_id: str) -> None:
    with pytest.raises(NotFound):
        selectors.get_event(world.user("olivia"), event_id)


def test_the_status_tells_how_the_log_stands(world: World) -> None:
    seal()
    record(2)
    now = selectors.status()
    head = loghead.current()
    assert (now.origin, now.size, now.head) == (head.origin, head.size, head.hash)
    assert (now.unsealed, now.set_aside) == (2, 0)
    assert now.oldest_unsealed_at is not None
    assert (now.last_checkpoint, now.last_verification) == (None, None)
    assert Actor.system("x").id == "service:x"
