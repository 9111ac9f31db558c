"""Archives the log, segment by segment and in order: cut, write, lock, read back, move the pointer.

One archiver at a time. Whatever it dies of, the next one finds the cut that was stored before
anything was written, writes the same bytes, and adopts what is there already (docs/formats.md §3).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import DatabaseError, connection

from audit import storage
from audit.events import Actor
from audit.failpoints import reach
from audit.formats.segment import CHECKPOINT_SUFFIX
from audit.models import AuditEvent, Checkpoint, Segment, SegmentStatus
from audit.services import (
    anchors,
    checkpoints,
    clock,
    cutting,
    holds,
    loghead,
    objects,
    sealing,
    segments,
    switches,
)
from audit.services.cutting import Cut
from sealing.errors import Conflict, StrongroomError, Unavailable
from sealing.stores.base import Store
from sealing.times import parse_time

MAX_SKEW = timedelta(minutes=5)
# A segment that is not full is cut once its oldest event is this old.
TAIL_AGE = timedelta(seconds=60)
# Any number that nothing else in this database takes: whoever holds it is the only archiver.
ARCHIVER_LOCK = 7_405_003
_ACTOR = Actor.system("archiver")
log = structlog.get_logger(__name__)


class ArchiverBusy(Conflict):
    """Another archiver is at work."""

    code = "archiver_busy"


class StoreClockRefused(Unavailable):
    """The clocks of database and store disagree, so that no lock could be trusted."""

    code = "store_clock_refused"


@dataclass(frozen=True, slots=True)
class Archived:
    """What a run archived.

    Attributes:
        segments, events: how many of each.
        through_seq: the last event that is archived now; -1 if there is none.
        keys: the objects, in order.
    """

    segments: int
    events: int
    through_seq: int
    keys: tuple[str, ...] = ()


def archive_pending(*, limit: int | None = None, whole: bool = True) -> Archived:
    """Archives what is sealed and not archived yet; counts the run and tells of its failure.

    Args:
        limit: at most so many events (whole segments that were cut before are always finished).
        whole: also the last events that do not fill a segment; otherwise those wait until they
            are a minute old, or their day is over.

    Raises:
        Paused, ArchiverBusy: nothing was tried. Whatever stopped it otherwise: StoreUnavailable,
        StoreDenied, StoreClockRefused, ObjectDiffers, ReceiptRefused, CheckpointRefused …
    """
    switches.ensure_running("archiver")
    sealing.seal_pending()
    if oldest_unarchived() is None:
        # An idle log asks nothing of the store; the heartbeat does, once an hour.
        return Archived(0, 0, segments.next_seq() - 1)
    with alone():
        try:
            done = archive_through(loghead.current().size, limit=limit, whole=whole)
        except (StrongroomError, DatabaseError, OSError) as error:
            _tell_failure(error)
            raise
        switches.tell_success(actor=_ACTOR)
    return done


def heartbeat() -> str:
    """Signs a checkpoint and keeps it in the archive, after all events that it covers.

    Returns:
        The object's key.

    Raises:
        As `archive_pending`.
    """
    switches.ensure_running("archiver")
    signed = checkpoints.issue()
    with alone():
        try:
            archive_through(signed.size)
            key = put_heartbeat(signed)
        except (StrongroomError, DatabaseError, OSError) as error:
            _tell_failure(error)
            raise
        switches.tell_success(actor=_ACTOR)
    return key


def plan(*, limit: int | None = None) -> list[Cut]:
    """The segments that `archive_pending` would write now, the first of them cut before or not."""
    sealing.seal_pending()
    waiting = [
        cutting.recut(segment.first_seq, segment.last_seq)
        for segment in Segment.objects.filter(status=SegmentStatus.CUT).order_by("first_seq")
    ]
    start = waiting[-1].last_seq + 1 if waiting else segments.next_seq()
    return waiting + list(cutting.cuts(start, _bounded(start, loghead.current().size, limit)))


def oldest_unarchived() -> AuditEvent | None:
    """The oldest event without a pointer into the archive."""
    return (
        AuditEvent.objects.filter(s3_archived_at__isnull=True).order_by("created_at", "seq").first()
    )


def archive_through(size: int, *, limit: int | None = None, whole: bool = True) -> Archived:
    """Archives the events before ``size``; for the holder of `alone`, who tells the outcome."""
    store = storage.archive_store()
    _check_clock(store)
    _check_anchor(store)
    done: list[Segment] = []
    for segment in Segment.objects.filter(status=SegmentStatus.CUT).order_by("first_seq"):
        done.append(
            segments.write(store, segment, cutting.recut(segment.first_seq, segment.last_seq))
        )
    start = segments.next_seq()
    for cut in cutting.cuts(start, _bounded(start, size, limit)):
        if not whole and not cut.is_full and not _is_old(cut):
            break
        switches.ensure_running("archiver")
        done.append(segments.write(store, segments.store_cut(cut), cut))
    return Archived(
        segments=len(done),
        events=sum(segment.last_seq - segment.first_seq + 1 for segment in done),
        through_seq=segments.next_seq() - 1,
        keys=tuple(segment.object_key for segment in done),
    )


def put_heartbeat(signed: Checkpoint) -> str:
    """Keeps a checkpoint that covers no more than is archived; returns the object's key."""
    store = storage.archive_store()
    name = f"heartbeat/{signed.signed_at:%Y/%m/%d/%H%M%S.%f}{CHECKPOINT_SUFFIX}"
    retention = storage.retention_for(signed.signed_at, now=clock.database_clock())
    stored = objects.put(store, name, signed.note.encode("utf-8"), retention)
    segments.check_receipt(stored, retention)
    if holds.covers(f"{signed.signed_at:%Y-%m-%d}"):
        store.hold(name, on=True, version_id=stored.version_id)
    reach("heartbeat_written")
    return store.key(name)


def _bounded(start: int, end: int, limit: int | None) -> int:
    return end if limit is None else min(end, start + limit)


def _is_old(cut: Cut) -> bool:
    now = clock.database_clock()
    return now - parse_time(cut.oldest_at) >= TAIL_AGE or f"{now:%Y-%m-%d}" != cut.day


def _check_clock(store: Store) -> None:
    ours, theirs = clock.database_clock(), store.clock()
    if abs(ours - theirs) > MAX_SKEW:
        raise StoreClockRefused(
            f"The store's clock says {theirs:%Y-%m-%d %H:%M:%S} UTC, the database's"
            f" {ours:%Y-%m-%d %H:%M:%S}. Nothing is archived until they agree within"
            f" {MAX_SKEW.total_seconds() / 60:.0f} minutes: a lock would end at the wrong time."
        )


def _check_anchor(store: Store) -> None:
    """The archive's newest checkpoint is of this log, or the log was turned back or rewritten."""
    last = Segment.objects.filter(status=SegmentStatus.ARCHIVED).order_by("-last_seq").first()
    known = last.object_name.partition(".")[0] if last is not None else ""
    anchor = anchors.newest(store, known=known)
    if anchor is not None:
        checkpoints.check_extends(anchor)


@contextmanager
def alone() -> Iterator[None]:
    """Holds the archiver's lock, which ends with the database connection at the latest."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ARCHIVER_LOCK])
        if not cursor.fetchone()[0]:
            raise ArchiverBusy("Another archiver is at work; it goes on with what is left.")
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ARCHIVER_LOCK])


def _tell_failure(error: Exception) -> None:
    code = getattr(error, "code", error.__class__.__name__)
    log.error("archiving failed", code=code, reason=segments.reason_of(error))
    switches.tell_failure(actor=_ACTOR, code=str(code), message=segments.reason_of(error))
