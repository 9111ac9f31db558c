"""Jobs: registering, enabling and disabling them, and the ones that every installation has."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from access import policy
from access.models import User
from access.roles import Action
from audit.events import Actor, EventType
from audit.services import clock, trail
from ops import cron, registry
from ops.models import Job
from ops.services import runs, schedules
from sealing.errors import Conflict, Forbidden, Invalid, NotFound

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}\Z")
_MAX_DESCRIPTION = 500
# Built-in jobs that later versions bring: whoever took the name now would keep them out.
_PLANNED = frozenset({"generate-hipaa-packets"})
log = structlog.get_logger(__name__)


class JobNotFound(NotFound):
    """There is no such job among those that the actor may see."""

    code = "job_not_found"


class JobExists(Conflict):
    """Another job has that name."""

    code = "already_exists"


class AlreadyThere(Conflict):
    """It is enabled, or disabled, already."""

    code = "already_there"


class NotRegistrable(Invalid):
    """Jobs of this type can't be made: every installation has its one."""

    code = "not_registrable"


class ForeignOwner(Invalid):
    """A job acts with its owner's authority, so nobody makes one for somebody else."""

    code = "foreign_owner"


def register_job(
    *,
    actor: Actor,
    name: str,
    job_type: str,
    schedule_cron: str,
    payload: Mapping[str, Any],
    description: str,
    enabled: bool,
    owner: User,
) -> Job:
    """Makes a job, which acts with the authority of whoever makes it.

    Doors call `ops.services.proposals.register_job`, which asks for approval where the actor may
    only propose it.

    Args:
        schedule_cron: five fields, UTC; empty where it is only run on demand.
        payload: what its type takes; validated by it.
        owner: the actor's own account.

    Raises:
        AuditDisabled. Forbidden, OutOfScope: the actor may not, or may not do himself what the
        job does. Invalid: a field. UnknownJobType. JobExists.
    """
    trail.ensure_enabled()
    if not policy.scope(actor.account, Action.REQUEST_JOBS):
        raise Forbidden("Your roles do not allow this.")
    if actor.account is None or owner.pk != actor.account.pk:
        raise _foreign_owner()
    job = valid_job(
        name=name,
        job_type=job_type,
        schedule_cron=schedule_cron,
        payload=payload,
        description=description,
        enabled=enabled,
        owner=owner,
    )
    policy.require(actor.account, Action.REQUEST_JOBS, job.client_id)
    with transaction.atomic():
        try:
            with transaction.atomic():
                job.save(force_insert=True)
        except IntegrityError as error:
            raise JobExists(f"There is a job {name} already.", field="name") from error
        _tell_of_new(job, actor)
        job.refresh_from_db()
        schedules.sync_job(job)
    return job


def valid_job(
    *,
    name: str,
    job_type: str,
    schedule_cron: str,
    payload: Mapping[str, Any],
    description: str,
    enabled: bool,
    owner: User,
) -> Job:
    """A job that could be made, not stored yet.

    Raises:
        Invalid: a field. UnknownJobType. JobExists: the name is kept for a job of Strongroom's own.
        Forbidden, OutOfScope: the owner may not do himself what the job does.
    """
    kind = registry.get(job_type)
    if not kind.may_register:
        raise NotRegistrable(f"Jobs of the type {job_type} can't be made.", field="job_type")
    if not _NAME.match(name):
        raise Invalid(
            "1 to 100 letters, digits, spaces, dots, dashes and underscores, the first of them a"
            " letter or a digit.",
            field="name",
        )
    if name in _PLANNED or name in {each.name for each in registry.all_types()}:
        raise JobExists(f"The name {name} is that of a job of Strongroom's own.", field="name")
    if len(description) > _MAX_DESCRIPTION:
        raise Invalid(f"At most {_MAX_DESCRIPTION} characters.", field="description")
    valid = kind.validate(payload)
    client_id = kind.client_of(valid)
    runs.require_may_run(owner, kind, client_id, by_job=True)
    return Job(
        name=name,
        job_type=job_type,
        client_id=client_id,
        owner=owner,
        schedule_cron=cron.check(schedule_cron),
        payload=valid,
        description=description,
        is_enabled=enabled,
    )


