"""The records of the room: the log, what signs it, where it is archived, and who verified it."""

from audit.models.archive import (
    ArchiverState,
    CustodyRecord,
    LegalHold,
    RelayState,
    Segment,
    SegmentStatus,
    Timestamp,
)
from audit.models.duties import Duty, DutyRecord
from audit.models.log import AuditEvent, ClockTimestamp, LogHead, MerkleTile, PendingEvent
from audit.models.signing import Checkpoint, KeyStatus, SigningKey
from audit.models.verification import (
    Storage,
    VerificationKind,
    VerificationRequest,
    VerificationRun,
)

__all__ = [
    "ArchiverState",
    "AuditEvent",
    "Checkpoint",
    "ClockTimestamp",
    "CustodyRecord",
    "Duty",
    "DutyRecord",
    "KeyStatus",
    "LegalHold",
    "LogHead",
    "MerkleTile",
    "PendingEvent",
    "RelayState",
    "Segment",
    "SegmentStatus",
    "SigningKey",
    "Storage",
    "Timestamp",
    "VerificationKind",
    "VerificationRequest",
    "VerificationRun",
]
