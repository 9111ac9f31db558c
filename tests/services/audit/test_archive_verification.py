"""The archive as the installation verifies it: against its receipts, its locks and its keys."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from audit.models import (
    ArchiverState,
    AuditEvent,
    Segment,
    Storage,
    VerificationKind,
    VerificationRun,
)
from audit.services import archive_verification, keys, sealing, switches
from audit.services.archive_verification import configured_locks, verify_archived
from audit.storage import StorageNotConfigured
from audit.verifying import LockPolicy
from sealing import canonical
from sealing.errors import Invalid
from sealing.keys import signers_document
from sealing.stores.base import LockMode
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.audit.helpers import seal
from tests.services.audit.trails import ACTOR, archive, in_s3, seal_on

OLD, NEXT = date(2026, 3, 2), date(2026, 3, 3)


def verify(storage: Storage = Storage.LOCAL, **options: Any) -> VerificationRun:
    return verify_archived(actor=ACTOR, storage=storage, **options)


def codes(run: VerificationRun) -> list[str]:
    return [stored["code"] for stored in run.findings if stored["ok"] is not True]


def root(settings: Any) -> Path:
    return Path(settings.AUDIT_STORAGE_PATH)


def test_an_archive_that_holds_is_valid_and_the_result_is_kept(
    committed_world: World, settings: Any
) -> None:
    seal(10)
    through = archive().through_seq
    run = verify(kind=VerificationKind.SCHEDULED)
    assert (run.verdict, run.kind, run.storage) == ("VALID", "scheduled", "local")
    assert (run.start_seq, run.end_seq, run.checked_events) == (0, through + 1, through + 1)
    assert run.location == str(root(settings))
    raw = (root(settings) / run.archived_as).read_bytes()
    kept = json.loads(raw)
    assert raw == canonical.document(kept)
    assert run.archived_as == run.finished_at.strftime("verifications/%Y/%m/%d/%H%M%S.%f.json")
    assert (kept["verdict"], kept["checked_events"]) == ("VALID", through + 1)
    assert kept["origin"] == "strongroom.test/audit"


def test_the_result_is_locked_as_a_segment_is(
    committed_world: World, settings: Any, locked_bucket: Bucket
) -> None:
    in_s3(settings, locked_bucket)
    seal()
    archive()
    run = verify(Storage.S3, locks=configured_locks(Storage.S3))
    assert run.verdict == "VALID", run.message
    head = locked_bucket.client.head_object(Bucket=locked_bucket.name, Key=run.archived_as)
    assert head["ObjectLockMode"] == "COMPLIANCE"
    least = run.finished_at + timedelta(days=settings.AUDIT_S3_OBJECT_LOCK_DAYS)
    assert head["ObjectLockRetainUntilDate"] >= least


def test_a_verification_is_recorded(committed_world: World) -> None:
    seal()
    archive()
    run = verify()
    sealing.seal_pending()
    event = AuditEvent.objects.filter(type="audit.verification.finished").latest("seq")
    data = json.loads(event.event)["data"]
    assert (event.object_id, event.outcome) == (str(run.pk), "success")
    assert (data["storage"], data["verdict"]) == ("local", "VALID")


def test_what_is_broken_is_named_with_its_file(committed_world: World, settings: Any) -> None:
    seal_on(OLD, 5)
    seal(5)
    archive()
    first = Segment.objects.earliest("first_seq")
    file = root(settings) / first.object_name
    file.chmod(0o640)
    file.write_bytes(file.read_bytes().replace(b'"outcome":"success"', b'"outcome":"failure"', 1))
    run = verify()
    assert run.verdict == "INVALID"
    assert run.first_bad_seq == 0
    assert run.first_bad_file == first.object_name
    sealing.seal_pending()
    event = AuditEvent.objects.filter(type="audit.verification.finished").latest("seq")
    assert event.outcome == "failure"
    window = verify(start_day=timezone.now().date(), end_day=timezone.now().date())
    assert window.verdict == "VALID", window.message


def test_an_archive_whose_end_was_cut_off_is_noticed_by_its_receipts(
    committed_world: World, settings: Any
) -> None:
    seal_on(OLD, 5)
    seal_on(NEXT, 5)
    archive()
    last = Segment.objects.latest("first_seq")
    for file in root(settings).glob(last.object_name.partition(".")[0] + ".*"):
        file.unlink()
    assert verify().verdict == "INVALID"
    assert verify(start_day=OLD, end_day=OLD).verdict == "VALID"
    # Without the receipts nothing would tell.
    assert verify_elsewhere(settings).verdict == "VALID"


def verify_elsewhere(settings: Any) -> VerificationRun:
    moved = root(settings).rename(root(settings).with_name("moved"))
    return verify(location=str(moved), archived=False)


def test_nothing_to_check_is_no_success(committed_world: World, settings: Any) -> None:
    run = verify()
    assert (run.verdict, run.checked_events) == ("INCONCLUSIVE", 0)
    assert run.message.startswith("Could not check: ")
    seal()
    archive()
    empty = verify(start_day=date(2020, 1, 1), end_day=date(2020, 1, 2))
    assert empty.verdict == "INCONCLUSIVE"


def test_a_store_that_does_not_answer_is_no_verdict(
    committed_world: World, settings: Any, locked_bucket: Bucket
) -> None:
    in_s3(settings, locked_bucket)
    settings.AUDIT_S3_ENDPOINT_URL = "http://127.0.0.1:9"
    settings.AWS_MAX_ATTEMPTS = 1
    run = verify(Storage.S3)
    assert run.verdict == "INCONCLUSIVE"
    assert run.archived_as == ""
    assert "The result could not be archived" in run.message


def test_short_and_weak_locks_are_counted(
    committed_world: World, settings: Any, locked_bucket: Bucket
) -> None:
    in_s3(settings, locked_bucket)
    settings.AUDIT_S3_OBJECT_LOCK_MODE = "governance"
    seal()
    archive()
    assert verify(Storage.S3, locks=configured_locks(Storage.S3)).verdict == "VALID"
    longer = LockPolicy(LockMode.GOVERNANCE, settings.AUDIT_S3_OBJECT_LOCK_DAYS + 1)
    weaker = LockPolicy(LockMode.COMPLIANCE, settings.AUDIT_S3_OBJECT_LOCK_DAYS)
    for policy in (longer, weaker):
        run = verify(Storage.S3, locks=policy)
        assert run.verdict == "INVALID", run.message
        assert run.lock_mismatches > 0
    # Nobody promised such locks: nothing is wrong with those that were.
    assert ArchiverState.objects.get().lock_mismatches == 0
    settings.AUDIT_S3_OBJECT_LOCK_DAYS += 1
    run = verify(Storage.S3, locks=configured_locks(Storage.S3))
    assert ArchiverState.objects.get().lock_mismatches == run.lock_mismatches > 0
    verify(Storage.S3, locks=weaker, start_day=timezone.now().date())
    verify(Storage.S3, locks=LockPolicy(LockMode.GOVERNANCE, 1))
    assert ArchiverState.objects.get().lock_mismatches == run.lock_mismatches
    settings.AUDIT_S3_OBJECT_LOCK_DAYS -= 1
    window = {"start_day": timezone.now().date()}
    verify(Storage.S3, locks=configured_locks(Storage.S3), **window)
    assert ArchiverState.objects.get().lock_mismatches == run.lock_mismatches
    verify(Storage.S3, locks=configured_locks(Storage.S3))
    assert ArchiverState.objects.get().lock_mismatches == 0


def test_what_was_not_looked_at_changes_no_count(committed_world: World) -> None:
    switches.state()
    ArchiverState.objects.update(lock_mismatches=3)
    seal()
    archive()
    verify()
    assert ArchiverState.objects.get().lock_mismatches == 3


def test_only_the_keys_of_a_pinned_file_count(
    committed_world: World, settings: Any, tmp_path: Path
) -> None:
    seal()
    archive()
    pinned = tmp_path / "signers.json"
    settings.AUDIT_SIGNERS_FILE = str(pinned)
    assert verify().verdict == "INCONCLUSIVE"
    pinned.write_bytes(signers_document(keys.signers()))
    assert verify().verdict == "VALID"
    others = json.loads(pinned.read_bytes())
    others["signers"] = [one for one in others["signers"] if "checkpoint" not in one["purposes"]]
    pinned.write_bytes(canonical.document(others))
    assert verify().verdict == "INVALID"


@pytest.mark.parametrize("storage", [Storage.S3, Storage.DATABASE])
def test_what_is_not_configured_is_not_looked_for(world: World, storage: Storage) -> None:
    with pytest.raises(StorageNotConfigured) as refused:
        verify(storage)
    assert refused.value.field == "storage"
    assert not VerificationRun.objects.exists()


def test_a_folder_is_no_archive_where_none_is_named(world: World, settings: Any) -> None:
    settings.AUDIT_STORAGE_PATH = Path()
    with pytest.raises(StorageNotConfigured):
        verify()


def test_days_the_wrong_way_round_are_refused(world: World) -> None:
    with pytest.raises(Invalid):
        verify(start_day=NEXT, end_day=OLD)


def test_progress_is_told(committed_world: World) -> None:
    seal(20)
    through = archive().through_seq
    told: list[tuple[int, int | None]] = []
    verify(progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (through + 1, through + 1)


def test_a_result_is_never_put_over_another(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = timezone.now()
    monkeypatch.setattr(archive_verification.results.timezone, "now", lambda: moment)
    first, second = verify(), verify(start_day=OLD)
    assert first.archived_as
    assert second.archived_as == ""
    assert "could not be archived" in second.message
