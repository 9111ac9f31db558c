"""Archive and verify on a Ceph RADOS Gateway, which keeps its locks (acceptance of the archive)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from audit.models import AuditEvent, Segment
from audit.services import archiving, keys, loghead
from sealing.keys import signers_document
from sealing.stores.base import LockMode, Retention
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.audit.helpers import seal

PROJECT = Path(__file__).resolve().parents[2]
EVENTS = 50_000
DAYS = 30
pytestmark = [pytest.mark.real, pytest.mark.xdist_group("rados")]


@pytest.fixture
def signers(committed_world: World, tmp_path: Path) -> Path:
    path = tmp_path / "signers.json"
    path.write_bytes(signers_document(keys.signers()))
    return path


@pytest.fixture
def archive(rados_bucket: Bucket, committed_world: World, settings: Any) -> Bucket:
    """The gateway's bucket as the configured archive, in compliance mode."""
    settings.AUDIT_S3_OBJECT_LOCK_DAYS = DAYS
    settings.AUDIT_S3_OBJECT_LOCK_MODE = "compliance"
    rados_bucket.configure(settings)
    return rados_bucket


def verify(bucket: Bucket, signers: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """`python -m audit.verify s3://…`, in a process of its own."""
    done = subprocess.run(
        [
            sys.executable, "-m", "audit.verify", bucket.location, "--signers", str(signers),
            "--endpoint-url", bucket.endpoint_url, "--region", "us-east-1", "--force-path-style",
            "--object-lock-mode", "compliance", "--object-lock-days", str(DAYS), "--json", *more,
        ],
        cwd=PROJECT,
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def refused(call: Any, **arguments: Any) -> str:
    """The error code with which the server refuses a call."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


def test_fifty_thousand_events_locked_and_verified(archive: Bucket, signers: Path) -> None:
    for _ in range(10):
        seal(EVENTS // 10)
    size = loghead.current().size
    assert size >= EVENTS
    done = archiving.archive_pending()
    assert done.events == size
    assert not AuditEvent.objects.filter(s3_archived_at__isnull=True).exists()
    _check_locks(archive)
    code, report = verify(archive, signers, "--jobs", "2")
    assert code == 0, report
    assert (report["verdict"], report["checked_events"]) == ("VALID", size)


def _check_locks(archive: Bucket) -> None:
    """Every version of every object is locked in compliance mode, as the server says."""
    count = 0
    for page in archive.client.get_paginator("list_object_versions").paginate(Bucket=archive.name):
        assert not page.get("DeleteMarkers")
        for version in page["Versions"]:
            name = {"Bucket": archive.name, "Key": version["Key"]}
            lock = archive.client.get_object_retention(**name, VersionId=version["VersionId"])
            assert lock["Retention"]["Mode"] == "COMPLIANCE"
            left = lock["Retention"]["RetainUntilDate"] - datetime.now(UTC)
            assert left > timedelta(days=DAYS) - timedelta(hours=1)
            count += 1
    assert count == 3 * Segment.objects.count()


def test_the_server_refuses_and_what_it_lets_through_is_reported(
    archive: Bucket, signers: Path
) -> None:
    seal(30)
    archiving.archive_pending()
    segment = Segment.objects.get()
    place = {"Bucket": archive.name, "Key": segment.object_key}
    version = {**place, "VersionId": segment.version_id}
    client = archive.client
    assert refused(client.delete_object, **version) == "AccessDenied"
    assert (
        refused(client.delete_object, **version, BypassGovernanceRetention=True) == "AccessDenied"
    )
    shorter = {"Mode": "COMPLIANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(days=2)}
    weaker = {
        "Mode": "GOVERNANCE",
        "RetainUntilDate": datetime.now(UTC) + timedelta(days=DAYS + 9),
    }
    for lock in (shorter, weaker):
        assert refused(client.put_object_retention, **version, Retention=lock) in (
            "AccessDenied",
            "InvalidRequest",
        )
    assert verify(archive, signers)[0] == 0
    client.put_object(**place, Body=b"something else")
    client.delete_object(**place)
    code, report = verify(archive, signers)
    assert (code, report["verdict"]) == (0, "VALID")
    told = {notice["code"] for notice in report["notices"]}
    assert len(told) == 2, report["notices"]
    assert all(segment.object_key.endswith(str(item["where"])) for item in report["notices"])


@pytest.mark.parametrize("weak", ["governance", "a day short"])
def test_a_weak_or_short_lock_is_invalid(
    archive: Bucket, signers: Path, settings: Any, weak: str
) -> None:
    seal(10)
    if weak == "governance":
        settings.AUDIT_S3_OBJECT_LOCK_MODE = "governance"
    else:
        settings.AUDIT_S3_OBJECT_LOCK_DAYS = DAYS - 1
    archiving.archive_pending()
    code, report = verify(archive, signers)
    assert (code, report["verdict"]) == (1, "INVALID")
    assert report["lock_mismatches"] >= 1
    segment = Segment.objects.get()
    assert any(Path(segment.object_name).name in str(i["where"]) for i in report["issues"])


def test_locks_are_extended_where_the_policy_grew(archive: Bucket, settings: Any) -> None:
    from audit import storage
    from audit.services.retention import sweep

    seal(10)
    archiving.archive_pending()
    settings.AUDIT_S3_OBJECT_LOCK_DAYS = DAYS + 10
    found = sweep()
    assert (found.extended, found.short) == (3, [])
    segment = Segment.objects.get()
    kept = storage.archive_store().stat(segment.object_name, version_id=segment.version_id)
    assert kept.retention == Retention(LockMode.COMPLIANCE, segment.retain_until)  # type: ignore[arg-type]
    least = segment.newest_event_at + timedelta(days=DAYS + 10)
    assert kept.retention.until >= least
