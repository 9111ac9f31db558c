"""What nobody has to ask for: both copies verified, the results kept, the duty recorded."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Duty, DutyRecord, Segment, VerificationRun
from audit.services import duties
from audit.services.scheduled_verification import Scheduled, verify_look_back, verify_month
from sealing.errors import Unavailable
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.audit.helpers import seal
from tests.services.audit.trails import ACTOR, archive, in_s3, seal_on, tamper


@pytest.fixture
def archived(committed_world: World) -> None:
    """A log of a month ago and of today, archived."""
    seal_on((timezone.now() - timedelta(days=40)).date(), 5)
    seal(5)
    archive()


def look_back() -> Scheduled:
    return verify_look_back(actor=ACTOR)


def damage(settings: Any, segment: Segment) -> None:
    file = Path(settings.AUDIT_STORAGE_PATH, segment.object_name)
    file.chmod(0o640)
    file.write_bytes(file.read_bytes()[:-20] + b"0" * 20)


def test_both_copies_are_verified_and_the_duty_is_done(archived: None, settings: Any) -> None:
    settings.AUDIT_VERIFY_LOOKBACK_DAYS = 3
    done = look_back()
    assert (done.is_ok, done.exit_code) == (True, 0), done.lines()
    runs = {run.storage: run for run in VerificationRun.objects.all()}
    assert set(runs) == {"database", "local"}
    for run in runs.values():
        assert (run.verdict, run.kind) == ("VALID", "scheduled")
        assert (run.end_day - run.start_day).days == 3
        assert (settings.AUDIT_STORAGE_PATH / run.archived_as).is_file()
        assert run.start_seq > 0
    duty = DutyRecord.objects.get()
    assert (duty.duty, duty.ok, duty.note) == (Duty.DAILY_VERIFICATION, True, "")
    assert duty.reference == ", ".join(f"verification/{step.run_id}" for step in done.steps)


def test_a_damaged_archive_is_not_in_order(archived: None, settings: Any) -> None:
    damage(settings, Segment.objects.latest("first_seq"))
    done = look_back()
    assert done.exit_code == 1
    assert [str(step.verdict) for step in done.steps] == ["VALID", "INVALID"]
    duty = DutyRecord.objects.get()
    assert not duty.ok
    assert "The first bad event is" in duty.note


def test_what_lies_before_the_window_is_for_the_weekly_run(archived: None, settings: Any) -> None:
    damage(settings, Segment.objects.earliest("first_seq"))
    assert look_back().exit_code == 0
    month, last = duties.scheduled_month()
    while not month <= Segment.objects.earliest("first_seq").day <= last:
        assert verify_month(actor=ACTOR).duty is Duty.MONTH_VERIFICATION
        month, last = duties.scheduled_month()
    done = verify_month(actor=ACTOR)
    assert (done.start_day, done.end_day) == (month, last)
    assert done.exit_code == 1
    assert not DutyRecord.objects.filter(duty=Duty.MONTH_VERIFICATION).latest("pk").ok


def test_a_damaged_database_is_not_in_order(
    archived: None, committed_db: CommittedDatabase
) -> None:
    last = Segment.objects.latest("first_seq")
    tamper(
        committed_db,
        f"UPDATE audit_events SET hash = decode('{'00' * 32}', 'hex') WHERE seq = {last.first_seq}",
    )
    done = look_back()
    assert done.exit_code == 1
    assert str(done.steps[0].verdict) == "INVALID"


def test_an_archive_that_stands_empty_could_not_be_checked(committed_world: World) -> None:
    seal()
    done = look_back()
    assert done.exit_code == 3
    assert [str(step.verdict) for step in done.steps] == ["VALID", "INCONCLUSIVE"]
    assert VerificationRun.objects.count() == 2
    assert not DutyRecord.objects.exists()


def test_a_result_that_is_not_archived_is_a_failure(
    archived: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise Unavailable("The store is full.")

    monkeypatch.setattr("audit.services.objects.put", refuse)
    done = look_back()
    assert {str(step.verdict) for step in done.steps} == {"VALID"}
    assert done.exit_code == 1
    assert "NOT ARCHIVED" in "\n".join(done.lines())
    duty = DutyRecord.objects.get()
    assert (duty.ok, duty.note) == (False, "The results could not be archived.")


def test_locks_are_compared_with_the_settings(
    committed_world: World, settings: Any, locked_bucket: Bucket
) -> None:
    in_s3(settings, locked_bucket)
    seal()
    archive()
    assert look_back().exit_code == 0
    settings.AUDIT_S3_OBJECT_LOCK_DAYS += 1
    done = look_back()
    assert done.exit_code == 1
    assert VerificationRun.objects.filter(storage="s3").latest("pk").lock_mismatches > 0


def test_a_log_of_another_name_is_no_valid_one(archived: None, settings: Any) -> None:
    settings.AUDIT_ORIGIN = "other.test/audit"
    assert look_back().exit_code == 1


def test_without_recording_it_is_verified_all_the_same(archived: None, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    assert look_back().exit_code == 0
    assert VerificationRun.objects.count() == 2
    assert not DutyRecord.objects.exists()


def test_a_summary_for_the_schedule(archived: None) -> None:
    summary = look_back().as_dict()
    assert summary["ok"] is True
    assert summary["steps"][0]["what"] == "Database"
    assert all(step["archived_as"] for step in summary["steps"])
