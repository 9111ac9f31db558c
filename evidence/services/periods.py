"""Which period an export covers: fixed, or the one before the moment it was meant for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Period(StrEnum):
    """A whole calendar period in UTC, the last that was over."""

    DAY = "previous_day"
    WEEK = "previous_week"  # Monday to Sunday, ISO 8601
    MONTH = "previous_month"
    QUARTER = "previous_quarter"
    YEAR = "previous_year"


def before(period: Period, moment: datetime) -> tuple[datetime, datetime]:
    """The last such period that was over at ``moment``, half-open ``[start, end)``."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.DAY:
        return day - timedelta(days=1), day
    if period is Period.WEEK:
        end = day - timedelta(days=day.weekday())
        return end - timedelta(days=7), end
    months = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}[period]
    end = day.replace(day=1, month=(day.month - 1) // months * months + 1)
    return _months_before(end, months), end


def _months_before(first_of_month: datetime, months: int) -> datetime:
    index = first_of_month.year * 12 + first_of_month.month - 1 - months
    return first_of_month.replace(year=index // 12, month=index % 12 + 1)
