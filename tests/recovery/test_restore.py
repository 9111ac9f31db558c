"""Restoring into an empty installation: the same log, or none (acceptance 6)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from audit import failpoints, storage
from audit.events import Actor, EventType
from audit.models import (
    AuditEvent,
    Checkpoint,
    KeyStatus,
    LegalHold,
    PendingEvent,
    Segment,
    SegmentStatus,
    SigningKey,
    VerificationKind,
    VerificationRun,
)
from audit.services import (
    archiving,
    checkpoints,
    clock,
    holds,
    keys,
    loghead,
    sealing,
)
from sealing.times import format_time
from tests import databases
from tests.factories import World, prepare_world
from tests.faults import processes
from tests.recovery.helpers import (
    archived_log,
    assert_holds,
    lost_host,
    manage,
    restore,
    segments_below,
    sql,
    standing,
)
from tests.servers.buckets import Bucket
from tests.services.audit.helpers import record, seal
from tests.unit.audit_formats import logs

NewDatabase = Callable[[], databases.DatabaseUrls]


def test_the_log_comes_back_from_the_archive_alone(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    before = archived_log()
    archiving.heartbeat()
    before = standing()
    lost_host()
    urls = new_database()
    arguments = ["--from", str(settings.AUDIT_STORAGE_PATH), "--signers", str(signers_file)]
    done = manage("audit_restore", *arguments, "--yes", urls=urls, owner=False)
    assert done.returncode == 0, done.stderr
    assert f"Restored     {before['size']} events" in done.stdout
    assert f"sha256:{before['head'].hex()}" in done.stdout
    assert standing() == before
    assert VerificationRun.objects.get().kind == VerificationKind.RESTORE


def test_the_log_goes_on_where_it_ended(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    before = archived_log()
    new_database()
    restore(settings.AUDIT_STORAGE_PATH, signers_file)
    keys.ensure_service_keys(actor=Actor.system("worker"))
    seal(5)
    told = AuditEvent.objects.get(seq=before["size"])
    assert told.type == EventType.AUDIT_LOG_RESTORED
    assert bytes(told.prev_hash) == before["head"]
    assert told.actor_id.startswith("service:console:")
    archiving.archive_pending()
    archiving.heartbeat()
    assert AuditEvent.objects.filter(s3_archived_at__isnull=True).count() == 0
    assert_holds()


def test_keys_come_as_the_signers_file_says(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    archived_log()
    old = SigningKey.objects.get(purposes=["checkpoint"])
    artefacts = SigningKey.objects.get(purposes=["package", "packet"])
    new_database()
    done = restore(settings.AUDIT_STORAGE_PATH, signers_file)
    # The private part of the one was in the database that is lost, of the other in the settings.
    entered = SigningKey.objects.get(key_id=old.key_id)
    assert (entered.status, entered.private_box) == (KeyStatus.RETIRED, None)
    assert entered.not_before == old.not_before
    assert SigningKey.objects.get(key_id=artefacts.key_id).status == KeyStatus.ACTIVE
    assert any("retired as of now" in sentence for sentence in done.told)
    keys.ensure_service_keys(actor=Actor.system("worker"))
    assert checkpoints.issue().key_id not in (entered.pk, None)
    assert_holds()


def test_a_bootstrapped_installation_may_be_restored_before_it_sealed(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    before = archived_log()
    new_database()
    prepare_world()
    waiting = PendingEvent.objects.count()
    restore(settings.AUDIT_STORAGE_PATH, signers_file)
    sealing.seal_pending()
    assert loghead.current().size == before["size"] + waiting + 2
    assert SigningKey.objects.filter(purposes=["checkpoint"], status=KeyStatus.ACTIVE).count() == 1
    assert_holds()


def test_through_a_number(
    signers_file: Path, new_database: NewDatabase, settings: Any, replica: Callable[[], Path]
) -> None:
    before = archived_log()
    lost_host()
    copy = replica()
    new_database()
    settings.AUDIT_STORAGE_PATH = copy.parent / "new archive"
    done = restore(copy, signers_file, through_seq=33)
    assert done.head.size == 34
    assert [event[:4] for event in standing()["events"]] == [
        event[:4] for event in before["events"][:34]
    ]
    # The segment in whose middle it ends is cut anew.
    assert [segment[:2] for segment in standing()["segments"]] == [(0, 19)]
    assert_holds()


def test_from_a_replica_the_archive_is_written_again_as_it_was(
    signers_file: Path, new_database: NewDatabase, settings: Any, replica: Callable[[], Path]
) -> None:
    before = archived_log()
    lost_host()
    copy = replica()
    new_database()
    settings.AUDIT_STORAGE_PATH = copy.parent / "new archive"
    done = restore(copy, signers_file)
    assert done.archived == 0
    assert {segment[5] for segment in standing()["segments"]} == {SegmentStatus.CUT}
    keys.ensure_service_keys(actor=Actor.system("worker"))
    archiving.archive_pending()
    for old in segments_below(copy):
        for suffix in (".jsonl", ".checkpoint", ".frontier"):
            path = old.with_suffix(suffix).relative_to(copy)
            assert (settings.AUDIT_STORAGE_PATH / path).read_bytes() == (copy / path).read_bytes()
    assert standing()["segments"][: len(before["segments"])] == before["segments"]
    assert_holds()


@pytest.mark.parametrize("place", ["restored_segment", "restore_checked"])
def test_killed_in_the_middle_and_run_again(
    signers_file: Path, new_database: NewDatabase, settings: Any, place: str
) -> None:
    before = archived_log()
    archive = settings.AUDIT_STORAGE_PATH
    new_database()

    def doomed() -> None:
        seen = []

        def listen(name: str) -> None:
            seen.append(name)
            if seen.count(place) == (2 if place == "restored_segment" else 1):
                os.kill(os.getpid(), signal.SIGKILL)

        failpoints.listener = listen
        restore(archive, signers_file)

    assert processes.finished(processes.start(doomed)) == -signal.SIGKILL
    assert not AuditEvent.objects.exists()
    assert not Checkpoint.objects.exists()
    assert not PendingEvent.objects.exists()
    restore(archive, signers_file)
    assert standing() == before
    assert_holds()


def test_killed_while_receipts_are_read(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    """The log is there by then; the archiver goes on."""
    before = archived_log()
    new_database()

    def doomed() -> None:
        def listen(name: str) -> None:
            if name == "read_back":
                os.kill(os.getpid(), signal.SIGKILL)

        failpoints.listener = listen
        restore(settings.AUDIT_STORAGE_PATH, signers_file)

    assert processes.finished(processes.start(doomed)) == -signal.SIGKILL
    assert loghead.current().hash == before["head"]
    keys.ensure_service_keys(actor=Actor.system("worker"))
    archiving.archive_pending()
    assert standing()["segments"][: len(before["segments"])] == before["segments"]
    assert_holds()


def test_from_s3(
    signers_file: Path, new_database: NewDatabase, settings: Any, locked_bucket: Bucket
) -> None:
    locked_bucket.configure(settings)
    before = archived_log()
    lost_host()
    urls = new_database()
    arguments = ["--from", locked_bucket.location, "--signers", str(signers_file)]
    done = manage("audit_restore", *arguments, "--yes", urls=urls, owner=False)
    assert done.returncode == 0, done.stderr
    assert standing() == before
    assert len(locked_bucket.versions(Segment.objects.first().object_name)) == 1
    assert_holds()


def test_whoever_seals_meanwhile_waits(
    signers_file: Path, new_database: NewDatabase, settings: Any
) -> None:
    """The lock on the head keeps a worker from beginning another log."""
    before = archived_log()
    new_database()
    record(3)
    sealed: list[int] = []

    def seal_elsewhere() -> None:
        sealed.append(sealing.seal_pending().count)
        connections.close_all()

    sealer = threading.Thread(target=seal_elsewhere)

    def listen(name: str) -> None:
        if name == "restored_segment" and not sealer.ident:
            sealer.start()
            processes.wait_until(lambda: bool(sql("SELECT 1 FROM pg_locks WHERE NOT granted")))

    failpoints.listener = listen
    try:
        restore(settings.AUDIT_STORAGE_PATH, signers_file)
    finally:
        failpoints.listener = None
    sealer.join()
    assert sealed == [3]
    log = [event[:4] for event in standing()["events"]]
    assert log[: before["size"]] == [event[:4] for event in before["events"]]
    assert_holds()


def test_legal_holds_are_in_force_again(
    signers_file: Path, new_database: NewDatabase, settings: Any, committed_world: World
) -> None:
    """The sweep goes by the cases it knows: without them it would let go what they hold."""
    alice, today = committed_world.actor("alice"), clock.database_clock().date()
    for case in ("old", "open"):
        holds.place(actor=alice, case_id=case, reason="A dispute.", start_day=today)
    first = LegalHold.objects.get(case_id="old")
    holds.release(actor=alice, hold=first, reason="Settled.")
    archived_log()
    before = list(LegalHold.objects.order_by("id").values("case_id", "start_day", "placed_by"))
    new_database()
    done = restore(settings.AUDIT_STORAGE_PATH, signers_file)
    after = list(LegalHold.objects.order_by("id").values("case_id", "start_day", "placed_by"))
    assert after == before
    assert [hold.case_id for hold in holds.active()] == ["open"]
    assert any("as the log tells of them: 1." in sentence for sentence in done.told)
    assert Segment.objects.filter(legal_hold=False).count() == 0
    holds.apply()
    name = Segment.objects.order_by("first_seq")[0].object_name
    assert storage.archive_store().stat(name).legal_hold


def test_a_host_whose_clock_is_behind_the_signer(
    signers_file: Path, new_database: NewDatabase, tmp_path: Path, settings: Any
) -> None:
    """The old key is not entered as retired before what it signed."""
    settings.AUDIT_ORIGIN = logs.ORIGIN
    log, ahead = logs.log_of(6), format_time(clock.database_clock() + timedelta(hours=2))
    (segment,) = logs.write_archive(tmp_path / "replica" / "audit", log, [(0, 5)])
    segment.with_suffix(".checkpoint").write_bytes(log.checkpoint(6, when=ahead))
    new_database()
    signers = logs.write_signers(tmp_path / "golden.json")
    assert restore(tmp_path / "replica", signers).head.size == 6
    assert format_time(SigningKey.objects.get().not_after) == ahead
