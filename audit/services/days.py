"""Which events were sealed on which days: found by number, since time follows number."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.db import connection

from sealing.errors import Invalid

FIRST_YEAR, LAST_YEAR = 2000, 9998


def check_days(start: date | None, end: date | None) -> None:
    """Raises Invalid unless the days, both inclusive, are a window."""
    for field, day in (("start", start), ("end", end)):
        if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise Invalid("There is no log of that day.", field=field)
    if start is not None and end is not None and start > end:
        raise Invalid("The last day is before the first.", field="end")


def numbers_of_days(start: date | None, end: date | None, *, size: int) -> tuple[int, int]:
    """The events that were sealed from ``start`` to ``end``, UTC days, both inclusive.

    Events are sealed in the order of their numbers, so the place is found by halving: a couple of
    dozen look-ups by key, however long the log is.

    Args:
        start, end: None means from the first, or to the last event.
        size: of the log.

    Returns:
        The number of the first such event, and the number after the last one.

    Raises:
        Invalid: the days are no window.
    """
    check_days(start, end)
    first = 0 if start is None else _first_sealed_from(_midnight(start), size)
    after = size if end is None else _first_sealed_from(_midnight(end) + timedelta(days=1), size)
    return first, max(first, after)


def sealed_at(seq: int) -> datetime | None:
    """When the event of that number was sealed; None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT created_at FROM audit_events WHERE seq = %s", [seq])
        row = cursor.fetchone()
    return row[0].astimezone(UTC) if row else None


def _first_sealed_from(moment: datetime, size: int) -> int:
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        sealed = sealed_at(middle)
        # Where an event is missing the verification, which starts before it, will say so.
        if sealed is not None and sealed < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
