"""What a process that was killed left behind: found by its lease, and tried again or ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db.models import Q

from audit.events import Actor
from audit.models.log import ClockTimestamp
from audit.services import clock
from ops import queue, registry
from ops.models import Run, RunStatus
from ops.services import approvals, claims

# Above a type's own time, in which the run's own process ends it.
MARGIN = timedelta(seconds=30)
# A run is queued together with its row; one that is not, after so long, never will be by itself.
STRANDED_AFTER = timedelta(seconds=60)
# So long, and for so many runs at most, what a failed run left is looked for again.
LET_GO_WITHIN, MOST_LET_GO = timedelta(days=1), 100
_ACTOR = Actor.system("worker")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found.

    Attributes:
        put_back: runs of dead workers that are tried again.
        failed: runs that were ended, having no attempt or no time left.
        requeued: runs that waited without a place in the queue.
        expired: requests for approval that nobody decided in time.
    """

    put_back: int = 0
    failed: int = 0
    requeued: int = 0
    expired: int = 0


def sweep() -> Swept:
    """Looks once through everything that waits or runs. Several may do so at once."""
    put_back = failed = 0
    for run in Run.objects.filter(
        status=RunStatus.RUNNING, lease_expires_at__lte=ClockTimestamp()
    ).select_related("job"):
        if run.attempts < run.max_attempts:
            put_back += _try_again(run)
        else:
            failed += _give_up(run)
    failed += _end_overdue()
    return Swept(put_back, failed, _requeue_stranded(), approvals.expire_due())


def let_go_again() -> int:
    """Has what failed runs began taken away, in case it could not be when they failed.

    That is safe to repeat, and nothing of a run may be changed once it has ended, so it is not
    noted which of them need it.

    Returns:
        How many runs it was asked for.
    """
    types = [kind.name for kind in registry.all_types() if kind.on_failed is not None]
    since = ClockTimestamp() - LET_GO_WITHIN
    failed = Run.objects.filter(
        status=RunStatus.FAILED, finished_at__gte=since, job_type__in=types
    ).order_by("-finished_at")[:MOST_LET_GO]
    for run in failed:
        claims.let_go(run, run.error_code, run.error_message)
    return len(failed)


def _named(run: Run) -> dict[str, str]:
    return {"run_id": str(run.pk), "job_type": run.job_type}


def _died(run: Run) -> str:
    return f"The worker died before it was done (attempt {run.attempts} of {run.max_attempts})."


def _try_again(run: Run) -> bool:
    message = _died(run)
    log.warning("a run was lost and is tried again", attempt=run.attempts, **_named(run))
    return claims.put_back(claims.expired(run), run, code="lease_expired", message=message)


def _give_up(run: Run) -> bool:
    row, message = claims.expired(run), _died(run)
    log.error("a run was lost for good", attempts=run.attempts, **_named(run))
    return claims.fail(row, run, actor=_ACTOR, code="run_abandoned", message=message)


def _end_overdue() -> int:
    """Ends what runs longer than it may and was not ended by its own process."""
    ended = 0
    now = clock.database_clock()
    seconds = {kind.name: kind.timeout_seconds for kind in registry.all_types()}
    for run in Run.objects.filter(status=RunStatus.RUNNING).select_related("job"):
        limit = seconds.get(run.job_type)
        if limit is None or run.started_at is None:
            continue
        if now > run.started_at + timedelta(seconds=limit) + MARGIN:
            message = f"It was not done within {limit} seconds."
            row = claims.held(run)
            log.error("a run took too long and is ended", seconds=limit, **_named(run))
            ended += claims.fail(row, run, actor=_ACTOR, code="run_timeout", message=message)
    return ended


def _requeue_stranded() -> int:
    since = ClockTimestamp() - STRANDED_AFTER
    due = Q(not_before=None, created_at__lte=since) | Q(not_before__lte=since)
    waiting = Run.objects.filter(due, status=RunStatus.QUEUED)
    waiting = waiting.exclude(job_type__in=claims.waiting_types())
    return sum(queue.requeue(run_id) for run_id in waiting.values_list("pk", flat=True))
