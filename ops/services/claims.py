"""How a run moves from state to state: by compare and set, and by the database's clock.

Whoever claims a run holds a lease on it. Every later move asks for that lease, so that a worker
that was given up for dead can't end what another one has taken over.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet

from audit.events import Actor, EventType
from audit.models.log import ClockTimestamp
from audit.services import trail
from ops import queue, registry
from ops.models import Run, RunStatus
from sealing.errors import StrongroomError

LEASE = timedelta(seconds=60)
# The pauses before the second attempt, the third …; the last one serves for all that follow.
BACK_OFF = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
MAX_MESSAGE = 2_000
log = structlog.get_logger(__name__)


def claim(run_id: uuid.UUID) -> Run | None:
    """Takes a run that waits, or whose holder is gone; None if it is not to be had.

    The attempt is counted here, before anything is done: whatever ends the process, it counts.
    """
    waits = Q(status=RunStatus.QUEUED) & (Q(not_before=None) | Q(not_before__lte=ClockTimestamp()))
    is_lost = Q(status=RunStatus.RUNNING, lease_expires_at__lte=ClockTimestamp())
    lease = uuid.uuid4()
    to_be_had = Run.objects.filter(waits | is_lost, pk=run_id, attempts__lt=F("max_attempts"))
    taken = to_be_had.exclude(job_type__in=waiting_types()).update(
        status=RunStatus.RUNNING,
        attempts=F("attempts") + 1,
        lease=lease,
        lease_expires_at=ClockTimestamp() + LEASE,
        heartbeat_at=ClockTimestamp(),
        started_at=ClockTimestamp(),
        not_before=None,
        step="",
        progress_done=0,
        progress_total=None,
        progress_unit="",
    )
    if not taken:
        return None
    return Run.objects.select_related("account", "job").filter(pk=run_id, lease=lease).first()


def has_begun(run_id: uuid.UUID) -> bool:
    """Whether the run was taken by anybody yet; to be asked before it is claimed."""
    return Run.objects.filter(pk=run_id, started_at__isnull=False).exists()


def waiting_types() -> list[str]:
    """The types of which no run begins now: nothing is recorded, and they can't do without."""
    if trail.is_enabled():
        return []
    return [kind.name for kind in registry.all_types() if kind.needs_trail]


def held(run: Run) -> QuerySet[Run]:
    """The run's row, as long as it is held under the lease that ``run`` was read with."""
    return Run.objects.filter(pk=run.pk, status=RunStatus.RUNNING, lease=run.lease)


def is_held(run: Run) -> bool:
    """Whether the lease is still this one's and has not run out."""
    return held(run).filter(lease_expires_at__gt=ClockTimestamp()).exists()


def expired(run: Run) -> QuerySet[Run]:
    """The run's row, if that lease has run out and nobody has taken over."""
    return held(run).filter(lease_expires_at__lte=ClockTimestamp())


def renew(run: Run, **progress: Any) -> bool:
    """Shows that the holder lives, and how far it is; returns whether it still is the holder."""
    return bool(
        held(run).update(
            lease_expires_at=ClockTimestamp() + LEASE, heartbeat_at=ClockTimestamp(), **progress
        )
    )


def succeed(run: Run, summary: dict[str, Any], *, actor: Actor, **progress: Any) -> bool:
    """Ends a held run well, with what came of it; returns whether it was still held."""
    with transaction.atomic():
        ended = held(run).update(
            status=RunStatus.SUCCESS,
            finished_at=ClockTimestamp(),
            result_summary=summary,
            error_code="",
            error_message="",
            lease=None,
            lease_expires_at=None,
            **progress,
        )
        if ended and trail.is_enabled() and _is_recorded(run):
            trail.record(
                EventType.OPS_RUN_SUCCEEDED,
                actor=actor,
                client=run.client_id,
                obj=("run", str(run.pk)),
                data=_facts(run),
            )
    return bool(ended)


def fail(
    row: QuerySet[Run], run: Run, *, actor: Actor, code: str, message: str, **progress: Any
) -> bool:
    """Ends a run with the reason; ``row`` says in which state. Returns whether it was in that."""
    if not row.exists():
        return False  # another attempt has it: what it is making must stay
    # Before, so that whoever is killed in between leaves a run that is found and ended again.
    let_go(run, code, message)
    with transaction.atomic():
        is_new = not _failed_before(run)
        ended = row.update(
            status=RunStatus.FAILED,
            finished_at=ClockTimestamp(),
            error_code=code[:64],
            error_message=message[:MAX_MESSAGE] or code,
            lease=None,
            lease_expires_at=None,
            **progress,
        )
        if ended and trail.is_enabled() and (is_new or _is_recorded(run)):
            trail.record(
                EventType.OPS_RUN_FAILED,
                actor=actor,
                client=run.client_id,
                obj=("run", str(run.pk)),
                outcome="failure",
                data=_facts(run) | {"code": code, "reason": message[:MAX_MESSAGE]},
            )
    return bool(ended)


def put_back(
    row: QuerySet[Run], run: Run, *, code: str, message: str, after: timedelta = timedelta()
) -> bool:
    """Lets a run be tried again; ``row`` says in which state. Returns whether it was in that."""
    with transaction.atomic():
        moved = row.update(
            status=RunStatus.QUEUED,
            not_before=ClockTimestamp() + after,
            error_code=code[:64],
            error_message=message[:MAX_MESSAGE],
            lease=None,
            lease_expires_at=None,
        )
        if moved:
            queue.enqueue(run.pk, delay=after)
    return bool(moved)


def give_back(run: Run) -> bool:
    """Leaves a held run to another worker, since this one ends; the attempt does not count."""
    with transaction.atomic():
        moved = held(run).update(
            status=RunStatus.QUEUED,
            attempts=F("attempts") - 1,
            lease=None,
            lease_expires_at=None,
            step="",
        )
        if moved:
            queue.enqueue(run.pk)
    return bool(moved)


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts."""
    return BACK_OFF[min(max(attempts, 1), len(BACK_OFF)) - 1]


def let_go(run: Run, code: str, message: str) -> None:
    """Has the type take away what the run began. What goes wrong is told and tried again later."""
    kind = _kind_of(run)
    if kind is None or kind.on_failed is None:
        return
    try:
        kind.on_failed(run=run, code=code, message=message)
    except (StrongroomError, DatabaseError, OSError) as error:
        log.error(
            "what a run began could not be let go",
            run_id=str(run.pk),
            job_type=run.job_type,
            kind=type(error).__name__,
        )


def _kind_of(run: Run) -> registry.JobType | None:
    # None: this version does not know the type any more.
    return {kind.name: kind for kind in registry.all_types()}.get(run.job_type)


def _facts(run: Run) -> dict[str, Any]:
    return {
        "job": str(run.job_id) if run.job_id else None,
        "job_type": run.job_type,
        "triggered_by": run.triggered_by,
        "attempts": run.attempts,
    }


def _is_recorded(run: Run) -> bool:
    kind = _kind_of(run)
    return kind is None or kind.is_recorded


def _failed_before(run: Run) -> bool:
    """Whether the job's last run before this one failed too."""
    if run.job_id is None:
        return False
    ended = Run.objects.filter(job_id=run.job_id, finished_at__isnull=False).exclude(pk=run.pk)
    return ended.order_by("-created_at").values_list("status", flat=True).first() == "FAILED"
