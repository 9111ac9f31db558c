"""Exports under fire: delivered fifty times at once, killed and stopped at every numbered step."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from audit import failpoints
from audit.events import Actor
from evidence.models import Package, Receipt, ReceiptKind
from evidence.services.vault import auditing
from ops import tasks
from ops.models import Run
from sealing.results import Verdict
from tests.factories import World
from tests.faults import exports, processes
from tests.servers.buckets import Bucket
from tests.servers.external import ExternalServer
from tests.servers.external_faults import Kind

pytestmark = pytest.mark.xdist_group("exports")
# What comes several times is interrupted in the middle, too.
LOCAL = (
    "run_claimed", "export-1", "export-2", "export-3", "export-4", "export-5", "vault-1",
    "vault-1:3", "export-6", "export-7", "vault-2", "vault-2:2", "vault-3", "vault-4", "vault-4:4",
    "vault-5", "vault-8", "export-8", "export-9", "run_done",
)  # fmt: skip
S3 = ("export-7", "vault-3:3", "vault-5:2", "export-8")
# Attempts that get further than the one before, and not as far.
PAIRS = (
    ("vault-2", "vault-4:4"), ("vault-4:4", "vault-1"), ("export-7", "export-8"),
    ("export-8", "export-2"), ("vault-3", "vault-3"),
)  # fmt: skip


@pytest.fixture
def services(committed_world: World, external: ExternalServer, settings: Any) -> ExternalServer:
    """An archive and a key service that have to succeed; copies are encrypted."""
    exports.connect(external, settings)
    return external


def requested(mode: str) -> Run:
    return exports.requested(World.load(), vault_mode=mode, **exports.STRICT)


def archived_once(services: ExternalServer, package: Package) -> bool:
    """Whether the external archive has the package, and was asked for it in one name."""
    kept = [path.name for path in services.archive.folder.iterdir()]
    keys = {seen.headers["idempotency-key"] for seen in services.seen if seen.path == "/archive"}
    return kept == [package.bundle_id] and len(keys) == 1


def test_the_steps_are_those_that_an_export_comes_to(
    services: ExternalServer, local_vault: Path, tmp_path: Path
) -> None:
    run, notes = requested("local"), tmp_path / "steps"

    def work() -> None:
        with notes.open("w") as file:
            failpoints.listener = lambda name: file.write(f"{name}\n") and None
            tasks.execute_run(str(run.pk))

    assert processes.finished(processes.start(work)) == 0
    assert set(notes.read_text().split()) == {step.partition(":")[0] for step in LOCAL}
    exports.check_success(run)


@pytest.mark.parametrize("step", LOCAL)
def test_killed_at_a_step_the_next_attempt_goes_on(
    services: ExternalServer, local_vault: Path, step: str
) -> None:
    killed_once(services, requested("local"), step)


@pytest.mark.parametrize("step", S3)
def test_the_same_with_a_bucket(services: ExternalServer, s3_vault: Any, step: str) -> None:
    killed_once(services, requested("s3"), step)


def killed_once(services: ExternalServer, run: Run, step: str) -> None:
    assert exports.deliver(run, at=step) == -signal.SIGKILL
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("RUNNING", 1)
    assert exports.deliver(run) == 0
    run.refresh_from_db()
    assert run.attempts == 1, "its lease has not run out"
    assert exports.lose(run).put_back == 1
    assert exports.deliver(run) == 0
    package = exports.check_success(run)
    assert archived_once(services, package)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_killed_twice_the_third_attempt_ends_well(
    services: ExternalServer, local_vault: Path, first: str, second: str
) -> None:
    run = requested("local")
    for step in (first, second):
        assert exports.deliver(run, at=step) == -signal.SIGKILL
        assert exports.lose(run).put_back == 1
    assert exports.deliver(run) == 0
    package = exports.check_success(run)
    assert archived_once(services, package)


# --- killed every time ----------------------------------------------------------------------


def killed_for_good(run: Run, step: str) -> None:
    for attempt in (1, 2, 3):
        assert exports.deliver(run, at=step) == -signal.SIGKILL
        swept = exports.lose(run)
        assert (swept.put_back, swept.failed) == ((1, 0) if attempt < 3 else (0, 1))
    assert exports.deliver(run) == 0, "there is nothing left to do"
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("FAILED", "run_abandoned")
    assert "attempt 3 of 3" in run.error_message


@pytest.mark.parametrize("step", ["export-1", "export-2", "vault-1:3", "export-7", "vault-2:2"])
def test_killed_at_every_attempt_nothing_half_made_is_left(
    services: ExternalServer, local_vault: Path, step: str
) -> None:
    run = requested("local")
    killed_for_good(run, step)
    exports.check_failure(run)
    assert list(local_vault.rglob("*.zip*")) == []
    audit = auditing.audit_vault(actor=Actor.system("tests"))
    assert (audit.verdict, audit.copies) == (Verdict.INCONCLUSIVE, 0), "it is empty"


@pytest.mark.parametrize("step", ["vault-4:4", "export-8"])
def test_what_was_locked_by_then_stays_whole_and_the_audit_tells_of_it(
    services: ExternalServer, local_vault: Path, step: str
) -> None:
    """From the moment that a copy has its place nothing takes it away, not even a failure."""
    run = requested("local")
    killed_for_good(run, step)
    package = exports.check_failure(run)
    found = {path.name for path in (local_vault / package.name.vault_folder).iterdir()}
    suffixes = (".zip.enc", ".zip.sig", ".signature.json", ".kms-envelope.json",
                ".worm-receipt.json", ".worm-lock-0001.json")  # fmt: skip
    assert found == {f"{package.bundle_id}{suffix}" for suffix in suffixes}
    audit = auditing.audit_vault(actor=Actor.system("tests"))
    assert audit.verdict is Verdict.INVALID
    assert dict(audit.counts) == {"vault_copy_unrecorded": 1}


def test_killed_after_the_package_was_recorded_it_stays(
    services: ExternalServer, local_vault: Path
) -> None:
    """The run says what became of the run: the package that it made is whole and is kept."""
    run = requested("local")
    killed_for_good(run, "run_done")
    package = Package.objects.get()
    assert package.is_complete
    audit = auditing.audit_vault(actor=Actor.system("tests"))
    assert (audit.verdict, audit.copies) == (Verdict.VALID, 1)


def test_what_a_bucket_has_locked_by_then_stays_and_the_audit_tells_of_it(
    services: ExternalServer, s3_vault: Bucket
) -> None:
    """Of a copy that was never finished, which Object Lock does not let anybody take away."""
    run = requested("s3")
    killed_for_good(run, "vault-3:3")
    exports.check_failure(run)
    audit = auditing.audit_vault(actor=Actor.system("tests"))
    assert audit.verdict is Verdict.INVALID
    assert dict(audit.counts) == {"vault_copy_unrecorded": 1}


# --- given up for dead ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "step", ["export-1", "export-2", "export-5", "export-6", "vault-2", "vault-3", "export-8"]
)
def test_a_process_that_comes_back_after_another_took_over_changes_nothing(
    services: ExternalServer, local_vault: Path, step: str
) -> None:
    run = requested("local")
    with exports.stopped(run, step):
        assert exports.lose(run).put_back == 1
        assert exports.deliver(run) == 0
        before = exports.check_success(run, none_left=False)
        run_before = Run.objects.values().get(pk=run.pk)
    assert exports.check_success(run) == before
    assert Run.objects.values().get(pk=run.pk) == run_before
    assert archived_once(services, before)


def test_what_fails_for_a_process_that_lost_the_run_ends_nothing_for_the_next(
    services: ExternalServer, local_vault: Path
) -> None:
    run = requested("local")
    with ExitStack() as second:
        with exports.stopped(run, "export-6"):
            assert exports.lose(run).put_back == 1
            second.enter_context(exports.stopped(run, "export-1"))
            services.inject(Kind.ANSWER, path="/archive", status=403)
        services.heal()
    package = exports.check_success(run)
    worm = Receipt.objects.filter(kind=ReceiptKind.EXTERNAL_WORM).order_by("created_at")
    assert [row.http_status for row in worm] == [403, 200]
    assert archived_once(services, package)


def test_what_a_process_that_lost_the_run_has_made_counts_for_the_next(
    services: ExternalServer, local_vault: Path
) -> None:
    run = requested("local")
    with ExitStack() as second:
        with exports.stopped(run, "vault-3"):
            assert exports.lose(run).put_back == 1
            second.enter_context(exports.stopped(run, "export-1"))
        assert Package.objects.get().is_complete
    package = exports.check_success(run)
    assert archived_once(services, package)


# --- delivered often ------------------------------------------------------------------------


def test_fifty_deliveries_at_once_make_one_package(
    services: ExternalServer, local_vault: Path, tmp_path: Path
) -> None:
    """Five processes of ten threads each, let go at the same moment."""
    run, start, begun = requested("local"), tmp_path / "start", tmp_path / "begun"

    def work() -> None:
        barrier = threading.Barrier(10)
        failpoints.listener = lambda name: note(begun) if name == "run_claimed" else None

        def take() -> None:
            barrier.wait()
            tasks.execute_run(str(run.pk))
            connection.close()

        threads = [threading.Thread(target=take) for _ in range(10)]
        processes.wait_until(start.exists)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    pids = [processes.start(work) for _ in range(5)]
    start.touch()
    assert [processes.finished(pid) for pid in pids] == [0] * 5
    package = exports.check_success(run)
    assert run.attempts == 1
    assert begun.read_text() == "x"
    assert archived_once(services, package)
    assert Receipt.objects.filter(kind=ReceiptKind.EXTERNAL_WORM).count() == 1


def note(path: Path) -> None:
    with path.open("a") as file:
        file.write("x")
