"""The time at which events take their place: PostgreSQL's clock, witnessed by the host's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import connection

from sealing.errors import Unavailable

MAX_SKEW = timedelta(seconds=5)
MAX_AHEAD = timedelta(hours=1)


class ClockRefused(Unavailable):
    """The clocks can't be right, so nothing is sealed until they are."""

    code = "clock_refused"


def sealing_time(last: datetime | None) -> datetime:
    """The time for the next lines: the database's clock, never earlier than ``last``.

    Raises:
        ClockRefused: the database's clock and the host's differ by more than five seconds, or the
            last line lies more than an hour ahead of them.
    """
    before = host_clock()
    now = database_clock()
    after = host_clock()
    if now < before - MAX_SKEW or now > after + MAX_SKEW:
        raise ClockRefused(
            f"The database's clock says {now:%Y-%m-%d %H:%M:%S} UTC, this host's"
            f" {after:%Y-%m-%d %H:%M:%S}. Nothing is sealed until they agree within"
            f" {MAX_SKEW.total_seconds():.0f} s; recorded events wait in the outbox."
        )
    if last is None or last <= now:
        return now
    if last - now > MAX_AHEAD:
        raise ClockRefused(
            f"The log's last line was sealed at {last:%Y-%m-%d %H:%M:%S} UTC, more than an hour"
            f" ahead of the clock ({now:%Y-%m-%d %H:%M:%S}). Nothing is sealed until the clock"
            " has caught up; recorded events wait in the outbox."
        )
    return last


def host_clock() -> datetime:
    """The clock of this host."""
    return datetime.now(UTC)


def database_clock() -> datetime:
    """The clock of the database's host."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment.astimezone(UTC)
