"""Windows: each gets its run, however late, and never two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.models import OrmQ

from access.roles import Action
from ops.models import Job, Run
from ops.registry import MakeUp
from ops.services import windows
from ops.services.windows import next_window, open_due_windows
from ops.tasks import execute_run
from tests.factories import World
from tests.services.ops.kinds import add, job_of, kind

FIRST = datetime(2026, 3, 1, 3, tzinfo=UTC)


def monthly(world: World, **fields: object) -> Job:
    return job_of(world, schedule_cron="0 3 1 * *", **fields)


def at(month: int, day: int = 1, hour: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def test_nothing_is_due_before_the_first_window(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = monthly(world, windows_through=FIRST)
    assert open_due_windows(job, FIRST + timedelta(days=30)) == []
    assert not OrmQ.objects.exists()


def test_each_missed_window_gets_a_run_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(make_up=MakeUp.EACH, permission=Action.EXPORT, max_attempts=5))
    client = world.client()
    job = monthly(
        world,
        payload={"client_id": client.pk},
        client=client,
        owner="alice",
        windows_through=at(3),
    )
    made = open_due_windows(job, at(6, 2))
    assert [run.intended_at for run in made] == [at(4), at(5), at(6)]
    for run in made:
        run.refresh_from_db()
        assert (run.status, run.triggered_by, run.max_attempts) == ("QUEUED", "schedule", 5)
        assert (run.account, run.client, run.payload) == (job.owner, client, job.payload)
        assert OrmQ.objects.filter(payload=str(run.pk)).count() == 1
    assert open_due_windows(job, at(6, 2)) == []
    assert [run.intended_at for run in open_due_windows(job, at(7))] == [at(7)]


def test_only_the_latest_counts_where_it_makes_up_for_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(make_up=MakeUp.LATEST))
    job = monthly(world, windows_through=at(1))
    assert [run.intended_at for run in open_due_windows(job, at(6, 2))] == [at(6)]
    job.refresh_from_db()
    assert job.windows_through == at(6)


def test_the_latest_waits_while_one_is_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(make_up=MakeUp.LATEST))
    job = monthly(world, windows_through=at(1))
    [run] = open_due_windows(job, at(2))
    assert open_due_windows(job, at(4)) == []
    Run.objects.filter(pk=run.pk).update(status="SUCCESS", finished_at=timezone.now())
    assert [run.intended_at for run in open_due_windows(job, at(4))] == [at(4)]


def test_very_many_are_made_up_in_portions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, kind(make_up=MakeUp.EACH))
    monkeypatch.setattr(windows, "MOST_AT_ONCE", 10)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    job = job_of(world, schedule_cron="* * * * *", windows_through=start)
    until = start + timedelta(minutes=25)
    assert [len(open_due_windows(job, until)) for _ in range(4)] == [10, 10, 5, 0]
    intended = sorted(job.runs.values_list("intended_at", flat=True))
    assert intended == [start + timedelta(minutes=number) for number in range(1, 26)]


@pytest.mark.parametrize(
    "fields",
    [{"is_enabled": False}, {"schedule_cron": ""}, {"schedule_cron": "x"}, {"job_type": "gone"}],
    ids=["disabled", "on-demand", "broken", "unknown"],
)
def test_what_has_no_windows(
    world: World, monkeypatch: pytest.MonkeyPatch, fields: dict[str, object]
) -> None:
    add(monkeypatch)
    job = job_of(world, **{"schedule_cron": "* * * * *", **fields})
    assert open_due_windows(job) == []
    assert not windows.is_due(job, timezone.now())
    if "job_type" not in fields:
        assert next_window(job) is None


def test_where_there_is_nothing_to_do_windows_pass(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(is_wanted=lambda: False))
    job = monthly(world, windows_through=at(3))
    assert open_due_windows(job, at(6)) == []
    job.refresh_from_db()
    assert job.windows_through == at(6)


@pytest.mark.parametrize("needs_trail", [True, False], ids=["needs-it", "upkeep"])
def test_while_nothing_is_recorded_windows_wait_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch, settings: Any, needs_trail: bool
) -> None:
    add(monkeypatch, kind(make_up=MakeUp.EACH, needs_trail=needs_trail))
    job = monthly(world, windows_through=at(3))
    settings.AUDIT_ENABLED = False
    then = [run.intended_at for run in open_due_windows(job, at(5, 2))]
    settings.AUDIT_ENABLED = True
    later = [run.intended_at for run in open_due_windows(job, at(5, 2))]
    both = [at(4), at(5)]
    assert (then, later) == (([], both) if needs_trail else (both, []))


def test_a_window_that_has_its_run_gets_no_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where somebody turned the job's own account of it back."""
    add(monkeypatch, kind(make_up=MakeUp.EACH))
    job = monthly(world, windows_through=at(3))
    open_due_windows(job, at(5))
    Job.objects.filter(pk=job.pk).update(windows_through=at(1))
    made = open_due_windows(job, at(6))
    assert [run.intended_at for run in made] == [at(2), at(3), at(6)]
    with pytest.raises(IntegrityError, match="ops_run_one_per_window"), transaction.atomic():
        Run.objects.create(
            job=job, job_type=job.job_type, triggered_by="schedule", intended_at=at(6)
        )


def test_the_next_window(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job = monthly(world, windows_through=at(1))
    assert next_window(job, at(4, 5)) == at(5)
    job.windows_through = at(8)
    assert next_window(job, at(4, 5)) == at(9)


def test_the_queue_opens_what_is_due(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = job_of(committed_world, schedule_cron="* * * * *")
    execute_run(str(job.pk))
    execute_run(str(job.pk))
    [run] = job.runs.all()
    assert run.status == "QUEUED"
    assert timezone.now() - run.intended_at < timedelta(minutes=2)
