"""Schedules in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.admin.schedule_words import ON_DEMAND, UNREADABLE, in_words


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("", ON_DEMAND),
        ("* * * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0 * * * *", "Every hour at :00"),
        ("5,35 * * * *", "Every hour at :05 and :35"),
        ("0 3 * * *", "Every day at 03:00 UTC"),
        ("0 3,15 * * *", "Every day at 03:00 and 15:00 UTC"),
        ("0 */2 * * *", "Every 2 hours, from 00:00 UTC on"),
        ("0 3 1 * *", "On day 1 of every month at 03:00 UTC"),
        ("0 3 1 1,7 *", "On day 1 in January and July at 03:00 UTC"),
        ("0 3 l * *", "On the last day of every month at 03:00 UTC"),
        ("0 6 * * 1-5", "Monday to Friday at 06:00 UTC"),
        ("0 6 * * 0", "Every Sunday at 06:00 UTC"),
        ("0 6 * * 7", "Every Sunday at 06:00 UTC"),
        ("0 6 * * sat,sun", "Every Saturday and Sunday at 06:00 UTC"),
        ("0 6 * jan *", "Every day in January at 06:00 UTC"),
        ("0 3 1 * 1", "On day 1 of every month, and every Monday at 03:00 UTC"),
        (
            "*/15 8-17 * * 1-5",
            "Monday to Friday, every 15 minutes in the hours 08 to 17 UTC",
        ),
        ("5,35 8-17 * * *", "Every day at :05 and :35 in the hours 08 to 17 UTC"),
        ("30 2 29 2 *", "On day 29 in February at 02:30 UTC"),
        ("0 3 * * mon#1", UNREADABLE),
        ("* * * * * *", UNREADABLE),
        ("0 3 * *", UNREADABLE),
        ("every night", UNREADABLE),
        ("61 3 * * *", UNREADABLE),
    ],
)
def test_in_words(cron: str, words: str) -> None:
    assert in_words(cron) == words


@given(st.text(alphabet="0123456789*,/-lL#? abcdefghijmnoprstuvwy", max_size=30))
def test_whatever_is_written_gets_words(cron: str) -> None:
    assert in_words(cron)
