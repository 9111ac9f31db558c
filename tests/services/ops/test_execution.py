"""Carrying out a run: once, with the authority that it has, and always to an end."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from django_q.models import OrmQ

from audit.events import EventType
from audit.models import PendingEvent
from ops.models import Job, Run
from ops.registry import RunContext
from ops.services import claims
from ops.services.execution import execute
from sealing.errors import Conflict, Invalid, Unavailable
from tests.factories import World
from tests.services.ops.kinds import STEPS, add, job_of, kind, run_of


def recorded(event_type: EventType) -> list[dict[str, Any]]:
    events = [json.loads(row.event) for row in PendingEvent.objects.order_by("id")]
    return [event for event in events if event["type"] == event_type]


def raising(error: BaseException) -> Any:
    def work(context: RunContext) -> dict[str, Any]:
        raise error

    return work


def test_a_run_that_ends_well_keeps_its_summary_and_is_recorded(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add(monkeypatch)
    run = execute(run_of(job_of(committed_world, {"folder": str(tmp_path)})).pk)
    assert run is not None
    assert (run.status, run.result_summary) == ("SUCCESS", {"made": f"made-{run.pk}"})
    assert (run.attempts, run.lease, run.error_code) == (1, None, "")
    assert (run.progress_done, run.progress_total, run.progress_unit) == (STEPS, STEPS, "steps")
    assert run.step == "step 4"
    [event] = recorded(EventType.OPS_RUN_SUCCEEDED)
    assert event["object"] == {"type": "run", "id": str(run.pk)}
    assert event["data"]["attempts"] == 1


def test_what_has_ended_is_not_carried_out_again(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add(monkeypatch)
    run = run_of(job_of(committed_world, {"folder": str(tmp_path)}))
    assert execute(run.pk) is not None
    assert execute(run.pk) is None
    assert len((tmp_path / "steps").read_text().splitlines()) == STEPS


def test_there_is_nothing_to_do_for_an_id_that_is_no_run(committed_world: World) -> None:
    assert execute(uuid.UUID(int=7)) is None


def test_not_within_a_transaction_that_hides_the_claim(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    run = run_of(job_of(world))
    with pytest.raises(RuntimeError, match="outside of any transaction"):
        execute(run.pk)


@pytest.mark.parametrize("status", ["FAILED", "SUCCESS"])
def test_the_database_lets_nobody_rewrite_how_it_ended(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: str
) -> None:
    add(monkeypatch)
    run = execute(run_of(job_of(committed_world, {"folder": str(tmp_path)})).pk)
    assert run is not None
    from django.db import IntegrityError

    with pytest.raises(IntegrityError, match="records of fact"):
        Run.objects.filter(pk=run.pk).update(status=status, error_message="x")


# --- failures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (Invalid("The period is empty."), "invalid", "The period is empty."),
        (Conflict("Taken.", code="taken"), "taken", "Taken."),
        (OSError(28, "No space left on device", "/vault/x"), "io_error", "/vault/x"),
        (ZeroDivisionError("1/0 in s3cret"), "internal_error", "ZeroDivisionError"),
    ],
    ids=["refused", "conflict", "disk-full", "mistake"],
)
def test_a_failure_ends_the_run_with_its_reason(
    committed_world: World,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
    message: str,
) -> None:
    add(monkeypatch, kind(raising(error)))
    run = execute(run_of(job_of(committed_world)).pk)
    assert run is not None
    assert (run.status, run.error_code, run.attempts) == ("FAILED", code, 1)
    assert message in run.error_message
    assert "s3cret" not in run.error_message
    [event] = recorded(EventType.OPS_RUN_FAILED)
    assert (event["outcome"], event["data"]["code"]) == ("failure", code)


@pytest.mark.parametrize(
    "error", [Unavailable("The store is away."), OperationalError("server closed")], ids=str
)
def test_what_may_pass_is_tried_again_after_a_pause_and_then_fails(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    add(monkeypatch, kind(raising(error)))
    pending = run_of(job_of(committed_world))
    run = execute(pending.pk)
    assert run is not None
    assert (run.status, run.attempts, run.lease) == ("QUEUED", 1, None)
    assert run.error_message
    assert timedelta(seconds=25) < run.not_before - timezone.now() <= timedelta(seconds=30)
    row = OrmQ.objects.get(payload=str(run.pk))
    assert row.lock > timezone.now() + timedelta(seconds=25)
    assert execute(run.pk) is None, "its pause is not over"
    for attempt in (2, 3):
        Run.objects.filter(pk=run.pk).update(not_before=timezone.now() - timedelta(seconds=1))
        run = execute(pending.pk)
        assert run is not None
        assert run.attempts == attempt
    assert run.status == "FAILED"
    assert len(recorded(EventType.OPS_RUN_FAILED)) == 1
    assert "server closed" not in run.error_message


def test_pauses_grow_and_the_last_one_serves_for_the_rest() -> None:
    pauses = [claims.pause_after(attempts) for attempts in (1, 2, 3, 9)]
    assert pauses == [*claims.BACK_OFF, claims.BACK_OFF[-1]]


def test_an_interruption_at_the_terminal_fails_the_run(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(raising(KeyboardInterrupt())))
    run = run_of(job_of(committed_world))
    with pytest.raises(KeyboardInterrupt):
        execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("FAILED", "interrupted")


def test_a_type_that_is_gone_fails_the_run(committed_world: World) -> None:
    run = execute(run_of(job_of(committed_world)).pk)
    assert run is not None
    assert (run.status, run.error_code) == ("FAILED", "unknown_job_type")


def test_what_runs_every_minute_tells_of_the_change_alone(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = job_of(committed_world, {"folder": str(tmp_path)})
    failing = kind(raising(Invalid("no")), is_recorded=False)
    for added in (failing, failing, kind(is_recorded=False), failing, failing):
        add(monkeypatch, added)
        execute(run_of(job).pk)
    assert len(recorded(EventType.OPS_RUN_FAILED)) == 2
    assert recorded(EventType.OPS_RUN_SUCCEEDED) == []


def test_where_nothing_is_recorded_runs_go_on(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    settings.AUDIT_ENABLED = False
    add(monkeypatch, kind(needs_trail=False))
    run = execute(run_of(job_of(committed_world, {"folder": str(tmp_path)})).pk)
    assert run is not None
    assert run.status == "SUCCESS"
    add(monkeypatch, kind(raising(Invalid("no")), needs_trail=False))
    run = execute(run_of(run.job).pk)
    assert run is not None
    assert run.status == "FAILED"


def test_where_nothing_is_recorded_what_needs_it_waits(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    add(monkeypatch)
    pending = run_of(job_of(committed_world, {"folder": str(tmp_path)}))
    settings.AUDIT_ENABLED = False
    assert execute(pending.pk) is None
    pending.refresh_from_db()
    assert (pending.status, pending.attempts) == ("QUEUED", 0)
    settings.AUDIT_ENABLED = True
    run = execute(pending.pk)
    assert run is not None
    assert run.status == "SUCCESS"


@pytest.mark.parametrize(
    ("begun", "ended"), [(False, "FAILED"), (True, "SUCCESS")], ids=["waits", "begun"]
)
def test_a_job_that_was_disabled_lets_only_what_has_begun_go_on(
    committed_world: World,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    begun: bool,
    ended: str,
) -> None:
    add(monkeypatch)
    job = job_of(committed_world, {"folder": str(tmp_path)})
    # One that began was given back by a worker that stopped, which counts no attempt.
    pending = run_of(job, **({"started_at": timezone.now()} if begun else {}))
    Job.objects.filter(pk=job.pk).update(is_enabled=False)
    run = execute(pending.pk)
    assert run is not None
    assert (run.status, run.error_code) == (ended, "" if begun else "job_disabled")
    assert (tmp_path / "steps").exists() is begun


def test_what_was_begun_is_let_go_when_the_function_could_not(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Any, ...]] = []

    def let_go(*, run: Run, code: str, message: str) -> None:
        told.append((run.pk, run.status, code))

    add(monkeypatch, kind(raising(ZeroDivisionError()), on_failed=let_go))
    run = execute(run_of(job_of(committed_world)).pk)
    assert run is not None
    assert told == [(run.pk, "RUNNING", "internal_error")]


def test_a_run_ends_also_if_nothing_can_be_let_go(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def let_go(**facts: Any) -> None:
        raise Unavailable("away")

    add(monkeypatch, kind(raising(Invalid("no")), on_failed=let_go))
    run = execute(run_of(job_of(committed_world)).pk)
    assert run is not None
    assert run.status == "FAILED"
