"""Puts back what the archive has lost: from the database, a replica or a backup, in order.

An object is put back only if it is known to be the one that was there: its lines have the digest of
the segment's receipt, and come from a database that gives them or from a copy that does. It is
create-only and locked as every object of the archive is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from audit import storage
from audit.events import Actor, EventType
from audit.folder import HEARTBEAT, File, FileDamaged, Folder
from audit.formats.segment import (
    CHECKPOINT_SUFFIX,
    FRONTIER_SUFFIX,
    TIMESTAMP_SUFFIX,
    Range,
    frontier_document,
)
from audit.models import Segment, SegmentStatus, Timestamp
from audit.services import (
    archiving,
    clock,
    cutting,
    keys,
    loghead,
    objects,
    proofs,
    segments,
    switches,
    trail,
)
from audit.services.recovery.examining import Progress, SourceNotChecked
from audit.services.recovery.loading import fits, note_cut, opened, segment_suffix
from audit.sources import Source, SourceUnreachable, open_source
from sealing.digests import sha256_tag
from sealing.errors import IntegrityFailure
from sealing.stores.base import LockMode, Retention, Store, Stored
from sealing.times import parse_time

MAX_NAMED = 100


@dataclass
class Replayed:
    """What a replay did, or with ``dry_run`` would do.

    Attributes:
        ranges: first and last number of each segment that was put back, or archived anew.
        names: the objects that were put.
        unrecoverable: what is lost and could not be put back, with the reason.
        hidden: objects that only a delete marker hides; they are there still.
    """

    ranges: list[tuple[int, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    unrecoverable: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


def replay(
    *,
    actor: Actor,
    location: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Replayed:
    """Puts back the objects that receipts promise and the archive has not.

    Args:
        actor: who does it.
        location: a replica or backup of the same layout. It serves where the database does not
            give the bytes of the receipt, gives heartbeats and tokens back, and names the
            segments in which events are to be archived that no receipt is of yet.
        dry_run: only say what would be done.

    Raises:
        Paused, ArchiverBusy. SourceNotChecked: the replica can't be read. StoreUnavailable,
        StoreDenied, ObjectDiffers: it could not be finished; what was put back stays, and
        running it again goes on.
    """
    trail.ensure_enabled()
    switches.ensure_running("archiver")
    copy = _Copy.of(location)
    store = storage.archive_store()
    done = Replayed()
    with archiving.alone():
        present = _present(store, done)
        archived = Segment.objects.filter(
            status=SegmentStatus.ARCHIVED, released_at__isnull=True
        ).order_by("first_seq")
        try:
            for segment in archived.iterator(chunk_size=500):
                _put_back(store, segment, copy, present, done, dry_run)
                if progress is not None:
                    progress("replayed", segment.last_seq + 1, None)
            if copy is not None:
                _archive_as_cut(copy, done, dry_run)
                _put_heartbeats(store, copy, present, done, dry_run)
        finally:
            if done.names and not dry_run:
                _record(actor, store, location, done)
    return done


class _Copy:
    """A replica: its files by what they promise."""

    def __init__(self, source: Source, folder: Folder) -> None:
        self.source, self.folder = source, folder
        self._segments = {file.range_: file for file in folder.segments if file.range_ is not None}
        beside = [*folder.frontiers, *folder.checkpoints, *folder.tokens]
        self._beside = {file.where.rpartition("/")[2]: file for file in beside}

    @classmethod
    def of(cls, location: str | None) -> _Copy | None:
        if location is None:
            return None
        source = open_source(location, storage.s3_options())
        try:
            return cls(source, source.scan())
        except SourceUnreachable as error:
            raise SourceNotChecked(f"{location} can't be read: {error}") from error

    def raw(self, wanted: Range) -> bytes | None:
        """The lines of a segment; None if it is not there or can't be read."""
        file = self._segments.get(wanted)
        if file is None:
            return None
        try:
            with self.source.open_lines(file) as lines:
                return lines.read(objects.MAX_RAW_BYTES)
        except (OSError, FileDamaged):
            return None

    def beside(self, name: str) -> bytes | None:
        """A file beside a segment, by its name without folders."""
        file = self._beside.get(name.rpartition("/")[2])
        return self.source.read(file) if file is not None else None

    def heartbeats(self) -> list[File]:
        """The checkpoints of heartbeats."""
        return [file for file in self.folder.checkpoints if file.is_heartbeat]


def _present(store: Store, done: Replayed) -> set[str]:
    """The names of which there is a version, even if a marker hides it."""
    found, hidden = set(), set()
    for version in store.versions():
        if not version.is_delete_marker:
            found.add(version.name)
        elif version.is_latest:
            hidden.add(version.name)
    done.hidden = sorted(hidden & found)
    return found


def _put_back(
    store: Store,
    segment: Segment,
    copy: _Copy | None,
    present: set[str],
    done: Replayed,
    dry_run: bool,
) -> None:
    promised = [segment.object_name, *(item["name"] for item in segment.companions)]
    lost = [name for name in promised if name not in present]
    if not lost:
        return
    found: dict[str, bytes] = {}
    for name in lost:
        data = _raw(segment, copy) if name == segment.object_name else None
        if name != segment.object_name:
            data = _companion(segment, name, copy)
        if data is None:
            done.unrecoverable.append(f"{name}: nothing gives the bytes of its receipt.")
        else:
            found[name] = data
    if not found:
        return
    done.ranges.append((segment.first_seq, segment.last_seq))
    done.names += found
    if not dry_run:
        _put(store, segment, found)


