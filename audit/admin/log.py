"""Checkpoints, verifications and the outbox in the admin: looked at, and one act, verifying."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from access import policy
from access.admin import components
from access.admin.mixins import (
    Decision,
    ObjectAction,
    ObjectActionsMixin,
    ReadOnlyAdmin,
    ResultPage,
)
from access.admin.site import site
from access.roles import Action
from audit.events import Actor
from audit.formats import checkpoint as formats
from audit.models import Checkpoint, PendingEvent, VerificationRun
from audit.services import keys, loghead
from audit.services.verification import verify_database
from sealing.results import Finding, Report

# More than that takes longer than a page may take.
VERIFY_EVENTS = 100_000


def connect() -> None:
    """Registers the pages with the site."""
    site.register(Checkpoint, CheckpointAdmin)
    site.register(VerificationRun, VerificationRunAdmin)
    site.register(PendingEvent, PendingEventAdmin)


class _LogAdmin(ReadOnlyAdmin):
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


class CheckpointAdmin(_LogAdmin):
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


class VerificationRunAdmin(ObjectActionsMixin, _LogAdmin):
    """Verifications of the stored log, and the act of verifying it now."""

    empty_sentence = "The stored log has not been verified yet."
    list_display = ("finished_at", "shown_verdict", "checked_events", "message", "actor_id")
    fields = (
        "shown_verdict",
        "started_at",
        "finished_at",
        "actor_id",
        "start_seq",
        "end_seq",
        "checked_events",
        "first_bad_seq",
    )
    list_actions = [
        ObjectAction(
            "verify",
            "Verify the log now",
            Action.VERIFY,
            template="admin/decision.html",
            handler="do_verify",
            describe="describe_verify",
            primary=True,
        )
    ]

    def describe_verify(self, request: HttpRequest, obj: None) -> Decision:
        """What will be looked at."""
        start, end = _newest()
        return Decision(
            act="Verify the stored log",
            facts=(("Events", f"{start} to {end - 1}" if end else "none yet"),),
            consequences=(
                "Chain, tree, checkpoints, columns and the guards of the table are checked.",
                "What comes of it is recorded.",
            ),
        )

    def do_verify(self, request: HttpRequest, obj: None, data: dict[str, Any]) -> ResultPage:
        """Verifies the newest events."""
        start, _ = _newest()
        done = verify_database(actor=Actor.of(request.user, request), start_seq=start)
        not_checked = [f"Events 0 to {start - 1}, but for the tree over them."] if start else []
        return ResultPage(
            template="admin/verdict_page.html",
            context={"report": done.report, "not_checked": not_checked},
        )

    def page_context(self, request: HttpRequest, obj: VerificationRun) -> dict[str, Any]:
        """The findings as they were."""
        report = Report(tuple(Finding(**finding) for finding in obj.findings))
        return {**super().page_context(request, obj), "report": report, "verdict": obj.verdict}

    @display(description="verdict")
    def shown_verdict(self, run: VerificationRun) -> SafeString:
        """The verdict as a pill."""
        return components.pill(run.verdict)


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


def _newest() -> tuple[int, int]:
    end = loghead.current().size
    return max(0, end - VERIFY_EVENTS), end
