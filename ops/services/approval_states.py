"""How a request goes from one state to the next, each with its event."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction

from audit.events import Actor, EventType
from audit.services import trail
from ops.models import OPEN_STATES, Approval, ApprovalState
from ops.services.approval_errors import (
    AlreadyDecided,
    ApprovalClosed,
    ApprovalExpired,
    ApprovalVoid,
    NotApproved,
    OwnRequest,
)
from sealing.errors import Conflict, Forbidden

SWEEPER = Actor.system("approvals")
# What was claimed and has no outcome by then was lost with its process.
LOST_AFTER = timedelta(hours=24)
_EVENTS = {
    ApprovalState.USED: EventType.OPS_APPROVAL_USED,
    ApprovalState.FAILED: EventType.OPS_APPROVAL_USED,
    ApprovalState.WITHDRAWN: EventType.OPS_APPROVAL_WITHDRAWN,
    ApprovalState.EXPIRED: EventType.OPS_APPROVAL_EXPIRED,
    ApprovalState.VOID: EventType.OPS_APPROVAL_VOIDED,
}
# The names under which constraints and triggers refuse (migrations 0003 and 0004).
_REFUSALS: Mapping[str, tuple[type[Conflict | Forbidden], str]] = {
    "ops_decision_not_requester": (OwnRequest, "Nobody decides what he asked for."),
    "ops_decision_one_per_person": (AlreadyDecided, "You have decided on this before."),
    "ops_decision_pending": (ApprovalClosed, "There is nothing left to decide."),
    "ops_decision_in_time": (ApprovalExpired, "Its time is over."),
    "ops_approval_in_time": (ApprovalExpired, "Its time is over."),
    "ops_approval_transition": (ApprovalClosed, "There is nothing left to do."),
    "ops_approval_people": (NotApproved, "Too few people have approved it."),
}


def clock() -> datetime:
    """The database's clock, by which its triggers judge too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def locked(approval_id: uuid.UUID) -> Approval:
    """The request, held by the open transaction until its end."""
    return Approval.objects.select_for_update().get(pk=approval_id)


def move(
    approval: Approval, state: ApprovalState, *, actor: Actor, code: str = "", note: str = ""
) -> None:
    """Takes a request, which is held, to another state.

    Args:
        code, note: why it ends so, where it does not end well.
    """
    set_state(approval, state, code=code, note=note)
    data = {"code": code, "reason": note} if code or note else {}
    tell(
        _EVENTS[state],
        approval,
        actor=actor,
        outcome="failure" if state == ApprovalState.FAILED else "success",
        data=data,
    )


def set_state(approval: Approval, state: ApprovalState, *, code: str = "", note: str = "") -> None:
    """Writes the state by compare-and-set; triggers decide whether it may follow the last one."""
    changed = Approval.objects.filter(pk=approval.pk, state=approval.state).update(
        state=state, outcome_code=code, outcome_note=note
    )
    if not changed:
        raise ApprovalClosed("Somebody else changed it in this moment.")
    approval.refresh_from_db()


def set_result(approval: Approval, result: Mapping[str, Any]) -> None:
    """Writes what came of carrying it out."""
    Approval.objects.filter(pk=approval.pk).update(result=dict(result), executed_at=clock())
    approval.refresh_from_db()


def tell(
    event: EventType,
    approval: Approval,
    *,
    actor: Actor,
    outcome: str = "success",
    data: Mapping[str, Any] | None = None,
) -> None:
    """Records what happened to a request, with the digest of what was asked for."""
    trail.record(
        event,
        actor=actor,
        client=approval.client_id,
        obj=("approval", str(approval.pk)),
        outcome=outcome,
        data={
            "action": approval.action,
            "request_sha256": approval.request_sha256,
            **(data or {}),
        },
    )


def tell_refused(approval: Approval, *, actor: Actor, code: str) -> None:
    """Records an attempt that was refused, in a transaction of its own."""
    trail.record_alone(
        EventType.OPS_APPROVAL_REFUSED,
        actor=actor,
        client=approval.client_id,
        obj=("approval", str(approval.pk)),
        outcome="denied",
        data={
            "action": approval.action,
            "request_sha256": approval.request_sha256,
            "code": code,
        },
    )


def close_if_over(approval: Approval) -> ApprovalExpired | None:
    """Ends a request, which is held, when its time is over; gives the refusal for the caller.

    The caller raises it after the transaction, or the end would be rolled back with it.
    """
    if approval.expires_at > clock():
        return None
    move(approval, ApprovalState.EXPIRED, actor=SWEEPER)
    return ApprovalExpired("Its time is over: it has to be asked for again.")


def close_as_void(approval: Approval, reason: tuple[str, str], *, actor: Actor) -> ApprovalVoid:
    """Ends a request, which is held, since what it rested on has changed."""
    code, note = reason
    move(approval, ApprovalState.VOID, actor=actor, code=code, note=note)
    return ApprovalVoid(f"{note} It is void and has to be asked for again.")


def expire_due() -> int:
    """Ends every request whose time is over, and every act that was cut short; how many."""
    if not trail.is_enabled():
        return 0
    now = clock()
    due = Approval.objects.filter(state__in=OPEN_STATES, expires_at__lte=now)
    lost = Approval.objects.filter(
        state=ApprovalState.USED, executed_at=None, closed_at__lte=now - LOST_AFTER
    )
    ended = 0
    for found in (due, lost):
        for approval_id in found.order_by("pk").values_list("pk", flat=True):
            ended += _end(approval_id)
    return ended


def _end(approval_id: uuid.UUID) -> bool:
    with transaction.atomic():
        # What somebody else holds is looked at again the next time.
        free = Approval.objects.select_for_update(skip_locked=True).filter(pk=approval_id)
        approval = free.first()
        if approval is None:
            return False
        if approval.state in OPEN_STATES:
            return close_if_over(approval) is not None
        if approval.state != ApprovalState.USED or approval.executed_at is not None:
            return False
        move(
            approval,
            ApprovalState.FAILED,
            actor=SWEEPER,
            code="interrupted",
            note="It was cut short: what it did can only be looked up.",
        )
        return True


@contextmanager
def database_refusals() -> Iterator[None]:
    """Gives a refusal of the database the name that the services give it.

    Raises:
        Conflict, Forbidden: what stands behind the constraint; any other error stays what it is.
    """
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        refusal = _REFUSALS.get(getattr(diagnosis, "constraint_name", None) or "")
        if refusal is None:
            raise
        kind, sentence = refusal
        raise kind(sentence) from error
