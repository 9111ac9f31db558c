"""The schedules of django-q2: made from the jobs, by name, and from nothing else.

They only say when to look at a job. Which windows are due is counted from the job itself
(ops/services/windows.py), so a schedule that is late, doubled or lost changes nothing for good.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django_q.models import Schedule

from ops import cron, queue, registry
from ops.models import Job
from ops.services import windows


@dataclass(frozen=True, slots=True)
class Synced:
    """How many schedules were made, changed and removed."""

    created: int = 0
    updated: int = 0
    removed: int = 0


def sync_schedules() -> Synced:
    """Makes the schedules what the jobs say; removes every other one.

    Idempotent, and called often: a schedule that django-q2 can't read would hold up all others.
    """
    outcomes = {job.name: sync_job(job) for job in Job.objects.order_by("name")}
    strangers, _ = Schedule.objects.exclude(name__in=outcomes).delete()
    count = Counter(outcomes.values())
    return Synced(count["created"], count["updated"], count["removed"] + strangers)


def sync_job(job: Job) -> str:
    """Makes one job's schedule what the job says.

    Returns:
        What had to be done: ``created``, ``updated``, ``removed`` or ``nothing``.
    """
    rows = Schedule.objects.filter(name=job.name).order_by("pk")
    wanted = _wanted(job)
    with transaction.atomic():
        row = rows.select_for_update().first()
        if wanted is None:
            return "removed" if rows.delete()[0] else "nothing"
        if row is None:
            made = Schedule.objects.create(name=job.name, **wanted)
            # django-q2 counts a new one from now; a window may have passed before.
            Schedule.objects.filter(pk=made.pk).update(next_run=_first_run(job))
            return "created"
        rows.exclude(pk=row.pk).delete()
        differs = any(getattr(row, name) != value for name, value in wanted.items())
        if differs or row.next_run is None or _was_forgotten(job, row):
            rows.filter(pk=row.pk).update(**wanted, next_run=_first_run(job))
            return "updated"
    return "nothing"


def _wanted(job: Job) -> dict[str, Any] | None:
    kinds = {kind.name: kind for kind in registry.all_types()}
    kind = kinds.get(job.job_type)
    if not job.is_enabled or not job.schedule_cron or kind is None or not kind.is_wanted():
        return None
    try:
        cron.check(job.schedule_cron)
    except cron.InvalidCron:
        return None  # told as a breach (ops/services/sla.py)
    return {
        "func": queue.EXECUTE_RUN,
        "args": f"'{job.pk}',",
        "kwargs": "",
        "hook": None,
        "schedule_type": Schedule.CRON,
        "cron": job.schedule_cron,
        "repeats": -1,
        "cluster": None,
        "intended_date_kwarg": None,
    }


def _first_run(job: Job) -> datetime:
    return cron.next_after(job.schedule_cron, job.windows_through)


def _was_forgotten(job: Job, row: Schedule) -> bool:
    """Whether something is due that the schedule believes to have told of, and nobody has heard."""
    now = timezone.now()
    if row.next_run is None or row.next_run <= now:
        return False
    return windows.is_due(job, now) and not queue.is_queued(job.pk)
