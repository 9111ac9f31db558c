"""Packets under fire: delivered often at once, killed and stopped at every numbered step."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from audit import failpoints
from audit.events import Actor, EventType
from evidence.services.vault import auditing
from ops import tasks
from ops.models import Run
from ops.services import runs
from reports.models import Packet
from reports.services import packets
from reports.services.requests import PacketRequest
from sealing.results import Verdict
from tests.factories import World
from tests.faults import exports, processes
from tests.services.evidence import helpers
from tests.services.reports import packing

pytestmark = [pytest.mark.xdist_group("packets"), pytest.mark.usefixtures("rendered_here")]
# What comes several times is interrupted in the middle, too.
LOCAL = (
    "run_claimed", "packet-1", "packet-2", "packet-3", "packet-4", "packet-5", "packet-5:2",
    "packet-6", "vault-1", "vault-1:3", "packet-7", "vault-3", "vault-4:3", "vault-5", "vault-8",
    "packet-8", "packet-9", "run_done",
)  # fmt: skip
S3 = ("packet-7", "vault-3:3", "packet-8")
PAIRS = (("packet-2", "packet-4"), ("packet-4", "packet-3"), ("vault-3", "packet-2"))


@pytest.fixture
def run(committed_world: World, local_vault: Path) -> Run:
    return requested()


def requested() -> Run:
    """A run that makes a packet, queued and not begun."""
    helpers.some_events()
    return runs.request_once(
        actor=World.load().actor("olivia"),
        job_type=packets.JOB_TYPE,
        payload=PacketRequest("clinic-001", packing.JANUARY).payload(),
    )


def check_success(run: Run) -> Packet:
    """One packet, one event, four files that are the same here and in the vault."""
    run.refresh_from_db()
    assert (run.status, run.error_message) == ("SUCCESS", "")
    packet = Packet.objects.get()
    packing.check_complete(packet)
    assert packing.told(EventType.REPORTS_PACKET_FAILED, packet) == 0
    [told] = run.result_summary["packets"]
    assert (told["id"], told["json_sha256"]) == (str(packet.pk), packet.json_sha256)
    return packet


def test_the_steps_are_those_that_a_packet_comes_to(run: Run, tmp_path: Path) -> None:
    notes = tmp_path / "steps"

    def work() -> None:
        with notes.open("w") as file:
            failpoints.listener = lambda name: file.write(f"{name}\n") and None
            tasks.execute_run(str(run.pk))

    assert processes.finished(processes.start(work)) == 0
    assert set(notes.read_text().split()) == {step.partition(":")[0] for step in LOCAL}
    check_success(run)
    assert packing.left_over() == []


@pytest.mark.parametrize("step", LOCAL)
def test_killed_at_a_step_the_next_attempt_goes_on(run: Run, step: str) -> None:
    killed_once(run, step)


@pytest.mark.parametrize("step", S3)
def test_the_same_with_a_bucket(committed_world: World, s3_vault: Any, step: str) -> None:
    killed_once(requested(), step)


def killed_once(run: Run, step: str) -> None:
    assert exports.deliver(run, at=step) == -signal.SIGKILL
    before = {packet.pk: packing.working_files(packet) for packet in Packet.objects.all()}
    assert exports.deliver(run) == 0
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("RUNNING", 1), "its lease has not run out"
    # What a packet tells of may change meanwhile; what was signed by then stays as it is.
    helpers.some_events(count=2)
    assert exports.lose(run).put_back == 1
    assert exports.deliver(run) == 0
    packet = check_success(run)
    assert packing.left_over() == []
    for pk, files in before.items():
        assert pk == packet.pk
        after = packing.working_files(packet)
        assert {name: after[name] for name in files} == files


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_killed_twice_the_third_attempt_ends_well(run: Run, first: str, second: str) -> None:
    for step in (first, second):
        if exports.deliver(run, at=step) == 0:
            break  # what an earlier attempt did is not done again
        assert exports.lose(run).put_back == 1
    exports.deliver(run)
    check_success(run)
    assert packing.left_over() == []


def killed_for_good(run: Run, step: str) -> None:
    run.refresh_from_db()
    Run.objects.filter(pk=run.pk).update(attempts=run.max_attempts - 1)
    assert exports.deliver(run, at=step) == -signal.SIGKILL
    swept = exports.lose(run)
    assert (swept.put_back, swept.failed) == (0, 1)
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("FAILED", "run_abandoned")


@pytest.mark.parametrize("step", ["packet-1", "packet-2", "packet-5", "vault-1:3", "packet-7"])
def test_killed_at_the_last_attempt_nothing_half_made_is_left(
    run: Run, local_vault: Path, step: str
) -> None:
    killed_for_good(run, step)
    packing.check_failed(Packet.objects.get(), "run_abandoned")
    assert list(local_vault.rglob("*.json*")) == []
    packing.check_complete(again())


def again() -> Packet:
    """The packet of another run, when the first one's has failed."""
    second = requested()
    assert exports.deliver(second) == 0
    return Packet.objects.get(run=second)