def owner_named(*, actor: Actor, username: str | None) -> User:
    """The owner of a job that the actor makes: himself, whether he is named or nobody.

    Raises:
        ForeignOwner: somebody else is named.
    """
    if actor.account is None or username not in (None, actor.account.username):
        raise _foreign_owner()
    return actor.account


def enable_job(*, actor: Actor, job: Job) -> Job:
    """Lets a job run again, from the next window on: those that passed are not made up.

    Raises:
        AuditDisabled. Forbidden, OutOfScope. AlreadyThere.
    """
    policy.require(actor.account, Action.MANAGE_JOBS, job.client_id)
    return _switch(actor, job, to_enabled=True, data={})


def disable_job(*, actor: Actor, job: Job, reason: str) -> Job:
    """Keeps a job from running; only the approved act ``job.disable`` calls this.

    Raises:
        AuditDisabled. Forbidden. Invalid: no reason was given. AlreadyThere.
    """
    policy.require(actor.account, Action.REQUEST_JOBS, job.client_id)
    if not reason.strip():
        raise Invalid("Say why; the reason is recorded.", field="reason")
    return _switch(actor, job, to_enabled=False, data={"reason": reason})


def ensure_builtin_jobs() -> int:
    """Makes the jobs that every installation has, and keeps their schedules as the code says.

    Returns:
        How many were made or changed.
    """
    changed = 0
    now = clock.database_clock()
    for kind in registry.all_types():
        if not kind.is_builtin:
            continue
        with transaction.atomic():
            job, is_new = Job.objects.get_or_create(
                name=kind.name,
                defaults={
                    "job_type": kind.name,
                    "schedule_cron": kind.default_cron,
                    "description": kind.description,
                    "windows_through": now + kind.first_after,
                },
            )
            if job.job_type != kind.name:
                log.error("a built-in job's name is taken", job=job.name, job_type=job.job_type)
                continue
            if is_new and trail.is_enabled():
                _tell_of_new(job, Actor.system("worker"))
            stale = Job.objects.filter(pk=job.pk, owner=None).exclude(
                schedule_cron=kind.default_cron, description=kind.description
            )
            changed += is_new or stale.update(
                schedule_cron=kind.default_cron, description=kind.description
            )
    return changed


def visible_jobs(user: Any) -> QuerySet[Job]:
    """The jobs that an account may look at, or run."""
    jobs = Job.objects.select_related("owner")
    may_view = policy.visible(jobs, user)
    may_run = policy.visible(jobs, user, action=Action.RUN_JOB)
    return jobs.filter(Q(pk__in=may_view.values("pk")) | Q(pk__in=may_run.values("pk")))


def get_job(*, actor: Actor, job_id: uuid.UUID) -> Job:
    """One job. Raises JobNotFound, whether there is none or it is not the actor's to see."""
    found = visible_jobs(actor.account).filter(pk=job_id).first()
    if found is None:
        raise JobNotFound("There is no such job among those that you may see.")
    return found


def _foreign_owner() -> ForeignOwner:
    return ForeignOwner(
        "A job acts with its owner's authority: only you yourself can be the owner of a job that"
        " you make.",
        field="owner",
    )


def _tell_of_new(job: Job, actor: Actor) -> None:
    trail.record(
        EventType.OPS_JOB_CREATED,
        actor=actor,
        client=job.client_id,
        obj=("job", str(job.pk)),
        data={
            "name": job.name,
            "job_type": job.job_type,
            "schedule_cron": job.schedule_cron,
            "payload": job.payload,
            "enabled": job.is_enabled,
        },
    )


def _switch(actor: Actor, job: Job, *, to_enabled: bool, data: dict[str, Any]) -> Job:
    trail.ensure_enabled()
    changes: dict[str, Any] = {"is_enabled": to_enabled}
    if to_enabled:
        changes["windows_through"] = clock.database_clock()
    with transaction.atomic():
        if not Job.objects.filter(pk=job.pk, is_enabled=not to_enabled).update(**changes):
            raise AlreadyThere(f"The job is {'enabled' if to_enabled else 'disabled'} already.")
        job.refresh_from_db()
        trail.record(
            EventType.OPS_JOB_ENABLED if to_enabled else EventType.OPS_JOB_DISABLED,
            actor=actor,
            client=job.client_id,
            obj=("job", str(job.pk)),
            data={"name": job.name, **data},
        )
        schedules.sync_job(job)
    return job
