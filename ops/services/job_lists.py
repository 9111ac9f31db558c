"""Jobs and their runs as doors list them: for somebody, with what he may see of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery

from access import policy
from access.roles import Action
from audit.events import Actor
from ops import registry
from ops.models import Job, Run
from ops.services import jobs, runs, windows
from sealing.errors import Forbidden, Invalid


@dataclass(frozen=True, slots=True)
class Line:
    """A job, and how it stands.

    Attributes:
        next_run_at: its next window; None where it has none.
        last_run: the newest of its runs that the asker may see.
    """

    job: Job
    next_run_at: datetime | None
    last_run: Run | None


def listed(*, actor: Actor, active_only: bool = False, job_type: str | None = None) -> list[Line]:
    """The jobs that the actor may look at or run, by name.

    Raises:
        Forbidden: the account holds no role. Invalid: there is no such type.
    """
    if not policy.scope(actor.account, Action.VIEW):
        raise Forbidden("Your account holds no role.")
    found = jobs.visible_jobs(actor.account).order_by("name")
    if job_type is not None:
        known = [kind.name for kind in registry.all_types()]
        if job_type not in known:
            raise Invalid(f"One of {', '.join(known)}.", field="job_type")
        found = found.filter(job_type=job_type)
    if active_only:
        found = found.filter(is_enabled=True)
    newest = runs.visible_runs(actor.account).filter(job=OuterRef("pk")).order_by("-created_at")
    lines = list(found.annotate(last_run_id=Subquery(newest.values("pk")[:1])))
    last = Run.objects.in_bulk([line.last_run_id for line in lines if line.last_run_id])
    return [Line(job, windows.next_window(job), last.get(job.last_run_id)) for job in lines]


def line_of(*, actor: Actor, job: Job) -> Line:
    """One job as the list has it."""
    newest = runs.visible_runs(actor.account).filter(job=job).order_by("-created_at").first()
    return Line(job, windows.next_window(job), newest)


def runs_of(*, actor: Actor, job_id: uuid.UUID) -> QuerySet[Run]:
    """The runs of a job that the actor may see. Raises JobNotFound."""
    job = jobs.get_job(actor=actor, job_id=job_id)
    return runs.visible_runs(actor.account).filter(job=job)
