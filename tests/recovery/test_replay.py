"""Putting back what the archive has lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from audit import storage
from audit.events import Actor, EventType
from audit.models import AuditEvent, Segment, SegmentStatus
from audit.services import archiving, keys, sealing, switches
from audit.services.archiving import ArchiverBusy
from audit.services.recovery import console, restoring
from audit.services.recovery.replay import Replayed, replay
from audit.sources import open_source
from audit.verify import load_signers
from audit.verifying import verify_archive
from sealing.results import Verdict
from tests import databases
from tests.databases import CommittedDatabase
from tests.recovery.helpers import (
    archived_log,
    as_owner,
    below,
    damage,
    flip,
    manage,
    segments_below,
    standing,
)
from tests.servers.buckets import Bucket


def put_back(**options: Any) -> Replayed:
    return replay(actor=console.operator(), **options)


def lose(segment: Path, *suffixes: str) -> None:
    for suffix in suffixes or (".jsonl", ".checkpoint", ".frontier"):
        segment.with_suffix(suffix).unlink()


def verdict(signers: Path) -> Verdict:
    source = open_source(storage.location(), storage.s3_options())
    return verify_archive(source, load_signers(signers)).report.verdict


def test_lost_segments_come_back_from_the_database(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    archived_log()
    archive = settings.AUDIT_STORAGE_PATH
    before, rows = below(archive), list(Segment.objects.order_by("pk").values())
    first, second, *_ = segments_below(archive)
    lose(first)
    lose(second, ".checkpoint")
    assert verdict(signers_file) is not Verdict.VALID

    planned = manage("audit_replay", "--dry-run", urls=committed_db)
    assert planned.returncode == 0, planned.stderr
    assert "4 objects of 2 segments would be put back" in planned.stdout
    assert not first.exists()

    done = manage("audit_replay", urls=committed_db)
    assert done.returncode == 0, done.stderr
    assert "4 objects of 2 segments were put back" in done.stdout
    assert below(archive) == before
    assert list(Segment.objects.order_by("pk").values()) == rows
    assert verdict(signers_file) is Verdict.VALID
    sealing.seal_pending()
    told = AuditEvent.objects.get(type=EventType.AUDIT_SEGMENTS_REPLAYED)
    assert '"ranges":[[0,19],[20,39]]' in told.event

    again = manage("audit_replay", urls=committed_db)
    assert (again.returncode, "lost nothing" in again.stdout) == (0, True)


def test_from_a_replica_where_the_database_is_damaged(
    signers_file: Path,
    committed_db: CommittedDatabase,
    settings: Any,
    replica: Callable[[], Path],
) -> None:
    archived_log()
    before, copy = below(settings.AUDIT_STORAGE_PATH), replica()
    first, second, *_ = segments_below(settings.AUDIT_STORAGE_PATH)
    lose(first)
    lose(second)
    damage(committed_db.owner_url, 25)

    alone = manage("audit_replay", urls=committed_db)
    assert alone.returncode == 1
    assert second.name in alone.stderr
    assert not second.exists()
    assert first.exists()

    # A replica that is no better does not help.
    other = segments_below(copy)[1]
    flip(other, 300)
    assert put_back(location=str(copy)).unrecoverable
    flip(other, 300)
    assert put_back(location=str(copy)).unrecoverable == []
    assert below(settings.AUDIT_STORAGE_PATH) == before
    assert verdict(signers_file) is Verdict.VALID


def test_heartbeats_come_back_from_a_replica(
    signers_file: Path, settings: Any, replica: Callable[[], Path]
) -> None:
    archived_log(5)
    archiving.heartbeat()
    before, copy = below(settings.AUDIT_STORAGE_PATH), replica()
    shutil.rmtree(settings.AUDIT_STORAGE_PATH / "heartbeat")
    stranger = copy / "heartbeat/2026/01/01/000000.000000.checkpoint"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"no note\n")
    done = put_back(location=str(copy))
    assert below(settings.AUDIT_STORAGE_PATH) == before
    (told,) = done.unrecoverable
    assert "000000.000000.checkpoint" in told


def test_a_whole_archive_is_made_again(
    signers_file: Path, settings: Any, replica: Callable[[], Path]
) -> None:
    archived_log()
    before = below(settings.AUDIT_STORAGE_PATH)
    shutil.rmtree(settings.AUDIT_STORAGE_PATH)
    assert len(put_back().names) == len(before)
    assert below(settings.AUDIT_STORAGE_PATH) == before
    segment = Segment.objects.order_by("first_seq")[0]
    kept = storage.archive_store().stat(segment.object_name).retention
    assert kept is not None
    assert segment.retain_until is not None
    assert kept.until >= segment.retain_until


def test_events_without_receipts_are_archived_as_the_replica_cut_them(
    signers_file: Path,
    settings: Any,
    replica: Callable[[], Path],
    new_database: Callable[[], databases.DatabaseUrls],
) -> None:
    before, copy = archived_log(), replica()
    urls = new_database()
    settings.AUDIT_STORAGE_PATH = copy.parent / "new archive"
    restoring.restore(
        actor=console.operator(), location=str(copy), signers=load_signers(signers_file)
    )
    as_owner(
        urls.owner,
        "ALTER TABLE audit_segment DISABLE TRIGGER audit_segment_stays",
        "DELETE FROM audit_segment",
        "ALTER TABLE audit_segment ENABLE ALWAYS TRIGGER audit_segment_stays",
    )
    keys.ensure_service_keys(actor=Actor.system("worker"))
    assert put_back(location=str(copy), dry_run=True).ranges
    assert not Segment.objects.exists()
    done = put_back(location=str(copy))
    assert done.ranges == [(row[0], row[1]) for row in before["segments"]]
    assert standing()["segments"] == before["segments"]
    assert standing()["events"][: before["size"]] == before["events"]
    assert set(Segment.objects.values_list("status", flat=True)) == {SegmentStatus.ARCHIVED}
    assert below(settings.AUDIT_STORAGE_PATH) == below(copy)


def test_in_s3(signers_file: Path, settings: Any, locked_bucket: Bucket) -> None:
    settings.AUDIT_S3_OBJECT_LOCK_MODE = "governance"
    locked_bucket.configure(settings)
    archived_log(5)
    lost, hidden = Segment.objects.order_by("first_seq")[:2]
    client, bucket = locked_bucket.client, locked_bucket.name
    body = storage.archive_store().read(lost.object_name)
    for version in locked_bucket.versions(lost.object_name):
        client.delete_object(
            Bucket=bucket,
            Key=lost.object_key,
            VersionId=version,
            BypassGovernanceRetention=True,
        )
    client.delete_object(Bucket=bucket, Key=hidden.object_key)
    done = put_back()
    assert done.names == [lost.object_name]
    assert done.hidden == [hidden.object_name]
    assert storage.archive_store().read(lost.object_name) == body
    lost.refresh_from_db()
    (version,) = locked_bucket.versions(lost.object_name)
    assert version in [item["version_id"] for item in lost.companions]
    assert verdict(signers_file) is Verdict.VALID


def test_one_at_a_time_and_not_while_paused(signers_file: Path, settings: Any) -> None:
    archived_log(5)
    lose(segments_below(settings.AUDIT_STORAGE_PATH)[0])
    state = switches.state()
    state.paused_at, state.paused_by = state.last_succeeded_at, "user:alice"
    state.save()
    with pytest.raises(switches.Paused):
        put_back()
    state.paused_at = None
    state.save()
    with psycopg.connect(**_parameters()) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [archiving.ARCHIVER_LOCK])
        with pytest.raises(ArchiverBusy):
            put_back()
    assert put_back().names


def _parameters() -> dict[str, Any]:
    found = connection.get_connection_params()
    return {name: found[name] for name in ("dbname", "user", "host", "port") if name in found}


def test_a_replica_that_is_not_there(signers_file: Path, committed_db: CommittedDatabase) -> None:
    archived_log(5)
    done = manage("audit_replay", "--from", "/nonexistent/replica", urls=committed_db)
    assert done.returncode == 3
    assert "source_not_checked" in done.stderr
