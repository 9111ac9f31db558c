"""The events of some days: found by halving, and no forged time hides an event from a window."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.services import days, loghead
from audit.services.verification import Verification, verify_database
from sealing.errors import Invalid
from sealing.results import Verdict
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.services.audit.trails import ACTOR, seal_on, tamper

MONDAY, TUESDAY, THURSDAY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 5)


def week() -> tuple[int, int, int, int]:
    """Seals on Monday, Tuesday and Thursday; the sizes of the log before, between and after."""
    sizes = []
    for day, count in ((date(2026, 3, 1), 1), (MONDAY, 5), (TUESDAY, 7), (THURSDAY, 3)):
        seal_on(day, count)
        sizes.append(loghead.current().size)
    return sizes[0], sizes[1], sizes[2], sizes[3]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (MONDAY, MONDAY, (0, 1)),
        (MONDAY, TUESDAY, (0, 2)),
        (TUESDAY, None, (1, 3)),
        (None, MONDAY, (None, 1)),
        (None, None, (None, 3)),
        (date(2026, 3, 4), date(2026, 3, 4), (2, 2)),
        (date(2026, 3, 4), THURSDAY, (2, 3)),
        (date(2027, 1, 1), None, (3, 3)),
        (None, date(2025, 1, 1), (None, None)),
    ],
)
def test_days_are_found_by_number(
    world: World, start: date | None, end: date | None, expected: tuple[Any, Any]
) -> None:
    sizes = week()
    first, after = (0 if place is None else sizes[place] for place in expected)
    assert days.numbers_of_days(start, end, size=sizes[-1]) == (first, after)


def test_it_takes_look_ups_by_key_alone(world: World) -> None:
    size = week()[-1]
    with CaptureQueriesContext(connection) as queries:
        days.numbers_of_days(TUESDAY, TUESDAY, size=size)
    assert len(queries) <= 2 * size.bit_length()
    assert all("WHERE seq =" in query["sql"] for query in queries)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (TUESDAY, MONDAY, "end"),
        (date(1999, 12, 31), None, "start"),
        (None, date(9999, 1, 1), "end"),
    ],
)
def test_what_is_no_window_is_refused(
    world: World, start: date | None, end: date | None, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        days.numbers_of_days(start, end, size=0)
    assert refused.value.field == field


def verify(start: date, end: date) -> Verification:
    return verify_database(actor=ACTOR, start_day=start, end_day=end)


def test_a_window_is_verified_with_its_neighbours(world: World) -> None:
    before, monday, tuesday, _ = week()
    done = verify(MONDAY, TUESDAY)
    assert done.verdict is Verdict.VALID, done.report.issues
    assert (done.run.start_seq, done.run.end_seq) == (before - 1, tuesday + 1)
    assert (done.run.start_day, done.run.end_day) == (MONDAY, TUESDAY)
    assert done.checked_events == tuesday - before + 2
    assert monday < tuesday


def test_a_window_without_events_could_not_be_checked(world: World) -> None:
    week()
    done = verify(date(2026, 3, 4), date(2026, 3, 4))
    assert done.verdict is Verdict.INCONCLUSIVE
    assert [issue.code for issue in done.report.issues] == ["nothing_to_check"]


def test_progress_is_told(world: World) -> None:
    before, *_, size = week()
    told: list[tuple[int, int | None]] = []
    verify_database(
        actor=ACTOR, start_day=MONDAY, progress=lambda done, total: told.append((done, total))
    )
    total = size - before + 1
    assert told[0] == (0, total)
    assert all(entry[1] == total for entry in told)


@pytest.mark.parametrize("when", ["2020-01-01", "2030-01-01"])
@pytest.mark.parametrize("offset", range(12))
def test_an_event_does_not_leave_the_window_by_a_forged_time(
    committed_world: World, committed_db: CommittedDatabase, when: str, offset: int
) -> None:
    before, _, tuesday, _ = week()
    seq = before + offset
    assert seq < tuesday
    tamper(committed_db, f"UPDATE audit_events SET created_at = '{when}' WHERE seq = {seq}")
    done = verify(MONDAY, TUESDAY)
    assert done.verdict is Verdict.INVALID
    assert done.first_bad_seq is not None
    assert done.first_bad_seq <= seq


@pytest.mark.parametrize("offset", [0, 3, 11])
def test_an_event_that_was_removed_is_missed(
    committed_world: World, committed_db: CommittedDatabase, offset: int
) -> None:
    before, *_ = week()
    tamper(committed_db, f"DELETE FROM audit_events WHERE seq = {before + offset}")
    done = verify(MONDAY, TUESDAY)
    assert done.verdict is Verdict.INVALID
    assert done.first_bad_seq is not None
    assert done.first_bad_seq <= before + offset
