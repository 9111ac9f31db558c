"""What the trail has done again and again: each job runs, and says what came of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import call_command

from audit import recurring
from audit.events import Actor
from audit.models import PendingEvent, Segment, VerificationRun
from audit.services import switches
from ops import registry
from ops.models import Job, Run
from ops.services import terminal
from sealing.errors import Unavailable
from tests.factories import World
from tests.services.audit.helpers import seal

ACTOR = Actor.system("test")
JOBS = ["audit_archive", "audit_heartbeat", "retention_sweep", "audit_verify", "stream_relay"]


def paused(world: World, what: Any) -> None:
    state = switches.state()
    prefix = "" if what == "archiver" else "sweep_"
    setattr(state, f"{prefix}paused_at", "2026-01-01T00:00:00Z")
    setattr(state, f"{prefix}pause_reason", "moving")
    state.save()


@pytest.mark.parametrize(
    ("work", "what"),
    [
        (recurring.archive, "archiver"),
        (recurring.heartbeat, "archiver"),
        (recurring.sweep, "retention_sweep"),
    ],
    ids=["archive", "heartbeat", "sweep"],
)
def test_a_pause_is_no_failure(committed_world: World, work: Any, what: str) -> None:
    seal(2)
    paused(committed_world, what)
    assert "moving" in work(actor=ACTOR)["skipped"]


def test_another_archiver_at_work_is_no_failure(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.services import archiving

    def busy(**options: Any) -> None:
        raise archiving.ArchiverBusy("Another archiver is at work.")

    monkeypatch.setattr(archiving, "archive_pending", busy)
    assert recurring.archive(actor=ACTOR) == {"skipped": "Another archiver is at work."}


def test_what_does_not_verify_is_a_failure(committed_world: World) -> None:
    """Nothing is archived yet, so that nothing could be checked there."""
    seal(2)
    with pytest.raises(recurring.NotInOrder, match="Could not be checked"):
        recurring.verify(actor=ACTOR)
    with pytest.raises(recurring.NotInOrder):
        recurring.verify_a_month(actor=ACTOR)


def test_a_drill_that_could_not_check_is_a_failure(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drilled(*, actor: Actor) -> VerificationRun:
        return VerificationRun(verdict="INCONCLUSIVE", message="There was nothing to restore.")

    monkeypatch.setattr(recurring, "run_drill", drilled)
    with pytest.raises(recurring.NotInOrder, match="nothing to restore"):
        recurring.drill(actor=ACTOR)


@pytest.mark.parametrize("name", JOBS)
def test_every_job_of_the_trail_runs(committed_world: World, name: str) -> None:
    seal(3)
    terminal.run_now(actor=ACTOR, name="audit_heartbeat")
    run = terminal.run_now(actor=ACTOR, name=name)
    assert (run.status, run.error_message) == ("SUCCESS", "")
    assert Segment.objects.exists()


@pytest.mark.parametrize("name", JOBS[:4])
def test_a_read_only_installation_still_archives_and_verifies(
    committed_world: World, settings: Any, name: str
) -> None:
    seal(3)
    settings.AUDIT_ENABLED = False
    for job in ("audit_heartbeat", name):
        assert terminal.run_now(actor=ACTOR, name=job).status == "SUCCESS"
    assert not PendingEvent.objects.exists()


def test_every_installation_has_one_of_each(world: World) -> None:
    builtin = {kind.name for kind in registry.all_types() if kind.is_builtin}
    of_evidence = {"vault_audit", "vault_holds", "generate-soc2-evidence"}
    assert builtin == {*JOBS, "audit_verify_month", "restore_drill"} | of_evidence
    assert set(Job.objects.filter(owner=None).values_list("name", flat=True)) == builtin


# --- the command ----------------------------------------------------------------------------


def test_the_command_runs_one_and_lists_them(
    committed_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    seal(3)
    call_command("run_job", "audit_heartbeat")
    assert json.loads(capsys.readouterr().out)["checkpoint"].startswith("heartbeat/")
    run = Run.objects.get()
    assert (run.triggered_by, run.account, run.status) == ("service:run-job", None, "SUCCESS")
    call_command("run_job")
    listed = capsys.readouterr().out
    assert "retention_sweep          23 0 * * *" in listed


def test_the_command_refuses_what_is_no_job(
    committed_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        call_command("run_job", "rm -rf")
    assert refused.value.code == 2
    assert "audit_archive" in capsys.readouterr().err


def test_the_command_tells_of_a_failure(
    committed_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    seal(2)
    with pytest.raises(SystemExit) as failed:
        call_command("run_job", "audit_verify")
    assert failed.value.code == 1
    told = capsys.readouterr().err
    assert "[not_in_order]" in told
    assert "tries it again" not in told


@pytest.mark.parametrize("waits", [False, True])
def test_the_command_says_when_it_is_tried_again(
    committed_world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    waits: bool,
) -> None:
    from ops.management.commands import run_job

    def away(*, actor: Actor) -> None:
        raise Unavailable("The store is away.")

    monkeypatch.setattr(recurring.retention, "sweep", away)
    monkeypatch.setattr(run_job, "WAIT_SECONDS", 0.1)
    with pytest.raises(SystemExit) as failed:
        call_command("run_job", "retention_sweep", wait=waits)
    assert failed.value.code == 1
    told = capsys.readouterr().err
    assert "The store is away. [unavailable]" in told
    assert "A worker tries it again at" in told


def test_a_disabled_job_is_not_run_at_the_terminal_either(
    committed_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    Job.objects.filter(name="audit_archive").update(is_enabled=False)
    with pytest.raises(SystemExit) as refused:
        call_command("run_job", "audit_archive")
    assert refused.value.code == 1
    assert "[job_disabled]" in capsys.readouterr().err
    assert not Run.objects.exists()
