"""Checkpoints and the outbox in the admin, and what pages about the whole log have in common."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from access import policy
from access.admin import components
from access.admin.mixins import ReadOnlyAdmin
from access.admin.site import site
from access.roles import Action
from audit.formats import checkpoint as formats
from audit.models import Checkpoint, PendingEvent
from audit.services import keys
from sealing.results import Report


def connect() -> None:
    """Registers the pages with the site."""
    site.register(Checkpoint, CheckpointAdmin)
    site.register(PendingEvent, PendingEventAdmin)


class LogAdmin(ReadOnlyAdmin):
    """What tells of the log as a whole and of no client: for everybody who may verify."""

    client_field = None
    view_action = Action.VERIFY
    keyset_field = "id"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever holds a role for at least one client."""
        return bool(policy.scope(request.user, self.view_action))

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """All of them, or none."""
        return queryset if self.has_view_permission(request) else queryset.none()


class CheckpointAdmin(LogAdmin):
    """Signed checkpoints."""

    empty_sentence = "The worker signs one a minute."
    list_display = ("size", "signed_at", "shown_root", "key")
    list_select_related = ("key",)
    fields = ("size", "signed_at", "shown_root", "shown_head", "key")

    def page_context(self, request: HttpRequest, obj: Checkpoint) -> dict[str, Any]:
        """The signature, checked now."""
        _, findings = formats.open_note(obj.note.encode("utf-8"), keys.signers())
        return {**super().page_context(request, obj), "report": Report(tuple(findings))}

    @display(description="root")
    def shown_root(self, checkpoint: Checkpoint) -> SafeString:
        """The root of the tree."""
        return components.digest(bytes(checkpoint.root))

    @display(description="hash of the last event")
    def shown_head(self, checkpoint: Checkpoint) -> SafeString:
        """The head of the log at that size."""
        return components.digest(bytes(checkpoint.head), full=True)


class PendingEventAdmin(ReadOnlyAdmin):
    """What waits to be sealed, and what could not be. Its text is not shown: it may be anything."""

    client_field = None
    keyset_field = "id"
    empty_sentence = "Every recorded event has its place in the log."
    list_display = ("id", "created_at", "state", "set_aside_reason")
    fields = ("id", "created_at", "state", "set_aside_at", "set_aside_reason")

    @display(description="state")
    def state(self, pending: PendingEvent) -> SafeString:
        """Waiting, or set aside."""
        if pending.set_aside_at is None:
            return components.pill("waiting", "To be sealed")
        return components.pill("failed", "Set aside")
