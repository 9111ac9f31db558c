"""When the archiver refuses, and how it tells of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import storage
from audit.formats import checkpoint as formats
from audit.models import ArchiverState, AuditEvent, Checkpoint, Segment
from audit.services import checkpoints, keys, loghead, sealing, switches
from audit.services.archiving import ArchiverBusy, StoreClockRefused, archive_pending
from sealing.errors import IntegrityFailure
from sealing.stores.local import LocalStore
from sealing.times import format_time
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.services.audit.helpers import seal


def test_only_one_archiver_works(committed_world: World, committed_db: CommittedDatabase) -> None:
    import psycopg

    seal(3)
    with psycopg.connect(committed_db.app_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(7405003)")
        with pytest.raises(ArchiverBusy):
            archive_pending()
    assert archive_pending().segments == 1
    assert ArchiverState.objects.get().failed_total == 0


def test_another_clock_at_the_store_stops_it(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(3)
    off = timedelta(minutes=5, seconds=30)
    monkeypatch.setattr(LocalStore, "clock", lambda self: datetime.now(UTC) + off)
    with pytest.raises(StoreClockRefused, match="5 minutes"):
        archive_pending()
    assert not Segment.objects.exists()
    monkeypatch.setattr(
        LocalStore, "clock", lambda self: datetime.now(UTC) + timedelta(minutes=4, seconds=50)
    )
    assert archive_pending().segments == 1


def test_a_failure_is_told_once_and_so_is_the_recovery(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(3)
    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "clock", lambda self: datetime(2020, 1, 1, tzinfo=UTC))
        for _ in range(3):
            with pytest.raises(StoreClockRefused):
                archive_pending()
    state = ArchiverState.objects.get()
    assert (state.jobs_total, state.failed_total, state.is_failing) == (3, 3, True)
    assert "clock" in state.last_error
    archive_pending()
    archive_pending()
    state = ArchiverState.objects.get()
    assert (state.jobs_total, state.failed_total, state.is_failing) == (5, 3, False)
    sealing.seal_pending()
    told = AuditEvent.objects.filter(type__startswith="audit.archiver.").order_by("seq")
    assert list(told.values_list("type", "outcome")) == [
        ("audit.archiver.failed", "failure"),
        ("audit.archiver.recovered", "success"),
    ]


def test_a_log_that_was_turned_back_is_not_archived_nor_signed(
    committed_world: World, settings: Any, tmp_path: Path
) -> None:
    """The archive remembers more than the database and the state file, so both are refused."""
    seal(5)
    archive_pending()
    larger = formats.Checkpoint(
        settings.AUDIT_ORIGIN,
        loghead.current().size + 7,
        b"\x01" * 32,
        b"\x02" * 32,
        format_time(datetime.now(UTC)),
    )
    note = formats.sign(larger, keys.signer_for(keys.CHECKPOINT))
    day = f"{datetime.now(UTC):%Y/%m/%d}"
    path = settings.AUDIT_STORAGE_PATH / f"heartbeat/{day}/235959.999999.checkpoint"
    path.parent.mkdir(parents=True)
    path.write_bytes(note)
    seal(2)
    with pytest.raises(IntegrityFailure, match="was signed"):
        archive_pending()
    settings.AUDIT_SIGNER_STATE.unlink()
    signed = Checkpoint.objects.count()
    with pytest.raises(checkpoints.CheckpointRefused):
        checkpoints.issue()
    assert Checkpoint.objects.count() == signed
    sealing.seal_pending()
    assert AuditEvent.objects.filter(type="audit.checkpoint.refused").exists()


def test_a_pause_stops_it_and_is_recorded(committed_world: World) -> None:
    seal(3)
    officer = committed_world.actor("olivia")
    switches.pause(actor=officer, what="archiver", reason="the bucket moves")
    with pytest.raises(switches.Paused, match="the bucket moves"):
        archive_pending()
    with pytest.raises(switches.AlreadyThere):
        switches.pause(actor=officer, what="archiver", reason="again")
    assert ArchiverState.objects.get().failed_total == 0
    switches.resume(actor=officer, what="archiver", reason="it moved")
    assert archive_pending().segments == 1
    sealing.seal_pending()
    events = AuditEvent.objects.filter(type__startswith="audit.archiver.").order_by("seq")
    assert [(e.type, json.loads(e.event)["data"]["reason"]) for e in events] == [
        ("audit.archiver.paused", "the bucket moves"),
        ("audit.archiver.resumed", "it moved"),
    ]


def test_where_it_lies_must_be_configured(settings: Any) -> None:
    settings.AUDIT_STORAGE_BACKEND = "tape"
    with pytest.raises(storage.StorageNotConfigured):
        storage.location()
    settings.AUDIT_STORAGE_BACKEND = "s3"
    settings.AUDIT_S3_BUCKET = ""
    with pytest.raises(storage.StorageNotConfigured):
        storage.location()
    settings.AUDIT_S3_BUCKET = "b"
    settings.AUDIT_S3_PREFIX = "audit/"
    assert storage.location() == "s3://b/audit"
