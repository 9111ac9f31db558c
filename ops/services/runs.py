"""Asking for runs, waiting for them, and who may see which."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from access import policy
from access.models import User
from access.roles import Action
from audit.events import Actor, EventType
from audit.services import clock, trail
from ops import queue, registry
from ops.models import Job, Run
from ops.registry import JobType
from sealing.errors import Conflict, Forbidden, NotFound

SCHEDULE = "schedule"
POLL_SECONDS = 0.2


class RunNotFound(NotFound):
    """There is no such run among those that the actor may see."""

    code = "run_not_found"


class JobDisabled(Conflict):
    """The job was disabled, so nobody runs it."""

    code = "job_disabled"


def request_run(*, actor: Actor, job: Job, wait_seconds: float = 0) -> Run:
    """Queues one run of a job, with the authority of whoever asks.

    Args:
        wait_seconds: how long to wait for its end; it goes on afterwards.

    Raises:
        AuditDisabled. OutOfScope, Forbidden: the actor may not run it. JobDisabled.
    """
    trail.ensure_enabled()
    kind = registry.get(job.job_type)
    require_may_run(actor.account, kind, job.client_id, by_job=True)
    run = _request(actor, kind, job=job, client_id=job.client_id, payload=job.payload)
    return wait_for(run, wait_seconds) if wait_seconds > 0 else run


def request_once(*, actor: Actor, job_type: str, payload: Mapping[str, Any]) -> Run:
    """Queues a run of a type without a job: what is done is said now.

    Raises:
        AuditDisabled. UnknownJobType. Invalid: the payload. OutOfScope, Forbidden.
    """
    trail.ensure_enabled()
    kind = registry.get(job_type)
    valid = kind.validate(payload)
    client_id = kind.client_of(valid)
    require_may_run(actor.account, kind, client_id, by_job=False)
    return _request(actor, kind, job=None, client_id=client_id, payload=valid)


def open_at_terminal(*, actor: Actor, job: Job) -> Run:
    """Makes a run for whoever sits at the server's terminal, to be carried out there at once.

    It has the authority of the job's owner, as if it were scheduled. It is not queued; should it
    never begin, the sweeper queues it.

    Raises:
        JobDisabled. AuditDisabled: its type can't do without what is recorded.
    """
    kind = registry.get(job.job_type)
    if kind.needs_trail:
        trail.ensure_enabled()
    with transaction.atomic():
        _ensure_enabled(job)
        run = _create(kind, job, actor, job.owner, job.client_id, job.payload)
        if trail.is_enabled():
            _tell(run, actor)
    return run


def wait_for(run: Run, seconds: float) -> Run:
    """The run when it has ended, or as it is after so many seconds; holds no transaction."""
    end = time.monotonic() + seconds
    while True:
        found = Run.objects.select_related("job").get(pk=run.pk)
        left = end - time.monotonic()
        if found.is_finished or left <= 0:
            return found
        time.sleep(min(POLL_SECONDS, left))


def visible_runs(user: Any) -> QuerySet[Run]:
    """The runs that an account may see: of its clients, or, for some roles, its own alone."""
    own = Q(account_id=getattr(user, "pk", None))
    return policy.visible(Run.objects.select_related("job"), user, own=own)


def get_run(*, actor: Actor, run_id: uuid.UUID) -> Run:
    """One run. Raises RunNotFound, whether there is none or it is not the actor's to see."""
    found = visible_runs(actor.account).filter(pk=run_id).first()
    if found is None:
        raise RunNotFound("There is no such run among those that you may see.")
    return found


def require_may_run(user: Any, kind: JobType, client_id: str | None, *, by_job: bool) -> None:
    """Lets pass whoever may run a type for a client.

    Args:
        by_job: what is done was fixed by a registered job.

    Raises:
        OutOfScope: the client is none of the account's. Forbidden.
    """
    policy.require(user, Action.RUN_JOB, client_id)
    if kind.permission is None:
        return
    if by_job and kind.job_permission and policy.can(user, kind.job_permission, client_id):
        return
    if not policy.can(user, kind.permission, client_id):
        raise Forbidden(f"You may run jobs, but your roles do not allow what {kind.name} does.")


def _request(
    actor: Actor, kind: JobType, *, job: Job | None, client_id: str | None, payload: dict[str, Any]
) -> Run:
    with transaction.atomic():
        if job is not None:
            _ensure_enabled(job)
        run = _create(kind, job, actor, actor.account, client_id, payload)
        queue.enqueue(run.pk)
        _tell(run, actor)
    return run


def _ensure_enabled(job: Job) -> None:
    """As it is now, and stays until the run is made: what was read before may be old."""
    if not Job.objects.select_for_update(no_key=True).get(pk=job.pk).is_enabled:
        raise JobDisabled(f"The job {job.name} is disabled.")


def _create(
    kind: JobType,
    job: Job | None,
    actor: Actor,
    account: User | None,
    client_id: str | None,
    payload: dict[str, Any],
) -> Run:
    return Run.objects.create(
        job=job,
        job_type=kind.name,
        client_id=client_id,
        payload=payload,
        triggered_by=actor.id,
        account=account,
        intended_at=clock.database_clock(),
        max_attempts=kind.max_attempts,
    )


def _tell(run: Run, actor: Actor) -> None:
    trail.record(
        EventType.OPS_RUN_REQUESTED,
        actor=actor,
        client=run.client_id,
        obj=("run", str(run.pk)),
        data={"job": str(run.job_id) if run.job_id else None, "job_type": run.job_type},
    )
