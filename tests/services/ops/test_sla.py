"""Breaches: each of the four alone, and none where all is well."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ops.models import Job, Run
from ops.registry import MakeUp
from ops.services.sla import GRACE, Breach, BreachCode, breaches
from tests.factories import World
from tests.services.ops.kinds import add, job_of, kind, run_of

HOURLY = {"schedule_cron": "0 * * * *"}


@pytest.fixture
def now() -> Any:
    return timezone.now()


def found(world: World, who: str = "alice") -> list[Breach]:
    return [breach for breach in breaches(world.user(who)) if breach.job.name == "counting"]


def well(world: World, now: Any, **fields: Any) -> Job:
    """A job whose last window has its run."""
    return job_of(world, **{**HOURLY, "windows_through": now, **fields})


def ended(job: Job, **fields: Any) -> Run:
    return run_of(job, **{"status": "SUCCESS", "finished_at": timezone.now(), **fields})


def failed(job: Job, **fields: Any) -> Run:
    return ended(job, status="FAILED", error_message="The store is full.", **fields)


def test_where_all_is_well_there_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch, now: Any
) -> None:
    add(monkeypatch)
    ended(well(world, now))
    assert found(world) == []


def test_a_schedule_that_can_t_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch, now: Any
) -> None:
    add(monkeypatch)
    job = well(world, now, schedule_cron="0 3 30 2 *")
    [breach] = found(world)
    assert (breach.code, breach.job, breach.run) == (BreachCode.INVALID_CRON, job, None)


@pytest.mark.parametrize(("late", "is_missed"), [(GRACE * 2, True), (GRACE / 2, False)])
def test_a_window_without_a_run(
    world: World, monkeypatch: pytest.MonkeyPatch, now: Any, late: timedelta, is_missed: bool
) -> None:
    add(monkeypatch)
    due = (now - late).replace(second=0, microsecond=0)
    well(
        world,
        now,
        schedule_cron=f"{due.minute} {due.hour} * * *",
        windows_through=due - timedelta(minutes=1),
    )
    codes = [breach.code for breach in found(world)]
    assert codes == ([BreachCode.MISSED_RUN] if is_missed else [])


def test_a_window_whose_work_is_under_way_is_not_missed(
    world: World, monkeypatch: pytest.MonkeyPatch, now: Any
) -> None:
    """Where only the latest window counts, no second run is made while one is at it."""
    add(monkeypatch, kind(make_up=MakeUp.LATEST))
    job = well(world, now, windows_through=now - timedelta(hours=5))
    assert [breach.code for breach in found(world)] == [BreachCode.MISSED_RUN]
    running(job, now, timedelta(minutes=1))
    assert found(world) == []


def test_a_run_that_is_never_begun(world: World, monkeypatch: pytest.MonkeyPatch, now: Any) -> None:
    add(monkeypatch)
    run = run_of(well(world, now), intended_at=now - GRACE * 2)
    [breach] = found(world)
    assert (breach.code, breach.run) == (BreachCode.MISSED_RUN, run)
    Run.objects.filter(pk=run.pk).update(attempts=1)
    assert found(world) == [], "it is tried again"


def test_the_latest_run_failed(world: World, monkeypatch: pytest.MonkeyPatch, now: Any) -> None:
    add(monkeypatch)
    job = well(world, now)
    failed(job)
    [breach] = found(world)
    assert breach.code == BreachCode.LATEST_RUN_FAILED
    assert breach.message == "The store is full."
    ended(job)
    assert found(world) == [], "a later one ended well"


def running(job: Job, now: Any, since: timedelta) -> Run:
    return run_of(
        job,
        status="RUNNING",
        attempts=1,
        lease=uuid.UUID(int=1),
        lease_expires_at=now + timedelta(hours=1),
        started_at=now - since,
    )


@pytest.mark.parametrize(("minutes", "is_late"), [(9, False), (11, True)])
def test_a_run_that_takes_too_long(
    world: World, monkeypatch: pytest.MonkeyPatch, now: Any, minutes: int, is_late: bool
) -> None:
    add(monkeypatch, kind(timeout_seconds=600))
    running(well(world, now), now, timedelta(minutes=minutes))
    codes = [breach.code for breach in found(world)]
    assert codes == ([BreachCode.RUNNING_TIMEOUT] if is_late else [])


def test_several_at_once(world: World, monkeypatch: pytest.MonkeyPatch, now: Any) -> None:
    add(monkeypatch, kind(timeout_seconds=60, make_up=MakeUp.EACH))
    job = well(world, now, windows_through=now - timedelta(hours=5))
    failed(job)
    running(job, now, timedelta(minutes=9))
    assert [breach.code for breach in found(world)] == [
        BreachCode.MISSED_RUN,
        BreachCode.RUNNING_TIMEOUT,
        BreachCode.LATEST_RUN_FAILED,
    ]


@pytest.mark.parametrize(
    "fields", [{"is_enabled": False}, {"schedule_cron": ""}], ids=["disabled", "on-demand"]
)
def test_what_is_not_scheduled_misses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, now: Any, fields: dict[str, Any]
) -> None:
    add(monkeypatch)
    well(world, now, windows_through=now - timedelta(days=5), **fields)
    assert found(world) == []


def test_what_is_not_wanted_misses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, now: Any
) -> None:
    add(monkeypatch, kind(is_wanted=lambda: False))
    well(world, now, windows_through=now - timedelta(days=5))
    assert found(world) == []


def test_others_failures_are_told_to_those_who_may_see_them(
    world: World, monkeypatch: pytest.MonkeyPatch, now: Any
) -> None:
    add(monkeypatch)
    failed(well(world, now, client=world.client()), account=world.user("alice"))
    assert [breach.code for breach in found(world, "audrey")] == [BreachCode.LATEST_RUN_FAILED]
    assert found(world, "omar") == []
    assert found(world, "ben") == []
