"""Approving, rejecting, carrying out and withdrawing: what the pages say, and what they call."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from access import policy
from access.admin.acts import Decision, ObjectAction, Outcome
from access.roles import Action
from audit.events import Actor
from ops.admin import approval_words as words
from ops.admin.approval_forms import ApproveForm, CarryOutForm, RejectForm, WithdrawForm
from ops.models import Approval, ApprovalState
from ops.services import approvals

RECORDED = "That you decided, and what you wrote, is recorded in the audit trail."
ONCE = "A decision can't be taken back."
TEMPLATE = "admin/ops/approval/decide.html"


# --- deciding ---------------------------------------------------------------------------------


def hindrance_to_decide(request: HttpRequest, obj: Approval) -> str | None:
    """As the service has it."""
    if words.act_of(obj) is None:
        return words.UNKNOWN
    return approvals.hindrance(request.user, obj)


def describe_approve(request: HttpRequest, obj: Approval) -> Decision:
    """What approving it does."""
    act = words.act_of(obj)
    return Decision(
        act=f"Approve: {words.what(obj)}",
        digest=obj.request_sha256,
        facts=words.facts(obj),
        changes=words.changes(obj),
        consequences=(*words.sentences(act, obj), RECORDED),
        irreversible=(*(act.irreversible if act else ()), ONCE),
    )


def do_approve(request: HttpRequest, obj: Approval, data: dict[str, Any]) -> Outcome:
    """Approves it."""
    decided = approvals.decide(
        actor=Actor.of_request(request), approval_id=obj.pk, approve=True, **data
    )
    return _answered(request, decided)


def describe_reject(request: HttpRequest, obj: Approval) -> Decision:
    """What rejecting it does."""
    return Decision(
        act=f"Reject: {words.what(obj)}",
        digest=obj.request_sha256,
        facts=words.facts(obj),
        consequences=(
            "The request ends, whoever else approved it. Nothing else changes.",
            "It can be asked for again.",
            RECORDED,
        ),
        irreversible=(ONCE,),
        danger=True,
    )


def do_reject(request: HttpRequest, obj: Approval, data: dict[str, Any]) -> str:
    """Rejects it."""
    approvals.decide(actor=Actor.of_request(request), approval_id=obj.pk, approve=False, **data)
    return f"Rejected: {words.what(obj)}."


# --- by whoever asked -------------------------------------------------------------------------


def hindrance_to_carry_out(request: HttpRequest, obj: Approval) -> str | None:
    """Once, when it was approved, by the account that asked."""
    if words.act_of(obj) is None:
        return words.UNKNOWN
    if obj.requester_account_id != request.user.pk:
        return "Only the account that asked for it can carry it out."
    if obj.current_state == ApprovalState.PENDING:
        return "It has not been approved yet."
    if obj.current_state != ApprovalState.APPROVED:
        return "There is nothing left to carry out."
    return None


def describe_carry_out(request: HttpRequest, obj: Approval) -> Decision:
    """What happens now."""
    act = words.act_of(obj)
    return Decision(
        act=words.title(obj),
        digest=obj.request_sha256,
        facts=words.facts(obj),
        changes=words.changes(obj),
        consequences=act.consequences if act else (),
        irreversible=(*(act.irreversible if act else ()), "An approval is used once."),
    )


def do_carry_out(request: HttpRequest, obj: Approval, data: dict[str, Any]) -> Outcome:
    """Does it."""
    used = approvals.use(actor=Actor.of_request(request), approval_id=obj.pk, secrets=data)
    return _answered(request, used)


def hindrance_to_withdraw(request: HttpRequest, obj: Approval) -> str | None:
    """One's own, before it is decided."""
    if obj.requester_id not in policy.people_of(getattr(request.user, "person_id", None)):
        return "Only the person who asked for it can take it back."
    if obj.current_state != ApprovalState.PENDING:
        return "There is nothing left to withdraw."
    return None


def describe_withdraw(request: HttpRequest, obj: Approval) -> Decision:
    """What taking it back does."""
    return Decision(
        act=f"Withdraw: {words.what(obj)}",
        digest=obj.request_sha256,
        facts=words.facts(obj),
        consequences=("The request ends. Nothing else changes.", "You can ask again."),
    )


def do_withdraw(request: HttpRequest, obj: Approval, data: dict[str, Any]) -> str:
    """Takes it back."""
    approvals.withdraw(actor=Actor.of_request(request), approval_id=obj.pk, **data)
    return f"Withdrawn: {words.what(obj)}."


def _answered(request: HttpRequest, approval: Approval) -> str | HttpResponseBase:
    """What came of it; that it failed is no success."""
    now = approval.current_state
    if now == ApprovalState.PENDING:
        return f"Approved by you. {words.people(approval)} have approved."
    if now == ApprovalState.APPROVED:
        return f"Approved. {approval.requester.display_name} can carry it out now."
    if words.is_under_way(approval):
        return f"Begun: {words.what(approval)}. It is not known yet what came of it."
    if now == ApprovalState.USED:
        return f"Done: {words.what(approval)}."
    messages.error(request, f"Not done: {words.what(approval)}. {approval.outcome_note}")
    return redirect(reverse("admin:ops_approval_change", args=[approval.pk]))


ACTS = (
    ObjectAction(
        "approve",
        "Approve",
        Action.VIEW,
        ApproveForm,
        TEMPLATE,
        handler=do_approve,
        describe=describe_approve,
        hindrance=hindrance_to_decide,
        primary=True,
    ),
    ObjectAction(
        "reject",
        "Reject",
        Action.VIEW,
        RejectForm,
        TEMPLATE,
        handler=do_reject,
        describe=describe_reject,
        hindrance=hindrance_to_decide,
    ),
    ObjectAction(
        "carry-out",
        "Carry out",
        Action.VIEW,
        CarryOutForm,
        TEMPLATE,
        handler=do_carry_out,
        describe=describe_carry_out,
        hindrance=hindrance_to_carry_out,
        primary=True,
    ),
    ObjectAction(
        "withdraw",
        "Withdraw",
        Action.VIEW,
        WithdrawForm,
        TEMPLATE,
        handler=do_withdraw,
        describe=describe_withdraw,
        hindrance=hindrance_to_withdraw,
    ),
)
