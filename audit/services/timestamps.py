"""Timestamps by an outside authority over archived checkpoints (RFC 3161; docs/formats.md §2).

A token says that a checkpoint, and so every event before it, existed at a time that the authority
vouches for. It never holds up archiving: what could not be stamped is stamped later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit import storage
from audit.events import Actor, EventType
from audit.formats.segment import CHECKPOINT_SUFFIX, Range
from audit.models import ArchiverState, Checkpoint, Segment, SegmentStatus, Timestamp
from audit.services import objects, tokens, trail
from audit.services.segments import companion_receipt
from audit.services.tokens import Stamp
from sealing import timestamps
from sealing.digests import sha256
from sealing.errors import NotFound, StrongroomError, Unavailable
from sealing.outgoing import AddressRefused
from sealing.stores.base import Store, Stored, StoreDenied
from sealing.timestamps import CertificatesRefused

TOKEN_SUFFIX = ".tsr"  # noqa: S105
# An authority answers in some tens of milliseconds; the next run goes on.
RUN_LIMIT = 100
# Heartbeats of these days are looked through; further back only for as long as stamping fails.
RECENT_DAYS, MAX_DAYS = 1, 31
MAX_SEGMENTS = 1_000
# Any number that nothing else in this database takes: whoever holds it is the only one to stamp.
_STAMPER_LOCK = 7_405_004
_HEARTBEAT_NAME = "heartbeat/%Y/%m/%d/%H%M%S.%f" + CHECKPOINT_SUFFIX
_ACTOR = Actor.system("timestamper")
# After one of these there is no point in asking for the next stamp.
_HOPELESS = (Unavailable, AddressRefused, CertificatesRefused, StoreDenied)
log = structlog.get_logger(__name__)


class Place(NamedTuple):
    """A name under which a checkpoint lies in the archive, and the segment that it lies beside."""

    name: str
    segment: Segment | None


class Wanted(NamedTuple):
    """A checkpoint in the archive that lacks its token somewhere, and all places it lies at."""

    checkpoint: Checkpoint
    places: list[Place]


def is_configured() -> bool:
    """Whether there is an authority to ask."""
    return bool(settings.TSA_URL)


def stamp_archived(store: Store, *, limit: int = RUN_LIMIT) -> int:
    """Gets tokens for archived checkpoints that have none, the newest first.

    The newest covers every event before it; the others follow as the runs go on. A failure is
    told by `ArchiverState.stamp_failing_since` and, when it begins and ends, by an event.

    Args:
        store: the archive.
        limit: at most so many tokens.

    Returns:
        How many tokens were put into the archive.
    """
    if not is_configured():
        return 0
    with _alone() as is_alone:
        if not is_alone:
            return 0
        done, failure = _stamp_all(store, limit)
        _tell(failure)
        return done


def _stamp_all(store: Store, limit: int) -> tuple[int, StrongroomError | None]:
    done, failure = 0, None
    try:
        for wanted in _wanted(store):
            if done >= limit:
                break
            try:
                _stamp(store, wanted)
                done += 1
            except _HOPELESS:
                raise
            except StrongroomError as error:
                # This one's fault, such as something else under the token's name.
                log.error(
                    "not stamped",
                    size=wanted.checkpoint.size,
                    code=error.code,
                    reason=error.message,
                )
                failure = error
    except StrongroomError as error:
        failure = error
    return done, failure


def _wanted(store: Store) -> Iterator[Wanted]:
    # By turns: neither a long backlog of segments nor one of heartbeats holds the other up.
    for pair in zip_longest(_heartbeats(store), _segments()):
        for checkpoint, places in filter(None, pair):
            # The checkpoint of a heartbeat may be that of a segment as well.
            beside = checkpoint.segments.filter(
                status=SegmentStatus.ARCHIVED, released_at__isnull=True
            )
            yield Wanted(checkpoint, [*places, *(Place(_beside(item), item) for item in beside)])


def _segments() -> Iterator[Wanted]:
    found = Checkpoint.objects.filter(
        segments__status=SegmentStatus.ARCHIVED,
        segments__released_at__isnull=True,
        timestamp__isnull=True,
    )
    for checkpoint in found.order_by("-size").distinct()[:MAX_SEGMENTS]:
        yield Wanted(checkpoint, [])


def _heartbeats(store: Store) -> Iterator[Wanted]:
    for day in _days():
        names = set(store.iterate(f"heartbeat/{day:%Y/%m/%d}/"))
        for name in sorted(names, reverse=True):
            if name.endswith(CHECKPOINT_SUFFIX) and name + TOKEN_SUFFIX not in names:
                checkpoint = _heartbeat(name)
                if checkpoint is not None:
                    yield Wanted(checkpoint, [Place(name, None)])


def _beside(segment: Segment) -> str:
    stem = Range(segment.first_seq, segment.last_seq).stem
    return f"{segment.day:%Y/%m/%d}/{stem}{CHECKPOINT_SUFFIX}"


def _days() -> Iterator[datetime]:
    """The days whose heartbeats may lack a token, the newest first."""
    now = datetime.now(UTC)
    since = ArchiverState.objects.filter(pk=1).values_list("stamp_failing_since", flat=True).first()
    count = max(RECENT_DAYS, (now - since).days + 1 if since else 0)
    return (now - timedelta(days=n) for n in range(min(count, MAX_DAYS) + 1))


def _heartbeat(name: str) -> Checkpoint | None:
    """The checkpoint that was archived under that name; None if it is none of ours."""
    try:
        signed_at = datetime.strptime(name, _HEARTBEAT_NAME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Checkpoint.objects.filter(signed_at=signed_at).order_by("id").first()


def _stamp(store: Store, wanted: Wanted) -> None:
    """Puts a token beside a checkpoint, then its row: a row promises that the token is there."""
    token, stamp = _token(store, wanted)
    stored = [_put(store, place.name, token, wanted.checkpoint) for place in wanted.places]
    with transaction.atomic(durable=True):
        Timestamp.objects.get_or_create(
            checkpoint=wanted.checkpoint,
            defaults={
                "token": token,
                "authority": stamp.authority[:512],
                "stamped_at": stamp.time,
            },
        )
        for place, item in zip(wanted.places, stored, strict=True):
            if place.segment is not None:
                _add_companion(place.segment, item)


def _put(store: Store, name: str, token: bytes, checkpoint: Checkpoint) -> Stored:
    """Keeps the token beside the checkpoint of that name, locked and held as that is."""
    beside = store.stat(name, version_id=objects.original(store, name))
    retention = beside.retention or storage.retention_for(
        checkpoint.signed_at, now=datetime.now(UTC)
    )
    stored = objects.put(store, name + TOKEN_SUFFIX, token, retention)
    if beside.legal_hold:
        store.hold(stored.name, on=True, version_id=stored.version_id)
    return stored


def _add_companion(segment: Segment, stored: Stored) -> None:
    locked = Segment.objects.select_for_update().get(pk=segment.pk)
    if all(item["name"] != stored.name for item in locked.companions):
        locked.companions = [*locked.companions, companion_receipt(stored)]
        locked.save(update_fields=["companions"])


def _token(store: Store, wanted: Wanted) -> tuple[bytes, Stamp]:
    """The token that is known or was stored before, or else a new one; checked in every case."""
    digest = sha256(wanted.checkpoint.note.encode("utf-8"))
    known = Timestamp.objects.filter(checkpoint=wanted.checkpoint).first()
    if known is not None:
        return bytes(known.token), tokens.checked(bytes(known.token), digest)
    token = _left_behind(store, wanted)
    if token is None:
        tokens.certificates()  # nobody is asked for what could not be checked
        token = timestamps.request_token(settings.TSA_URL, digest)
    stamp = tokens.checked(token, digest)
    tokens.check_time(stamp, wanted.checkpoint)
    return token, stamp


def _left_behind(store: Store, wanted: Wanted) -> bytes | None:
    """What a run that died between the store and the database has stored already."""
    for place in wanted.places:
        name = place.name + TOKEN_SUFFIX
        try:
            return store.read(name, version_id=objects.original(store, name))
        except NotFound:
            continue
    return None


def _tell(failure: StrongroomError | None) -> None:
    """Notes how it went; records only that stamping began to fail, and that it works again."""
    ArchiverState.objects.get_or_create(pk=1)
    with transaction.atomic():
        state = ArchiverState.objects.select_for_update().get(pk=1)
        if (failure is not None) == (state.stamp_failing_since is not None):
            return
        state.stamp_failing_since = timezone.now() if failure else None
        state.save(update_fields=["stamp_failing_since"])
        if failure is not None:
            log.error("timestamps failing", code=failure.code, reason=failure.message)
        if not trail.is_enabled():
            return
        trail.record(
            EventType.AUDIT_TIMESTAMPS_FAILED if failure else EventType.AUDIT_TIMESTAMPS_RECOVERED,
            actor=_ACTOR,
            obj=("job", "timestamps"),
            outcome="failure" if failure else "success",
            data={"code": failure.code, "reason": failure.message} if failure else None,
        )


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether nobody else stamps now; held until the block or the connection ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_STAMPER_LOCK])
        is_alone = bool(cursor.fetchone()[0])
    try:
        yield is_alone
    finally:
        if is_alone and connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_STAMPER_LOCK])
