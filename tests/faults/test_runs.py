"""Runs under fire: delivered fifty times at once, and killed at every step."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from ops import queue
from ops.models import Job, Run
from ops.services import claims, sweeping
from ops.services.execution import execute
from ops.services.runs import request_run
from ops.services.runs import wait_for as wait_for_run
from ops.tasks import execute_run
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.faults import processes
from tests.faults.workers import RealWorker, real_worker, wait_for
from tests.services.ops.kinds import STEPS, add, job_of, run_of

pytestmark = pytest.mark.xdist_group("faults")


def steps(folder: Path) -> list[str]:
    path = folder / "steps"
    return path.read_text().splitlines() if path.exists() else []


def queued(run: Run) -> Run:
    with transaction.atomic():
        queue.enqueue(run.pk)
    return run


# --- delivered often ------------------------------------------------------------------------


def test_fifty_deliveries_at_once_are_one_run(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Five processes of ten threads each, all let go at the same moment."""
    add(monkeypatch)
    run = run_of(job_of(committed_world, {"folder": str(tmp_path)}))
    start = tmp_path / "start"

    def work() -> None:
        barrier = threading.Barrier(10)

        def deliver() -> None:
            barrier.wait()
            execute_run(str(run.pk))
            connection.close()

        threads = [threading.Thread(target=deliver) for _ in range(10)]
        processes.wait_until(start.exists)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    pids = [processes.start(work) for _ in range(5)]
    start.touch()
    assert [processes.finished(pid) for pid in pids] == [0] * 5
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("SUCCESS", 1)
    assert len(steps(tmp_path)) == STEPS


def test_fifty_deliveries_of_a_job_open_each_window_once(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = job_of(
        committed_world,
        schedule_cron="* * * * *",
        windows_through=timezone.now() - timedelta(minutes=3),
    )
    barrier = threading.Barrier(50)

    def deliver() -> None:
        barrier.wait()
        execute_run(str(job.pk))
        connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run = Run.objects.get(job=job)
    assert OrmQ.objects.filter(payload=str(run.pk)).count() == 1


# --- killed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_killed_at_a_step_it_is_taken_up_again(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: int
) -> None:
    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=0.5))
    add(monkeypatch)
    run = run_of(job_of(committed_world, {"folder": str(tmp_path), "dies_at": step}))
    pid = processes.start(lambda: execute(run.pk))
    assert processes.finished(pid) == -signal.SIGKILL
    run.refresh_from_db()
    assert run.status == "RUNNING"
    wait_for(lambda: sweeping.sweep().put_back == 1)
    run.refresh_from_db()
    assert (run.status, run.error_code, run.attempts) == ("QUEUED", "lease_expired", 1)
    assert OrmQ.objects.filter(payload=str(run.pk)).count() == 1
    assert execute(run.pk) is not None
    run.refresh_from_db()
    assert (run.status, run.attempts, run.error_code) == ("SUCCESS", 2, "")
    assert len(steps(tmp_path)) == STEPS + step - 1


@pytest.mark.parametrize("place", ["run_claimed", "run_done"])
def test_killed_at_either_end_of_the_work(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    from audit import failpoints

    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=0.5))
    add(monkeypatch)
    run = run_of(job_of(committed_world, {"folder": str(tmp_path)}))

    def work() -> None:
        failpoints.listener = lambda name: (
            os.kill(os.getpid(), signal.SIGKILL) if name == place else None
        )
        execute(run.pk)

    assert processes.finished(processes.start(work)) == -signal.SIGKILL
    wait_for(lambda: sweeping.sweep().put_back == 1)
    execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("SUCCESS", 2)
    assert len(list(tmp_path.glob("made-*"))) == 1


def test_what_kills_every_worker_fails_in_the_end(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=0.3))
    add(monkeypatch)
    payload = {"folder": str(tmp_path), "dies_at": 2, "dies": 99}
    run = run_of(job_of(committed_world, payload))
    for attempt in range(1, 4):
        processes.finished(processes.start(lambda: execute(run.pk)))
        swept = {"put_back": 1} if attempt < 3 else {"failed": 1}
        wait_for(lambda swept=swept: sweeping.sweep() == sweeping.Swept(**swept))
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("FAILED", "run_abandoned")
    assert "attempt 3 of 3" in run.error_message
    assert execute(run.pk) is None


# --- the real worker ------------------------------------------------------------------------