def _raw(segment: Segment, copy: _Copy | None) -> bytes | None:
    """The lines whose digest is the receipt's: from the database, else from the copy."""
    try:
        raw = cutting.recut(segment.first_seq, segment.last_seq).raw
        if sha256_tag(raw) == segment.raw_sha256:
            return raw
    except IntegrityFailure:
        raw = b""
    other = copy.raw(Range(segment.first_seq, segment.last_seq)) if copy is not None else None
    return other if other is not None and sha256_tag(other) == segment.raw_sha256 else None


def _companion(segment: Segment, name: str, copy: _Copy | None) -> bytes | None:
    wanted = next(item["sha256"] for item in segment.companions if item["name"] == name)
    for data in (_made_again(segment, name), copy.beside(name) if copy is not None else None):
        if data is not None and sha256_tag(data) == wanted:
            return data
    return None


def _made_again(segment: Segment, name: str) -> bytes | None:
    if name.endswith(TIMESTAMP_SUFFIX):
        token = Timestamp.objects.filter(checkpoint__segments=segment).first()
        return bytes(token.token) if token is not None else None
    if name.endswith(FRONTIER_SUFFIX):
        try:
            return frontier_document(proofs.frontier(segment.last_seq + 1))
        except IntegrityFailure:
            return None
    if name.endswith(CHECKPOINT_SUFFIX) and segment.checkpoint is not None:
        return segment.checkpoint.note.encode("utf-8")
    return None


def _put(store: Store, segment: Segment, found: dict[str, bytes]) -> None:
    """Puts the objects, what is signed last, and keeps their new receipts."""
    retention = _retention(segment)
    receipts = {item["name"]: item for item in segment.companions}
    for name in sorted(found, key=lambda name: (name != segment.object_name, "checkpoint" in name)):
        stored = _kept(store, name, found[name], retention)
        if segment.legal_hold:
            store.hold(name, on=True, version_id=stored.version_id)
        # The segment's own receipt never changes: its successor stands among the companions.
        if name != segment.object_name or (stored.version_id or "") != segment.version_id:
            receipts[name] = segments.companion_receipt(stored)
    with transaction.atomic(durable=True):
        segment.companions = list(receipts.values())
        segment.save(update_fields=["companions"])


def _kept(store: Store, name: str, data: bytes, retention: Retention) -> Stored:
    if name.endswith(".gz"):
        stored = objects.put_packed(store, name, data, retention)
    else:
        stored = objects.put(store, name, data, retention)
    segments.check_receipt(stored, retention)
    return stored


def _retention(segment: Segment) -> Retention:
    """As for a new object, and never less than what was promised before."""
    wanted = storage.retention_for(segment.newest_event_at, now=clock.database_clock())
    if segment.retain_until is None or not segment.lock_mode:
        return wanted
    return wanted.with_at_least(Retention(LockMode(segment.lock_mode), segment.retain_until))


def _archive_as_cut(copy: _Copy, done: Replayed, dry_run: bool) -> None:
    """Archives what has no receipt yet, cut as the copy is, by the archiver's own code."""
    start, size = segments.next_seq(), loghead.current().size
    for file in copy.folder.segments:
        if file.range_ is None or file.range_.first != start or file.range_.last >= size:
            continue
        raw = copy.raw(file.range_)
        cut = cutting.recut(file.range_.first, file.range_.last)
        if raw != cut.raw or file.day != cut.day:
            done.unrecoverable.append(f"{file.where}: its lines are not those of the database.")
            return
        done.ranges.append((cut.first_seq, cut.last_seq))
        done.names.append(f"{cut.stem}{segment_suffix()}")
        if not dry_run:
            note_cut(
                cut.first_seq, cut.last_seq, parse_time(cut.newest_at), cut.raw_sha256, len(raw)
            )
        start = file.range_.last + 1
    if not dry_run:
        archiving.archive_through(size, limit=0)


def _put_heartbeats(
    store: Store, copy: _Copy, present: set[str], done: Replayed, dry_run: bool
) -> None:
    signers, now = keys.signers(), clock.database_clock()
    for file, raw in copy.source.read_each(copy.heartbeats()):
        name = file.where[file.where.index(f"{HEARTBEAT}/") :]
        if name in present or raw is None:
            continue
        found = opened(raw, signers)
        if found is None or not fits(found[0]):
            done.unrecoverable.append(f"{file.where}: not a signed checkpoint of this log.")
            continue
        done.names.append(name)
        if not dry_run:
            _kept(store, name, raw, storage.retention_for(parse_time(found[0].time), now=now))


def _record(actor: Actor, store: Store, location: str | None, done: Replayed) -> None:
    data: dict[str, Any] = {
        "source": location or "database",
        "target": store.location,
        "ranges": [list(pair) for pair in done.ranges[:MAX_NAMED]],
        "segments": len(done.ranges),
        "objects": len(done.names),
        "unrecoverable": done.unrecoverable[:MAX_NAMED],
    }
    trail.record_alone(
        EventType.AUDIT_SEGMENTS_REPLAYED,
        actor=actor,
        obj=("archive", store.location),
        outcome="failure" if done.unrecoverable else "success",
        data=data,
    )
