"""The inbox: what takes two people, who asked for it, and the pages on which others decide."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from access import policy
from access.admin import components, desk
from access.admin.acts import ObjectAction
from access.admin.mixins import ObjectActionsMixin, ReadOnlyAdmin
from access.admin.paging import ScopedChangeList
from access.admin.site import site
from access.admin.time_paging import TimeChangeList
from access.roles import Action
from ops.admin import approval_words as words
from ops.admin.approval_acts import ACTS
from ops.admin.approval_filters import ActionFilter, StateFilter, WhoseFilter
from ops.models import Approval, ApprovalState
from ops.services import approvals, deciders


def connect() -> None:
    """Registers the pages with the site."""
    site.register(Approval, ApprovalAdmin)


class ApprovalAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """Requests, newest first."""

    keyset_field = "created_at"
    empty_sentence = "What takes two people is asked for on its own page, and decided here."
    list_display = (
        "shown_what",
        "shown_state",
        "shown_people",
        "shown_client",
        "shown_requester",
        "created_at",
        "expires_at",
    )
    list_filter = (StateFilter, WhoseFilter, ActionFilter)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "shown_state",
                    "shown_people",
                    "shown_deciders",
                    "shown_client",
                    "shown_requester",
                    "reason",
                    "expires_at",
                )
            },
        ),
    )
    object_actions = ACTS

    # --- who ---------------------------------------------------------------------------------

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """As the service has it, for every door."""
        return approvals.visible(request.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with what a line of the list shows."""
        found = super().get_queryset(request)
        return found.select_related(
            "client", "requester", "requester_account__person"
        ).prefetch_related("decisions")

    def for_current_client(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What concerns the installation waits whichever client one looks at."""
        return of_current_client(request, queryset)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ScopedChangeList]:
        """The list that pages by time and id."""
        return TimeChangeList

    def may(self, request: HttpRequest, act: ObjectAction, obj: Approval | None) -> bool:
        """Whoever may ask for the act or decide on it; why not oneself, the page says."""
        wanted = words.act_of(obj) if obj is not None else None
        if obj is None or wanted is None:
            return False
        scopes = (desk.scope_of(request, action) for action in (wanted.propose, wanted.approve))
        return any(scopes) or policy.can(request.user, Action.MANAGE_PEOPLE, obj.client_id)

    # --- the page ----------------------------------------------------------------------------

    def page_context(self, request: HttpRequest, obj: Approval) -> dict[str, Any]:
        """What it is about, what it would do, and what happened to it."""
        act = words.act_of(obj)
        return {
            **super().page_context(request, obj),
            **_bound(obj),
            "title": words.title(obj),
            "subject": words.subject(obj),
            "consequences": act.consequences if act else (),
            "irreversible": act.irreversible if act else (),
            "why_not": self._why_not(request, obj),
            "steps": words.custody(obj),
        }

    def _context(self, request: HttpRequest, act: ObjectAction, obj: Approval) -> dict[str, Any]:
        # Decision pages show the request byte for byte, too.
        return {**super()._context(request, act, obj), **_bound(obj)}

    def _why_not(self, request: HttpRequest, obj: Approval) -> str | None:
        """Why one can't decide what still has to be decided."""
        if obj.current_state != ApprovalState.PENDING or words.act_of(obj) is None:
            return None
        return approvals.hindrance(request.user, obj)

    # --- columns -----------------------------------------------------------------------------

    @display(description="what")
    def shown_what(self, approval: Approval) -> str:
        """The act."""
        return words.title(approval)

    @display(description="state")
    def shown_state(self, approval: Approval) -> SafeString:
        """Where it stands."""
        return words.state(approval)

    @display(description="approved by")
    def shown_people(self, approval: Approval) -> str:
        """How many of how many."""
        return words.people(approval)

    @display(description="client")
    def shown_client(self, approval: Approval) -> str:
        """Whom it concerns."""
        return words.client(approval)

    @display(description="asked for by")
    def shown_requester(self, approval: Approval) -> SafeString:
        """Who wants it."""
        return components.person(approval.requester_account)

    @display(description="who can decide")
    def shown_deciders(self, approval: Approval) -> str | SafeString:
        """By name, while there is something to decide."""
        if approval.current_state != ApprovalState.PENDING or words.act_of(approval) is None:
            return components.NOTHING
        return deciders.in_words(approval)


def of_current_client(request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
    """Requests of the client chosen in the header, and the installation's own."""
    chosen = desk.current_client(request)
    if chosen is None:
        return queryset
    return queryset.filter(Q(client_id=chosen) | Q(client_id=None))


def _bound(approval: Approval) -> dict[str, Any]:
    return {
        "approval_title": words.title(approval),
        "canonical": words.request_text(approval),
    }
