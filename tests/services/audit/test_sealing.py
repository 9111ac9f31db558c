"""The sealer: order, clocks, what it sets aside, and what stops it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection, transaction

from audit.formats.event import genesis_hash
from audit.formats.log import LogVerifier
from audit.models import AuditEvent, LogHead, PendingEvent
from audit.selectors import all_lines
from audit.services import clock, loghead, sealing
from audit.services.waiting import waiting_events
from sealing.errors import IntegrityFailure
from tests.databases import CommittedDatabase
from tests.services.audit.helpers import event_bytes, force, record, seal

ORIGIN = "strongroom.test/audit"


def verifier_of_log() -> LogVerifier:
    verifier = LogVerifier(ORIGIN, strict=True)
    verifier.feed(line for _, line in all_lines(end_seq=loghead.current().size))
    return verifier


def ids_in_log(since: int = 0) -> list[str]:
    found = AuditEvent.objects.filter(seq__gte=since).order_by("seq")
    return [str(event_id) for event_id in found.values_list("id", flat=True)]


def test_events_are_sealed_in_the_order_of_the_outbox() -> None:
    sealing.seal_pending()
    start = loghead.current().size
    ids = record(5)
    done = sealing.seal_pending()
    assert (done.count, done.set_aside, done.size) == (5, 0, start + 5)
    assert ids_in_log(start) == ids
    assert waiting_events().pending == 0
    verifier = verifier_of_log()
    head = loghead.current()
    assert verifier.fault is None
    assert (verifier.size, verifier.head) == (head.size, head.hash)
    assert verifier.frontier.root() == head.root


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest) -> None:
    """A database that rolls back, unless the test asks for one of its own."""
    if "committed_db" not in request.fixturenames:
        request.getfixturevalue("db")


def test_the_first_line_links_to_the_genesis_hash(committed_db: CommittedDatabase) -> None:
    assert loghead.current().hash == genesis_hash(ORIGIN)
    seal()
    first = AuditEvent.objects.get(seq=0)
    assert bytes(first.prev_hash) == genesis_hash(ORIGIN)
    assert loghead.stored_origin() == ORIGIN


def test_sealing_nothing_changes_nothing() -> None:
    seal()
    before = LogHead.objects.values().get()
    assert sealing.seal_pending() == sealing.Sealed()
    assert LogHead.objects.values().get() == before


def test_batches_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH_ROWS", 3)
    sealing.seal_pending()
    record(8)
    assert sealing.seal_pending(limit=4).count == 4
    assert waiting_events().pending == 4
    assert sealing.seal_pending().count == 4
    assert verifier_of_log().fault is None


def test_a_batch_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    sealing.seal_pending()
    monkeypatch.setattr(sealing, "BATCH_BYTES", 1)
    record(3)
    assert len(sealing._take(2**62, 10)) == 1
    assert sealing.seal_pending().count == 3


def test_columns_say_what_the_event_says() -> None:
    text = 'tab\there "quoted" back\\slash\nline\u2028 \\N Zoë \U0001f512'
    raw = event_bytes(
        actor={"id": text},
        object={"type": "file", "id": text},
        client_id=None,
        outcome="denied",
        data={"text": text, "number": 0.1, "none": None},
    )
    force(raw)
    sealing.seal_pending()
    event = AuditEvent.objects.get(id=json.loads(raw)["id"])
    assert event.event.encode() == raw
    assert (event.actor_id, event.object_id, event.client_id) == (text, text, None)
    assert event.occurred_at == datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert (event.type, event.outcome) == ("access.logout", "denied")


@pytest.mark.parametrize(
    "occurred_at", ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"]
)
def test_the_earliest_and_the_latest_time_can_be_sealed(occurred_at: str) -> None:
    force(event_bytes(occurred_at=occurred_at))
    assert sealing.seal_pending().set_aside == 0
    assert verifier_of_log().fault is None


# --- what can't be sealed --------------------------------------------------------------------

POISON = {
    "not JSON": ("no json", "line 1"),
    "empty": ("", "line 1"),
    "not an object": ("[1]", "object"),
    "not canonical": (event_bytes().decode() + " ", "canonical"),
    "duplicate key": ('{"a":1,"a":2}', "twice"),
    "a field is missing": ("{}", "missing"),
    "an unknown field": (event_bytes().decode()[:-1] + ',"zz":1}', "zz"),
    "another shape": (event_bytes().decode().replace('"actor":{"id":', '"actor":{"no":'), "actor"),
    "an escaped NUL": (event_bytes().decode().replace('"n":1', '"n":"\\u0000"'), "U+0000"),
    "a key with a NUL": ('{"\\u0000":1}', "U+0000"),
    "too deep": ("[" * 10_000, "Nested"),
}


@pytest.mark.parametrize("name", POISON)
def test_a_poisoned_row_is_set_aside_and_sealing_goes_on(name: str) -> None:
    text, reason = POISON[name]
    sealing.seal_pending()
    start = loghead.current().size
    before = record(2)
    poisoned = force(text)
    after = record(2)
    done = sealing.seal_pending()
    assert (done.count, done.set_aside) == (4, 1)
    assert ids_in_log(start) == before + after
    row = PendingEvent.objects.get(pk=poisoned)
    assert row.set_aside_at is not None
    assert row.event == text
    assert reason in row.set_aside_reason
    assert waiting_events().set_aside == 1
    # The alarm is an event of its own, and does not repeat what it is about.
    sealing.seal_pending()
    told = AuditEvent.objects.get(type="audit.event.set_aside")
    assert (told.object_id, told.outcome) == (str(poisoned), "failure")
    assert sealing.seal_pending() == sealing.Sealed()
    assert verifier_of_log().fault is None


def test_an_id_that_is_in_the_log_is_set_aside() -> None:
    raw = event_bytes()
    force(raw)
    sealing.seal_pending()
    again, other = force(raw), force(raw.replace(b'"n":1', b'"n":2'))
    ids = record(1)
    assert (sealing.seal_pending().count, ids_in_log()[-1]) == (1, ids[0])
    for row in PendingEvent.objects.filter(pk__in=[again, other]):
        assert "in the log already" in row.set_aside_reason


def test_of_two_rows_with_one_id_the_first_is_sealed() -> None:
    raw = event_bytes()
    first, second = force(raw), force(raw.replace(b'"n":1', b'"n":2'))
    sealing.seal_pending()
    assert not PendingEvent.objects.filter(pk=first).exists()
    assert PendingEvent.objects.filter(pk=second, set_aside_at__isnull=False).exists()
    assert AuditEvent.objects.get(id=json.loads(raw)["id"]).event.encode() == raw


def test_many_poisoned_rows_among_many_good_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    sealing.seal_pending()
    start = loghead.current().size
    known = event_bytes()
    force(known)
    sealing.seal_pending()
    good: list[str] = []
    for _ in range(7):
        good += record(9)
        force("poison")
        force(known)
    done = sealing.seal_pending()
    assert (done.count, done.set_aside) == (63, 14)
    assert ids_in_log(start + 1) == good
    assert verifier_of_log().fault is None


def test_while_disabled_sealing_goes_on_without_recording(settings: Any) -> None:
    sealing.seal_pending()
    start = loghead.current().size
    ids = record(1)
    force("poison")
    settings.AUDIT_ENABLED = False
    done = sealing.seal_pending()
    assert (done.count, done.set_aside) == (1, 1)
    assert ids_in_log(start) == ids
    assert waiting_events().pending == 0


# --- what stops it ---------------------------------------------------------------------------


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "database_clock", lambda: moment)
    monkeypatch.setattr(clock, "host_clock", lambda: moment)


@pytest.mark.parametrize("seconds", [-6, 6])
def test_clocks_that_disagree_stop_sealing(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    record(1)
    now = datetime.now(UTC)
    monkeypatch.setattr(clock, "database_clock", lambda: now + timedelta(seconds=seconds))
    with pytest.raises(clock.ClockRefused) as caught:
        sealing.seal_pending()
    assert caught.value.code == "clock_refused"
    waiting = waiting_events()
    assert waiting.pending >= 1
    monkeypatch.undo()
    assert sealing.seal_pending().count == waiting.pending


@pytest.mark.parametrize("seconds", [-4, 4])
def test_clocks_that_nearly_agree_do_not(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    record(1)
    now = datetime.now(UTC)
    monkeypatch.setattr(clock, "database_clock", lambda: now + timedelta(seconds=seconds))
    assert sealing.seal_pending().count >= 1


def test_a_last_line_that_is_ahead_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    at(monkeypatch, now + timedelta(minutes=59))
    seal()
    at(monkeypatch, now)
    seal()
    times = AuditEvent.objects.order_by("-seq").values_list("created_at", flat=True)[:2]
    assert list(times) == [now + timedelta(minutes=59)] * 2
    assert verifier_of_log().fault is None


def test_a_last_line_far_ahead_stops_sealing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    at(monkeypatch, now + timedelta(minutes=61))
    seal()
    at(monkeypatch, now)
    record(1)
    with pytest.raises(clock.ClockRefused):
        sealing.seal_pending()


def test_a_quiet_log_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    seal()
    at(monkeypatch, now + timedelta(days=40))
    assert seal()


def test_another_origin_stops_sealing(settings: Any) -> None:
    seal()
    record(1)
    settings.AUDIT_ORIGIN = "elsewhere.test/audit"
    with pytest.raises(loghead.OriginMismatch):
        sealing.seal_pending()
    found = run_checks(databases=["default"])
    assert [message.id for message in found if message.id == "audit.E001"] == ["audit.E001"]
    settings.AUDIT_ORIGIN = ORIGIN
    assert "audit.E001" not in [message.id for message in run_checks(databases=["default"])]
    assert sealing.seal_pending().count == 1


def test_a_head_that_is_not_that_of_the_events_stops_sealing() -> None:
    seal()
    record(1)
    LogHead.objects.update(head=bytes(32))
    with pytest.raises(loghead.HeadMismatch):
        sealing.seal_pending()
    assert waiting_events().pending == 1


def test_a_head_beyond_the_events_stops_sealing_and_sets_nothing_aside() -> None:
    seal()
    record(1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_loghead SET size = size + 1")
    with pytest.raises(IntegrityFailure):
        sealing.seal_pending()
    waiting = waiting_events()
    assert (waiting.pending, waiting.set_aside) == (1, 0)


def test_the_lock_is_never_held_over_other_work() -> None:
    record(1)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        sealing.seal_pending()


def test_readers_seal_what_has_waited_for_a_second() -> None:
    sealing.seal_pending()
    record(1)
    sealing.catch_up()
    assert waiting_events().pending == 1
    PendingEvent.objects.update(created_at=datetime.now(UTC) - timedelta(seconds=2))
    sealing.catch_up()
    assert waiting_events().pending == 0


def test_readers_do_not_fail_where_sealing_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seal()
    record(1)
    PendingEvent.objects.update(created_at=datetime.now(UTC) - timedelta(seconds=2))
    at(monkeypatch, datetime.now(UTC) - timedelta(days=1))
    sealing.catch_up()
    assert waiting_events().pending >= 1
