"""Runs, schedules and approvals: what was done, what waits, and what was not begun in time."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Min, Q
from django.utils import timezone
from prometheus_client.core import Metric

from ops import registry
from ops.metrics import sources
from ops.models import Approval, ApprovalState, Run, RunStatus, RunTally
from ops.services import sla

# How the counters call the two ways in which a run ends.
ENDINGS = {RunStatus.SUCCESS: "success", RunStatus.FAILED: "failure"}
OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)


class WorkSource(sources.Source):
    """Reads the tallies of runs, and what is open now."""

    name = "work"
    counters = {
        "strongroom_job_runs": (
            "Runs that ended, by type and outcome. One that is tried again has not ended.",
            ("job_type", "status"),
        )
    }
    gauges = {
        "strongroom_job_last_failure_timestamp_seconds": (
            "When the newest run of the type that failed ended, in Unix time; 0 if none did.",
            ("job_type",),
        ),
        "strongroom_job_last_success_timestamp_seconds": (
            "When the newest run of the type that succeeded ended, in Unix time; 0 if none did.",
            ("job_type",),
        ),
        "strongroom_runs_open": ("Runs that wait or go on.", ("status",)),
        "strongroom_oldest_queued_run_seconds": (
            "How long the oldest run waits that could begin; 0 where none waits.",
            (),
        ),
        "strongroom_schedule_missed": (
            "Whether a window of an active job's schedule passed and nothing has begun.",
            ("job_name",),
        ),
        "strongroom_approvals_pending": ("Requests that wait for a decision.", ()),
        "strongroom_oldest_pending_approval_seconds": (
            "How long the oldest of them waits; 0 where none does.",
            (),
        ),
    }

    def fill(self, families: dict[str, Metric]) -> None:
        """Adds the values."""
        _add_tallies(families)
        _add_open_runs(families, timezone.now())
        for name, is_missed in sla.served().items():
            sources.add(families, "strongroom_schedule_missed", is_missed, name)
        _add_approvals(families, timezone.now())


def connect() -> None:
    """Registers the source; called once, at start-up."""
    sources.register(WorkSource())


def tallies() -> dict[tuple[str, str], RunTally]:
    """The tallies by type and status: a row for each pair that ever occurred."""
    return {(tally.job_type, tally.status): tally for tally in RunTally.objects.all()}


def _add_tallies(families: dict[str, Metric]) -> None:
    found = tallies()
    # Types that this version does not know any more are counted on.
    types = {kind.name for kind in registry.all_types()} | {job_type for job_type, _ in found}
    for job_type in sorted(types):
        for status, word in ENDINGS.items():
            tally = found.get((job_type, status))
            runs = tally.runs if tally else 0
            sources.add(families, "strongroom_job_runs", runs, job_type, word)
            ended = tally.last_ended_at.timestamp() if tally else 0
            name = f"strongroom_job_last_{word}_timestamp_seconds"
            sources.add(families, name, ended, job_type)


def _add_open_runs(families: dict[str, Metric], now: datetime) -> None:
    rows = Run.objects.filter(status__in=OPEN).order_by().values("status")
    may_begin = Q(not_before=None) | Q(not_before__lte=now)
    found = {
        row["status"]: row
        for row in rows.annotate(
            count=Count("pk"),
            oldest=Min("created_at", filter=may_begin & Q(status=RunStatus.QUEUED)),
        )
    }
    for status in OPEN:
        count = found[status]["count"] if status in found else 0
        sources.add(families, "strongroom_runs_open", count, status.lower())
    oldest = found[RunStatus.QUEUED]["oldest"] if RunStatus.QUEUED in found else None
    sources.add(families, "strongroom_oldest_queued_run_seconds", _age(oldest, now))


def _add_approvals(families: dict[str, Metric], now: datetime) -> None:
    # What has outlived its time is over, whether or not that was written down yet.
    waiting = Approval.objects.filter(state=ApprovalState.PENDING, expires_at__gt=now)
    found = waiting.order_by().aggregate(count=Count("pk"), oldest=Min("created_at"))
    sources.add(families, "strongroom_approvals_pending", found["count"])
    age = _age(found["oldest"], now)
    sources.add(families, "strongroom_oldest_pending_approval_seconds", age)


def _age(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0