def test_the_real_worker_from_schedule_to_summary(
    committed_world: World,
    committed_db: CommittedDatabase,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    tmp_path: Path,
) -> None:
    """Everything real: schedule, django-q2's scheduler, the queue, the processes, the database."""
    add(monkeypatch)
    missed = timezone.now() - timedelta(minutes=2)
    job = job_of(
        committed_world,
        {"folder": str(tmp_path)},
        schedule_cron="* * * * *",
        windows_through=missed,
    )
    Job.objects.filter(name="audit_archive").update(windows_through=missed)
    with real_worker(committed_db, settings, tmp_path) as worker:
        worker.wait_until_ready()
        wait_for(lambda: Schedule.objects.filter(name=job.name).exists(), what=lambda: worker.log)
        asked = request_run(actor=committed_world.actor("alice"), job=job)
        done = wait_for_run(asked, 30)
        assert (done.status, done.attempts) == ("SUCCESS", 1), worker.log
        # django-q2 looks at schedules twice a minute.
        ended = Run.objects.filter(triggered_by="schedule", status="SUCCESS")
        for name in (job.name, "audit_archive"):
            wait_for(ended.filter(job__name=name).exists, what=lambda: worker.log)
        worker.processes()
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(timeout=30) == 0, worker.log
        assert "worker stopped" in worker.log
        wait_for(lambda: worker.left() == [])
    assert not OrmQ.objects.filter(payload=str(asked.pk)).exists()


def test_a_killed_process_of_the_queue_is_replaced_and_its_run_done(
    committed_world: World,
    committed_db: CommittedDatabase,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    tmp_path: Path,
) -> None:
    add(monkeypatch)
    payload = {"folder": str(tmp_path), "dies_at": 3}
    job = job_of(committed_world, payload)
    with real_worker(committed_db, settings, tmp_path) as worker:
        worker.wait_until_ready()
        run = request_run(actor=committed_world.actor("alice"), job=job)
        done = wait_for_run(run, 60)
        assert (done.status, done.attempts) == ("SUCCESS", 2), worker.log
        # Idle ones too, all of them: none takes with it what the others need.
        for process in guard(worker).children():
            process.kill()
        wait_for(lambda: len(guard(worker).children()) == 6, what=lambda: worker.log)
        again = request_run(actor=committed_world.actor("alice"), job=job)
        done = wait_for_run(again, 60)
        assert done.status == "SUCCESS", worker.log


def guard(worker: RealWorker) -> psutil.Process:
    [found] = psutil.Process(worker.process.pid).children()
    return found


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("one", "sleepy"),
        ("group", "sleepy"),
        ("ctrl-c", "sleepy"),
        ("all", "sleepy"),
        ("all", "stubborn"),
    ],
)
def test_it_ends_within_seconds_in_the_middle_of_a_run(
    committed_world: World,
    committed_db: CommittedDatabase,
    settings: Any,
    tmp_path: Path,
    how: str,
    kind: str,
) -> None:
    """Whoever is signalled: a run that listens is given back, one that does not is taken back."""
    run = queued(run_of(job_of(committed_world, job_type=kind)))
    with real_worker(committed_db, settings, tmp_path) as worker:
        worker.wait_until_ready()
        wait_for(lambda: Run.objects.get(pk=run.pk).status == "RUNNING", what=lambda: worker.log)
        worker.processes()
        if how == "one":
            worker.process.send_signal(signal.SIGTERM)
        elif how == "all":
            worker.signal_all(signal.SIGTERM)
        else:
            worker.signal_group(signal.SIGTERM if how == "group" else signal.SIGINT)
        begun = time.monotonic()
        assert worker.process.wait(timeout=40) == 0, worker.log
        wait_for(lambda: worker.left() == [], what=lambda: worker.log)
        assert time.monotonic() - begun < 40
    run.refresh_from_db()
    if kind == "sleepy":
        assert (run.status, run.attempts) == ("QUEUED", 0), worker.log
    else:
        assert (run.status, run.attempts) == ("RUNNING", 1), worker.log
        wait_for(lambda: sweeping.sweep().put_back == 1)


def test_without_its_queue_it_ends_so_that_it_is_started_anew(
    committed_world: World, committed_db: CommittedDatabase, settings: Any, tmp_path: Path
) -> None:
    with real_worker(committed_db, settings, tmp_path) as worker:
        worker.wait_until_ready()
        guard(worker).kill()
        assert worker.process.wait(timeout=40) == 1
        assert "A part of the worker is gone: queue." in worker.log
        wait_for(lambda: worker.left() == [], what=lambda: worker.log)


def test_killed_without_warning_it_leaves_no_process_behind(
    committed_world: World, committed_db: CommittedDatabase, settings: Any, tmp_path: Path
) -> None:
    run = queued(run_of(job_of(committed_world, job_type="sleepy")))
    with real_worker(committed_db, settings, tmp_path) as worker:
        worker.wait_until_ready()
        wait_for(lambda: Run.objects.get(pk=run.pk).status == "RUNNING", what=lambda: worker.log)
        worker.processes()
        worker.process.kill()
        worker.process.wait()
        wait_for(lambda: worker.left() == [], what=lambda: worker.log)
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("QUEUED", 0)
