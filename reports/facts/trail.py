"""The audit trail itself: its events, verifications, checkpoints, gaps and archive.

There is one log for all clients, so that what is told of its wholeness is the same in every packet.
"""

from __future__ import annotations

from django.db import connection

from audit.events import EventType
from audit.models import Duty
from evidence.formats.completeness import LATE_AFTER_SECONDS
from reports.facts.base import Events, Fact, Measured, Population, Reach, Scope
from reports.facts.events import count, counted
from reports.facts.records import rows
from sealing.results import Verdict

LATE = Population(
    own=False, where=f"created_at - occurred_at > interval '{LATE_AFTER_SECONDS} seconds'"
)
_VERIFIED = """
SELECT id FROM audit_verificationrun
WHERE finished_at >= %(start)s AND finished_at < %(until)s AND verdict = %(verdict)s
  AND kind IN ('manual', 'scheduled')
"""
_CHECKPOINTS = """
SELECT id FROM audit_checkpoint WHERE signed_at >= %(start)s AND signed_at < %(until)s
"""
_TIMESTAMPS = """
SELECT id FROM audit_timestamp WHERE stamped_at >= %(start)s AND stamped_at < %(until)s
"""
_SEGMENTS = """
SELECT first_seq FROM audit_segment
WHERE status = 'archived' AND archived_at >= %(start)s AND archived_at < %(until)s
"""
_DUTY = """
SELECT id FROM audit_dutyrecord
WHERE duty = %(duty)s AND done_at >= %(start)s AND done_at < %(until)s AND ok
"""


def facts() -> tuple[Fact, ...]:
    """The facts of this subject."""
    return (
        counted("events.recorded", "Events of the period", own=False),
        Fact(
            "events.late",
            "Events that reached the log more than a day after they occurred",
            "events",
            Reach.CLIENT,
            _late,
            LATE,
        ),
        *(_verified(verdict) for verdict in Verdict),
        rows(
            "verifications.daily",
            "Daily verifications done and found in order",
            "duty",
            _DUTY,
            unit="verifications",
            reach=Reach.LOG,
            duty=str(Duty.DAILY_VERIFICATION),
        ),
        rows(
            "checkpoints.signed",
            "Checkpoints signed",
            "checkpoint",
            _CHECKPOINTS,
            unit="checkpoints",
            reach=Reach.LOG,
        ),
        rows(
            "checkpoints.timestamped",
            "Checkpoints stamped by an authority outside",
            "timestamp",
            _TIMESTAMPS,
            unit="timestamps",
            reach=Reach.LOG,
        ),
        rows(
            "archive.segments",
            "Segments put into the archive",
            "segment",
            _SEGMENTS,
            unit="segments",
            reach=Reach.LOG,
        ),
        Fact("log.gaps", "Numbers that the log lacks", "numbers", Reach.LOG, _gaps),
        Fact(
            "log.unarchived",
            "Events of the period that the archive lacks",
            "events",
            Reach.CLIENT,
            _unarchived,
        ),
        counted(
            "archive.failed",
            "Times that the archiver began to fail",
            EventType.AUDIT_ARCHIVER_FAILED,
            unit="failures",
            reach=Reach.PLATFORM,
        ),
        counted(
            "checkpoints.refused",
            "Checkpoints that were refused",
            EventType.AUDIT_CHECKPOINT_REFUSED,
            unit="refusals",
            reach=Reach.PLATFORM,
        ),
        counted(
            "events.set_aside",
            "Events that could not be sealed and were set aside",
            EventType.AUDIT_EVENT_SET_ASIDE,
            reach=Reach.PLATFORM,
        ),
        counted(
            "retention.short",
            "Times that objects were found locked for too short",
            EventType.AUDIT_RETENTION_SHORT,
            unit="findings",
            reach=Reach.PLATFORM,
        ),
        counted(
            "vault.audits",
            "Audits of the vault",
            EventType.EVIDENCE_VAULT_AUDITED,
            unit="audits",
            reach=Reach.PLATFORM,
        ),
        counted(
            "vault.differences",
            "Times that the vault was found to differ",
            EventType.EVIDENCE_VAULT_DIFFERS,
            unit="findings",
            # Audits of the vault are of all clients at once, and are recorded without one.
            reach=Reach.PLATFORM,
        ),
    )


def _verified(verdict: Verdict) -> Fact:
    return rows(
        f"verifications.{verdict.lower()}",
        f"Verifications of the log with the verdict {verdict.lower()}",
        "verification",
        _VERIFIED,
        unit="verifications",
        reach=Reach.LOG,
        verdict=str(verdict),
    )


def _late(scope: Scope) -> Measured:
    found = count(scope, LATE)
    return Measured(found.count, found)


def _gaps(scope: Scope) -> Measured:
    found = _through(scope.tree_size)
    return Measured(scope.tree_size - found.count, found, scope.generated_at or scope.end)


def missing_numbers(size: int) -> int:
    """How many numbers below a size the log lacks."""
    return size - _through(size).count


def _through(size: int) -> Events:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(seq), max(seq) FROM audit_events WHERE seq < %s", [size]
        )
        return Events(*cursor.fetchone())


def _unarchived(scope: Scope) -> Measured:
    found = count(scope, Population(own=False, where="s3_archived_at IS NULL"))
    return Measured(found.count, found, scope.generated_at or scope.end)
