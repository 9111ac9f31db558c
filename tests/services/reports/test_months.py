"""Events at the edges of months fall into exactly one of them, however the month was written."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from audit.formats import event as formats
from audit.services import sealing
from reports.facts import registry
from reports.facts.base import Events, Scope
from reports.formats import period as periods
from reports.formats.period import Period
from sealing.times import format_time
from tests.factories import World

MICRO = timedelta(microseconds=1)
FIRSTS = [datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4)]
MONTHS = [Period(FIRSTS[place], FIRSTS[place + 1]) for place in range(3)]
LEAP_DAY = datetime(2024, 2, 29, tzinfo=UTC)
MOMENTS = sorted(
    {first + move for first in FIRSTS for move in (-MICRO, timedelta(), MICRO)}
    | {first - timedelta(milliseconds=1) for first in FIRSTS}
    | {LEAP_DAY - MICRO, LEAP_DAY, LEAP_DAY + timedelta(hours=23, minutes=59, seconds=59)}
)
WRITTEN = {
    "days": ("2024-02-01", "2024-02-29"),
    "last-millisecond": ("2024-02-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z"),
    "last-second": ("2024-02-01T00:00:00Z", "2024-02-29T23:59:59Z"),
    "exclusive": ("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
    "offsets": ("2024-02-01T05:30:00+05:30", "2024-02-29T15:59:59.999-08:00"),
}


@pytest.fixture
def size(world: World) -> int:
    """The size of a log with an event at each moment."""
    with connection.cursor() as cursor:
        for number, moment in enumerate(MOMENTS):
            raw = formats.build(
                id=str(uuid.UUID(int=number, version=4)),
                type="app.order.placed",
                occurred_at=format_time(moment),
                actor={"id": "user:x"},
                recorder="svc-clinic-001",
                client_id="clinic-001",
            )
            cursor.execute("INSERT INTO audit_pendingevent (event) VALUES (%s)", [raw.decode()])
    return sealing.seal_pending().size


def found(period: Period, size: int) -> tuple[int, int | None, int | None]:
    """How many events a period has, and the first and last of their numbers."""
    scope = Scope("clinic-001", period.start, period.end, size)
    measured = registry.measure(registry.get("events.recorded"), scope)
    assert isinstance(measured.source, Events)
    assert measured.value == measured.source.count
    return measured.source.count, measured.source.first_seq, measured.source.last_seq


def test_each_event_falls_into_one_month(size: int) -> None:
    whole = found(Period(FIRSTS[0], FIRSTS[3]), size)
    months = [found(month, size) for month in MONTHS]
    assert sum(count for count, _, _ in months) == whole[0]
    for (_, _, last), (_, first, _) in itertools.pairwise(months):
        assert first is not None and last is not None and first == last + 1
    expected = [
        sum(1 for moment in MOMENTS if month.start <= moment < month.end) for month in MONTHS
    ]
    assert [count for count, _, _ in months] == expected
    # Those of the months beside are none of these.
    assert whole[0] == len(MOMENTS) - 4


@pytest.mark.parametrize(("start", "end"), WRITTEN.values(), ids=WRITTEN)
def test_february_is_the_same_however_it_is_written(size: int, start: str, end: str) -> None:
    assert found(periods.parse(start, end), size) == found(MONTHS[1], size)


def test_what_is_beyond_the_checkpoint_does_not_count(size: int) -> None:
    last = found(MONTHS[1], size)[2]
    assert last is not None
    assert found(MONTHS[1], last)[2] == last - 1
    assert found(MONTHS[1], 0) == (0, None, None)
