"""Which requests somebody may see, and which wait for him."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from access import policy
from access.models import User
from access.roles import Action
from audit.events import Actor
from ops import approvable
from ops.models import OPEN_STATES, Approval, ApprovalState
from ops.services import approval_rules as rules
from ops.services.approval_errors import ApprovalNotFound
from sealing.errors import Forbidden, Invalid


def visible(user: Any) -> QuerySet[Approval]:
    """The requests that an account may look at: of its clients, and its own."""
    rows = Approval.objects.all()
    own = Q(requester_account_id=getattr(user, "pk", None))
    found = policy.visible(rows, user, own=own)
    if policy.scope(user, Action.VIEW):
        # What concerns the requester alone belongs to no client, and may be asked for anywhere.
        found |= rows.filter(own, client=None)
    return found


def get(*, actor: Actor, approval_id: uuid.UUID | str) -> Approval:
    """One request.

    Raises:
        ApprovalNotFound: there is none of that id that the actor may see.
    """
    try:
        wanted = uuid.UUID(str(approval_id))
    except ValueError as error:
        raise ApprovalNotFound("There is no such request that you may see.") from error
    found = visible(actor.account).filter(pk=wanted).first()
    if found is None:
        raise ApprovalNotFound("There is no such request that you may see.")
    return found


def listed(
    *, actor: Actor, state: str | None = None, client_id: str | None = None
) -> QuerySet[Approval]:
    """The requests that the actor may see, for a list.

    Args:
        state: only those; what has outlived its time counts as expired.

    Raises:
        Forbidden: the actor has no role anywhere. Invalid: there is no such state.
        ApprovalNotFound: the client is not in the actor's scope.
    """
    scope = policy.scope(actor.account, Action.VIEW)
    if not scope:
        raise Forbidden("Your roles do not allow this.")
    found = visible(actor.account).select_related("requester", "requester_account")
    found = found.prefetch_related("decisions__person", "decisions__account")
    if client_id is not None:
        if "\x00" in client_id or not scope.covers(client_id):
            raise ApprovalNotFound("There is no such client among those that you may see.")
        found = found.filter(client_id=client_id)
    return found if state is None else found.filter(_in_state(state))


def _in_state(state: str) -> Q:
    if state not in ApprovalState.values:
        raise Invalid(f"One of {', '.join(ApprovalState.values)}.", field="state")
    now = timezone.now()
    if state == ApprovalState.EXPIRED:
        return Q(state=state) | Q(state__in=OPEN_STATES, expires_at__lte=now)
    if state in OPEN_STATES:
        return Q(state=state, expires_at__gt=now)
    return Q(state=state)


def pending_for(user: Any) -> QuerySet[Approval]:
    """What an account could decide now, the oldest first."""
    if not isinstance(user, User) or user.person_id is None:
        return Approval.objects.none()
    viewer = _Viewer(user, policy.people_of(user.person_id))
    open_ones = (
        Approval.objects.filter(_in_state(ApprovalState.PENDING))
        .exclude(requester_id__in=viewer.humans)
        .exclude(decisions__person_id__in=viewer.humans)
    )
    # Few requests are open at any time, and who may decide depends on each one's parameters.
    ids = [found.pk for found in open_ones if viewer.could_decide(found)]
    return Approval.objects.filter(pk__in=ids).order_by("created_at", "id")


def hindrance(user: Any, approval: Approval) -> str | None:
    """Why an account can't decide a request now, as a sentence; None where it can."""
    if not isinstance(user, User) or user.person_id is None:
        return "Deciding is for people."
    if approval.current_state != ApprovalState.PENDING:
        return "There is nothing to decide any more."
    refusal = rules.refusal_to(approvable.get(approval.action), approval, user)
    return None if refusal is None else refusal.message


@dataclass
class _Viewer:
    """An account whose list is made: what it may do is looked up once for all requests."""

    user: User
    humans: frozenset[uuid.UUID]
    _scopes: dict[Action, policy.Scope] = field(default_factory=dict)

    def could_decide(self, approval: Approval) -> bool:
        """Whether another person's request, undecided by this one, is his to decide."""
        try:
            act = approvable.get(approval.action)
        except approvable.UnknownAction:
            # An act of another version: nobody can carry it out.
            return False
        concerned = act.concerns(approval.params) if act.concerns else ()
        if not self.humans.isdisjoint(uuid.UUID(str(found)) for found in concerned):
            return False
        if self._may(act.approve, approval.client_id):
            return True
        stands_in = self._may(Action.MANAGE_PEOPLE, approval.client_id)
        return stands_in and rules.is_short(act, approval)

    def _may(self, action: Action, client_id: str | None) -> bool:
        if action not in self._scopes:
            self._scopes[action] = policy.scope(self.user, action)
        return self._scopes[action].covers(client_id)
