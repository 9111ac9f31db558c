"""Carrying out what was approved: once, and only while everything that it rested on still holds."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from django.db import connection, transaction

from audit.events import Actor
from audit.services import trail
from ops import approvable
from ops.approvable import Approvable
from ops.models import Approval, ApprovalState
from ops.services import approval_lists as lists
from ops.services import approval_rules as rules
from ops.services import approval_states as states
from ops.services.approval_errors import ApprovalClosed, NotApproved, NotYourRequest
from sealing.errors import Conflict, Forbidden, Invalid, StrongroomError, Unavailable

log = structlog.get_logger(__name__)
UNFORESEEN = "It ended with an error that was not foreseen; the service's log has it."
# One act at a time: what one has looked at, another must not change before it is done.
_EXECUTION_LOCK = 7_405_012


def use(*, actor: Actor, approval_id: uuid.UUID | str, secrets: Mapping[str, str]) -> Approval:
    """Carries out what was approved, where the act needs secrets that only the requester has.

    Where it needs none, the last approval has carried it out, unless that was cut short: then
    this takes it up.

    Args:
        actor: the account that asked for it.
        secrets: by the names in the act's ``needs``, all of them. One that is not right leaves
            the approval as it was.

    Returns:
        The request: used with its result, or failed with the reason.

    Raises:
        ApprovalNotFound. Invalid: a secret is missing, unknown or not right. NotYourRequest,
        NotApproved, ApprovalClosed, ApprovalExpired, ApprovalVoid: recorded.
    """
    trail.ensure_enabled()
    approval = lists.get(actor=actor, approval_id=approval_id)
    act = approvable.get(approval.action)
    try:
        if actor.account is None or actor.account.pk != approval.requester_account_id:
            raise NotYourRequest("Only the account that asked for it can carry it out.")
        _check_secrets(act, secrets)
        approval, refusal = carry_out(actor=actor, approval=approval, secrets=secrets)
        if refusal is not None:
            raise refusal
    except (Forbidden, Conflict) as error:
        states.tell_refused(approval, actor=actor, code=error.code)
        raise
    return approval


def carry_out(
    *, actor: Actor, approval: Approval, secrets: Mapping[str, str]
) -> tuple[Approval, Conflict | None]:
    """Carries out an approved request in the requester's name.

    Returns:
        The request, and the refusal where it expired or became void instead.
    """
    act = approvable.get(approval.action)
    carry = _beside_the_database if act.does_io else _in_the_database
    with states.database_refusals():
        return carry(act, approval.pk, actor, secrets)


def _in_the_database(
    act: Approvable, approval_id: uuid.UUID, actor: Actor, secrets: Mapping[str, str]
) -> tuple[Approval, Conflict | None]:
    with transaction.atomic():
        approval, refusal = _ready(act, approval_id, actor)
        if refusal is not None:
            return approval, refusal
        by = _requester(approval, actor)
        try:
            with transaction.atomic():
                states.move(approval, ApprovalState.USED, actor=by)
                states.set_result(approval, _execute(act, by, approval, secrets))
        except StrongroomError as error:
            if error.field in act.needs:
                raise
            approval = states.locked(approval_id)
            _fail(approval, by, error)
    return approval, None


def _beside_the_database(
    act: Approvable, approval_id: uuid.UUID, actor: Actor, secrets: Mapping[str, str]
) -> tuple[Approval, Conflict | None]:
    """Commits that it is used before anything is done, so that it is never done twice."""
    with transaction.atomic():
        approval, refusal = _ready(act, approval_id, actor)
        if refusal is not None:
            return approval, refusal
        by = _requester(approval, actor)
        states.move(approval, ApprovalState.USED, actor=by)
    try:
        result = _execute(act, by, approval, secrets)
        states.set_result(approval, result)
    except StrongroomError as error:
        approval = _fail_later(approval_id, by, error)
    except Exception:
        # Whatever it was: left as it is, it would count as under way until the sweeper comes.
        log.exception("approved act failed", action=act.name, approval=str(approval_id))
        unknown = Unavailable(UNFORESEEN, code="internal_error")
        approval = _fail_later(approval_id, by, unknown)
    return approval, None


def _ready(
    act: Approvable, approval_id: uuid.UUID, actor: Actor
) -> tuple[Approval, Conflict | None]:
    """Holds the request and looks at everything once more; ends it where something is amiss."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_EXECUTION_LOCK])
    approval = states.locked(approval_id)
    if approval.state == ApprovalState.PENDING:
        raise NotApproved("It has not been approved yet.")
    if approval.state != ApprovalState.APPROVED:
        raise ApprovalClosed(f"Its state is {approval.state}: there is nothing left to do.")
    expired = states.close_if_over(approval)
    if expired is not None:
        return approval, expired
    reason = rules.why_not_carried_out(act, approval)
    if reason is not None:
        return approval, states.close_as_void(approval, reason, actor=actor)
    return approval, None


def _execute(
    act: Approvable, by: Actor, approval: Approval, secrets: Mapping[str, str]
) -> dict[str, Any]:
    params = approval.params
    if act.precondition is not None:
        act.precondition(by, params)
    return act.execute(by, params, dict(secrets))


def _fail(approval: Approval, by: Actor, error: StrongroomError) -> None:
    states.move(approval, ApprovalState.FAILED, actor=by, code=error.code, note=error.message)


def _fail_later(approval_id: uuid.UUID, by: Actor, error: StrongroomError) -> Approval:
    with transaction.atomic():
        approval = states.locked(approval_id)
        _fail(approval, by, error)
    return approval


def _requester(approval: Approval, actor: Actor) -> Actor:
    """Whoever asked for it, in the request of whoever sets it off."""
    account = approval.requester_account
    if actor.account is not None and actor.account.pk == account.pk:
        return actor
    return dataclasses.replace(Actor.of(account), request_id=actor.request_id)


def _check_secrets(act: Approvable, secrets: Mapping[str, str]) -> None:
    for name in act.needs:
        if not secrets.get(name):
            raise Invalid("It is needed to carry this out.", field=name)
    for name in secrets:
        if name not in act.needs:
            raise Invalid("This act has no use for it.", field=name)
