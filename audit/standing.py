"""How the whole trail stands, beyond the log itself: archive, stream, timestamps, verifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from audit.models import (
    ArchiverState,
    AuditEvent,
    LogHead,
    RelayState,
    Segment,
    SegmentStatus,
    Storage,
    VerificationKind,
    VerificationRun,
)
from sealing.results import Verdict

# Drills and restores verify copies elsewhere.
OF_THE_TRAIL = (VerificationKind.MANUAL, VerificationKind.SCHEDULED)
ARCHIVES = (Storage.LOCAL, Storage.S3)
# The events hold, the locks do not: where somebody asked, it may be a lock that nobody promised.
_OF_LOCKS_ALONE = Q(lock_mismatches__gt=0, first_bad_seq__isnull=True)


@dataclass(frozen=True, slots=True)
class Unarchived:
    """What the archive still lacks.

    Attributes:
        count: how many sealed events have no pointer into the archive.
        oldest_at: when the oldest of them was sealed.
    """

    count: int
    oldest_at: datetime | None

    @property
    def oldest_seconds(self) -> float:
        """For how long the oldest waits; 0 where none does."""
        if self.oldest_at is None:
            return 0.0
        return max(0.0, (timezone.now() - self.oldest_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Relay:
    """How far a stream has come.

    Attributes:
        topic: its name.
        next_seq: the event that it sends next; 0 before the first.
        behind: how many sealed events it has not sent.
        state: its row; None where it never ran.
    """

    topic: str
    next_seq: int
    behind: int
    state: RelayState | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What is known of a copy, whoever looked at a part of it since.

    Attributes:
        newest: the last verification up to the present: a scheduled one, or one of the whole log.
        end_seq: the number after the last one that the newest valid of these found to hold; 0
            where there was none.
        is_valid: whether ``newest`` was, and every window that was ever found INVALID is covered
            by a later VALID verification.
    """

    newest: VerificationRun | None
    end_seq: int
    is_valid: bool


@dataclass(frozen=True, slots=True)
class ArchiveStanding:
    """How the archive and what feeds on it stand.

    Attributes:
        state: whether the archiver and the sweep run, and how they fared.
        unarchived: what is to be archived.
        last: the newest archived segment.
        last_verification: of the archive, with manual and scheduled ones alone.
        relays: one for each topic; empty where there is no stream.
        kms_keys: how many archived segments each KMS key encrypts ("": none is named).
    """

    state: ArchiverState
    unarchived: Unarchived
    last: Segment | None
    last_verification: VerificationRun | None
    relays: list[Relay]
    kms_keys: dict[str, int]


def archive(size: int | None = None) -> ArchiveStanding:
    """How the archive stands, each part from one look-up.

    Args:
        size: of the log, where the caller knows it already.
    """
    size = log_size() if size is None else size
    return ArchiveStanding(
        state=archiver_state(),
        unarchived=unarchived(size),
        last=last_segment(),
        last_verification=last_verification(*ARCHIVES),
        relays=relays(size),
        kms_keys=kms_keys(),
    )


def log_size() -> int:
    """How many events the head counts, whether or not it holds together."""
    return LogHead.objects.values_list("size", flat=True).filter(pk=1).first() or 0


def archiver_state() -> ArchiverState:
    """The one row; as it would begin where there is none yet."""
    return ArchiverState.objects.filter(pk=1).first() or ArchiverState()


def unarchived(size: int) -> Unarchived:
    """What has no pointer. The pointer never passes a gap, so the oldest tells how many."""
    oldest = (
        AuditEvent.objects.filter(s3_archived_at__isnull=True)
        .order_by("created_at", "seq")
        .values_list("seq", "created_at")
        .first()
    )
    if oldest is None:
        return Unarchived(0, None)
    return Unarchived(max(0, size - oldest[0]), oldest[1])


def last_segment() -> Segment | None:
    """The newest segment that is archived."""
    return Segment.objects.filter(status=SegmentStatus.ARCHIVED).order_by("-first_seq").first()


