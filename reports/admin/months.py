"""The months that pages offer, and how they say which period is meant."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from django.utils import timezone

from reports.formats import period as periods
from reports.formats.period import Period

OFFERED: Final = 36
FIXED: Final = "days"
_MONTH: Final = re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])\Z")


def last_month() -> Period:
    """The calendar month, UTC, before this one."""
    return periods.month_before(timezone.now())


def last_month_of(moment: datetime) -> Period:
    """The calendar month with the last moment before ``moment``, which ends a period."""
    last = (moment - timedelta(microseconds=1)).astimezone(UTC)
    found = of_text(f"{last:%Y-%m}")
    assert found is not None, "every moment that is stored lies in a month that can be named"
    return found


def of_text(text: str) -> Period | None:
    """The month that ``YYYY-MM`` names; None where it names none."""
    found = _MONTH.match(text)
    if found is None:
        return None
    year, month = int(found[1]), int(found[2])
    if (year, month) == (9999, 12):
        return None
    after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return Period(datetime(year, month, 1, tzinfo=UTC), after)


def text_of(period: Period) -> str:
    """The period as ``YYYY-MM``; empty where it is no calendar month."""
    text = f"{period.start:%Y-%m}"
    return text if of_text(text) == period else ""


def words(period: Period) -> str:
    """``October 2026``, or the days of any other period."""
    if text_of(period):
        return f"{calendar.month_name[period.start.month]} {period.start.year}"
    if period.start.date() == period.last_day:
        return f"{period.last_day:%Y-%m-%d}"
    return f"{period.start:%Y-%m-%d} to {period.last_day:%Y-%m-%d}"


def choices(count: int = OFFERED) -> list[tuple[str, str]]:
    """So many months that are over, the newest first; last month is the first of them."""
    found = []
    period = last_month()
    for _ in range(count):
        found.append((text_of(period), words(period)))
        period = periods.month_before(period.start)
    return found
