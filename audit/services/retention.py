"""The retention sweep: extends locks where policy grew, tells where they are short, lets go late.

A lock only ever gets longer. What has outlived its lock is removed from a local archive alone,
oldest first and without a gap, never under a legal hold; S3 removes by the bucket's own rules.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from audit import storage
from audit.events import Actor, EventType
from audit.models import ArchiverState, Segment, SegmentStatus, Storage
from audit.services import clock, holds, switches, trail
from audit.services.objects import original
from sealing.errors import Invalid, NotFound
from sealing.stores.base import LockMode, Retention, RetentionShortened, Store, Stored, StoreDenied
from sealing.times import format_time, parse_time

# What lies in the archive beside the segments and is locked as they are.
OTHER_PREFIXES = ("heartbeat/", "verifications/")
MAX_NAMED = 50
_TIMED = re.compile(r"[a-z]+/(\d{4})/(\d\d)/(\d\d)/(\d\d)(\d\d)(\d\d\.\d{6})\.", re.ASCII)
_ACTOR = Actor.system("retention-sweep")
log = structlog.get_logger(__name__)


@dataclass
class Sweep:
    """What a sweep did and found.

    Attributes:
        checked: how many objects it looked at.
        extended: objects whose lock was made longer.
        short: keys of objects that are not locked as long, or as strongly, as they should be.
        missing: keys of objects that are not there.
        held: segments whose legal hold changed.
        released: local segments that were let go of.
        by_kms_key: how many segments each KMS key encrypts ("" where the store names none).
    """

    checked: int = 0
    extended: int = 0
    short: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    held: int = 0
    released: list[int] = field(default_factory=list)
    by_kms_key: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """For events and for JSON; long lists are cut, their lengths are not."""
        return {
            "checked": self.checked,
            "extended": self.extended,
            "short": len(self.short),
            "short_objects": self.short[:MAX_NAMED],
            "missing": len(self.missing),
            "missing_objects": self.missing[:MAX_NAMED],
            "held": self.held,
            "released": len(self.released),
            "by_kms_key": dict(self.by_kms_key),
        }


def sweep(*, actor: Actor = _ACTOR) -> Sweep:
    """Goes through the whole archive once.

    Raises:
        Paused: somebody paused it. StoreUnavailable, StoreDenied: it could not be finished; what
        it did until then stays done.
    """
    switches.ensure_running("retention_sweep")
    store = storage.archive_store()
    found = Sweep()
    found.held = holds.apply(store)
    for segment in _kept().iterator(chunk_size=500):
        switches.ensure_running("retention_sweep")
        _check_segment(store, segment, found)
    for prefix in OTHER_PREFIXES:
        for name in store.iterate(prefix):
            _check_object(store, name, found)
    if storage.backend() is Storage.LOCAL:
        _release(store, found)
    _tell(actor, found)
    return found


def former_kms_keys() -> dict[str, int]:
    """How many archived segments each KMS key encrypts that is not the one in use now."""
    keys = _kept().exclude(kms_key_id="").order_by().values_list("kms_key_id", flat=True)
    current = storage.s3_options().kms_key_id or ""
    return {key: count for key, count in Counter(keys).items() if not _is_key(key, current)}


def _is_key(stored: str, configured: str) -> bool:
    # S3 answers with the key's ARN, whose end is the id that may have been configured.
    return stored == configured or bool(configured and stored.endswith(f"/{configured}"))


def _kept() -> Any:
    return Segment.objects.filter(status=SegmentStatus.ARCHIVED, released_at__isnull=True).order_by(
        "first_seq"
    )


def _check_segment(store: Store, segment: Segment, found: Sweep) -> None:
    wanted = storage.retention_for(segment.newest_event_at, now=segment.newest_event_at)
    kept = _extended(store, segment.object_name, segment.kept_version, wanted, found)
    if kept is None:
        return
    found.by_kms_key[kept.kms_key_id or ""] += 1
    companions = []
    for companion in segment.companions:
        beside = _extended(store, companion["name"], companion["version_id"], wanted, found)
        lock = beside.retention if beside else None
        until = {"mode": str(lock.mode), "retain_until": format_time(lock.until)} if lock else {}
        companions.append({**companion, **until})
    _store_receipt(segment, kept, companions)


def _check_object(store: Store, name: str, found: Sweep) -> None:
    """What is no segment is locked by the time in its name, as verifiers judge it.

    Never by the time that the store tells, which some renew when a lock changes. Of other names
    than ours nothing was promised; verification tells of them.
    """
    moment = _time_of(name)
    if moment is None:
        return
    wanted = storage.retention_for(moment, now=moment)
    try:
        version_id = original(store, name)
    except NotFound:
        return  # removed between the listing and now, by whoever may
    _extended(store, name, version_id, wanted, found)


def _time_of(name: str) -> datetime | None:
    """The time in a name; None if there is none, since anybody with the right may add a name."""
    match = _TIMED.match(name)
    try:
        return parse_time("{}-{}-{}T{}:{}:{}Z".format(*match.groups())) if match else None
    except Invalid:
        return None


def _extended(
    store: Store, name: str, version_id: str | None, wanted: Retention, found: Sweep
) -> Stored | None:
    """The object, its lock made as long as wanted where it can be; counts what can't be."""
    version_id = version_id or None
    found.checked += 1
    try:
        kept = store.stat(name, version_id=version_id)
    except NotFound:
        found.missing.append(store.key(name))
        return None
    if _is_enough(kept.retention, wanted):
        return kept
    try:
        store.extend(name, _stronger(kept.retention, wanted), version_id=version_id)
    except (StoreDenied, RetentionShortened) as error:
        log.error("lock can't be extended", name=name, reason=error.message)
    else:
        found.extended += 1
    kept = store.stat(name, version_id=version_id)
    if not _is_enough(kept.retention, wanted):
        found.short.append(store.key(name))
    return kept


