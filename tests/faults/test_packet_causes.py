"""What commonly keeps a month's packets from being made: each says what it is, and passes."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as current
from django.db import connections
from psycopg import sql

from access.models import Client
from audit import failpoints
from audit.events import EventType
from ops import tasks
from ops.metrics import sources
from ops.models import Job, Run
from ops.services import windows
from reports.models import Packet
from reports.rendering import process
from reports.services import making
from sealing.keys import RSA_SHA256
from sealing.signers.local import LocalSigner
from tests.factories import World
from tests.faults import exports, permissions, processes
from tests.faults.test_vault_full import mount, small_vault
from tests.servers.buckets import Bucket
from tests.services.evidence import helpers
from tests.services.reports import packing
from tests.settings import TEST_SUPERUSER_URL

__all__ = ["small_vault"]
pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.usefixtures("rendered_here")]
FAILED_RUNS = "intelgraph_soc2_job_runs_total"
NAMES = {
    "SOC2_Evidence_platform_2026-03-01_2026-03-31",
    "SOC2_Evidence_clinic-001_2026-03-01_2026-03-31",
}


@pytest.fixture
def run(committed_world: World) -> Run:
    """The schedule's run for March, queued: the platform and one client."""
    Client.objects.filter(pk="clinic-002").update(is_active=False)
    packing.came(packing.LONG_AGO)
    job = packing.monthly_job()
    Job.objects.filter(pk=job.pk).update(windows_through=datetime(2026, 3, 1, 3, tzinfo=UTC))
    [made] = windows.open_due_windows(job, datetime(2026, 4, 1, 3, tzinfo=UTC))
    return made


def attempt(run: Run, *, is_last: bool = False) -> Run:
    """The run after one attempt more."""
    if is_last:
        Run.objects.filter(pk=run.pk).update(attempts=run.max_attempts - 1)
    Run.objects.filter(pk=run.pk).update(not_before=None)
    tasks.execute_run(str(run.pk))
    run.refresh_from_db()
    return run


def check_cause(run: Run, words: str, code: str) -> None:
    """It is tried again, and says why; when it has failed for good it says so."""
    attempt(run)
    assert (run.status, run.error_code) == ("QUEUED", "packets_delayed")
    assert words in run.error_message
    assert run.error_message.startswith("2 of 2 packets failed. platform, clinic-001: ")
    assert failures() == set()
    assert failed_runs() == 0
    attempt(run, is_last=True)
    assert failed_runs() == 1
    assert (run.status, run.error_code) == ("FAILED", code)
    assert words in run.error_message
    assert failures() == NAMES
    assert not Packet.objects.filter(status="complete").exists()


def failed_runs() -> float:
    """What the alert watches."""
    [found] = [
        sample.value
        for family in sources.get("packets").collect()
        for sample in family.samples
        if (sample.name, sample.labels) == (FAILED_RUNS, {"status": "failure"})
    ]
    return found


def check_healed() -> None:
    """An officer asks anew, and nothing of the failure is in the way."""
    packet = packing.make(World.load(), period=packing.month(2026, 3))
    assert packet.name in NAMES
    packing.check_complete(packet)


def failures() -> set[str]:
    """The packets of which a failure was recorded."""
    found = helpers.events_of(EventType.REPORTS_PACKET_FAILED)
    return {event["object"]["id"] for event in found}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("not a key", "SIGNING_PRIVATE_KEY can't be read as a private key"),
        ("", "SIGNING_PRIVATE_KEY can't be read as a private key"),
        (LocalSigner.generate(RSA_SHA256).private_pem(), "SIGNING_PRIVATE_KEY is not the key"),
    ],
    ids=["not-a-key", "nothing", "not-the-registered-one"],
)
def test_a_bad_signing_key(
    run: Run, local_vault: Path, settings: Any, value: str, words: str
) -> None:
    """It does not pass by itself, so it is told at once."""
    settings.SIGNING_PRIVATE_KEY = value
    attempt(run)
    assert (run.status, run.error_code, run.attempts) == ("FAILED", "signing_key_unusable", 1)
    assert run.error_message.startswith("2 of 2 packets failed. platform, clinic-001: " + words)
    assert (failures(), failed_runs()) == (NAMES, 1)
    assert not Run.objects.filter(error_message__contains="BEGIN").exists()


def test_a_vault_that_is_read_only(run: Run, small_vault: Path) -> None:
    remount(small_vault, "ro")
    check_cause(run, "check storage permission", "vault_unavailable")
    assert list(small_vault.iterdir()) == []
    remount(small_vault, "rw")
    check_healed()


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


@pytest.mark.parametrize("mode", [0o500, 0o000], ids=["read-only", "closed"])
def test_a_vault_that_is_not_the_workers_own(run: Run, local_vault: Path, mode: int) -> None:
    local_vault.mkdir()
    local_vault.chmod(mode)
    with permissions.as_anybody():
        check_cause(
            run,
            "The vault refuses: check storage permission for COMPLIANCE_EVIDENCE_VAULT_DIR",
            "vault_unavailable",
        )
    local_vault.chmod(0o750)
    check_healed()


def test_a_vault_that_is_a_file(run: Run, settings: Any, tmp_path: Path) -> None:
    vault = tmp_path / "file"
    vault.touch()
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = str(vault)
    check_cause(
        run,
        "The vault is no folder: check COMPLIANCE_EVIDENCE_VAULT_DIR",
        "vault_unavailable",
    )
    vault.unlink()
    check_healed()