def test_what_was_locked_by_then_keeps_its_name_and_the_next_packet_has_another(
    run: Run, local_vault: Path
) -> None:
    """From the moment that files have their place in the vault nothing takes them away."""
    killed_for_good(run, "packet-8")
    failed = Packet.objects.get()
    packing.check_failed(failed, "run_abandoned")
    packet = again()
    assert (packet.revision, packet.name) == (2, f"{failed.name}_r2")
    assert packing.document(packet)["supersedes"] is None
    audit = auditing.audit_vault(actor=Actor.system("tests"))
    assert audit.verdict is Verdict.VALID
    # For a day it may be on its way; from then on it is told as what nobody knows of.
    [notice] = [item for item in audit.notices if item.code == "vault_deposit_new"]
    assert str(notice.where).endswith(f"/{failed.name}")


def test_killed_after_it_was_recorded_it_stays(run: Run) -> None:
    killed_for_good(run, "packet-9")
    packet = Packet.objects.get()
    assert packing.left_over() == [str(packet.pk)]
    packing.check_complete(packet)
    assert packing.left_over() == [], "the audit took it away"


# --- given up for dead ----------------------------------------------------------------------


@pytest.mark.parametrize("step", ["packet-1", "packet-2", "packet-4", "packet-6", "packet-8"])
def test_a_process_that_comes_back_after_another_took_over_changes_nothing(
    run: Run, step: str
) -> None:
    with exports.stopped(run, step):
        assert exports.lose(run).put_back == 1
        assert exports.deliver(run) == 0
        check_success(run)
        packet = Packet.objects.values().get()
        run_before = Run.objects.values().get(pk=run.pk)
    check_success(run)
    assert Packet.objects.values().get() == packet
    assert Run.objects.values().get(pk=run.pk) == run_before
    assert packing.left_over() == []


# --- delivered often ------------------------------------------------------------------------


def test_twenty_deliveries_at_once_make_one_packet(run: Run, tmp_path: Path) -> None:
    """Four processes of five threads each, let go at the same moment."""
    start, begun = tmp_path / "start", tmp_path / "begun"

    def note(name: str) -> None:
        if name == "run_claimed":
            with begun.open("a") as file:
                file.write("x")

    def work() -> None:
        barrier = threading.Barrier(5)
        failpoints.listener = note

        def take() -> None:
            barrier.wait()
            tasks.execute_run(str(run.pk))
            connection.close()

        threads = [threading.Thread(target=take) for _ in range(5)]
        processes.wait_until(start.exists)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    pids = [processes.start(work) for _ in range(4)]
    start.touch()
    assert [processes.finished(pid) for pid in pids] == [0] * 4
    check_success(run)
    assert run.attempts == 1
    assert begun.read_text() == "x"


def test_two_runs_for_the_same_month_make_one_packet(run: Run, committed_world: World) -> None:
    """Whoever comes second is put off, and then finds the first one's."""
    payload = PacketRequest("clinic-001", packing.JANUARY).payload()
    other = runs.request_once(
        actor=committed_world.actor("alice"), job_type=packets.JOB_TYPE, payload=payload
    )
    with exports.stopped(run, "packet-2"):
        assert exports.deliver(other) == 0
        other.refresh_from_db()
        assert (other.status, other.error_code) == ("QUEUED", "packet_being_made")
    packet = check_success(run)
    Run.objects.filter(pk=other.pk).update(not_before=None)
    assert exports.deliver(other) == 0
    other.refresh_from_db()
    assert other.status == "SUCCESS"
    [told] = other.result_summary["packets"]
    assert (told["id"], told["is_new"]) == (str(packet.pk), False)


def test_two_runs_after_the_end_make_one_revision_of_what_was_made_before_it(
    committed_world: World, local_vault: Path
) -> None:
    with packing.planned_at(packing.JANUARY.start):
        half = packing.make(committed_world)
    both = [requested(), requested()]
    with exports.stopped(both[0], "packet-2"):
        assert exports.deliver(both[1]) == 0
        both[1].refresh_from_db()
        assert (both[1].status, both[1].error_code) == ("QUEUED", "packet_being_made")
    Run.objects.filter(pk=both[1].pk).update(not_before=None)
    for run in (*both, *both):
        assert exports.deliver(run) == 0
    whole = Packet.objects.exclude(pk=half.pk).get()
    assert (whole.revision, whole.run) == (2, both[0])
    packing.check_complete(whole)
    for run in both:
        run.refresh_from_db()
        [told] = run.result_summary["packets"]
        assert (run.status, told["id"]) == ("SUCCESS", str(whole.pk))
