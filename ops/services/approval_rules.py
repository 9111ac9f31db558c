"""Who may ask, who may decide, and whether what was asked for still stands. Nothing is changed."""

from __future__ import annotations

import uuid

from access import policy
from access.models import User
from access.roles import Action
from ops.approvable import Approvable
from ops.formats import approval as formats
from ops.models import Approval
from ops.services.approval_errors import AlreadyDecided, NotADecider, OwnRequest
from sealing.errors import Conflict, Forbidden, StrongroomError

Humans = frozenset[uuid.UUID | None]


def may_propose(act: Approvable, account: User, client_id: str | None) -> bool:
    """Whether the account may ask for the act."""
    if act.anywhere:
        return bool(policy.scope(account, act.propose))
    return policy.can(account, act.propose, client_id)


def may_decide(act: Approvable, approval: Approval, account: User) -> bool:
    """Whether the account's roles let it decide; that it is another person's is asked apart.

    Where too few others hold the role, an administrator stands in: a house with one officer
    could not let its officer ask for anything otherwise.
    """
    client_id = approval.client_id
    if policy.can(account, act.approve, client_id):
        return True
    return policy.can(account, Action.MANAGE_PEOPLE, client_id) and is_short(act, approval)


def is_short(act: Approvable, approval: Approval) -> bool:
    """Whether fewer people than needed hold the role, apart from whoever asked.

    Those whom it is about are counted: that they may not decide makes nobody else their judge, or
    an administrator would choose his own approver by the people whom he names.
    """
    if not act.stand_in:
        return False
    able = policy.people_who_may(act.approve, approval.client_id)
    return len(able - {policy.root_person(approval.requester_id)}) < approval.needed


def refusal_to(act: Approvable, approval: Approval, account: User) -> Forbidden | Conflict | None:
    """Why a person's account can't decide, for every door; None where it can."""
    if policy.root_person(account.person_id) in excluded(act, approval):
        return OwnRequest(
            "You asked for it, or it is about yourself: another person has to decide."
        )
    if not may_decide(act, approval, account):
        return NotADecider("Your roles do not let you decide on this.")
    if approval.decisions.filter(person_id__in=policy.people_of(account.person_id)).exists():
        return AlreadyDecided("You have decided on this before.")
    return None


def excluded(act: Approvable, approval: Approval) -> Humans:
    """Who may not decide, whatever his role: whoever asked, and whom it is about."""
    concerned = act.concerns(approval.params) if act.concerns else ()
    return frozenset(policy.root_person(found) for found in (approval.requester_id, *concerned))


def people_who_approved(act: Approvable, approval: Approval) -> Humans:
    """The humans whose approval counts now: they may still decide, and nobody counts twice."""
    approvals = approval.decisions.filter(approves=True).select_related("account")
    found = frozenset(
        policy.root_person(decision.person_id)
        for decision in approvals
        if may_decide(act, approval, decision.account)
    )
    return found - excluded(act, approval)


def why_void(act: Approvable, approval: Approval) -> tuple[str, str] | None:
    """Code and sentence, where what was asked for is not what it would be now."""
    if approval.needed < act.needed:
        return "more_people_needed", "The act needs more people now than when it was asked for."
    try:
        client_id = act.client_of(approval.params)
        subject = act.subject(approval.params)
    except StrongroomError as error:
        return "subject_changed", f"What it is about can't be found any more: {error.message}"
    if client_id != approval.client_id:
        # Those who may decide now are others than when it was asked for.
        return "subject_changed", "It belongs to another client than when it was asked for."
    if not formats.is_same(subject, approval.bound["subject"]):
        return "subject_changed", "What it is about has changed since it was asked for."
    return None


def why_not_carried_out(act: Approvable, approval: Approval) -> tuple[str, str] | None:
    """Code and sentence, where an approved request may not be carried out any more."""
    reason = why_void(act, approval)
    if reason is not None:
        return reason
    if not may_propose(act, approval.requester_account, approval.client_id):
        return "requester_not_allowed", "Whoever asked for it may not ask for it any more."
    if len(people_who_approved(act, approval)) < approval.needed:
        return (
            "approvers_missing",
            "Not enough of those who approved it are still other people who may approve it.",
        )
    return None
