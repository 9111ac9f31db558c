"""Incidents and runbooks, backups, and what was done to show that the log can be restored."""

from __future__ import annotations

from audit.events import EventType
from reports.facts.base import Fact, Reach, not_stored
from reports.facts.events import counted
from reports.facts.records import rows

_DRILLS_OK = """
SELECT id FROM audit_verificationrun
WHERE kind = 'drill' AND verdict = 'VALID' AND finished_at >= %(start)s AND finished_at < %(until)s
"""


def facts() -> tuple[Fact, ...]:
    """The facts of this subject."""
    return (
        not_stored("incidents.opened", "Incidents", "incidents"),
        not_stored("incidents.resolved", "Incidents resolved", "incidents"),
        not_stored("incidents.mttr", "Mean time to resolve an incident", "hours"),
        not_stored("runbooks.executed", "Runbooks carried out", "runbooks"),
        not_stored("backups.made", "Backups made", "backups"),
        counted(
            "drills.restore",
            "Restore drills",
            EventType.AUDIT_RESTORE_DRILL_FINISHED,
            unit="drills",
            reach=Reach.PLATFORM,
        ),
        rows(
            "drills.restore_valid",
            "Verifications of restored logs that were valid",
            "verification",
            _DRILLS_OK,
            unit="verifications",
            reach=Reach.LOG,
        ),
        counted(
            "log.restored",
            "Times that the log was restored",
            EventType.AUDIT_LOG_RESTORED,
            unit="restores",
            reach=Reach.PLATFORM,
        ),
    )
