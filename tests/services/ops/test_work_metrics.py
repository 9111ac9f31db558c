"""Metrics of runs, schedules, approvals and clocks: those of the database, whoever did the work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.services import clock
from evidence.models import Package
from ops import registry
from ops.metrics import sources
from ops.models import Run
from ops.services import approvals
from reports.metrics import JOB_TYPE
from tests.factories import World
from tests.services.ops.approving import Acts, ask
from tests.services.ops.kinds import NAME, add, job_of, kind, run_of

SOC2 = "intelgraph_soc2_"


def values(source: str) -> dict[str, float]:
    """Every sample of a source, by name and the values of its labels."""
    return {
        "/".join([sample.name, *sample.labels.values()]): sample.value
        for family in sources.get(source).collect()
        for sample in family.samples
    }


def end(run: Run, *, status: str = "SUCCESS", seconds: float = 4, ended: Any = None) -> None:
    ended = ended or timezone.now()
    Run.objects.filter(pk=run.pk).update(
        status=status,
        error_message="" if status == "SUCCESS" else "No.",
        started_at=ended - timedelta(seconds=seconds),
        finished_at=ended,
    )


def test_every_type_and_outcome_is_there_before_anything_ran(world: World) -> None:
    found = values("work")
    for job_type in registry.all_types():
        for status in ("success", "failure"):
            assert found[f"strongroom_job_runs_total/{job_type.name}/{status}"] == 0
        assert found[f"strongroom_job_last_failure_timestamp_seconds/{job_type.name}"] == 0
    assert found["strongroom_runs_open/queued"] == found["strongroom_runs_open/running"] == 0
    assert found["strongroom_oldest_queued_run_seconds"] == 0
    packets = values("packets")
    assert packets[f"{SOC2}job_runs_total/success"] == 0
    assert packets[f"{SOC2}job_runs_total/failure"] == 0
    assert packets[f"{SOC2}job_duration_seconds_count"] == 0
    assert packets[f"{SOC2}packet_size_bytes"] == 0


def test_runs_are_counted_when_they_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job = job_of(world)
    failed_at = datetime(2026, 3, 1, 3, tzinfo=UTC)
    end(run_of(job), status="FAILED", ended=failed_at)
    end(run_of(job))
    end(run_of(job))
    run_of(job)
    found = values("work")
    assert found[f"strongroom_job_runs_total/{NAME}/success"] == 2
    assert found[f"strongroom_job_runs_total/{NAME}/failure"] == 1
    key = f"strongroom_job_last_failure_timestamp_seconds/{NAME}"
    assert found[key] == failed_at.timestamp()


def test_a_type_that_is_gone_is_counted_on(world: World) -> None:
    end(run_of(job_of(world)))
    assert values("work")[f"strongroom_job_runs_total/{NAME}/success"] == 1


def test_durations_of_the_packets_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    if JOB_TYPE not in {known.name for known in registry.all_types()}:
        add(monkeypatch, kind(name=JOB_TYPE))
    job = job_of(world, job_type=JOB_TYPE, name="packets of a test")
    end(run_of(job), seconds=3)
    end(run_of(job), seconds=4000)
    end(run_of(job), seconds=0.5, status="FAILED")
    found = values("packets")
    assert found[f"{SOC2}job_runs_total/success"] == 2
    assert found[f"{SOC2}job_runs_total/failure"] == 1
    name = f"{SOC2}job_duration_seconds"
    assert found[f"{name}_count"] == found[f"{name}_bucket/+Inf"] == 3
    assert found[f"{name}_sum"] == pytest.approx(4003.5)
    assert found[f"{name}_bucket/0.5"] == 1
    assert found[f"{name}_bucket/2.5"] == 1
    assert found[f"{name}_bucket/5.0"] == 2
    assert found[f"{name}_bucket/3600.0"] == 2
    buckets = [value for key, value in found.items() if key.startswith(f"{name}_bucket")]
    assert buckets == sorted(buckets)


def test_what_waits_and_how_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job, now = job_of(world), timezone.now()
    run_of(job, created_at=now - timedelta(hours=2), not_before=now + timedelta(minutes=2))
    run_of(job, created_at=now - timedelta(minutes=5))
    found = values("work")
    assert found["strongroom_runs_open/queued"] == 2
    assert found["strongroom_oldest_queued_run_seconds"] == pytest.approx(300, abs=30)


@pytest.mark.parametrize(("late", "missed"), [(timedelta(hours=2), 1), (timedelta(0), 0)])
def test_schedules_that_were_not_served(
    world: World, monkeypatch: pytest.MonkeyPatch, late: timedelta, missed: int
) -> None:
    add(monkeypatch)
    job_of(world, schedule_cron="0 * * * *", windows_through=timezone.now() - late)
    found = values("work")
    assert found["strongroom_schedule_missed/counting"] == missed


def test_jobs_without_a_schedule_or_disabled_are_not_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job_of(world)
    job_of(world, name="disabled", schedule_cron="0 * * * *", is_enabled=False)
    found = values("work")
    assert not {f"strongroom_schedule_missed/{name}" for name in ("counting", "disabled")} & {
        *found
    }


def test_look_ups_do_not_grow_with_the_jobs(
    world: World, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    add(monkeypatch)
    run_of(job_of(world, name="job", schedule_cron="0 * * * *"))
    with CaptureQueriesContext(connection) as before:
        values("work")
    for number in range(20):
        run_of(job_of(world, name=f"job {number}", schedule_cron="0 * * * *"))
    with django_assert_num_queries(len(before)):
        assert values("work")["strongroom_schedule_missed/job 7"] == 1


def test_approvals_that_wait(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert values("work")["strongroom_approvals_pending"] == 0
    Acts.registered(monkeypatch)
    for left in (timedelta(hours=1), timedelta(hours=5), timedelta(microseconds=1)):
        ask(committed_world, left=left)
    found = values("work")
    assert found["strongroom_approvals_pending"] == 2
    waits = found["strongroom_oldest_pending_approval_seconds"]
    expected = approvals.LIFETIME - timedelta(hours=1)
    assert waits == pytest.approx(expected.total_seconds(), abs=60)


@pytest.mark.parametrize("seconds", [-7, 0, 12])
def test_clocks_that_differ(world: World, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    asked = clock.database_clock
    monkeypatch.setattr(clock, "database_clock", lambda: asked() + timedelta(seconds=seconds))
    skew = values("clocks")["strongroom_clock_skew_seconds"]
    assert skew == pytest.approx(seconds, abs=1)


def test_size_of_the_newest_package(world: World) -> None:
    assert not Package.objects.exists()
    assert values("packages") == {"strongroom_package_size_bytes": 0}


def test_a_source_is_registered_once_and_early() -> None:
    with pytest.raises(RuntimeError):
        sources.register(sources.get("work"))
    with pytest.raises(sources.UnknownSource):
        sources.get("no such source")
