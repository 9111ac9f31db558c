"""Schedules as five fields (minute, hour, day of month, month, day of week), always in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from croniter import croniter
from croniter.croniter import CroniterError

from sealing.errors import Invalid

# Digits, names of months and days, and * , - / alone: what every cron understands alike.
_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun"
_FIELD = rf"(?:[0-9*,/-]|{_NAMES})+"
_FIELDS = re.compile(rf"{_FIELD}(?: {_FIELD}){{4}}\Z", re.IGNORECASE)
_MINUTE = timedelta(minutes=1)


class InvalidCron(Invalid):
    """It is no schedule, or one that never comes."""

    code = "invalid_cron"


def check(text: str) -> str:
    """The schedule, with one space between its fields; empty stays empty (only on demand).

    Raises:
        InvalidCron: it can't be read, or names a day that never comes, such as 30 February.
    """
    cron = " ".join(text.split())
    if not cron:
        return ""
    if not _FIELDS.match(cron):
        raise InvalidCron(
            "Five fields are expected (minute, hour, day, month, weekday), in UTC: 0 3 1 * *.",
            field="schedule_cron",
        )
    next_after(cron, datetime.now(UTC))
    return cron


def next_after(cron: str, moment: datetime) -> datetime:
    """The first window after a moment. Raises InvalidCron."""
    try:
        found: datetime = croniter(cron, moment.astimezone(UTC)).get_next(datetime)
    except (CroniterError, ValueError) as error:
        raise InvalidCron(f"{cron} is no schedule: {error}", field="schedule_cron") from error
    return found


def latest_until(cron: str, moment: datetime) -> datetime:
    """The last window that is not later than a moment. Raises InvalidCron."""
    try:
        # Windows are whole minutes, so nothing lies between the moment and the next minute.
        until = moment.astimezone(UTC).replace(second=0, microsecond=0) + _MINUTE
        found: datetime = croniter(cron, until).get_prev(datetime)
    except (CroniterError, ValueError) as error:
        raise InvalidCron(f"{cron} is no schedule: {error}", field="schedule_cron") from error
    return found


def windows(cron: str, *, after: datetime, until: datetime) -> Iterator[datetime]:
    """The windows after one moment and not later than another, oldest first. Raises InvalidCron."""
    window = next_after(cron, after)
    while window <= until:
        yield window
        window = next_after(cron, window)
