"""The archiver on a local folder: what it writes, its receipts, the pointer, and its refusals."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from audit import failpoints
from audit.formats import checkpoint as formats
from audit.formats.log import LogVerifier
from audit.formats.segment import parse_frontier
from audit.models import AuditEvent, Segment, SegmentStatus
from audit.services import archiving, clock, cutting, keys, loghead, sealing
from audit.services.archiving import archive_pending
from audit.services.objects import ObjectDiffers
from audit.verify import main as verify
from sealing.keys import signers_document
from sealing.stores.local import LocalStore
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.services.audit.helpers import seal

SEED_SQL = """
   SELECT id, hash, s3_object_key, s3_archived_at
   FROM audit_events
   WHERE s3_archived_at IS NULL
   ORDER BY created_at ASC
   LIMIT 25;
"""


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "SEGMENT_EVENTS", 20)


@pytest.fixture
def signers(committed_world: World, tmp_path: Path) -> Path:
    path = tmp_path / "signers.json"
    path.write_bytes(signers_document(keys.signers()))
    return path


def unarchived() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(SEED_SQL)
        return cursor.fetchall()


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not str(path.relative_to(folder)).startswith(".")
    }


def test_everything_is_archived_with_receipts_and_verifies(
    committed_world: World,
    small_segments: None,
    signers: Path,
    settings: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seal(50)
    size = loghead.current().size
    assert len(unarchived()) == 25
    done = archive_pending()
    assert (done.events, done.through_seq) == (size, size - 1)
    assert unarchived() == []
    segments = list(Segment.objects.order_by("first_seq"))
    assert done.segments == len(segments) == -(-size // 20)
    for segment in segments:
        assert segment.status == SegmentStatus.ARCHIVED
        assert segment.attempts == 1
        assert segment.retain_until is not None
        least = segment.newest_event_at + timedelta(days=settings.AUDIT_S3_OBJECT_LOCK_DAYS)
        assert least <= segment.retain_until <= least + timedelta(seconds=1)
        assert segment.lock_mode == "compliance"
        path = settings.AUDIT_STORAGE_PATH / segment.object_name
        assert path.stat().st_size == segment.stored_bytes == segment.raw_bytes
        assert [Path(item["name"]).suffix for item in segment.companions] == [
            ".frontier",
            ".checkpoint",
        ]
        inside = AuditEvent.objects.filter(seq__gte=segment.first_seq, seq__lte=segment.last_seq)
        assert set(inside.values_list("s3_object_key", flat=True)) == {segment.object_key}
    assert verify([str(settings.AUDIT_STORAGE_PATH), "--signers", str(signers), "--strict"]) == 0
    assert f"{size} events hold" in capsys.readouterr().out


def test_archiving_again_does_nothing(committed_world: World, settings: Any) -> None:
    seal(5)
    archive_pending()
    before = files_below(settings.AUDIT_STORAGE_PATH)
    again = archive_pending()
    assert (again.segments, again.events) == (0, 0)
    assert files_below(settings.AUDIT_STORAGE_PATH) == before


def test_a_tail_waits_until_it_is_a_minute_old(
    committed_world: World, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(30)
    size = loghead.current().size
    full = size - size % 20
    assert archive_pending(whole=False).through_seq == full - 1
    later = datetime.now(UTC) + timedelta(seconds=61)
    monkeypatch.setattr(clock, "database_clock", lambda: later)
    monkeypatch.setattr(LocalStore, "clock", lambda self: later)
    monkeypatch.setattr(sealing, "seal_pending", lambda: None)
    assert archive_pending(whole=False).through_seq == size - 1


def test_a_limit_leaves_the_rest_for_later(committed_world: World, small_segments: None) -> None:
    seal(60)
    assert archive_pending(limit=25).through_seq == 24
    assert len(unarchived()) == 25
    assert archive_pending().through_seq == loghead.current().size - 1


def test_segments_end_with_the_day(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seal(3)
    first = loghead.current().size
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for name in ("database_clock", "host_clock"):
        monkeypatch.setattr(clock, name, lambda: tomorrow)
    monkeypatch.setattr(LocalStore, "clock", lambda self: tomorrow)
    seal(3)
    archive_pending()
    days = dict(Segment.objects.order_by("first_seq").values_list("first_seq", "day"))
    assert days[first] == tomorrow.date()
    assert len(set(days.values())) == 2


def test_the_pointer_is_set_by_the_procedure_alone_and_leaves_no_gap(
    committed_world: World, small_segments: None
) -> None:
    seal(30)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        AuditEvent.objects.filter(seq=0).update(s3_object_key="x")
    with (
        pytest.raises(DatabaseError, match="no receipt"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("CALL audit_mark_archived(0, 9, 'nowhere')")
    archive_pending(limit=20)
    segment = Segment.objects.get()
    Segment.objects.create(
        first_seq=25,
        last_seq=29,
        day=segment.day,
        raw_sha256="",
        raw_bytes=0,
        newest_event_at=segment.newest_event_at,
        object_name="x",
        object_key="x",
        status=SegmentStatus.ARCHIVED,
        archived_at=segment.archived_at,
        checkpoint=segment.checkpoint,
        stored_bytes=0,
    )
    with (
        pytest.raises(DatabaseError, match="never passes a gap"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("CALL audit_mark_archived(25, 29, 'x')")


def test_a_sealed_row_changes_in_no_other_way(
    committed_world: World, committed_db: CommittedDatabase
) -> None:
    import psycopg

    seal(3)
    archive_pending()
    with psycopg.connect(committed_db.owner_url, autocommit=True) as owner:
        for change in (
            "s3_object_key = 'elsewhere'",
            "s3_archived_at = NULL, s3_object_key = NULL",
            "outcome = 'failure'",
        ):
            with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
                owner.execute(f"UPDATE audit_events SET {change} WHERE seq = 1")
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
            owner.execute("UPDATE audit_segment SET retain_until = now()")
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
            owner.execute("DELETE FROM audit_segment")


@pytest.mark.parametrize(
    "place",
    [
        "cut",
        "signed",
        "segment_written",
        "frontier_written",
        "checkpoint_written",
        "read_back",
        "marked",
        "committed",
    ],
)
def test_a_retry_after_any_step_writes_the_same(
    committed_world: World,
    small_segments: None,
    signers: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    """Killing real processes at the same places: tests/faults/test_archiving.py."""
    seal(30)
    size = loghead.current().size

    def fail(name: str) -> None:
        if name == place:
            raise OSError(f"lost at {name}")

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "listener", fail)
        with pytest.raises(OSError, match=f"lost at {place}"):
            archive_pending()
    left = files_below(settings.AUDIT_STORAGE_PATH)
    seal(10)
    archive_pending()
    after = files_below(settings.AUDIT_STORAGE_PATH)
    assert {name: after[name] for name in left} == left
    assert Segment.objects.get(first_seq=0).last_seq == 19
    ranges = list(Segment.objects.order_by("first_seq").values_list("first_seq", "last_seq"))
    assert ranges[0][0] == 0
    assert all(one[1] + 1 == two[0] for one, two in itertools.pairwise(ranges))
    assert ranges[-1][1] >= size + 9
    assert verify([str(settings.AUDIT_STORAGE_PATH), "--signers", str(signers)]) == 0


def test_something_else_under_the_name_is_never_replaced(
    committed_world: World, settings: Any
) -> None:
    seal(3)
    (cut,) = archiving.plan()
    path = settings.AUDIT_STORAGE_PATH / f"{cut.stem}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else\n")
    with pytest.raises(ObjectDiffers):
        archive_pending()
    assert path.read_bytes() == b"something else\n"
    segment = Segment.objects.get()
    assert segment.status == SegmentStatus.CUT
    assert "holds something else" in segment.last_error
    assert AuditEvent.objects.filter(s3_archived_at__isnull=False).count() == 0


def test_a_heartbeat_lies_in_the_archive_after_what_it_covers(
    committed_world: World, settings: Any, signers: Path
) -> None:
    seal(5)
    key = archiving.heartbeat()
    raw = (settings.AUDIT_STORAGE_PATH / key).read_bytes()
    signed, _ = formats.open_note(raw, keys.signers())
    assert signed is not None
    last = Segment.objects.order_by("-last_seq").first()
    assert last is not None
    assert signed.size == last.last_seq + 1
    assert archiving.heartbeat() != key
    assert verify([str(settings.AUDIT_STORAGE_PATH), "--signers", str(signers)]) == 0


def test_segments_are_cut_by_bytes(
    committed_world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "SEGMENT_BYTES", 3_000)
    seal(8, obj=("file", "x" * 500))
    size = loghead.current().size
    archive_pending()
    parts = sorted(settings.AUDIT_STORAGE_PATH.rglob("*.jsonl"))
    assert len(parts) > 3
    assert all(part.stat().st_size <= 3_000 for part in parts)
    assert b"".join(part.read_bytes() for part in parts).count(b"\n") == size


def test_every_frontier_folds_to_the_root_that_was_signed(
    committed_world: World, small_segments: None, settings: Any
) -> None:
    seal(50)
    archive_pending()
    verifier = LogVerifier(settings.AUDIT_ORIGIN, strict=True)
    for path in sorted(settings.AUDIT_STORAGE_PATH.rglob("*.jsonl")):
        assert verifier.feed(path.read_bytes().splitlines(keepends=True))
        signed, findings = formats.open_note(
            path.with_suffix(".checkpoint").read_bytes(), keys.signers()
        )
        assert [finding.ok for finding in findings] == [True]
        assert signed is not None
        assert (signed.size, signed.root, signed.head) == (
            verifier.size,
            verifier.frontier.root(),
            verifier.head,
        )
        frontier = parse_frontier(path.with_suffix(".frontier").read_bytes(), signed.size)
        assert frontier.root() == signed.root
