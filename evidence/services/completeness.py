"""Collects what was expected and what was there, when an export is planned."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from croniter import croniter
from django.db.models import Max, Q
from django.db.models.functions import TruncHour

from access.models import Client
from audit import standing
from audit.models import Checkpoint, Segment, SegmentStatus
from evidence.formats.completeness import MAX_NAMED, Archived, Heartbeat, JobRuns, Observed
from ops import registry
from ops.models import Job, Run, RunStatus
from sealing.times import format_time

# Of a job that runs every minute a year has half a million windows: so many are counted.
MAX_WINDOWS = 20_000
_HOUR = timedelta(hours=1)


def observe(*, client: Client | None, start: datetime, end: datetime, now: datetime) -> Observed:
    """What the records say of ``[start, end)``, as far as it is over at ``now``.

    Counted are the client's own jobs, and those of the platform that are recorded run by run: of
    what recurs every minute, the archive itself tells whether it was done.
    """
    end = min(end, now)
    builtin = [kind.name for kind in registry.all_types() if kind.is_builtin and kind.is_recorded]
    jobs = Job.objects.filter(
        Q(owner__isnull=True, job_type__in=builtin) | Q(client=client, owner__isnull=False)
    ).exclude(schedule_cron="")
    return Observed(
        jobs=tuple(_runs_of(job, start, end) for job in jobs.order_by("name")),
        archive=_archived(),
        heartbeat=_heartbeat(start, end),
    )


def windows(cron: str, start: datetime, end: datetime) -> Iterable[datetime]:
    """The moments of a schedule in ``[start, end)``, UTC, at most ``MAX_WINDOWS``."""
    if start >= end:
        return
    schedule = croniter(cron, start - timedelta(microseconds=1))
    for _ in range(MAX_WINDOWS):
        moment = schedule.get_next(datetime)
        if moment >= end:
            return
        yield moment


def _runs_of(job: Job, start: datetime, end: datetime) -> JobRuns:
    expected = list(windows(job.schedule_cron, max(start, job.created_at), end))
    runs = dict(
        Run.objects.filter(
            job=job, triggered_by="schedule", intended_at__gte=start, intended_at__lt=end
        ).values_list("intended_at", "status")
    )
    found = [runs.get(moment) for moment in expected]
    missing = [moment for moment, status in zip(expected, found, strict=True) if status is None]
    return JobRuns(
        name=job.name,
        job_type=job.job_type,
        schedule_cron=job.schedule_cron,
        expected=len(expected),
        succeeded=found.count(RunStatus.SUCCESS),
        failed=found.count(RunStatus.FAILED),
        open=found.count(RunStatus.QUEUED) + found.count(RunStatus.RUNNING),
        missing=_named(missing),
        missing_count=len(missing),
    )


def _archived() -> Archived:
    size = standing.log_size()
    through = Segment.objects.filter(status=SegmentStatus.ARCHIVED).aggregate(
        through=Max("last_seq")
    )["through"]
    return Archived(size, through, standing.unarchived(size).count)


def _heartbeat(start: datetime, end: datetime) -> Heartbeat:
    first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = first if first == start else first + _HOUR
    oldest = Checkpoint.objects.order_by("signed_at").values_list("signed_at", flat=True).first()
    if oldest is not None:
        # Before the first checkpoint there was no log that could have been signed.
        first = max(first, oldest.replace(minute=0, second=0, microsecond=0))
    hours: list[datetime] = []
    while first + _HOUR <= end and len(hours) < MAX_WINDOWS:
        hours.append(first)
        first += _HOUR
    if not hours or oldest is None:
        return Heartbeat(len(hours), _named(hours), len(hours))
    signed = set(
        Checkpoint.objects.filter(signed_at__gte=hours[0], signed_at__lt=hours[-1] + _HOUR)
        .annotate(hour=TruncHour("signed_at", tzinfo=UTC))
        .order_by()
        .values_list("hour", flat=True)
        .distinct()
    )
    missing = [hour for hour in hours if hour not in signed]
    return Heartbeat(len(hours), _named(missing), len(missing))


def _named(moments: list[datetime]) -> tuple[str, ...]:
    return tuple(format_time(moment) for moment in moments[:MAX_NAMED])
