"""What doors call where an act may take two people: it is done at once, or approval is asked for.

Every function asks `ops.services.approvals`, except where the policy lets the actor act alone. The
acts themselves are in `ops/acts/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from access import policy
from access.models import Client, Grant, Person, User
from access.roles import Action, Role
from audit.events import Actor
from audit.services import keys, trail
from audit.services.switches import What
from ops.acts import clients as client_acts
from ops.acts import jobs as job_acts
from ops.acts import keys as key_acts
from ops.acts import people as people_acts
from ops.acts import people_merge, retention, switches
from ops.models import Approval, Job
from ops.services import approvals, jobs, people
from sealing.errors import Forbidden
from sealing.times import format_time

# Where nobody has to be convinced, nobody has to be told why.
NO_REASON = ""


# --- legal holds, archiver and sweep ----------------------------------------------------------


def place_hold(
    *,
    actor: Actor,
    case_id: str,
    reason: str,
    start_day: date | None = None,
    end_day: date | None = None,
) -> Approval:
    """Asks for a legal hold on what was sealed from ``start_day`` to ``end_day``, inclusive.

    Raises:
        Forbidden. Invalid. HoldExists: the case has an active one.
    """
    params = {
        "case_id": case_id,
        "start_day": start_day and start_day.isoformat(),
        "end_day": end_day and end_day.isoformat(),
        "reason": reason,
    }
    return _ask(actor, retention.PLACE, params, reason)


def release_hold(*, actor: Actor, hold_id: int, reason: str) -> Approval:
    """Asks for the release of a legal hold. Raises Forbidden, NotFound, Invalid or HoldReleased."""
    return _ask(actor, retention.RELEASE, {"hold_id": hold_id, "reason": reason}, reason)


def pause(*, actor: Actor, what: What, reason: str) -> Approval:
    """Asks for a pause of the archiver or the retention sweep.

    Raises:
        Forbidden. Invalid: no reason was given. AlreadyThere: it is paused.
    """
    return _ask(actor, switches.act_of(what), {"reason": reason}, reason)


# --- signing keys -----------------------------------------------------------------------------


def create_key(*, actor: Actor, reason: str) -> Approval:
    """Asks for a signing key of the actor's own; made when he carries it out, with his password.

    Raises:
        Forbidden: no role that signs. KeyExists.
    """
    return _ask(actor, key_acts.CREATE, {"person": _person_of(actor)}, reason)


def rotate_key(*, actor: Actor, key_id: str, reason: str) -> Approval:
    """Asks for a new key in the place of the actor's own, or of the one that signs checkpoints.

    Raises:
        Forbidden. NotFound. NotOwnKey: it is somebody else's, or configured. KeyNotActive.
    """
    if not policy.scope(actor.account, Action.VIEW_KEYS):
        raise Forbidden("Your roles do not allow this.")
    key = keys.by_id(key_id)
    if not key.is_active:
        raise keys.KeyNotActive("The key is out of use already.")
    if key.person_id is not None:
        return _ask(actor, key_acts.ROTATE, {"person": str(key.person_id)}, reason)
    if keys.CHECKPOINT in key.purposes:
        return _ask(actor, key_acts.ROTATE_CHECKPOINT, {}, reason)
    raise keys.NotOwnKey("It is rotated by changing SIGNING_PRIVATE_KEY.")


def retire_key(*, actor: Actor, key_id: str, reason: str) -> Approval:
    """Asks for any key's end. Raises Forbidden, NotFound, KeyNotActive or KeyNeeded."""
    return _ask(actor, key_acts.RETIRE, {"key_id": key_id}, reason)


def report_compromised(
    *, actor: Actor, key_id: str, compromised_at: datetime, reason: str
) -> Approval:
    """Asks for any key to be marked as compromised since a time, at the latest now.

    Raises:
        Forbidden. NotFound. Invalid: the time lies in the future. KeyNotActive: it is marked.
    """
    params = {"key_id": key_id, "compromised_at": format_time(compromised_at)}
    return _ask(actor, key_acts.COMPROMISE, params, reason)


