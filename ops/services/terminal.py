"""What whoever sits at the server's terminal does with jobs: he needs no role there."""

from __future__ import annotations

from audit.events import Actor
from ops.models import Job, Run
from ops.services import execution, jobs, runs


def all_jobs() -> list[Job]:
    """Every job, by name."""
    jobs.ensure_builtin_jobs()
    return list(Job.objects.order_by("name"))


def run_now(*, actor: Actor, name: str) -> Run:
    """Carries a job out in this process, by a run like any other.

    Returns:
        The run: ended, or put back for a worker to try it again.

    Raises:
        JobNotFound: naming those that there are. JobDisabled.
    """
    known = {job.name: job for job in all_jobs()}
    if name not in known:
        raise jobs.JobNotFound(
            f"There is no job {name}; there are {', '.join(known)}.", field="name"
        )
    run = runs.open_at_terminal(actor=actor, job=known[name])
    return execution.execute(run.pk) or runs.wait_for(run, 0)