def test_no_vault_at_all(run: Run) -> None:
    """Only another configuration makes that pass, so it is told at once."""
    attempt(run)
    assert (run.status, run.error_code) == ("FAILED", "vault_not_configured")
    assert "COMPLIANCE_EVIDENCE_VAULT_DIR" in run.error_message
    assert (failures(), failed_runs()) == (NAMES, 1)


def test_a_bucket_that_is_away(run: Run, s3_vault: Bucket, settings: Any) -> None:
    right, settings.AUDIT_S3_ENDPOINT_URL = settings.AUDIT_S3_ENDPOINT_URL, "http://127.0.0.1:9"
    check_cause(run, "EVIDENCE_VAULT_S3_BUCKET", "vault_unavailable")
    settings.AUDIT_S3_ENDPOINT_URL = right
    check_healed()


@pytest.fixture
def small_working_folder(run: Run, local_vault: Path, settings: Any) -> Iterator[Path]:
    """The working folder on a file system of its own."""
    folder = Path(settings.EVIDENCE_PACKAGE_DIR)
    mount(folder, "-t", "tmpfs", "-o", "size=64k,mode=0750", "tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("how", "name"), [("ro", "EROFS"), ("size=16k", "ENOSPC")], ids=["read-only", "full"]
)
def test_a_working_folder_that_refuses(
    run: Run, small_working_folder: Path, how: str, name: str
) -> None:
    remount(small_working_folder, how)
    check_cause(run, f"The working folder refuses ({name}, ", "storage_error")
    assert "check storage permission for EVIDENCE_PACKAGE_DIR" in run.error_message
    remount(small_working_folder, "rw,size=64m")
    check_healed()


def test_a_working_folder_that_is_not_the_workers_own(
    run: Run, local_vault: Path, settings: Any
) -> None:
    folder = Path(settings.EVIDENCE_PACKAGE_DIR)
    before = folder.stat().st_mode
    folder.chmod(0o500)
    with permissions.as_anybody():
        check_cause(run, "The working folder refuses (EACCES, ", "storage_error")
    folder.chmod(before)
    check_healed()


STOPPED: dict[str, Callable[[Any], bytes]] = {
    "rendering_timeout": lambda document: process.render(
        document, json_sha256="sha256:" + "0" * 64, timeout_seconds=0.01
    ),
    "rendering_killed": lambda _: ended(-signal.SIGKILL),
    "rendering_memory": lambda _: ended(1, b"MemoryError"),
}


def ended(returncode: int, told: bytes = b"") -> bytes:
    """What the renderer makes of a child that ended so."""
    raise process._failure(returncode, told)


@pytest.mark.parametrize("code", STOPPED)
def test_a_renderer_that_was_stopped(
    run: Run, local_vault: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    render = making.render
    monkeypatch.setattr(making, "render", lambda document, **_: STOPPED[code](document))
    check_cause(run, "renderer", code)
    monkeypatch.setattr(making, "render", render)
    check_healed()


def test_one_client_does_not_keep_the_others_from_their_packets(
    run: Run, local_vault: Path
) -> None:
    (Path(current.EVIDENCE_PACKAGE_DIR) / "clinic-001").write_bytes(b"in the way")
    attempt(run)
    assert (run.status, run.error_code) == ("FAILED", "storage_error")
    assert run.error_message.startswith("1 of 2 packets failed. clinic-001: ")
    packing.check_complete(Packet.objects.get(client=None))
    failed = Packet.objects.get(client="clinic-001")
    assert failed.status == "failed"
    assert packing.told(EventType.REPORTS_PACKET_FAILED, failed) == 1


@pytest.mark.parametrize("step", ["packet-1", "packet-8"])
def test_a_database_that_goes_away(run: Run, local_vault: Path, tmp_path: Path, step: str) -> None:
    """It ends every connection and takes none; the worker holds out, and the run goes on later."""
    gone = tmp_path / "gone"

    def listener(name: str) -> None:
        if name == step and not gone.exists():
            let_in(False)
            gone.touch()

    def work() -> None:
        logging.getLogger().addHandler(logging.FileHandler(tmp_path / "log"))
        failpoints.listener = listener
        tasks.execute_run(str(run.pk))

    pid = processes.start(work)
    processes.wait_until(gone.exists)
    time.sleep(1.5)  # as long as the worker needs to find that out and to try again
    let_in(True)
    assert processes.finished(pid) == 0
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("QUEUED", "database_error")
    assert run.error_message == "The database did not do as it should (OperationalError)."
    told = (tmp_path / "log").read_text()
    assert "[JOB: generate-soc2-evidence]" in told
    assert "a run will be tried again" in told
    Run.objects.filter(pk=run.pk).update(not_before=None)
    assert exports.deliver(run) == 0
    run.refresh_from_db()
    assert (run.status, run.error_message) == ("SUCCESS", "")
    assert {packet.name for packet in Packet.objects.all()} == NAMES
    for packet in Packet.objects.all():
        packing.check_complete(packet)
    assert packing.left_over() == []


def let_in(allowed: bool) -> None:
    """Lets connections to the test's database in, or ends them all and lets none in."""
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(TEST_SUPERUSER_URL, autocommit=True) as admin:
        admin.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
                sql.Identifier(name), sql.Literal(allowed)
            )
        )
        if not allowed:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
