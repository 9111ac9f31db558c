"""The archiver on S3, over moto: the commands and the receipts.

moto speaks the protocol and proves no lock: what it lets through is shown in the last test, and
what a server that keeps its locks refuses is in tests/real/test_archive_rados.py.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from audit.models import AuditEvent, Segment
from audit.services import archiving, keys, loghead, retention
from audit.verify import main
from sealing.keys import signers_document
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.audit.helpers import seal

DAYS = 30


@pytest.fixture
def bucket(locked_bucket: Bucket, committed_world: World, settings: Any) -> Bucket:
    settings.AUDIT_S3_OBJECT_LOCK_DAYS = DAYS
    locked_bucket.configure(settings)
    return locked_bucket


@pytest.fixture
def verify(bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """`python -m audit.verify s3://… --json`; its exit code and answer."""
    signers = tmp_path / "signers.json"

    def run(*more: str) -> tuple[int, dict[str, Any]]:
        signers.write_bytes(signers_document(keys.signers()))
        capsys.readouterr()
        code = main(
            [
                bucket.location, "--signers", str(signers), "--json",
                "--endpoint-url", bucket.endpoint_url, "--region", "us-east-1",
                "--force-path-style", "--object-lock-mode", "compliance",
                "--object-lock-days", str(DAYS), *more,
            ]
        )  # fmt: skip
        return code, json.loads(capsys.readouterr().out)

    return run


def test_archived_with_receipts_and_verified_from_outside(bucket: Bucket, verify: Any) -> None:
    seal(30)
    size = loghead.current().size
    archiving.archive_pending()
    segment = Segment.objects.get()
    assert segment.location == bucket.location
    assert segment.object_key == bucket.key(segment.object_name)
    assert segment.object_name.endswith(".jsonl.gz")
    assert bucket.versions(segment.object_name) == [segment.version_id]
    head = bucket.client.head_object(
        Bucket=bucket.name, Key=segment.object_key, VersionId=segment.version_id
    )
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert head["ObjectLockRetainUntilDate"] == segment.retain_until
    assert head["ContentLength"] == segment.stored_bytes
    assert set(AuditEvent.objects.values_list("s3_object_key", flat=True)) == {segment.object_key}
    code, report = verify()
    assert (code, report["verdict"], report["checked_events"]) == (0, "VALID", size)


def test_the_command_archives_in_order_and_takes_no_other_place(
    bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    seal(10)
    oldest = archiving.oldest_unarchived()
    assert oldest is not None
    call_command("audit_archive", "--dry-run", "--after-id", str(oldest.id))
    assert "1 segments would be written; nothing was" in capsys.readouterr().out
    assert not Segment.objects.exists()
    third = AuditEvent.objects.get(seq=2)
    with pytest.raises(SystemExit) as refused:
        call_command("audit_archive", "--after-id", str(third.id))
    assert refused.value.code == 2
    assert f"goes on at event {oldest.id}" in capsys.readouterr().err
    call_command("audit_archive", "--afterId", str(oldest.id), "--limit", "4")
    assert Segment.objects.get().last_seq == 3
    before = AuditEvent.objects.get(seq=3)
    call_command("audit_archive", "--after-id", str(before.id), "--limit", "500")
    assert archiving.oldest_unarchived() is None
    call_command("audit_archive")
    assert "Nothing to archive." in capsys.readouterr().out


@pytest.mark.parametrize("text", ["nonsense", "018f0000-0000-7000-8000-000000000000"])
def test_an_id_that_is_none_is_named(
    committed_world: World, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        call_command("audit_archive", "--after-id", text)
    assert refused.value.code == 2
    assert "--after-id" in capsys.readouterr().err


@pytest.mark.parametrize("weak", ["governance", "a day short"])
def test_a_weak_or_short_lock_is_invalid(
    bucket: Bucket, verify: Any, settings: Any, weak: str
) -> None:
    seal(10)
    if weak == "governance":
        settings.AUDIT_S3_OBJECT_LOCK_MODE = "governance"
    else:
        settings.AUDIT_S3_OBJECT_LOCK_DAYS = DAYS - 1
    archiving.archive_pending()
    code, report = verify()
    assert (code, report["verdict"]) == (1, "INVALID")
    assert report["lock_mismatches"] == 3


def test_a_marker_and_another_version_are_told_and_the_original_counts(
    bucket: Bucket, verify: Any
) -> None:
    seal(10)
    archiving.archive_pending()
    segment = Segment.objects.get()
    place = {"Bucket": bucket.name, "Key": segment.object_key}
    bucket.client.put_object(**place, Body=b"something else", ChecksumAlgorithm="SHA256")
    bucket.client.delete_object(**place)
    code, report = verify()
    assert (code, report["verdict"]) == (0, "VALID")
    assert len(report["notices"]) == 2


def test_objects_that_grew_old_under_another_kms_key_are_counted(
    bucket: Bucket, settings: Any
) -> None:
    seal(5)
    settings.AUDIT_S3_KMS_KEY_ID = "former"
    archiving.archive_pending()
    seal(5)
    settings.AUDIT_S3_KMS_KEY_ID = "current"
    archiving.archive_pending()
    found = retention.sweep()
    assert {key.rpartition("/")[2]: n for key, n in found.by_kms_key.items()} == {
        "former": 1,
        "current": 1,
    }
    assert [key.rpartition("/")[2] for key in retention.former_kms_keys()] == ["former"]


def test_what_moto_does_not_prove(bucket: Bucket) -> None:
    """It lets a compliance lock be shortened. Were this to fail, more could be tested here."""
    seal(5)
    archiving.archive_pending()
    segment = Segment.objects.get()
    assert segment.retain_until is not None
    sooner = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    version = {
        "Bucket": bucket.name,
        "Key": segment.object_key,
        "VersionId": segment.version_id,
    }
    bucket.client.put_object_retention(
        **version, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": sooner}
    )
    assert bucket.client.head_object(**version)["ObjectLockRetainUntilDate"] == sooner
    # Ours notices, and makes it long again.
    found = retention.sweep()
    assert found.extended == 1
    assert bucket.client.head_object(**version)["ObjectLockRetainUntilDate"] == (
        segment.retain_until
    )
