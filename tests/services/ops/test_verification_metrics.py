"""What the metrics say of verifications: a narrow look neither clears nor sets them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Storage, VerificationKind, VerificationRun
from audit.services import requests, sealing
from sealing.results import Verdict
from tests.factories import World
from tests.services.ops.test_work_metrics import values

pytestmark = pytest.mark.django_db
TODAY = timezone.now().date()
SCHEDULED, MANUAL = VerificationKind.SCHEDULED, VerificationKind.MANUAL


def ran(verdict: Verdict, kind: VerificationKind = MANUAL, **changes: Any) -> VerificationRun:
    """A verification, of the whole log and valid unless said otherwise."""
    now: datetime = timezone.now()
    facts: dict[str, Any] = {
        "storage": Storage.DATABASE,
        "start_seq": 0,
        "end_seq": 100,
        "checked_events": 100,
    } | changes
    return VerificationRun.objects.create(
        started_at=now,
        finished_at=now,
        actor_id="service:tests",
        kind=kind,
        verdict=verdict,
        message="",
        findings=[],
        **facts,
    )


def daily(verdict: Verdict, days: int = 7, **changes: Any) -> VerificationRun:
    start = TODAY - timedelta(days=days)
    return ran(verdict, SCHEDULED, **({"start_day": start, "end_day": TODAY} | changes))


def shown(copy: str = "database") -> tuple[float, float, float]:
    """Whether it is valid, up to where, and when it was verified."""
    found = values("trail")
    names = ("last_verification_valid", "last_verified_seq", "last_verification_timestamp_seconds")
    valid, seq, ended = (found[f"strongroom_audit_{name}/{copy}"] for name in names)
    return valid, seq, ended


def at(run: VerificationRun) -> float:
    return run.finished_at.timestamp()


def test_nobody_can_clear_or_set_it_by_a_window(world: World) -> None:
    """Through the door that everybody uses."""
    sealing.seal_pending()
    bad = daily(Verdict.INVALID)
    audrey = world.actor("audrey")
    for day in (TODAY, date(2020, 1, 1)):
        requests.verify(actor=audrey, storage=Storage.DATABASE, start_day=day, end_day=day)
    assert shown() == (0, -1, at(bad))
    good = daily(Verdict.VALID, days=8)
    empty = date(2020, 1, 1)
    asked = requests.verify(actor=audrey, storage=Storage.DATABASE, start_day=empty, end_day=empty)
    assert isinstance(asked, VerificationRun) and asked.verdict == Verdict.INCONCLUSIVE
    assert shown() == (1, 99, at(good))


@pytest.mark.parametrize(
    ("changes", "is_cleared"),
    [
        ({}, True),
        ({"start_day": TODAY - timedelta(days=7), "end_day": TODAY}, True),
        ({"start_day": TODAY - timedelta(days=6), "end_day": TODAY}, False),
        ({"start_day": TODAY - timedelta(days=7), "end_day": TODAY - timedelta(days=1)}, False),
        ({"start_seq": 1}, False),
        ({"end_seq": 99}, False),
        ({"storage": Storage.LOCAL}, False),
        ({"kind": VerificationKind.DRILL}, False),
        ({"verdict": Verdict.INCONCLUSIVE}, False),
    ],
)
def test_what_was_bad_is_so_until_all_of_it_was_found_valid(
    world: World, changes: dict[str, Any], is_cleared: bool
) -> None:
    daily(Verdict.INVALID)
    ran(**({"verdict": Verdict.VALID} | changes))
    # The next day's window, which begins a day later.
    daily(Verdict.VALID, start_day=TODAY - timedelta(days=6), end_seq=120)
    assert shown()[0] == is_cleared


def test_somebody_who_finds_a_fault_is_believed(world: World) -> None:
    daily(Verdict.VALID)
    ran(Verdict.INVALID, start_day=TODAY, end_day=TODAY, start_seq=90)
    assert shown()[0] == 0
    daily(Verdict.VALID)
    assert shown()[0] == 1


def test_locks_that_somebody_asks_for_are_no_fault(world: World) -> None:
    good = daily(Verdict.VALID, storage=Storage.LOCAL)
    ran(Verdict.INVALID, storage=Storage.LOCAL, lock_mismatches=3)
    assert shown("archive") == (1, 99, at(good))
    daily(Verdict.INVALID, storage=Storage.LOCAL, lock_mismatches=3)
    assert shown("archive")[0] == 0


def test_an_archive_that_is_not_used_any_more_is_not_bad(world: World, settings: Any) -> None:
    ran(Verdict.INVALID, storage=Storage.S3)
    good = daily(Verdict.VALID, storage=Storage.LOCAL)
    assert shown("archive") == (1, 99, at(good))
    settings.AUDIT_S3_BUCKET = "trail"
    assert shown("archive")[0] == 0


def test_the_month_and_a_narrow_window_do_not_make_it_timely(world: World) -> None:
    good = daily(Verdict.VALID)
    ran(Verdict.VALID, start_day=TODAY, end_day=TODAY, start_seq=99, end_seq=120)
    last = TODAY - timedelta(days=40)
    ran(Verdict.VALID, SCHEDULED, start_day=last - timedelta(days=30), end_day=last, end_seq=50)
    assert shown() == (1, 99, at(good))
    whole = ran(Verdict.VALID, end_seq=130)
    assert shown() == (1, 129, at(whole))


def test_what_could_not_be_checked_counts_where_it_was_scheduled(world: World) -> None:
    daily(Verdict.VALID)
    ran(Verdict.INCONCLUSIVE)
    assert shown()[0] == 1
    daily(Verdict.INCONCLUSIVE)
    assert shown()[:2] == (0, 99)
    daily(Verdict.VALID)
    assert shown()[0] == 1
