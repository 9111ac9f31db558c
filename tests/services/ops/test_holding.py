"""Holding a run: the authority that it has, its lease, its time, and the way out."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from access.models import Grant
from access.roles import Action
from audit.events import Actor
from ops import stopping
from ops.models import Run, RunStatus
from ops.registry import RunContext
from ops.services import claims, execution, holding
from ops.services.execution import LeaseLost, execute
from ops.services.holding import Context, Why
from tests.factories import World
from tests.services.ops.kinds import add, job_of, kind, run_of


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases and looks of a moment."""
    monkeypatch.setattr(holding, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(holding, "BEAT_SECONDS", 0.1)


# --- authority ------------------------------------------------------------------------------


def test_a_run_acts_with_its_account(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def work(context: RunContext) -> dict[str, Any]:
        seen.append(context.actor.id)
        return {}

    add(monkeypatch, kind(work))
    execute(run_of(job_of(committed_world, owner="alice")).pk)
    execute(run_of(job_of(committed_world, name="own")).pk)
    assert seen == ["user:alice", "service:scheduler"]


def test_a_closed_account_has_no_authority(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    run = run_of(job_of(committed_world, owner="alice"))
    account = committed_world.user("alice")
    account.is_active = False
    account.save()
    ended = execute(run.pk)
    assert ended is not None
    assert (ended.status, ended.error_code) == ("FAILED", "forbidden")
    assert "alice" in ended.error_message
    assert "closed" in ended.error_message


def test_a_grant_that_ended_gives_none_either(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(permission=Action.EXPORT))
    client = committed_world.client()
    run = run_of(job_of(committed_world, {"client_id": client.pk}, owner="alice", client=client))
    Grant.objects.filter(user__username="alice").update(revoked_at=timezone.now())
    ended = execute(run.pk)
    assert ended is not None
    assert ended.error_code == "forbidden"
    assert "may not do it any more" in ended.error_message


def test_what_a_job_fixes_needs_the_permission_for_jobs_alone(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add(
        monkeypatch,
        kind(permission=Action.EXPORT, job_permission=Action.EXPORT_ON_SCHEDULE),
    )
    client = committed_world.client()
    payload = {"client_id": client.pk, "folder": str(tmp_path)}
    job = job_of(committed_world, payload, owner="svc-clinic-001", client=client)
    ended = execute(run_of(job).pk)
    assert ended is not None
    assert ended.status == "SUCCESS"
    once = execute(run_of(job, job=None).pk)
    assert once is not None
    assert once.error_code == "forbidden"


# --- why it ends --------------------------------------------------------------------------------


def test_the_first_reason_stays(committed_world: World) -> None:
    context = Context(run_of(job_of(committed_world)), Actor.system("test"))
    context.interrupt(Why.STOPPING)
    context.interrupt(Why.LOST)
    assert context.why is Why.STOPPING


def test_a_reason_that_comes_while_the_watch_looks_is_not_lost(committed_world: World) -> None:
    context = Context(run_of(job_of(committed_world)), Actor.system("test"))

    class Deadline(float):
        """Gives the reason just when the watch compares, after it has looked for one."""

        def __le__(self, now: float) -> bool:
            context.interrupt(Why.STOPPING)
            return super().__le__(now)

    watch = holding._Watch(context, 60)
    watch._can_signal = False
    watch._deadline = Deadline(watch._deadline)
    watch._interrupt_if_due(time.monotonic())
    assert context.why is Why.STOPPING


# --- the lease ------------------------------------------------------------------------------


def test_slow_work_keeps_its_lease_and_tells_how_far_it_is(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=1))
    seen: list[tuple[int, int | None, str]] = []

    def work(context: RunContext) -> dict[str, Any]:
        context.progress(1, 3, unit="rows", step="reading")
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            time.sleep(0.1)
            context.ensure_held()
        now = Run.objects.get(pk=context.run.pk)
        seen.append((now.progress_done, now.progress_total, now.step))
        return {}

    add(monkeypatch, kind(work))
    run = execute(run_of(job_of(committed_world)).pk)
    assert run is not None
    assert run.status == "SUCCESS"
    assert seen == [(1, 3, "reading")]


@pytest.mark.parametrize("call", ["progress", "ensure_held"])
def test_whoever_lost_the_lease_is_stopped_and_changes_nothing(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, quick: None, call: str
) -> None:
    """Another attempt takes over while this one is stuck: the first must not end the run."""
    taken = uuid.UUID(int=9)
    lost: list[BaseException] = []

    def work(context: RunContext) -> dict[str, Any]:
        Run.objects.filter(pk=context.run.pk).update(lease=taken)
        try:
            for _ in range(100):
                if call == "progress":
                    context.progress(1)
                    time.sleep(0.05)
                else:
                    context.ensure_held()
        except LeaseLost as error:
            lost.append(error)
            raise
        return {}

    add(monkeypatch, kind(work))
    run = _in_a_thread(run_of(job_of(committed_world)))
    assert len(lost) == 1
    assert (run.status, run.lease) == ("RUNNING", taken)


def test_in_the_main_thread_it_is_stopped_wherever_it_is(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    def work(context: RunContext) -> dict[str, Any]:
        Run.objects.filter(pk=context.run.pk).update(lease=uuid.UUID(int=9))
        time.sleep(60)
        return {}

    add(monkeypatch, kind(work))
    begun = time.monotonic()
    run = execute(run_of(job_of(committed_world)).pk)
    assert run is not None
    assert run.status == "RUNNING"
    assert time.monotonic() - begun < 30


def test_a_run_that_takes_too_long_is_ended(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    def work(context: RunContext) -> dict[str, Any]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")
        return {}

    add(monkeypatch, kind(work, timeout_seconds=1))
    run = execute(run_of(job_of(committed_world)).pk)
    assert run is not None
    assert (run.status, run.error_code) == ("FAILED", "run_timeout")
    assert "1 seconds" in run.error_message


def test_the_worker_that_stops_leaves_the_run_to_another(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    def work(context: RunContext) -> dict[str, Any]:
        monkeypatch.setattr(stopping, "is_stopping", lambda: True)
        context.progress(1)
        return {}

    add(monkeypatch, kind(work))
    run = execute(run_of(job_of(committed_world)).pk)
    assert run is not None
    assert (run.status, run.attempts, run.lease) == ("QUEUED", 0, None)
    assert OrmQ.objects.filter(payload=str(run.pk)).exists()
    assert execute(run.pk) is None, "nothing is begun any more"


def test_the_work_gets_a_moment_to_come_to_its_end(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    """The step at hand is finished; only what does not end is interrupted, after the grace."""
    monkeypatch.setattr(holding, "GRACE_SECONDS", 0.5)
    cleaned: list[bool] = []

    def work(context: RunContext) -> dict[str, Any]:
        monkeypatch.setattr(stopping, "is_stopping", lambda: True)
        try:
            time.sleep(60)
        finally:
            cleaned.append(True)
        return {}

    add(monkeypatch, kind(work))
    run = execute(run_of(job_of(committed_world)).pk)
    assert run is not None
    assert (run.status, cleaned) == ("QUEUED", [True])


def test_an_outcome_is_stored_when_the_database_is_back(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(execution, "_RETRY_SECONDS", 0.01)
    tries: list[int] = []
    succeed = claims.succeed

    def away(*args: Any, **kwargs: Any) -> bool:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("away")
        return succeed(*args, **kwargs)

    monkeypatch.setattr(claims, "succeed", away)
    add(monkeypatch)
    run = execute(run_of(job_of(committed_world, {"folder": str(tmp_path)})).pk)
    assert run is not None
    assert (run.status, len(tries)) == ("SUCCESS", 3)


def _in_a_thread(run: Run) -> Run:
    def work() -> None:
        execute(run.pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    run.refresh_from_db()
    assert run.status in RunStatus.values
    return run
