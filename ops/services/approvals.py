"""Approvals: one person asks, others decide, and what they approve is done once.

An approval authorises a future act. It is not a countersignature, which is a statement about bytes
that exist.
"""

from __future__ import annotations

import secrets as randomness
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction

from access import policy
from access.models import Person, User
from audit.events import Actor, EventType
from audit.services import trail
from ops import approvable
from ops.approvable import Approvable
from ops.formats import approval as formats
from ops.models import Approval, ApprovalDecision, ApprovalState
from ops.services import approval_execution as execution
from ops.services import approval_rules as rules
from ops.services import approval_states as states
from ops.services.approval_errors import (
    ApprovalClosed,
    DigestMismatch,
    NotAPerson,
    NotYourRequest,
    ReauthenticationFailed,
)
from ops.services.approval_execution import use
from ops.services.approval_lists import get, hindrance, listed, pending_for, visible
from ops.services.approval_states import expire_due
from sealing.errors import Conflict, Forbidden, Invalid, NotFound

__all__ = [
    "decide",
    "expire_due",
    "get",
    "hindrance",
    "listed",
    "pending_for",
    "request",
    "use",
    "visible",
    "withdraw",
]

# How long a request can be decided and carried out (a constraint knows it too).
LIFETIME = timedelta(days=7)
MAX_TEXT = 1000


def request(*, actor: Actor, action: str, params: Mapping[str, Any], reason: str) -> Approval:
    """Asks for an act that other people have to approve.

    Args:
        actor: who asks; a person.
        action: the act's name (ops/approvable.py).
        params: what the act will be given; never a secret.
        reason: why, for those who decide.

    Raises:
        UnknownAction. NotAPerson. Forbidden: the actor may not ask for this.
        Invalid: the parameters or the reason can't be accepted; the field is named.
        NotFound: the parameters name what the actor may not see. Conflict: as things are it can't
        be done; said only to whoever may ask.
    """
    trail.ensure_enabled()
    act = approvable.get(action)
    account, person = _person(actor)
    if not policy.scope(account, act.propose):
        raise Forbidden("Your roles do not allow this.")
    reason = _text(reason, field="reason", required=True)
    bound = act.validate(params)
    client_id = _client_of(act, account, bound)
    if act.precondition is not None:
        act.precondition(actor, bound)
    if act.check is not None:
        act.check(bound)
    with transaction.atomic():
        approval = _store(act, (account, person), client_id, bound, reason)
        states.tell(
            EventType.OPS_APPROVAL_REQUESTED,
            approval,
            actor=actor,
            data={
                "needed": approval.needed,
                "reason": reason,
                "expires_at": approval.bound["expires_at"],
            },
        )
    return approval


def decide(
    *,
    actor: Actor,
    approval_id: uuid.UUID | str,
    approve: bool,
    comment: str,
    password: str,
    request_sha256: str | None = None,
) -> Approval:
    """Approves or rejects a request. The last approval that is needed has the act carried out.

    Args:
        actor: who decides.
        approve: False rejects, which ends the request.
        comment: a remark; required for a rejection.
        password: the actor's password, asked again.
        request_sha256: the digest of what the actor saw. None: of what the id names, which can't
            change either.

    Returns:
        The request. Where the act was carried out: used with its result, failed with the reason,
        or void where something changed at the last moment.

    Raises:
        ApprovalNotFound. Invalid: a rejection without a comment. NotAPerson, OwnRequest,
        NotADecider, ReauthenticationFailed, AlreadyDecided, ApprovalClosed, ApprovalExpired,
        ApprovalVoid, DigestMismatch: recorded.
    """
    trail.ensure_enabled()
    approval = get(actor=actor, approval_id=approval_id)
    act = approvable.get(approval.action)
    comment = _text(comment, field="comment", required=not approve)
    try:
        account = _decider(act, approval, actor)
        if request_sha256 not in (None, approval.request_sha256):
            raise DigestMismatch(
                "The request is not the one that you saw: look at it again.",
                field="request_sha256",
            )
        if not account.check_password(password):
            raise ReauthenticationFailed("The password is not right.", field="password")
        with states.database_refusals():
            approval, refusal = _decide(act, approval.pk, actor, approve, comment)
        if refusal is not None:
            raise refusal
    except (Forbidden, Conflict) as error:
        states.tell_refused(approval, actor=actor, code=error.code)
        raise
    if approval.state == ApprovalState.APPROVED and not act.needs:
        approval, _ = execution.carry_out(actor=actor, approval=approval, secrets={})
    return approval


