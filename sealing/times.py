"""Times as formats write them: UTC, six fraction digits, a `Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from sealing.errors import Invalid

_EXACT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z", re.ASCII)
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:([Zz])|([+\- ])(\d\d):(\d\d))\Z",
    re.ASCII,
)


class TimeRefused(Invalid):
    """The text is not a time of the form that this place takes."""

    code = "time_invalid"


def format_time(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS.ffffffZ`. Raises TimeRefused for a time without a zone."""
    if moment.tzinfo is None:
        raise TimeRefused("A time without a zone can't be written.")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def parse_time(text: str) -> datetime:
    """Reads exactly what `format_time` writes."""
    if not isinstance(text, str) or not _EXACT.match(text):
        raise TimeRefused("Expected a time like 2026-01-31T09:00:00.000000Z.")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise TimeRefused("There is no such day or time.") from error


def parse_rfc3339(text: str) -> datetime:
    """Reads a date and time with an offset (RFC 3339), at most six fraction digits.

    A space where the offset's `+` belongs is read as `+`: that is what a query string makes of it.
    """
    match = _RFC3339.match(text) if isinstance(text, str) else None
    if match is None:
        raise TimeRefused("Expected a time with an offset, like 2026-01-31T09:00:00Z.")
    day, clock, fraction, _, sign, hours, minutes = match.groups()
    offset = timedelta()
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        if int(minutes) > 59 or offset >= timedelta(hours=24):
            raise TimeRefused("There is no such offset.")
        offset = -offset if sign == "-" else offset
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0').ljust(6, '0')}")
        return moment.replace(tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise TimeRefused("There is no such day or time.") from error
