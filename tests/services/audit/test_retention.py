"""The retention sweep and legal holds, over a local archive."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import storage
from audit.models import ArchiverState, AuditEvent, Checkpoint, LegalHold, Segment
from audit.services import clock, cutting, holds, keys, retention, sealing, switches
from audit.services.archiving import archive_pending, heartbeat
from audit.services.retention import sweep
from audit.verify import main as verify
from sealing.errors import Forbidden, Invalid
from sealing.keys import signers_document
from sealing.stores.base import LockMode
from sealing.stores.local import LocalStore
from tests.factories import World
from tests.services.audit.helpers import seal


@pytest.fixture
def archived(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Several segments and a heartbeat in a local archive."""
    monkeypatch.setattr(cutting, "SEGMENT_EVENTS", 20)
    seal(50)
    heartbeat()
    assert Segment.objects.count() >= 3
    return committed_world


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "database_clock", lambda: moment)
    monkeypatch.setattr(clock, "host_clock", lambda: moment)
    monkeypatch.setattr(LocalStore, "clock", lambda self: moment)


def types_recorded() -> list[str]:
    sealing.seal_pending()
    return list(AuditEvent.objects.order_by("seq").values_list("type", flat=True))


def test_a_sweep_of_a_good_archive_changes_nothing(archived: World) -> None:
    found = sweep()
    assert found.checked == 3 * Segment.objects.count() + 1
    assert (found.extended, found.short, found.missing, found.released) == (0, [], [], [])
    state = ArchiverState.objects.get()
    assert state.lock_mismatches == 0
    assert state.last_sweep_at is not None


def test_locks_grow_with_the_policy_and_never_shrink(archived: World, settings: Any) -> None:
    before = {s.pk: s.retain_until for s in Segment.objects.all()}
    settings.AUDIT_S3_OBJECT_LOCK_DAYS += 100
    found = sweep()
    assert found.extended == found.checked
    store = storage.archive_store()
    for segment in Segment.objects.all():
        old = before[segment.pk]
        assert old is not None
        assert segment.retain_until == old + timedelta(days=100)
        for name in (segment.object_name, *(item["name"] for item in segment.companions)):
            kept = store.stat(name).retention
            assert kept is not None
            assert kept.until == segment.retain_until
    assert "audit.retention.changed" in types_recorded()
    settings.AUDIT_S3_OBJECT_LOCK_DAYS -= 100
    assert sweep().extended == 0
    assert Segment.objects.filter(retain_until__in=list(before.values())).count() == 0