def _is_enough(kept: Retention | None, wanted: Retention) -> bool:
    if kept is None or kept.until < wanted.until:
        return False
    return kept.mode is LockMode.COMPLIANCE or kept.mode is wanted.mode


def _stronger(kept: Retention | None, wanted: Retention) -> Retention:
    if kept is None:
        return wanted
    mode = LockMode.COMPLIANCE if kept.mode is LockMode.COMPLIANCE else wanted.mode
    return Retention(mode, max(kept.until, wanted.until))


def _store_receipt(segment: Segment, kept: Stored, companions: list[dict[str, Any]]) -> None:
    """What the store says now, where it changed; the digest and the version stay as they were."""
    lock = kept.retention
    changes: dict[str, Any] = {
        "replication_status": kept.replication or "",
        "kms_key_id": kept.kms_key_id or "",
        "companions": companions,
    }
    if lock and not (segment.retain_until and lock.until < segment.retain_until):
        # A shorter one is told as short; the receipt keeps what was promised.
        changes |= {"lock_mode": str(lock.mode), "retain_until": lock.until}
    if any(getattr(segment, name) != value for name, value in changes.items()):
        Segment.objects.filter(pk=segment.pk).update(**changes)


def _release(store: Store, found: Sweep) -> None:
    """Lets go of the oldest segments whose lock has ended.

    Only as a beginning of the log without a gap, and never the last segment; the checkpoint and
    the frontier of the last one that goes stay, since what follows verifies from them.
    """
    for segment in _releasable(clock.database_clock()):
        store.release(segment.object_name)
        Segment.objects.filter(pk=segment.pk).update(released_at=timezone.now())
        found.released.append(segment.pk)
        before = (
            Segment.objects.filter(released_at__isnull=False, last_seq=segment.first_seq - 1)
            .order_by("-last_seq")
            .first()
        )
        if before is not None:
            _release_companions(store, before)


def _releasable(now: datetime) -> Iterator[Segment]:
    newest = _kept().last()
    for segment in _kept().iterator(chunk_size=500):
        ends = [segment.retain_until, *(_until(item) for item in segment.companions)]
        is_over = all(end is not None and end < now for end in ends)
        if not is_over or segment.legal_hold or holds.covers(segment.day) or segment == newest:
            return
        policy = storage.retention_for(segment.newest_event_at, now=segment.newest_event_at)
        if policy.until >= now:
            return
        yield segment


def _until(companion: dict[str, Any]) -> datetime | None:
    text = companion["retain_until"]
    return parse_time(text) if text else None


def _release_companions(store: Store, segment: Segment) -> None:
    for companion in segment.companions:
        if store.exists(companion["name"]):
            store.release(companion["name"])


def _tell(actor: Actor, found: Sweep) -> None:
    switches.state()
    mismatches = len(found.short) + len(found.missing)
    with transaction.atomic():
        now = ArchiverState.objects.select_for_update().get(pk=1)
        was = now.lock_mismatches
        now.lock_mismatches = mismatches
        now.last_sweep_at = timezone.now()
        now.save()
        if not trail.is_enabled():
            return
        summary = found.as_dict()
        if found.extended:
            trail.record(EventType.AUDIT_RETENTION_CHANGED, actor=actor, data=summary)
        if mismatches and mismatches != was:
            trail.record(
                EventType.AUDIT_RETENTION_SHORT, actor=actor, outcome="failure", data=summary
            )
        if found.released:
            ranges = Segment.objects.filter(pk__in=found.released).order_by("first_seq")
            first, last = ranges.first(), ranges.last()
            trail.record(
                EventType.AUDIT_LOCAL_COPIES_RELEASED,
                actor=actor,
                data={
                    "first_seq": first.first_seq if first else None,
                    "last_seq": last.last_seq if last else None,
                    "segments": len(found.released),
                },
            )