def withdraw(*, actor: Actor, approval_id: uuid.UUID | str, reason: str = "") -> Approval:
    """Takes a request back before it is decided; by the person who asked for it.

    Raises:
        ApprovalNotFound. NotYourRequest, ApprovalClosed, ApprovalExpired: recorded.
    """
    trail.ensure_enabled()
    approval = get(actor=actor, approval_id=approval_id)
    reason = _text(reason, field="reason")
    try:
        human = policy.root_person(actor.person_id)
        if human is None or human != policy.root_person(approval.requester_id):
            raise NotYourRequest("Only the person who asked for it can take it back.")
        with transaction.atomic():
            approval = states.locked(approval.pk)
            _ensure_pending(approval)
            expired = states.close_if_over(approval)
            if expired is None:
                states.move(approval, ApprovalState.WITHDRAWN, actor=actor, note=reason)
        if expired is not None:
            raise expired
    except (Forbidden, Conflict) as error:
        states.tell_refused(approval, actor=actor, code=error.code)
        raise
    return approval


def _client_of(act: Approvable, account: User, params: Mapping[str, Any]) -> str | None:
    """The client concerned, for which the account may ask for the act."""
    try:
        client_id = act.client_of(params)
    except NotFound as error:
        if policy.scope(account, act.propose).all_clients:
            raise
        # In the same words as for what belongs to another client.
        raise policy.OutOfScope("There is nothing here that you may see.") from error
    if not rules.may_propose(act, account, client_id):
        policy.require(account, act.propose, client_id)
    return client_id


def _store(
    act: Approvable,
    requester: tuple[User, Person],
    client_id: str | None,
    params: Mapping[str, Any],
    reason: str,
) -> Approval:
    account, person = requester
    now = states.clock()
    raw = formats.build(
        action=act.name,
        client_id=client_id,
        requester={"account": account.username, "person": str(person.pk)},
        params=params,
        subject=act.subject(params),
        reason=reason,
        needed=act.needed,
        created_at=now,
        expires_at=now + LIFETIME,
        nonce=randomness.token_hex(16),
    )
    return Approval.objects.create(
        action=act.name,
        client_id=client_id,
        requester=person,
        requester_account=account,
        reason=reason,
        needed=act.needed,
        request=raw.decode(),
        request_sha256=formats.digest(raw),
        created_at=now,
        expires_at=now + LIFETIME,
    )


def _decider(act: Approvable, approval: Approval, actor: Actor) -> User:
    """The account, if it is another person's who may decide and has not done so."""
    account, _ = _person(actor)
    refusal = rules.refusal_to(act, approval, account)
    if refusal is not None:
        raise refusal
    return account


def _decide(
    act: Approvable, approval_id: uuid.UUID, actor: Actor, approve: bool, comment: str
) -> tuple[Approval, Conflict | None]:
    """Stores the decision and what follows from it, or ends what can't be decided any more."""
    account, person = _person(actor)
    with transaction.atomic():
        approval = states.locked(approval_id)
        _ensure_pending(approval)
        expired = states.close_if_over(approval)
        if expired is not None:
            return approval, expired
        reason = rules.why_void(act, approval)
        if reason is not None:
            return approval, states.close_as_void(approval, reason, actor=actor)
        ApprovalDecision.objects.create(
            approval=approval,
            requester_id=approval.requester_id,
            request_sha256=approval.request_sha256,
            person=person,
            account=account,
            approves=approve,
            comment=comment,
        )
        people = len(rules.people_who_approved(act, approval))
        if not approve:
            states.set_state(approval, ApprovalState.REJECTED)
        elif people >= approval.needed:
            states.set_state(approval, ApprovalState.APPROVED)
        kind = EventType.OPS_APPROVAL_APPROVED if approve else EventType.OPS_APPROVAL_REJECTED
        data = {"comment": comment, "people": people, "needed": approval.needed}
        states.tell(kind, approval, actor=actor, data=data)
    return approval, None


def _ensure_pending(approval: Approval) -> None:
    if approval.state != ApprovalState.PENDING:
        raise ApprovalClosed(f"Its state is {approval.state}: there is nothing left to decide.")


def _person(actor: Actor) -> tuple[User, Person]:
    account = actor.account
    if account is None or account.person is None:
        raise NotAPerson("Approvals are asked for and decided by people.")
    return account, account.person


def _text(given: str, *, field: str, required: bool = False) -> str:
    text = given.strip()
    if required and not text:
        raise Invalid("Say why; it is recorded.", field=field)
    if len(text) > MAX_TEXT:
        raise Invalid(f"At most {MAX_TEXT} characters.", field=field)
    return text
