"""django-q2's schedules: what the jobs say, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from django_q.models import Schedule
from django_q.scheduler import scheduler

from ops import queue, registry
from ops.models import Job
from ops.services import jobs
from ops.services.schedules import Synced, sync_schedules
from tests.factories import World
from tests.services.ops.kinds import add, job_of, kind

HOURLY = "7 * * * *"


def of(job: Job) -> Schedule:
    found: Schedule = Schedule.objects.get(name=job.name)
    return found


def test_every_active_job_with_a_schedule_has_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    sync_schedules()
    scheduled = set(Schedule.objects.values_list("name", flat=True))
    # There is no stream in the settings of the tests, so nothing to relay, and no vault.
    builtin = {kind.name for kind in registry.all_types() if kind.is_builtin}
    assert scheduled == builtin - {"stream_relay", "vault_audit", "vault_holds"}
    job_of(world, name="on-demand")
    job = job_of(world, schedule_cron=HOURLY)
    assert sync_schedules() == Synced(created=1)
    row = of(job)
    assert (row.func, row.args, row.cron) == (queue.EXECUTE_RUN, f"'{job.pk}',", HOURLY)
    assert (row.repeats, row.schedule_type, row.kwargs) == (-1, "C", "")
    # Windows that have passed since are told of at once.
    assert row.next_run == datetime(2026, 1, 1, 0, 7, tzinfo=UTC)
    assert sync_schedules() == Synced()


@pytest.mark.parametrize(
    "change",
    [{"is_enabled": False}, {"schedule_cron": ""}, {"schedule_cron": "0 3 30 2 *"}],
    ids=["disabled", "on-demand", "never"],
)
def test_what_has_no_windows_has_no_schedule(
    world: World, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    add(monkeypatch)
    job = job_of(world, schedule_cron=HOURLY)
    sync_schedules()
    Job.objects.filter(pk=job.pk).update(**change)
    assert sync_schedules() == Synced(removed=1)
    assert not Schedule.objects.filter(name=job.name).exists()


def test_a_changed_schedule_counts_from_the_last_window(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = job_of(world, schedule_cron=HOURLY)
    sync_schedules()
    Schedule.objects.filter(name=job.name).update(next_run=timezone.now() + timedelta(days=9))
    Job.objects.filter(pk=job.pk).update(schedule_cron="0 3 1 * *")
    assert sync_schedules() == Synced(updated=1)
    assert of(job).next_run == datetime(2026, 1, 1, 3, tzinfo=UTC)


def test_others_are_removed_and_doubles_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job = job_of(world, schedule_cron=HOURLY)
    sync_schedules()
    row = of(job)
    for name in (job.name, "another", None):
        row.pk, row.name = None, name
        row.save()
    sync_schedules()
    assert Schedule.objects.filter(args=f"'{job.pk}',").count() == 1


def test_what_the_scheduler_told_of_and_nobody_heard_is_told_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = job_of(world, schedule_cron="0 3 1 * *")
    sync_schedules()
    Schedule.objects.filter(name=job.name).update(next_run=timezone.now() + timedelta(days=9))
    queue.enqueue(job.pk)
    assert sync_schedules() == Synced(), "the queue has it"
    connection.cursor().execute("DELETE FROM django_q_ormq")
    assert sync_schedules() == Synced(updated=1)
    assert of(job).next_run < timezone.now()


def test_a_broken_schedule_holds_up_the_others_until_it_is_removed(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = job_of(committed_world, schedule_cron="* * * * *")
    sync_schedules()
    Schedule.objects.exclude(name=job.name).delete()
    row = of(job)
    Schedule.objects.bulk_create(
        [Schedule(name="broken", func=row.func, args=row.args, kwargs="", schedule_type="C",
                  cron="x y z", next_run=datetime(2020, 1, 1, tzinfo=UTC))]
    )  # fmt: skip
    scheduler()
    assert not queue.is_queued(job.pk)
    assert sync_schedules().removed == 1
    scheduler()
    assert queue.is_queued(job.pk)


def test_the_command_says_what_it_did(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sync_schedules")
    assert " made, 0 changed, 0 removed." in capsys.readouterr().out
    call_command("sync_schedules")
    assert capsys.readouterr().out == "0 made, 0 changed, 0 removed.\n"


def test_built_in_jobs_never_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that take long do not begin in the same minute, whatever the day."""
    crons = [
        kind.default_cron.split()
        for kind in registry.all_types()
        if kind.is_builtin and kind.default_cron != "* * * * *"
    ]
    minutes = [fields[0] for fields in crons]
    assert len(set(minutes)) == len(minutes)


def test_built_in_jobs_are_made_once_and_follow_the_code(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jobs.ensure_builtin_jobs() == 0
    added = add(monkeypatch, kind(is_builtin=True, default_cron=HOURLY, first_after=timedelta(2)))
    assert jobs.ensure_builtin_jobs() == 1
    job = Job.objects.get(name=added.name)
    assert (job.owner, job.schedule_cron, job.is_enabled) == (None, HOURLY, True)
    assert job.windows_through > timezone.now() + timedelta(days=1)
    Job.objects.filter(pk=job.pk).update(is_enabled=False)
    monkeypatch.setitem(
        registry._types._entries, added.name, kind(is_builtin=True, default_cron="9 * * * *")
    )
    assert jobs.ensure_builtin_jobs() == 1
    job.refresh_from_db()
    assert (job.schedule_cron, job.is_enabled) == ("9 * * * *", False)
    assert jobs.ensure_builtin_jobs() == 0