def last_verification(*storages: Storage) -> VerificationRun | None:
    """The newest verification of one of these copies, drills and restores apart."""
    runs = VerificationRun.objects.filter(storage__in=storages, kind__in=OF_THE_TRAIL)
    return runs.defer("findings").order_by("-id").first()


def verified(*storages: Storage) -> Verified:
    """What is known of these copies.

    A narrow window that somebody asked for, or one under locks of his own, neither counts as the
    verification of the trail nor makes up for one; only what it proves to be bad counts.
    """
    counted = _up_to_the_present(storages)
    newest = counted.defer("findings").order_by("-id").first()
    held = counted.filter(verdict=Verdict.VALID).order_by("-id")
    end_seq = held.values_list("end_seq", flat=True).first()
    holds = newest is not None and newest.verdict == Verdict.VALID
    return Verified(newest, end_seq or 0, holds and not _contradicted(storages).exists())


def relay(size: int) -> Relay | None:
    """The configured stream; None where there is none."""
    if not settings.KAFKA_BOOTSTRAP_SERVERS:
        return None
    return next(found for found in relays(size) if found.topic == settings.KAFKA_TOPIC)


def relays(size: int) -> list[Relay]:
    """Every stream that ever ran, and the configured one."""
    rows = {state.topic: state for state in RelayState.objects.order_by("topic")}
    topics = sorted({*rows, *([settings.KAFKA_TOPIC] if settings.KAFKA_BOOTSTRAP_SERVERS else [])})
    found = []
    for topic in topics:
        state = rows.get(topic)
        next_seq = state.next_seq if state else 0
        found.append(Relay(topic, next_seq, max(0, size - next_seq), state))
    return found


def kms_keys() -> dict[str, int]:
    """How many archived segments each KMS key encrypts."""
    archived = Segment.objects.filter(status=SegmentStatus.ARCHIVED).order_by()
    return dict(archived.values_list("kms_key_id").annotate(Count("pk")))


def _up_to_the_present(storages: Sequence[Storage]) -> QuerySet[VerificationRun]:
    """Scheduled verifications of the last days, and those of the whole log that came to a verdict.

    The month that is verified each week is not of the last days. What is scheduled may begin before
    midnight and come to the second copy after it.
    """
    day_before = TruncDate(F("started_at") - timedelta(days=1), tzinfo=UTC)
    scheduled = Q(kind=VerificationKind.SCHEDULED)
    scheduled &= Q(end_day__isnull=True) | Q(end_day__gte=day_before)
    whole = Q(kind=VerificationKind.MANUAL, start_day__isnull=True, end_day__isnull=True)
    whole &= ~Q(verdict=Verdict.INCONCLUSIVE) & ~_OF_LOCKS_ALONE
    return VerificationRun.objects.filter(scheduled | whole, storage__in=storages)


def _contradicted(storages: Sequence[Storage]) -> QuerySet[VerificationRun]:
    """INVALID verifications of copies that are in use, of which no later VALID one covers all."""
    later = VerificationRun.objects.filter(
        Q(start_day__isnull=True) | Q(start_day__lte=OuterRef("start_day")),
        Q(end_day__isnull=True) | Q(end_day__gte=OuterRef("end_day")),
        pk__gt=OuterRef("pk"),
        storage=OuterRef("storage"),
        kind__in=OF_THE_TRAIL,
        verdict=Verdict.VALID,
        start_seq__lte=OuterRef("start_seq"),
        end_seq__gte=OuterRef("end_seq"),
    )
    bad = VerificationRun.objects.filter(
        storage__in=[storage for storage in storages if _is_in_use(storage)],
        kind__in=OF_THE_TRAIL,
        verdict=Verdict.INVALID,
    )
    asked_for = Q(kind=VerificationKind.MANUAL)
    return bad.exclude(asked_for & _OF_LOCKS_ALONE).exclude(Exists(later))


def _is_in_use(storage: Storage) -> bool:
    if storage == Storage.LOCAL:
        return bool(settings.AUDIT_STORAGE_PATH.name)
    return storage == Storage.DATABASE or bool(settings.AUDIT_S3_BUCKET)
