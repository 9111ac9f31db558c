"""The periods of packets: half-open ``[start, end)``, UTC, as requests and names write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sealing.errors import Invalid
from sealing.times import format_time

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY_ONLY: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
# A ``+`` of an offset arrives as a space where the sender did not escape it.
_LOST_PLUS: Final = re.compile(r" (?=\d{2}:?\d{2}\Z)")
_MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:[Zz]|[+-]\d{2}:\d{2})\Z"
)
MAX_DAYS: Final = 3 * 366
# Years of fewer digits are not written alike everywhere, and names of packets hold years.
_EARLIEST: Final = datetime(1000, 1, 1, tzinfo=UTC)


class PeriodRefused(Invalid):
    """The period can't be read, is empty, or longer than a packet covers."""

    code = "period_refused"


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open period of moments in UTC."""

    start: datetime
    end: datetime

    @property
    def last_day(self) -> date:
        """The day of its last moment."""
        return (self.end - _MICROSECOND).date()

    def as_dict(self) -> dict[str, str]:
        """As the packet's ``auditPeriod`` has it: the end is not part of it."""
        return {"startDate": format_time(self.start), "endDate": format_time(self.end)}


def parse(start: str, end: str) -> Period:
    """Read ``startDate`` and ``endDate`` of a request.

    Each is ISO 8601 with an offset, or a day. A day means all of it, in UTC; an end of ``…:59Z`` or
    ``…:59.999Z``, as people write the last second, means up to the next full second.

    Raises:
        PeriodRefused: naming the field.
    """
    period = Period(_moment(start, "startDate", is_end=False), _moment(end, "endDate", is_end=True))
    return checked(period)


def checked(period: Period) -> Period:
    """Raises PeriodRefused for a period that is empty, too long, or too long ago for a name."""
    if period.start < _EARLIEST:
        raise PeriodRefused("A period begins in the year 1000 or later.", field="startDate")
    if period.start >= period.end:
        raise PeriodRefused("The end lies after the start.", field="endDate")
    if period.end - period.start > timedelta(days=MAX_DAYS):
        raise PeriodRefused("A packet covers three years at most.", field="endDate")
    return period


def month_before(moment: datetime) -> Period:
    """The calendar month, UTC, before the one in which a moment lies."""
    end = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Period(
        (end - _MICROSECOND).replace(day=1, hour=0, minute=0, second=0, microsecond=0), end
    )


def _moment(text: str, field: str, *, is_end: bool) -> datetime:
    try:
        if _DAY_ONLY.match(text):
            day = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return day + timedelta(days=1) if is_end else day
        text = _LOST_PLUS.sub("+", text)
        if not _MOMENT.match(text):
            raise PeriodRefused(
                "A day, or a moment with its offset: 2025-01-31T23:59:59Z.", field=field
            )
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
        if is_end and moment.second == 59 and moment.microsecond in (0, 999_000, 999_999):
            moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    except (ValueError, OverflowError) as error:
        raise PeriodRefused("There is no such day or moment.", field=field) from error
    return moment
