"""Collects what was expected and what was there, when an export is planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

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

_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)
_FETCH_ROWS = 2_000


def observe(
    *,
    client: Client | None,
    start: datetime,
    end: datetime,
    now: datetime,
    is_every_client: bool = False,
) -> Observed:
    """What the records say of ``[start, end)``, as far as it is over at ``now``.

    Counted are the client's own jobs, and those of the platform that are recorded run by run: of
    what recurs every minute, the archive itself tells whether it was done. A job that has nothing
    to do in this installation is left out, unless it ran in the period.

    Args:
        client: whose jobs; None for those of no client.
        is_every_client: the jobs of every client and of none, instead of ``client``'s.
    """
    end = min(end, now)
    kinds = {kind.name: kind for kind in registry.all_types()}
    builtin = [kind.name for kind in kinds.values() if kind.is_builtin and kind.is_recorded]
    own = Q(owner__isnull=False) if is_every_client else Q(client=client, owner__isnull=False)
    jobs = (
        Job.objects.filter(Q(owner__isnull=True, job_type__in=builtin) | own)
        .exclude(schedule_cron="")
        .order_by("name")
    )
    idle = {name for name, kind in kinds.items() if not kind.is_wanted()}
    found = [(job.job_type, _runs_of(job, start, end)) for job in jobs]
    return Observed(
        jobs=tuple(
            runs
            for job_type, runs in found
            if job_type not in idle or runs.expected > runs.missing_count
        ),
        archive=_archived(),
        heartbeat=_heartbeat(start, end),
    )


def windows(cron: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """The moments of a schedule in ``[start, end)``, UTC, ascending.

    A schedule is days and times of day: the days are found first, for a schedule of every minute
    has half a million windows a year, too many to be found one by one.
    """
    if start >= end:
        return
    fields, _ = croniter.expand(cron)
    minutes, hours = _values(fields[0], 60), _values(fields[1], 24)
    for day in _days(cron, start, end):
        for hour in hours:
            for minute in minutes:
                moment = day + timedelta(hours=hour, minutes=minute)
                if start <= moment < end:
                    yield moment


def _days(cron: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """The days on which a schedule has any window, each by its beginning."""
    first = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    schedule = croniter(" ".join(["0", "0", *cron.split()[2:]]), first - _MICROSECOND)
    while (day := schedule.get_next(datetime)) < end:
        yield day


def _values(field: list[int | str], count: int) -> list[int]:
    """The numbers that one field of a schedule allows."""
    if "*" in field:
        return list(range(count))
    return sorted({int(value) for value in field})


def _runs_of(job: Job, start: datetime, end: datetime) -> JobRuns:
    """The windows beside the runs, both by time, so that neither has to be held in memory."""
    runs = iter(
        Run.objects.filter(
            job=job, triggered_by="schedule", intended_at__gte=start, intended_at__lt=end
        )
        .order_by("intended_at")
        .values_list("intended_at", "status")
        .iterator(_FETCH_ROWS)
    )
    counts: Counter[str | None] = Counter()
    missing: list[datetime] = []
    run = next(runs, None)
    for moment in windows(job.schedule_cron, max(start, job.created_at), end):
        while run is not None and run[0] < moment:
            run = next(runs, None)
        status = run[1] if run is not None and run[0] == moment else None
        counts[status] += 1
        if status is None and len(missing) < MAX_NAMED:
            missing.append(moment)
    return JobRuns(
        name=job.name,
        job_type=job.job_type,
        schedule_cron=job.schedule_cron,
        expected=counts.total(),
        succeeded=counts[RunStatus.SUCCESS],
        failed=counts[RunStatus.FAILED],
        open=counts[RunStatus.QUEUED] + counts[RunStatus.RUNNING],
        missing=_named(missing),
        missing_count=counts[None],
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
    count = max(0, (end - first) // _HOUR)
    if not count or oldest is None:
        return Heartbeat(
            count, _named(first + n * _HOUR for n in range(min(count, MAX_NAMED))), count
        )
    hours = [first + n * _HOUR for n in range(count)]
    signed = set(
        Checkpoint.objects.filter(signed_at__gte=hours[0], signed_at__lt=hours[-1] + _HOUR)
        .annotate(hour=TruncHour("signed_at", tzinfo=UTC))
        .order_by()
        .values_list("hour", flat=True)
        .distinct()
    )
    missing = [hour for hour in hours if hour not in signed]
    return Heartbeat(len(hours), _named(missing), len(missing))


def _named(moments: Iterable[datetime]) -> tuple[str, ...]:
    return tuple(format_time(moment) for moment in islice(moments, MAX_NAMED))
