"""Runs of jobs, and the windows that passed without one."""

from __future__ import annotations

from access.models import Client
from audit.events import EventType
from evidence.services.completeness import observe
from ops.models import Job
from reports.facts.base import Fact, Measured, Reach, Records, Scope
from reports.facts.events import counted
from reports.facts.records import rows

_ENDED = """
SELECT id FROM ops_run
WHERE finished_at >= %(start)s AND finished_at < %(until)s AND status = %(status)s
  AND (%(client)s::text IS NULL OR client_id = %(client)s)
"""
_SCHEDULED = """
SELECT id FROM ops_run
WHERE triggered_by = 'schedule' AND intended_at >= %(start)s AND intended_at < %(until)s
  AND (%(client)s::text IS NULL OR client_id = %(client)s)
"""


def facts() -> tuple[Fact, ...]:
    """The facts of this subject."""
    return (
        rows("runs.succeeded", "Runs that succeeded", "run", _ENDED, unit="runs", status="SUCCESS"),
        rows("runs.failed", "Runs that failed", "run", _ENDED, unit="runs", status="FAILED"),
        rows("runs.scheduled", "Runs that the schedule started", "run", _SCHEDULED, unit="runs"),
        counted(
            "runs.requested",
            "Runs that people or services asked for",
            EventType.OPS_RUN_REQUESTED,
            unit="runs",
        ),
        counted(
            "runs.failures_recorded",
            "Failures of runs in the log",
            EventType.OPS_RUN_FAILED,
            unit="events",
        ),
        Fact(
            "runs.missed",
            "Windows of schedules that passed without a run",
            "windows",
            Reach.CLIENT,
            _missed,
        ),
    )


def _missed(scope: Scope) -> Measured:
    client = None if scope.client_id is None else Client.objects.get(pk=scope.client_id)
    now = scope.generated_at or scope.end
    found = observe(
        client=client,
        start=scope.start,
        end=scope.end,
        now=now,
        is_every_client=client is None,
    ).jobs
    names = Job.objects.filter(name__in=[job.name for job in found]).values_list("pk", flat=True)
    return Measured(sum(job.missing_count for job in found), Records.of("job", names))
