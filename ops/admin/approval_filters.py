"""How the list of approvals can be narrowed."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from access import policy
from access.admin.filters import ChoiceFilter
from ops import approvable
from ops.admin import approval_words as words
from ops.models import OPEN_STATES, Approval, ApprovalState
from ops.services import approvals

WAITS_FOR_ME, BY_ME, BY_OTHERS = "me", "mine", "others"


class StateFilter(ChoiceFilter):
    """Where requests stand; what has outlived its time counts as expired."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All of them."""
        return [(state.value, words.state_word(state)) for state in ApprovalState]

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Only those."""
        now = timezone.now()
        if value == ApprovalState.EXPIRED:
            over = Q(state__in=OPEN_STATES, expires_at__lte=now)
            return queryset.filter(Q(state=value) | over)
        if value in OPEN_STATES:
            return queryset.filter(state=value, expires_at__gt=now)
        return queryset.filter(state=value)


class WhoseFilter(ChoiceFilter):
    """What waits for the viewer, what the viewer asked for, and what others did."""

    title = "whose"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The three of them."""
        return [
            (WAITS_FOR_ME, "Waits for me"),
            (BY_ME, "Asked for by me"),
            (BY_OTHERS, "Asked for by others"),
        ]

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Only those; a person's accounts count as one."""
        if value == WAITS_FOR_ME:
            return queryset.filter(pk__in=waiting_for(request.user).values("pk"))
        humans = policy.people_of(getattr(request.user, "person_id", None))
        if value == BY_ME:
            return queryset.filter(requester_id__in=humans)
        return queryset.exclude(requester_id__in=humans)


class ActionFilter(ChoiceFilter):
    """Which act."""

    title = "act"
    parameter_name = "action"
    field = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every act that takes two people."""
        return [(act.name, act.label) for act in approvable.all_acts()]


def waiting_for(viewer: Any) -> QuerySet[Approval]:
    """What somebody can decide now, and what he asked for and has to carry out, oldest first."""
    to_decide = approvals.pending_for(viewer).values("pk")
    with_secrets = [act.name for act in approvable.all_acts() if act.needs]
    to_carry_out = Q(
        requester_account_id=getattr(viewer, "pk", None),
        state=ApprovalState.APPROVED,
        expires_at__gt=timezone.now(),
        action__in=with_secrets,
    )
    found = Approval.objects.filter(Q(pk__in=to_decide) | to_carry_out)
    return found.order_by("created_at", "id")
