"""The jobs of the audit trail: a closed list, when each is due, and running one of them.

A worker claims a job by moving its due time, so that several workers never run one twice at once.
What was missed while no worker ran is made up once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone

from audit import storage
from audit.events import Actor
from audit.models import JobState
from audit.services import archiving, relay, retention, timestamps
from audit.services.archiving import ArchiverBusy
from audit.services.recovery.drill import run_drill
from audit.services.scheduled_verification import Scheduled, verify_look_back, verify_month
from audit.services.switches import Paused
from sealing.errors import IntegrityFailure, NotFound, StrongroomError
from sealing.results import Verdict

# A job whose worker died is tried again after this long, or when it is due again if that is later.
LEASE = timedelta(minutes=10)
log = structlog.get_logger(__name__)


class UnknownJob(NotFound):
    """There is no job of that name."""

    code = "unknown_job"


class NotInOrder(IntegrityFailure):
    """A scheduled verification or drill ended with something else than VALID."""

    code = "not_in_order"


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the schedule.

    Attributes:
        every: the time from one run to the next.
        run: does the work; answers a summary for people.
        lane: jobs of one lane follow one another; lanes do not wait for each other.
        description: one line for the operator.
        first: how long a new installation waits for the first run, until there is something to do.
    """

    every: timedelta
    run: Callable[[Actor], dict[str, Any]]
    lane: str
    description: str
    first: timedelta = timedelta()


def _archive(actor: Actor) -> dict[str, Any]:
    done = archiving.archive_pending(whole=False)
    stamped = timestamps.stamp_archived(storage.archive_store())
    return {
        "events": done.events,
        "segments": done.segments,
        "through_seq": done.through_seq,
        "stamped": stamped,
    }


def _heartbeat(actor: Actor) -> dict[str, Any]:
    return {"checkpoint": archiving.heartbeat()}


def _sweep(actor: Actor) -> dict[str, Any]:
    return retention.sweep(actor=actor).as_dict()


def _verify(actor: Actor) -> dict[str, Any]:
    return _in_order(verify_look_back(actor=actor))


def _verify_month(actor: Actor) -> dict[str, Any]:
    return _in_order(verify_month(actor=actor))


def _in_order(done: Scheduled) -> dict[str, Any]:
    """Its summary. Raises NotInOrder, so that the job counts as failed."""
    if not done.is_ok:
        raise NotInOrder("; ".join(line.strip() for line in done.lines()))
    return done.as_dict()


def _drill(actor: Actor) -> dict[str, Any]:
    run = run_drill(actor=actor)
    if run.verdict != Verdict.VALID:
        raise NotInOrder(f"{run.verdict}: {run.message}")
    return {"verification": run.pk, "verdict": run.verdict, "events": run.checked_events}


def _relay(actor: Actor) -> dict[str, Any]:
    done = relay.relay_once()
    return {"sent": done.events, "next_seq": done.next_seq, "configured": done.is_configured}


_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
JOBS: Mapping[str, Job] = {
    "audit_archive": Job(
        timedelta(minutes=1), _archive, "archive", "Archives what was sealed, and stamps it."
    ),
    "audit_heartbeat": Job(_HOUR, _heartbeat, "archive", "Signs and archives a checkpoint."),
    "retention_sweep": Job(
        _DAY, _sweep, "upkeep", "Extends locks, tells where they are short, lets go of the oldest."
    ),
    "audit_verify": Job(
        _DAY,
        _verify,
        "verification",
        "Verifies the look-back window, database and archive.",
        first=_HOUR,
    ),
    "audit_verify_month": Job(
        7 * _DAY,
        _verify_month,
        "verification",
        "Verifies a full month, each in its turn.",
        first=_DAY,
    ),
    "restore_drill": Job(
        365 * _DAY,
        _drill,
        "verification",
        "Restores samples into a scratch schema.",
        first=7 * _DAY,
    ),
    "stream_relay": Job(
        timedelta(seconds=5), _relay, "stream", "Sends sealed events to Kafka, where configured."
    ),
}
LANES = tuple(dict.fromkeys(job.lane for job in JOBS.values()))


def run_due(lane: str, *, actor: Actor) -> int:
    """Runs what is due in a lane; returns how many jobs ran. A failure is stored, not raised."""
    ran = 0
    for name, job in JOBS.items():
        if job.lane == lane and _claim(name, job):
            ran += 1
            try:
                run_claimed(name, actor=actor)
            except (StrongroomError, DatabaseError, OSError):
                continue  # stored and told by run_claimed
    return ran


def run_job(name: str, *, actor: Actor) -> dict[str, Any]:
    """Runs a job now, due or not.

    Raises:
        UnknownJob. Whatever the job raises, after its failure was stored.
    """
    if name not in JOBS:
        raise UnknownJob(f"There is no job {name}; there are {', '.join(JOBS)}.", field="name")
    _claim(name, JOBS[name], now_or_not=True)
    return run_claimed(name, actor=actor)


def run_claimed(name: str, *, actor: Actor) -> dict[str, Any]:
    """Runs a job that was claimed, and stores how it ended."""
    job = JOBS[name]
    try:
        result = job.run(actor)
    except (Paused, ArchiverBusy) as error:
        # Nothing was tried, so nothing failed: somebody wanted it so, or somebody else does it.
        _store(name, job, result={"skipped": error.message})
        return {"skipped": error.message}
    except (StrongroomError, DatabaseError, OSError) as error:
        reason = str(getattr(error, "message", "") or error)[:2000]
        log.error("job failed", job=name, reason=reason, kind=type(error).__name__)
        _store(name, job, error=reason)
        raise
    _store(name, job, result=result)
    return result


def _claim(name: str, job: Job, *, now_or_not: bool = False) -> bool:
    """Whether this worker may run the job now; the others see it as due later."""
    now = timezone.now()
    with transaction.atomic():
        JobState.objects.get_or_create(pk=name, defaults={"next_at": now + job.first})
        due = JobState.objects.filter(pk=name)
        if not now_or_not:
            due = due.filter(next_at__lte=now)
        claimed = due.update(next_at=now + max(LEASE, job.every), last_started_at=now)
    return bool(claimed)


def _store(name: str, job: Job, *, result: dict[str, Any] | None = None, error: str = "") -> None:
    now = timezone.now()
    # What is rare and failed is not left until its next turn.
    wait = min(job.every, _DAY) if error else job.every
    JobState.objects.filter(pk=name).update(
        next_at=now + wait,
        last_finished_at=now,
        last_error=error,
        last_result=result or {},
        is_failing=bool(error),
    )
