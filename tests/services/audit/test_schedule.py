"""The schedule: what is due runs once, whoever looks; what fails is kept and told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from audit import schedule
from audit.events import Actor
from audit.models import JobState, PendingEvent, Segment
from audit.schedule import Job, run_due, run_job
from audit.services import switches
from sealing.errors import Unavailable
from tests.factories import World
from tests.services.audit.helpers import seal

ACTOR = Actor.system("test")


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A schedule of one job, which notes when it ran."""
    ran: list[str] = []

    def work(actor: Actor) -> dict[str, Any]:
        ran.append(actor.id)
        return {"runs": len(ran)}

    jobs = {"only": Job(timedelta(minutes=5), work, "lane", "Notes that it ran.")}
    monkeypatch.setattr(schedule, "JOBS", jobs)
    yield ran


def test_a_job_runs_when_it_is_due_and_not_before(committed_world: World, job: list[str]) -> None:
    assert run_due("lane", actor=ACTOR) == 1
    assert run_due("lane", actor=ACTOR) == 0
    state = JobState.objects.get()
    assert (state.last_result, state.is_failing) == ({"runs": 1}, False)
    assert state.next_at > timezone.now() + timedelta(minutes=4)
    JobState.objects.update(next_at=timezone.now() - timedelta(hours=9))
    assert run_due("another lane", actor=ACTOR) == 0
    # Nine hours late, it is made up once.
    assert [run_due("lane", actor=ACTOR), run_due("lane", actor=ACTOR)] == [1, 0]
    assert len(job) == 2


def test_two_workers_run_it_once(committed_world: World, job: list[str]) -> None:
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        run_due("lane", actor=ACTOR)
        connection.close()

    JobState.objects.create(name="only", next_at=timezone.now())
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(job) == 1


def test_a_failure_is_kept_and_does_not_stop_the_lane(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(actor: Actor) -> dict[str, Any]:
        raise Unavailable("the store is away")

    jobs = {
        "bad": Job(timedelta(minutes=5), fail, "lane", ""),
        "good": Job(timedelta(minutes=5), lambda actor: {"fine": True}, "lane", ""),
    }
    monkeypatch.setattr(schedule, "JOBS", jobs)
    assert run_due("lane", actor=ACTOR) == 2
    bad, good = JobState.objects.order_by("name")
    assert (bad.is_failing, bad.last_error) == (True, "the store is away")
    assert (good.is_failing, good.last_result) == (False, {"fine": True})


def test_a_pause_is_no_failure(committed_world: World) -> None:
    seal(2)
    switches.pause(actor=committed_world.actor("olivia"), what="archiver", reason="moving")
    result = run_job("audit_archive", actor=ACTOR)
    assert "moving" in result["skipped"]
    assert not JobState.objects.get().is_failing


@pytest.mark.parametrize(
    "name", ["audit_archive", "audit_heartbeat", "retention_sweep", "audit_verify", "stream_relay"]
)
def test_every_job_of_the_trail_runs(committed_world: World, name: str) -> None:
    seal(3)
    run_job("audit_heartbeat", actor=ACTOR)
    run_job(name, actor=ACTOR)
    state = JobState.objects.get(pk=name)
    assert (state.is_failing, state.last_error) == (False, "")
    assert Segment.objects.exists()


@pytest.mark.parametrize(
    "name", ["audit_archive", "audit_heartbeat", "retention_sweep", "audit_verify"]
)
def test_a_read_only_installation_still_archives_and_verifies(
    committed_world: World, settings: Any, name: str
) -> None:
    seal(3)
    settings.AUDIT_ENABLED = False
    run_job("audit_heartbeat", actor=ACTOR)
    run_job(name, actor=ACTOR)
    assert not JobState.objects.get(pk=name).is_failing
    assert not PendingEvent.objects.exists()


def test_the_command_runs_one_and_lists_them(
    committed_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    seal(3)
    call_command("run_job", "audit_heartbeat")
    assert json.loads(capsys.readouterr().out)["checkpoint"].startswith("heartbeat/")
    call_command("run_job")
    assert "retention_sweep" in capsys.readouterr().out
    with pytest.raises(SystemExit) as refused:
        call_command("run_job", "rm -rf")
    assert refused.value.code == 2
    assert "audit_archive" in capsys.readouterr().err