def test_a_heartbeat_is_locked_by_the_time_in_its_name(
    archived: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the verifier judges it; RADOS renews the time that it tells when a lock changes."""
    settings.AUDIT_S3_OBJECT_LOCK_DAYS += 100
    describe = LocalStore.stat
    monkeypatch.setattr(
        LocalStore,
        "stat",
        lambda self, name, *, version_id=None: replace(
            describe(self, name, version_id=version_id), stored_at=datetime(2031, 1, 1, tzinfo=UTC)
        ),
    )
    sweep()
    store = storage.archive_store()
    (name,) = store.iterate("heartbeat/")
    signed = Checkpoint.objects.values_list("signed_at", flat=True)
    (signed_at,) = [moment for moment in signed if f"{moment:%H%M%S.%f}" in name]
    assert store.stat(name).retention == storage.retention_for(signed_at, now=signed_at)
    assert sweep().extended == 0


def test_a_name_that_is_no_time_stops_nothing(archived: World, settings: Any) -> None:
    folder = settings.AUDIT_STORAGE_PATH / "heartbeat/2026/13/40"
    folder.mkdir(parents=True)
    (folder / "996199.000000.checkpoint").write_bytes(b"")
    (settings.AUDIT_STORAGE_PATH / "heartbeat" / "stray").write_bytes(b"")
    assert sweep().short == []


def test_a_short_or_missing_object_is_told(archived: World, settings: Any) -> None:
    first, second, *_ = Segment.objects.order_by("first_seq")
    root = Path(settings.AUDIT_STORAGE_PATH)
    (root / first.object_name).unlink()
    for record in (root / ".locks").rglob(f"*{Path(second.object_name).name}*"):
        record.chmod(0o600)
        record.unlink()
    found = sweep()
    assert found.missing == [first.object_key]
    # Without its record the object was not locked; the sweep locks it again.
    assert found.short == []
    assert found.extended == 1
    assert ArchiverState.objects.get().lock_mismatches == 1
    assert "audit.retention.short" in types_recorded()
    sweep()
    assert types_recorded().count("audit.retention.short") == 1


def test_the_oldest_are_let_go_after_their_lock_and_the_rest_verifies(
    archived: World, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    signers = tmp_path / "signers.json"
    signers.write_bytes(signers_document(keys.signers()))
    first = Segment.objects.order_by("first_seq").first()
    assert first is not None
    assert first.retain_until is not None
    at(monkeypatch, first.retain_until - timedelta(seconds=1))
    assert sweep().released == []
    later = first.retain_until + timedelta(days=2)
    at(monkeypatch, later)
    seal(3)
    archive_pending()
    found = sweep()
    old = Segment.objects.exclude(day=later.date()).order_by("first_seq")
    assert found.released == [segment.pk for segment in old]
    root = Path(settings.AUDIT_STORAGE_PATH)
    assert not any((root / segment.object_name).exists() for segment in old)
    assert "audit.local_copies.released" in types_recorded()
    archive_pending()
    start = f"{later:%Y/%m/%d}"
    assert verify([str(root), "--signers", str(signers), "--start", start]) == 0


def test_nothing_is_let_go_under_a_hold(
    archived: World, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    first = Segment.objects.order_by("first_seq").first()
    assert first is not None
    assert first.retain_until is not None
    officer = archived.actor("olivia")
    hold = holds.place(
        actor=officer, case_id="2026-17", reason="subpoena", start_day=first.day, end_day=first.day
    )
    assert holds.apply() == Segment.objects.filter(day=first.day).count()
    at(monkeypatch, first.retain_until + timedelta(days=2))
    assert sweep().released == []
    assert (Path(settings.AUDIT_STORAGE_PATH) / first.object_name).exists()
    holds.release(actor=officer, hold=hold, reason="settled")
    found = sweep()
    assert found.held > 0
    assert first.pk in found.released


def test_a_hold_covers_new_segments_and_other_cases_keep_it(archived: World) -> None:
    officer = archived.actor("olivia")
    one = holds.place(actor=officer, case_id="A", reason="litigation")
    holds.place(actor=officer, case_id="B", reason="inquiry", start_day=date(2020, 1, 1))
    seal(3)
    archive_pending()
    newest = Segment.objects.order_by("-first_seq").first()
    assert newest is not None
    assert newest.legal_hold
    assert storage.archive_store().stat(newest.object_name).legal_hold
    holds.apply()
    holds.release(actor=officer, hold=one, reason="closed")
    assert holds.apply() == 0
    assert not Segment.objects.filter(legal_hold=False).exists()
    recorded = types_recorded()
    assert recorded.count("audit.legal_hold.placed") == 2
    assert recorded.count("audit.legal_hold.released") == 1


def test_what_can_t_be_held_or_released(archived: World) -> None:
    officer, operator = archived.actor("olivia"), archived.actor("omar")
    with pytest.raises(Forbidden):
        holds.place(actor=operator, case_id="A", reason="x")
    with pytest.raises(Invalid) as refused:
        holds.place(actor=officer, case_id=" ", reason="x")
    assert refused.value.field == "case_id"
    with pytest.raises(Invalid) as refused:
        holds.place(actor=officer, case_id="A", reason="")
    assert refused.value.field == "reason"
    with pytest.raises(Invalid) as refused:
        holds.place(
            actor=officer,
            case_id="A",
            reason="x",
            start_day=date(2026, 2, 1),
            end_day=date(2026, 1, 1),
        )
    assert refused.value.field == "end_day"
    hold = holds.place(actor=officer, case_id="A", reason="x")
    with pytest.raises(holds.HoldExists):
        holds.place(actor=officer, case_id="A", reason="y")
    holds.release(actor=officer, hold=hold, reason="z")
    with pytest.raises(holds.HoldReleased):
        holds.release(actor=officer, hold=hold, reason="again")
    assert LegalHold.objects.count() == 1


def test_a_paused_sweep_does_nothing(archived: World) -> None:
    switches.pause(
        actor=archived.actor("olivia"), what="retention_sweep", reason="incident under way"
    )
    with pytest.raises(switches.Paused, match="incident under way"):
        sweep()


def test_a_lock_is_the_later_of_retention_and_a_day(settings: Any) -> None:
    settings.AUDIT_S3_OBJECT_LOCK_DAYS = 30
    settings.AUDIT_S3_OBJECT_LOCK_MODE = "governance"
    newest = datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC)
    lock = storage.retention_for(newest, now=newest)
    assert lock.mode is LockMode.GOVERNANCE
    assert lock.until == datetime(2026, 1, 31, 12, 0, 1, tzinfo=UTC)
    now = newest + timedelta(days=40)
    assert storage.retention_for(newest, now=now).until == datetime(
        2026, 2, 11, 12, 0, 1, tzinfo=UTC
    )


def test_former_kms_keys_are_reported(archived: World, settings: Any) -> None:
    settings.AUDIT_S3_KMS_KEY_ID = "new"
    Segment.objects.filter(first_seq=0).update(kms_key_id="arn:aws:kms:eu-1:1:key/old")
    Segment.objects.filter(first_seq=20).update(kms_key_id="arn:aws:kms:eu-1:1:key/new")
    assert retention.former_kms_keys() == {"arn:aws:kms:eu-1:1:key/old": 1}
