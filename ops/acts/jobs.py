"""Jobs: disabled by two people; registered by an officer and an administrator together."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from access.models import User
from access.roles import Action
from audit.events import Actor
from ops import registry
from ops.acts import params as read
from ops.approvable import Approvable, register
from ops.models import Job
from ops.services import jobs
from sealing.errors import Invalid, NotFound

DISABLE, REGISTER = "job.disable", "job.register"


def connect() -> None:
    """Registers the acts; called once, at start-up."""
    register(
        Approvable(
            name=DISABLE,
            label="Disable a job",
            propose=Action.REQUEST_JOBS,
            # Any second person who looks after jobs, administrator or officer.
            approve=Action.REQUEST_JOBS,
            validate=_validate_disable,
            check=_ensure_enabled,
            client_of=_client_of_job,
            subject=_job_as_it_is,
            describe=_describe_job,
            changes=_disable_changes,
            execute=_disable,
            consequences=(
                "It is not run any more, neither by its schedule nor by hand.",
                "Runs that have begun are finished.",
                "One person alone may enable it again at any time.",
            ),
            irreversible=("Windows that pass meanwhile are not made up for.",),
        )
    )
    register(
        Approvable(
            name=REGISTER,
            label="Register a job",
            propose=Action.REQUEST_JOBS,
            approve=Action.MANAGE_JOBS,
            validate=_validate_register,
            check=_ensure_free,
            client_of=_client_of_new,
            subject=_is_there,
            describe=_describe_new,
            execute=_register,
            precondition=_own_job,
            consequences=("It runs by its schedule, with the rights of its owner.",),
            irreversible=("Its name, type, client and owner can't be changed.",),
        )
    )


# --- disabling --------------------------------------------------------------------------------


def _job(params: Mapping[str, Any]) -> Job:
    job = Job.objects.select_related("client").filter(pk=params["job_id"]).first()
    if job is None:
        raise NotFound("There is no such job.", field="job_id")
    return job


def _validate_disable(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "job_id", "reason")
    if not read.text(params, "reason").strip():
        raise Invalid("Say why; the reason is recorded.", field="reason")
    try:
        job_id = uuid.UUID(read.text(params, "job_id"))
    except ValueError as error:
        raise Invalid("That is no job's id.", field="job_id") from error
    return {"job_id": str(job_id), "reason": params["reason"]}


def _ensure_enabled(params: Mapping[str, Any]) -> None:
    if not _job(params).is_enabled:
        raise jobs.AlreadyThere("The job is disabled already.")


def _client_of_job(params: Mapping[str, Any]) -> str | None:
    client_id: str | None = _job(params).client_id
    return client_id


def _job_as_it_is(params: Mapping[str, Any]) -> dict[str, Any]:
    job = _job(params)
    return {
        "name": job.name,
        "is_enabled": job.is_enabled,
        "schedule_cron": job.schedule_cron,
        "payload": job.payload,
    }


def _describe_job(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    job = _job(params)
    return [
        ("Job", job.name),
        ("Type", job.job_type),
        ("Client", job.client.name if job.client else "The installation"),
        ("Schedule (UTC)", job.schedule_cron or "On demand"),
        ("Payload", _shown(job.payload)),
    ]


def _disable_changes(params: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [("The job", "Active", "Disabled")]


def _disable(actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    jobs.disable_job(actor=actor, job=_job(params), reason=params["reason"])
    return {}


# --- registering ------------------------------------------------------------------------------


def _owner(params: Mapping[str, Any]) -> User:
    owner = User.objects.filter(username=read.text(params, "owner"), is_active=True).first()
    if owner is None:
        raise NotFound("There is no such account.", field="owner")
    return owner


def _validate_register(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(
        params, "name", "job_type", "schedule_cron", "payload", "description", "enabled", "owner"
    )
    if not isinstance(params["enabled"], bool):
        raise Invalid("true or false is expected.", field="enabled")
    if not isinstance(params["payload"], Mapping):
        raise Invalid("An object is expected.", field="payload")
    plan = {name: read.text(params, name) for name in ("job_type", "schedule_cron", "description")}
    checked = jobs.valid_job(
        name=read.text(params, "name"),
        payload=params["payload"],
        enabled=params["enabled"],
        owner=_owner(params),
        **plan,
    )
    return {
        "name": checked.name,
        "job_type": checked.job_type,
        "schedule_cron": checked.schedule_cron,
        "payload": checked.payload,
        "description": checked.description,
        "enabled": checked.is_enabled,
        "owner": params["owner"],
    }


def _ensure_free(params: Mapping[str, Any]) -> None:
    if _is_there(params)["is_there"]:
        raise jobs.JobExists(f"There is a job {params['name']} already.", field="name")


def _own_job(actor: Actor, params: Mapping[str, Any]) -> None:
    jobs.owner_named(actor=actor, username=params["owner"])


def _client_of_new(params: Mapping[str, Any]) -> str | None:
    return registry.get(params["job_type"]).client_of(params["payload"])


def _is_there(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"is_there": Job.objects.filter(name=read.text(params, "name")).exists()}


def _describe_new(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("Name", params["name"]),
        ("Type", params["job_type"]),
        ("Client", _client_of_new(params) or "The installation"),
        ("Schedule (UTC)", params["schedule_cron"] or "On demand"),
        ("Payload", _shown(params["payload"])),
        ("Owner", params["owner"]),
        ("State", "Active" if params["enabled"] else "Disabled"),
        ("Description", params["description"] or "None"),
    ]


def _register(
    actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]
) -> dict[str, Any]:
    job = jobs.register_job(
        actor=actor,
        name=params["name"],
        job_type=params["job_type"],
        schedule_cron=params["schedule_cron"],
        payload=params["payload"],
        description=params["description"],
        enabled=params["enabled"],
        owner=_owner(params),
    )
    return {"job_id": str(job.pk)}


def _shown(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, ensure_ascii=False, sort_keys=True) if payload else "None"
