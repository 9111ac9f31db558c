"""One round of the worker at a time: what may fail, and what goes on nevertheless."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from audit.events import Actor, EventType
from audit.models import AuditEvent, Checkpoint
from audit.services import checkpoints, keys, trail
from ops import worker
from sealing.errors import StrongroomError
from tests.factories import World


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


def test_before_the_first_people_it_waits_without_complaint(
    committed_db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    working = worker.Worker()
    working._once()
    working._once()
    assert not Checkpoint.objects.exists()
    assert caplog.records == []
