"""Writes one segment into the archive: its objects, its receipt, and the pointer.

Everything here can be done again after a crash at any step; docs/adr/0021-archiver.md says why.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.utils import timezone

from audit import storage
from audit.failpoints import reach
from audit.formats.segment import CHECKPOINT_SUFFIX, FRONTIER_SUFFIX, frontier_document
from audit.models import Checkpoint, Segment, SegmentStatus, Storage
from audit.services import checkpoints, clock, holds, objects, proofs
from audit.services.cutting import Cut
from sealing.errors import IntegrityFailure, StrongroomError
from sealing.stores.base import Retention, Store, Stored
from sealing.times import format_time, parse_time


class ReceiptRefused(IntegrityFailure):
    """What the store answered is not what was asked of it."""

    code = "receipt_refused"


def write(store: Store, segment: Segment, cut: Cut) -> Segment:
    """Writes one segment and what belongs beside it; moves the pointer when all of it is there."""
    _count_attempt(segment)
    try:
        if cut.raw_sha256 != segment.raw_sha256:
            raise IntegrityFailure(
                f"Events {cut.first_seq} to {cut.last_seq} are not those that were cut: verify the"
                " log.",
                code="segment_changed",
            )
        checkpoint = _checkpoint_of(segment)
        reach("signed")
        retention = storage.retention_for(parse_time(cut.newest_at), now=clock.database_clock())
        stored = _put_segment(store, cut, retention)
        reach("segment_written")
        companions = _put_companions(store, cut, checkpoint, retention)
        stored = _put_on_hold(store, cut, stored, companions)
        check_receipt(stored, retention)
        reach("read_back")
        return _finish(store, segment, stored, companions, checkpoint)
    except (StrongroomError, DatabaseError, OSError) as error:
        _note_failure(segment, error)
        raise


def _put_segment(store: Store, cut: Cut, retention: Retention) -> Stored:
    if storage.backend() is Storage.S3:
        return objects.put_packed(store, f"{cut.stem}.jsonl.gz", cut.raw, retention)
    return objects.put(store, f"{cut.stem}.jsonl", cut.raw, retention)


def _put_companions(
    store: Store, cut: Cut, checkpoint: Checkpoint, retention: Retention
) -> list[Stored]:
    """Frontier, then checkpoint: it never lies in the archive before what it covers."""
    frontier = frontier_document(proofs.frontier(cut.last_seq + 1))
    found = [objects.put(store, f"{cut.stem}{FRONTIER_SUFFIX}", frontier, retention)]
    reach("frontier_written")
    note = checkpoint.note.encode("utf-8")
    found.append(objects.put(store, f"{cut.stem}{CHECKPOINT_SUFFIX}", note, retention))
    reach("checkpoint_written")
    for companion in found:
        check_receipt(companion, retention)
    return found


def _put_on_hold(store: Store, cut: Cut, stored: Stored, companions: list[Stored]) -> Stored:
    if not holds.covers(cut.day):
        return stored
    for item in (stored, *companions):
        store.hold(item.name, on=True, version_id=item.version_id)
    return replace(stored, legal_hold=True)


def check_receipt(stored: Stored, retention: Retention) -> None:
    """Raises ReceiptRefused unless the object is locked as it was asked to be."""
    kept = stored.retention
    if kept is None or kept.until < retention.until:
        raise ReceiptRefused(
            f"{stored.name} is stored but not locked until {retention.until:%Y-%m-%d %H:%M:%S}"
            " UTC. Check that Object Lock is on in the bucket and that the identity may set it"
            " (manage.py s3_preflight)."
        )


def _finish(
    store: Store,
    segment: Segment,
    stored: Stored,
    companions: list[Stored],
    checkpoint: Checkpoint,
) -> Segment:
    """Stores the receipt and moves the pointer, both or neither."""
    kept = stored.retention
    with transaction.atomic(durable=True):
        segment.status = SegmentStatus.ARCHIVED
        segment.location = store.location
        segment.object_name = stored.name
        segment.object_key = store.key(stored.name)
        segment.version_id = stored.version_id or ""
        segment.stored_sha256 = stored.sha256
        segment.stored_bytes = stored.size_bytes
        segment.lock_mode = kept.mode if kept else ""
        segment.retain_until = kept.until if kept else None
        segment.legal_hold = stored.legal_hold
        segment.replication_status = stored.replication or ""
        segment.kms_key_id = stored.kms_key_id or ""
        segment.checkpoint = checkpoint
        segment.companions = [companion_receipt(item) for item in companions]
        segment.archived_at = timezone.now()
        segment.last_error = ""
        segment.save()
        mark_archived(segment)
        reach("marked")
    reach("committed")
    return segment


def mark_archived(segment: Segment) -> None:
    """Moves the archive pointer over a segment; only the stored procedure can."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CALL audit_mark_archived(%s, %s, %s)",
            [segment.first_seq, segment.last_seq, segment.object_key],
        )


def companion_receipt(stored: Stored) -> dict[str, Any]:
    """What `Segment.companions` says of an object beside the segment."""
    kept = stored.retention
    return {
        "name": stored.name,
        "version_id": stored.version_id or "",
        "sha256": stored.sha256,
        "mode": str(kept.mode) if kept else "",
        "retain_until": format_time(kept.until) if kept else None,
    }


def store_cut(cut: Cut) -> Segment:
    """Stores the cut before anything is written, so that a retry can only make the same."""
    suffix = ".jsonl.gz" if storage.backend() is Storage.S3 else ".jsonl"
    with transaction.atomic(durable=True):
        segment = Segment.objects.create(
            first_seq=cut.first_seq,
            last_seq=cut.last_seq,
            day=parse_time(cut.newest_at).date(),
            raw_sha256=cut.raw_sha256,
            raw_bytes=len(cut.raw),
            newest_event_at=parse_time(cut.newest_at),
            object_name=f"{cut.stem}{suffix}",
        )
    reach("cut")
    return segment


def _count_attempt(segment: Segment) -> None:
    moment = timezone.now()
    Segment.objects.filter(pk=segment.pk).update(attempts=F("attempts") + 1, last_attempt_at=moment)
    segment.refresh_from_db()


def _note_failure(segment: Segment, error: Exception) -> None:
    Segment.objects.filter(pk=segment.pk, status=SegmentStatus.CUT).update(
        last_error=reason_of(error)
    )


def next_seq() -> int:
    """The number of the first event that is in no segment yet."""
    last = Segment.objects.order_by("-last_seq").first()
    return last.last_seq + 1 if last is not None else 0


def reason_of(error: Exception) -> str:
    """What went wrong, for a row and for people."""
    return str(getattr(error, "message", "") or error)[:2000]


def _checkpoint_of(segment: Segment) -> Checkpoint:
    """The checkpoint at the segment's end, the same one at each attempt."""
    if segment.checkpoint is not None:
        return segment.checkpoint
    checkpoint = checkpoints.at_size(segment.last_seq + 1)
    Segment.objects.filter(pk=segment.pk).update(checkpoint=checkpoint)
    return checkpoint
