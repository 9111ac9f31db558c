"""Schedules: five fields in UTC, and the windows that they name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import cron

NOW = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # the hour in which Berlin has no half past two


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("   ", ""),
        ("0 3 1 * *", "0 3 1 * *"),
        ("  */5   8-18 * *  MON-FRI ", "*/5 8-18 * * MON-FRI"),
        ("0 0 29 2 *", "0 0 29 2 *"),
    ],
)
def test_what_is_a_schedule(text: str, kept: str) -> None:
    assert cron.check(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "@daily",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "0 3 30 2 *",
        "H * * * *",
        "0 0 L * *",
        "0 0 * * ?",
        "0 0 * * 1#2",
        "* * * * *; rm",
        "\x00 * * * *",
        "*/0 * * * *",
        "5-1 * * * x",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(cron.InvalidCron) as refused:
        cron.check(text)
    assert (refused.value.field, refused.value.code) == ("schedule_cron", "invalid_cron")


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("30 2 * * *", datetime(2026, 3, 29, 2, 30, tzinfo=UTC)),
        ("30 0 * * *", datetime(2026, 3, 30, 0, 30, tzinfo=UTC)),
        ("0 3 1 * *", datetime(2026, 4, 1, 3, tzinfo=UTC)),
    ],
)
def test_the_next_window_is_later_than_the_moment(text: str, window: datetime) -> None:
    assert cron.next_after(text, NOW) == window
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert cron.next_after(text, elsewhere) == window


@pytest.mark.parametrize("seconds", [0, 0.5, 59.999999])
def test_the_latest_window_may_be_the_moment_itself(seconds: float) -> None:
    moment = NOW + timedelta(seconds=seconds)
    assert cron.latest_until("* * * * *", moment) == NOW
    assert cron.latest_until("31 * * * *", moment) == NOW - timedelta(minutes=59)


def test_windows_are_those_between() -> None:
    found = cron.windows("0 * * * *", after=NOW, until=NOW + timedelta(hours=2, minutes=30))
    assert [window.hour for window in found] == [1, 2, 3]


@given(
    st.sampled_from(["* * * * *", "*/7 * * * *", "0 3 1 * *", "15 6 * * 1", "59 23 31 12 *"]),
    st.integers(0, 6 * 365 * 24 * 3600 * 1000),
)
def test_latest_and_next_agree(text: str, milliseconds: int) -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    latest = cron.latest_until(text, moment)
    assert latest <= moment < cron.next_after(text, latest)
