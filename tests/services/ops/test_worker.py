"""One round of the worker at a time: what may fail, and what goes on nevertheless."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import transaction
from django_q.models import Schedule

from audit.events import Actor, EventType
from audit.models import AuditEvent, Checkpoint
from audit.services import checkpoints, keys, trail
from ops import worker
from sealing.errors import StrongroomError
from tests.factories import World
from tests.faults import processes


def record() -> str:
    with transaction.atomic():
        return trail.record(EventType.ACCESS_USER_CREATED, actor=Actor.system("test"))


def refuse(calls: list[int]) -> Any:
    def attempt(**kwargs: Any) -> None:
        calls.append(1)
        raise checkpoints.CheckpointRefused("rewritten")

    return attempt


def test_a_refused_checkpoint_is_tried_once_a_heartbeat_and_sealing_goes_on(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(checkpoints, "issue", refuse(calls))
    working = worker.Worker(heartbeat_seconds=3600)
    for _ in range(3):
        event_id = record()
        working._once()
        assert AuditEvent.objects.filter(id=event_id).exists()
    assert len(calls) == 1


def test_a_key_that_cannot_be_registered_does_not_stop_sealing(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**kwargs: Any) -> None:
        raise StrongroomError("retired")

    monkeypatch.setattr(keys, "ensure_service_keys", fail)
    event_id = record()
    worker.Worker()._once()
    assert AuditEvent.objects.filter(id=event_id).exists()


def test_a_configured_key_out_of_use_stops_no_checkpoint_and_is_told_once(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**kwargs: Any) -> None:
        raise keys.KeyNotActive("SIGNING_PRIVATE_KEY is a key that was taken out of use.")

    monkeypatch.setattr(keys, "ensure_service_keys", fail)
    record()
    working = worker.Worker(heartbeat_seconds=0)
    for _ in range(3):
        working._once()
    assert Checkpoint.objects.exists()
    told = AuditEvent.objects.filter(type=EventType.AUDIT_KEY_CREATED, outcome="failure")
    assert told.count() == 1


def test_now_and_then_it_looks_for_what_failed_runs_left(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(worker.sweeping, "let_go_again", lambda: calls.append(1))
    working = worker.Worker()
    for _ in range(3):
        working._sweep()
    assert len(calls) == 1


def test_before_the_first_people_it_waits_without_complaint(
    committed_db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    working = worker.Worker()
    working._once()
    working._once()
    assert not Checkpoint.objects.exists()
    assert caplog.records == []


class NoQueue:
    """Stands for the queue's processes, which other tests start."""

    stopped = False

    def start(self) -> None:
        """Nothing to fork."""

    def is_alive(self) -> bool:
        """Always there."""
        return True

    def stop(self, seconds: float) -> bool:
        """Notes that it was asked to."""
        NoQueue.stopped = True
        return True


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_ends_when_one_of_its_parts_does(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that died of a mistake would be missed by nobody, until something is overdue."""

    def mistaken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(worker, "Cluster", NoQueue)
    monkeypatch.setattr(worker.requests, "run_next_request", mistaken)
    raised: list[str] = []

    def work() -> None:
        try:
            worker.Worker().run()
        except worker.PartDied as error:
            raised.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert raised == ["A part of the worker is gone: requests."]
    assert NoQueue.stopped


def test_what_fails_for_now_is_tried_again_and_schedules_follow_the_jobs(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def away() -> None:
        calls.append(1)
        raise StrongroomError("not now")

    monkeypatch.setattr(worker, "Cluster", NoQueue)
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(worker, "REQUESTS_SECONDS", 0.01)
    monkeypatch.setattr(worker.requests, "run_next_request", away)
    working = worker.Worker()
    thread = threading.Thread(target=working.run)
    thread.start()
    processes.wait_until(lambda: len(calls) >= 3)
    processes.wait_until(Schedule.objects.filter(name="audit_archive").exists)
    working.stop()
    thread.join(60)
    assert not thread.is_alive()
