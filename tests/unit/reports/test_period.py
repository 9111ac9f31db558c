"""Periods of packets: read as people write them, and never losing or doubling a moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.formats.period import MAX_DAYS, Period, PeriodRefused, month_before, parse

JANUARY = Period(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC))
MICRO = timedelta(microseconds=1)
MOMENTS = st.integers(631_152_000_000_000, 3_786_912_000_000_000).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2025-01-01T00:00:00.000Z", "2025-01-31T23:59:59.999Z"),
        ("2025-01-01T00:00:00Z", "2025-01-31T23:59:59Z"),
        ("2025-01-01T00:00:00Z", "2025-01-31T23:59:59.999999Z"),
        ("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"),
        ("2025-01-01", "2025-01-31"),
        ("2025-01-01t00:00:00z", "2025-01-31t23:59:59.999z"),
        ("2025-01-01T02:00:00+02:00", "2025-02-01T00:59:59.999+01:00"),
        ("2024-12-31T19:00:00-05:00", "2025-01-31T18:59:59-05:00"),
        ("2025-01-01T02:00:00 02:00", "2025-01-31T23:59:59.999 00:00"),
    ],
    ids=[
        "as-in-the-guide", "second", "microsecond", "exclusive", "days", "small-letters",
        "east", "west", "lost-plus",
    ],
)  # fmt: skip
def test_january_however_it_is_written(start: str, end: str) -> None:
    assert parse(start, end) == JANUARY


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-02-01", "2024-02-29", ("2024-02-01T00:00", "2024-03-01T00:00")),
        ("2024-02-29", "2024-02-29", ("2024-02-29T00:00", "2024-03-01T00:00")),
        ("2023-02-01", "2023-02-28", ("2023-02-01T00:00", "2023-03-01T00:00")),
        (
            "2024-02-29T23:30:00-01:00",
            "2024-12-31T23:59:59.999Z",
            ("2024-03-01T00:30", "2025-01-01T00:00"),
        ),
    ],
    ids=["leap-month", "leap-day", "no-leap-day", "leap-day-by-offset"],
)
def test_leap_days(start: str, end: str, expected: tuple[str, str]) -> None:
    moments = (datetime.fromisoformat(f"{moment}+00:00") for moment in expected)
    assert parse(start, end) == Period(*moments)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        ("2025-01-01T00:00:00", "2025-01-31", "startDate"),
        ("2025-01-01", "2025-01-31T23:59:59", "endDate"),
        ("2025-02-30", "2025-03-31", "startDate"),
        ("2023-02-29", "2023-03-31", "startDate"),
        ("2025-01-01", "2025-13-01", "endDate"),
        ("01/01/2025", "2025-01-31", "startDate"),
        ("2025-01-01", "", "endDate"),
        ("2025-01-01T25:00:00Z", "2025-01-31", "startDate"),
        ("2025-01-01T00:00:60Z", "2025-01-31", "startDate"),
        ("2025-01-01T00:00:00.0000001Z", "2025-01-31", "startDate"),
        ("2025-01-01T00:00:00+24:00", "2025-01-31", "startDate"),
        ("2025-W01-1", "2025-01-31", "startDate"),
        ("2025-01-01\n", "2025-01-31", "startDate"),
        ("\u0662\u0660\u0662\u0665-01-01", "2025-01-31", "startDate"),
        ("0001-01-01T00:00:00+14:00", "2025-01-31", "startDate"),
        ("2025-01-01", "9999-12-31", "endDate"),
        ("2025-01-31", "2025-01-01", "endDate"),
        ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "endDate"),
        ("2020-01-01", "2023-01-31", "endDate"),
    ],
)
def test_what_is_no_period_is_refused_by_its_field(start: str, end: str, field: str) -> None:
    with pytest.raises(PeriodRefused) as refused:
        parse(start, end)
    assert refused.value.field == field


@given(MOMENTS, st.integers(1, MAX_DAYS * 86_400 - 1), OFFSETS, OFFSETS)
def test_offsets_do_not_move_a_moment(
    start: datetime, seconds: int, here: timezone, there: timezone
) -> None:
    start = start.replace(microsecond=0)
    end = start + timedelta(seconds=seconds)
    if end.second == 59:  # as people write the last second
        end += timedelta(seconds=1)
    read = parse(start.astimezone(here).isoformat(), end.astimezone(there).isoformat())
    assert read == Period(start, end)


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, MAX_DAYS - 1))
def test_days_and_their_last_moments_mean_the_same(first: date, more: int) -> None:
    last = first + timedelta(days=more)
    days = parse(first.isoformat(), last.isoformat())
    assert days == parse(f"{first}T00:00:00Z", f"{last}T23:59:59.999Z")
    assert days.end - days.start == timedelta(days=more + 1)
    assert days.last_day == last


@given(MOMENTS)
def test_every_moment_lies_in_exactly_one_month(moment: datetime) -> None:
    # The month before any moment of the next one is the month that the moment lies in.
    later = moment.replace(day=1) + timedelta(days=32)
    month = month_before(later)
    assert month.start <= moment < month.end
    assert month_before(month.start).end == month.start
    assert month_before(month.end) == month
    assert month_before(month.end - MICRO) != month
    assert (month.start.day, month.end.day) == (1, 1)


@given(MOMENTS, OFFSETS)
def test_months_are_those_of_utc(moment: datetime, offset: timezone) -> None:
    assert month_before(moment.astimezone(offset)) == month_before(moment)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_read_or_refused(start: str, end: str) -> None:
    try:
        period = parse(start, end)
    except PeriodRefused as refused:
        assert refused.field in ("startDate", "endDate")
    else:
        assert period.start < period.end


@pytest.mark.parametrize(
    "start", ["0001-01-01", "0999-12-31T23:59:59Z", "1000-01-01T00:00:00+01:00"]
)
def test_a_year_that_names_can_not_hold_is_refused(start: str) -> None:
    with pytest.raises(PeriodRefused) as refused:
        parse(start, "1000-01-31")
    assert refused.value.field == "startDate"
    assert parse("1000-01-01", "1000-01-31").start.year == 1000