# --- people and clients -----------------------------------------------------------------------


def grant(
    *, actor: Actor, user: User, role: Role, client: Client | None, reason: str = NO_REASON
) -> Grant | Approval:
    """Gives a role; asks for approval where it gives much power (`people.is_privileged`).

    Raises:
        OwnGrant. RolesConflict. AlreadyThere. Forbidden. Invalid: no reason where one is needed.
    """
    if not people.is_privileged(role, client):
        return people.grant(actor=actor, user=user, role=role, client=client)
    params = {
        "username": user.username,
        "role": str(role),
        "client_id": client.pk if client else None,
    }
    return _ask(actor, people_acts.GRANT, params, reason)


def another_account(*, actor: Actor, username: str, reason: str) -> Approval:
    """Asks for another account of the actor's own; made when he carries it out.

    Raises:
        Forbidden. Invalid. AlreadyThere: the name is taken.
    """
    params = {"person": _person_of(actor), "username": username}
    return _ask(actor, people_acts.ANOTHER, params, reason)


def merge_people(*, actor: Actor, person: Person, into: Person, reason: str) -> Approval:
    """Asks for two persons to be treated as one. Raises Forbidden, Invalid or Conflict."""
    params = {"person": str(person.pk), "into": str(into.pk), "reason": reason}
    return _ask(actor, people_merge.MERGE, params, reason)


def create_client(
    *,
    actor: Actor,
    client_id: str,
    name: str,
    redaction_pointers: Sequence[str] = (),
    reason: str = NO_REASON,
) -> Client | Approval:
    """Creates a client, or asks an administrator for it.

    Raises:
        Forbidden. Invalid. AlreadyThere: the id is taken.
    """
    params: dict[str, Any] = {
        "client_id": client_id,
        "name": name,
        "redaction_pointers": list(redaction_pointers),
    }
    if policy.can(actor.account, Action.MANAGE_CLIENTS):
        return people.create_client(actor=actor, **params)
    return _ask(actor, client_acts.CREATE, params, reason)


# --- jobs -------------------------------------------------------------------------------------


def disable_job(*, actor: Actor, job: Job, reason: str) -> Approval:
    """Asks for a job to be disabled; enabling it again is done by one person.

    Raises:
        Forbidden. Invalid: no reason was given. Conflict: it is disabled already.
    """
    return _ask(actor, job_acts.DISABLE, {"job_id": str(job.pk), "reason": reason}, reason)


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
    reason: str = NO_REASON,
) -> Job | Approval:
    """Registers a job, or asks an administrator for it.

    Raises:
        Forbidden. Invalid. Conflict: the name is taken.
    """
    plan: dict[str, Any] = {
        "name": name,
        "job_type": job_type,
        "schedule_cron": schedule_cron,
        "payload": dict(payload),
        "description": description,
        "enabled": enabled,
    }
    if not policy.scope(actor.account, Action.REQUEST_JOBS):
        raise Forbidden("Your roles do not allow this.")
    # Whether its name is taken is looked at last, by whoever stores or asks for it.
    client_id = jobs.valid_job(**plan, owner=owner).client_id
    if policy.can(actor.account, Action.MANAGE_JOBS, client_id):
        return jobs.register_job(actor=actor, **plan, owner=owner)
    return _ask(actor, job_acts.REGISTER, {**plan, "owner": owner.username}, reason)


def _ask(actor: Actor, action: str, params: Mapping[str, Any], reason: str) -> Approval:
    trail.ensure_enabled()
    return approvals.request(actor=actor, action=action, params=params, reason=reason)


def _person_of(actor: Actor) -> str:
    if actor.person_id is None:
        raise Forbidden("Only a person has an account or a signing key of his own.")
    return actor.person_id
