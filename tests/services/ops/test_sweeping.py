"""The sweeper: what was lost is tried again or ended, and what is held is left alone."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from audit.events import EventType
from audit.models import PendingEvent
from ops import queue
from ops.models import Run
from ops.services import approvals
from ops.services.sweeping import Swept, let_go_again, sweep
from sealing.errors import Unavailable
from tests.factories import World
from tests.services.ops.kinds import add, job_of, kind, run_of

AGO = timedelta(minutes=5)


def running(world: World, *, expires: timedelta, **fields: Any) -> Run:
    now = timezone.now()
    return run_of(
        job_of(world),
        **{
            "status": "RUNNING",
            "attempts": 1,
            "lease": uuid.UUID(int=1),
            "lease_expires_at": now + expires,
            "started_at": now - timedelta(seconds=10),
            **fields,
        },
    )


def test_what_is_held_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    run = running(world, expires=timedelta(seconds=30))
    assert sweep() == Swept()
    run.refresh_from_db()
    assert run.status == "RUNNING"


def test_a_lost_run_is_put_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    run = running(world, expires=-timedelta(seconds=1))
    assert sweep() == Swept(put_back=1)
    run.refresh_from_db()
    assert (run.status, run.attempts, run.error_code) == ("QUEUED", 1, "lease_expired")
    assert "attempt 1 of 3" in run.error_message
    assert queue.is_queued(run.pk)
    assert sweep() == Swept()


def test_a_lost_run_without_an_attempt_left_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    add(monkeypatch, kind(on_failed=lambda *, run, code, message: told.append(code)))
    run = running(world, expires=-timedelta(seconds=1), attempts=3)
    assert sweep() == Swept(failed=1)
    run.refresh_from_db()
    assert (run.status, run.error_code, run.lease) == ("FAILED", "run_abandoned", None)
    assert told == ["run_abandoned"]
    event = json.loads(PendingEvent.objects.order_by("-id")[0].event)
    assert (event["type"], event["actor"]["id"]) == (EventType.OPS_RUN_FAILED, "service:worker")


def test_what_takes_too_long_fails_though_it_is_held(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(timeout_seconds=60))
    run = running(world, expires=timedelta(hours=1), started_at=timezone.now() - AGO)
    assert sweep() == Swept(failed=1)
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("FAILED", "run_timeout")


def test_a_type_that_is_gone_is_no_reason_to_stop(world: World) -> None:
    run = running(world, expires=timedelta(hours=1), job_type="gone")
    assert sweep() == Swept()
    Run.objects.filter(pk=run.pk).update(lease_expires_at=timezone.now() - AGO, attempts=3)
    assert sweep() == Swept(failed=1)


# --- without a place in the queue -----------------------------------------------------------


def test_a_run_that_never_had_a_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    run = run_of(job_of(world), created_at=timezone.now() - AGO)
    assert sweep() == Swept(requeued=1)
    assert OrmQ.objects.get().payload == str(run.pk)


def test_a_pause_that_is_over_without_a_place_in_the_queue(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    run = run_of(job_of(world), not_before=timezone.now() - AGO)
    assert sweep() == Swept(requeued=1)
    assert OrmQ.objects.get().payload == str(run.pk)
    assert sweep() == Swept()


@pytest.mark.parametrize("pauses", [False, True], ids=["new", "pause"])
def test_what_waits_as_it_should_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, pauses: bool
) -> None:
    add(monkeypatch)
    run_of(job_of(world), not_before=timezone.now() + AGO if pauses else None)
    assert sweep() == Swept()
    assert not OrmQ.objects.exists()


def test_what_waits_for_the_trail_is_queued_when_it_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    add(monkeypatch)
    run_of(job_of(world), created_at=timezone.now() - AGO)
    settings.AUDIT_ENABLED = False
    assert sweep() == Swept()
    settings.AUDIT_ENABLED = True
    assert sweep() == Swept(requeued=1)


# --- what failed runs left --------------------------------------------------------------------


def test_what_could_not_be_let_go_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, told = ["half a file"], []

    def let_go(*, run: Run, code: str, message: str) -> None:
        told.append((run.pk, code))
        if len(told) == 1:
            raise Unavailable("away")
        left.clear()

    add(monkeypatch, kind(on_failed=let_go))
    run = running(world, expires=-timedelta(seconds=1), attempts=3)
    assert sweep() == Swept(failed=1)
    assert left
    assert let_go_again() == 1
    assert not left
    assert told == [(run.pk, "run_abandoned")] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"finished_at": timezone.now() - timedelta(days=2)},
        {"status": "SUCCESS", "error_code": "", "error_message": ""},
        {"job_type": "audit_archive"},
    ],
    ids=["long-ago", "ended-well", "another-type"],
)
def test_what_is_not_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    add(monkeypatch, kind(on_failed=lambda **facts: None))
    ended = {"status": "FAILED", "error_code": "x", "finished_at": timezone.now()}
    ended |= {"started_at": timezone.now() - timedelta(days=3), "error_message": "x"}
    run_of(job_of(world), **{**ended, **changes})
    assert let_go_again() == 0


def test_many_sweepers_do_it_once(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    run = running(committed_world, expires=-timedelta(seconds=1))
    found: list[Swept] = []
    barrier = threading.Barrier(6)

    def work() -> None:
        barrier.wait()
        found.append(sweep())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(swept.put_back for swept in found) == 1
    assert OrmQ.objects.filter(payload=str(run.pk)).count() == 1


def test_requests_for_approval_expire(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "expire_due", lambda: 3)
    assert sweep() == Swept(expired=3)
