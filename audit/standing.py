"""How the whole trail stands, beyond the log itself: archive, stream, timestamps, verifications."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count
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

# Drills and restores verify copies elsewhere.
OF_THE_TRAIL = (VerificationKind.MANUAL, VerificationKind.SCHEDULED)
ARCHIVES = (Storage.LOCAL, Storage.S3)


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
