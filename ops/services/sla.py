"""Where jobs are not done as they should be: schedules, misses, failures, lateness."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, cast

from access import policy
from access.roles import Action
from audit.events import Actor
from audit.services import clock
from ops import cron, registry
from ops.models import Job, Run, RunStatus
from ops.registry import JobType
from ops.services import jobs, runs
from sealing.errors import Forbidden

# A window may be so late: the schedule is looked at twice a minute, and workers may be busy.
GRACE = timedelta(minutes=5)


class BreachCode(StrEnum):
    """What is wrong with a job."""

    INVALID_CRON = "INVALID_CRON"
    MISSED_RUN = "MISSED_RUN"
    LATEST_RUN_FAILED = "LATEST_RUN_FAILED"
    RUNNING_TIMEOUT = "RUNNING_TIMEOUT"


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that is wrong with a job.

    Attributes:
        since: when the missed window was, the run failed or its time was over; None of a schedule.
        run: the run that it is about, if there is one.
    """

    code: BreachCode
    job: Job
    message: str
    since: datetime | None = None
    run: Run | None = None


def told_to(*, actor: Actor) -> list[Breach]:
    """What is wrong, for somebody who asks. Raises Forbidden: the account holds no role."""
    if not policy.scope(actor.account, Action.VIEW):
        raise Forbidden("Your account holds no role.")
    return breaches(actor.account)


def breaches(user: Any) -> list[Breach]:
    """What is wrong with the active jobs that an account may see, by job's name."""
    now = clock.database_clock()
    kinds = {kind.name: kind for kind in registry.all_types()}
    visible = runs.visible_runs(user)
    found: list[Breach] = []
    for job in jobs.visible_jobs(user).filter(is_enabled=True).order_by("name"):
        kind = kinds.get(job.job_type)
        if kind is not None:
            mine = visible.filter(job=job)
            found += _of_schedule(job, kind, now, job.runs.filter(status__in=_OPEN).exists)
            found += _of_runs(job, kind, list(mine.filter(status__in=_OPEN)), now)
            ended = mine.filter(finished_at__isnull=False).order_by("-created_at").first()
            if ended is not None and ended.status == RunStatus.FAILED:
                found.append(
                    Breach(
                        BreachCode.LATEST_RUN_FAILED,
                        job,
                        ended.error_message,
                        ended.finished_at,
                        ended,
                    )
                )
    return found


_OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)


def served() -> dict[str, bool]:
    """The active jobs that have a schedule, by name, and of each whether a window was missed.

    For the whole installation, from as many look-ups however many jobs there are.
    """
    now = clock.database_clock()
    wanted = {kind.name: kind for kind in registry.all_types() if kind.is_wanted()}
    open_runs: dict[uuid.UUID, list[Run]] = {}
    for run in Run.objects.filter(status__in=_OPEN, job__isnull=False):
        open_runs.setdefault(cast(uuid.UUID, run.job_id), []).append(run)
    found: dict[str, bool] = {}
    for job in Job.objects.filter(is_enabled=True).exclude(schedule_cron="").order_by("name"):
        kind = wanted.get(job.job_type)
        if kind is not None:
            mine = open_runs.get(job.pk, [])
            wrong = [*_of_schedule(job, kind, now, partial(bool, mine))]
            wrong += _of_runs(job, kind, mine, now)
            found[job.name] = any(
                breach.code in (BreachCode.MISSED_RUN, BreachCode.INVALID_CRON) for breach in wrong
            )
    return found


def _of_schedule(
    job: Job, kind: JobType, now: datetime, has_open_runs: Callable[[], bool]
) -> Iterator[Breach]:
    if not job.schedule_cron or not kind.is_wanted():
        return
    try:
        due = cron.next_after(job.schedule_cron, job.windows_through)
    except cron.InvalidCron as error:
        yield Breach(BreachCode.INVALID_CRON, job, error.message)
        return
    if due + GRACE >= now:
        return
    if not (kind.make_up is registry.MakeUp.LATEST and has_open_runs()):
        yield Breach(
            BreachCode.MISSED_RUN,
            job,
            f"It was due at {due:%Y-%m-%d %H:%M} UTC and was not begun: is a worker running?",
            due,
        )


def _of_runs(job: Job, kind: JobType, open_runs: list[Run], now: datetime) -> Iterator[Breach]:
    for run in open_runs:
        if run.status == RunStatus.RUNNING and run.started_at is not None:
            over = run.started_at + timedelta(seconds=kind.timeout_seconds)
            if over < now:
                text = f"It runs for more than {kind.timeout_seconds} seconds."
                yield Breach(BreachCode.RUNNING_TIMEOUT, job, text, over, run)
        elif run.attempts == 0 and run.intended_at + GRACE < now:
            text = (
                f"It was to begin at {run.intended_at:%Y-%m-%d %H:%M} UTC and still waits: are"
                " the workers busy, or gone?"
            )
            yield Breach(BreachCode.MISSED_RUN, job, text, run.intended_at, run)
