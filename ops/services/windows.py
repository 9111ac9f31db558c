"""The windows of a job's schedule, and the runs that carry them out: one for each, however late.

They are counted from the job's own row, so that nothing is lost while no worker runs, and nothing
is done twice however often the queue says that something is due.
"""

from __future__ import annotations

from datetime import datetime
from itertools import islice

import structlog
from django.db import transaction

from audit.services import clock
from ops import cron, queue, registry
from ops.models import Job, Run, RunStatus
from ops.registry import JobType, MakeUp
from ops.services import claims
from ops.services.runs import SCHEDULE

# So many are made up at once; the rest follow when the job is looked at next.
MOST_AT_ONCE = 100
OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)
log = structlog.get_logger(__name__)


def open_due_windows(job: Job, now: datetime | None = None) -> list[Run]:
    """Makes and queues the runs of the windows that are due.

    Args:
        now: windows up to here are due; the database's clock, if not given.

    Returns:
        The new runs, oldest first.
    """
    until = now or clock.database_clock()
    with transaction.atomic():
        # Whoever else looks at the job waits here, and finds nothing left to do.
        locked = Job.objects.select_for_update().get(pk=job.pk)
        kind = {kind.name: kind for kind in registry.all_types()}.get(locked.job_type)
        if kind is None or not _is_scheduled(locked):
            return []
        due = _due(locked, kind, until)
        if not due:
            return []
        Job.objects.filter(pk=locked.pk).update(windows_through=due[-1])
        if not kind.is_wanted():
            return []
        known = set(
            locked.runs.filter(triggered_by=SCHEDULE, intended_at__in=due).values_list(
                "intended_at", flat=True
            )
        )
        return [_open(locked, kind, window) for window in due if window not in known]


def is_due(job: Job, now: datetime) -> bool:
    """Whether a window has passed for which no run was made yet."""
    kind = {kind.name: kind for kind in registry.all_types()}.get(job.job_type)
    return kind is not None and _is_scheduled(job) and bool(_due(job, kind, now))


def next_window(job: Job, now: datetime | None = None) -> datetime | None:
    """When a job is due next; None where it is only run on demand, or not at all."""
    if not _is_scheduled(job):
        return None
    try:
        after = max(now or clock.host_clock(), job.windows_through)
        return cron.next_after(job.schedule_cron, after)
    except cron.InvalidCron:
        return None


def _is_scheduled(job: Job) -> bool:
    return job.is_enabled and bool(job.schedule_cron)


def _due(job: Job, kind: JobType, until: datetime) -> list[datetime]:
    if kind.name in claims.waiting_types():
        return []  # they are not lost: their runs are made when they can be done
    try:
        if kind.make_up is MakeUp.EACH:
            passed = cron.windows(job.schedule_cron, after=job.windows_through, until=until)
            return list(islice(passed, MOST_AT_ONCE))
        latest = cron.latest_until(job.schedule_cron, until)
    except cron.InvalidCron as error:
        log.error("a job has no valid schedule", job=job.name, reason=error.message)
        return []
    # One that still waits or runs will see to what the newest window is there for.
    if latest <= job.windows_through or job.runs.filter(status__in=OPEN).exists():
        return []
    return [latest]


def _open(job: Job, kind: JobType, window: datetime) -> Run:
    run = Run.objects.create(
        job=job,
        job_type=kind.name,
        client_id=job.client_id,
        payload=job.payload,
        triggered_by=SCHEDULE,
        account=job.owner,
        intended_at=window,
        max_attempts=kind.max_attempts,
    )
    queue.enqueue(run.pk)
    return run
