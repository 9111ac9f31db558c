"""Verifications in the admin: what they came to, and verifying the newest events at once."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.acts import Button
from access.admin.mixins import Decision, ObjectAction, ObjectActionsMixin, ResultPage
from access.admin.site import site
from access.roles import Action
from audit import standing
from audit.admin import actors
from audit.admin.log import LogAdmin
from audit.events import Actor
from audit.models import VerificationRequest, VerificationRun
from audit.services import requests
from audit.services.verification import verify_database
from sealing.results import Finding, Report

# More than that takes longer than a page may take.
VERIFY_EVENTS = 100_000


def connect() -> None:
    """Registers the page with the site."""
    site.register(VerificationRun, VerificationRunAdmin)


class VerificationRunAdmin(ObjectActionsMixin, LogAdmin):
    """Verifications of the log and its archive, and the act of verifying the log now."""

    empty_sentence = "Neither the log nor its archive has been verified yet."
    list_display = (
        "finished_at",
        "shown_verdict",
        "shown_storage",
        "shown_days",
        "checked_events",
        "message",
        "started_by",
    )
    list_filter = ("storage", "kind")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "shown_verdict",
                    "shown_storage",
                    "shown_location",
                    "kind",
                    "shown_actor",
                    "started_at",
                    "finished_at",
                )
            },
        ),
        (
            "What was looked at",
            {"fields": ("shown_days", "start_seq", "end_seq", "checked_events")},
        ),
        (
            "Where trust ends",
            {"fields": ("first_bad", "shown_bad_file", "lock_mismatches")},
        ),
        ("Kept", {"fields": ("shown_archived_as",)}),
    )
    list_actions = [
        ObjectAction(
            "verify",
            "Verify the newest events",
            Action.VERIFY,
            handler="do_verify",
            describe="describe_verify",
        )
    ]

    def may(self, request: HttpRequest, act: ObjectAction, obj: Any) -> bool:
        """Whoever may have the log as a whole verified."""
        return requests.may_verify_log(request.user)

    def buttons(self, request: HttpRequest, obj: Any = None) -> list[Button]:
        """The list also leads to the verification of a window."""
        found = super().buttons(request, obj)
        if obj is None and requests.may_verify_log(request.user):
            url = reverse("admin:audit_verificationrequest_new")
            found.insert(0, Button("Verify a window", url, True))
        return found

    def describe_verify(self, request: HttpRequest, obj: None) -> Decision:
        """What will be looked at."""
        start, end = _newest()
        return Decision(
            act="Verify the newest events",
            facts=(
                ("Copy", "The database"),
                ("Events", f"{start} to {end - 1}" if end else "none yet"),
            ),
            consequences=(
                "Chain, tree, checkpoints, columns and the guards of the table are checked.",
                "What comes of it is shown at once, and recorded.",
            ),
        )

    def do_verify(self, request: HttpRequest, obj: None, data: dict[str, Any]) -> ResultPage:
        """Verifies the newest events."""
        start, _ = _newest()
        done = verify_database(actor=Actor.of(request.user, request), start_seq=start)
        not_checked = [f"Events 0 to {start - 1}, but for the tree over them."] if start else []
        not_checked.append("The archive.")
        return ResultPage(
            template="admin/verdict_page.html",
            context={"report": done.report, "not_checked": not_checked},
        )

    def page_context(self, request: HttpRequest, obj: VerificationRun) -> dict[str, Any]:
        """The findings as they were."""
        return {
            **super().page_context(request, obj),
            **findings_of(obj),
            "verdict": obj.verdict,
        }

    @display(description="verdict")
    def shown_verdict(self, run: VerificationRun) -> SafeString:
        """The verdict as a pill."""
        return components.pill(run.verdict)

    @display(description="started by")
    def started_by(self, run: VerificationRun) -> SafeString:
        """Who, in a list."""
        return components.identifier(run.actor_id)

    @display(description="started by")
    def shown_actor(self, run: VerificationRun) -> SafeString:
        """Who, by name."""
        return actors.shown(run.actor_id)

    @display(description="copy")
    def shown_storage(self, run: VerificationRun) -> str:
        """Which copy of the log."""
        return run.get_storage_display()

    @display(description="place")
    def shown_location(self, run: VerificationRun) -> SafeString:
        """Where that copy lies."""
        return components.identifier(run.location)

    @display(description="days")
    def shown_days(self, run: VerificationRun) -> str:
        """The days that were asked for."""
        return days_in_words(run)

    @display(description="first bad number")
    def first_bad(self, run: VerificationRun) -> Any:
        """The number of the first event that does not hold."""
        return components.NOTHING if run.first_bad_seq is None else f"{run.first_bad_seq:,}"

    @display(description="first bad file")
    def shown_bad_file(self, run: VerificationRun) -> SafeString:
        """The file in which that is."""
        return components.identifier(run.first_bad_file)

    @display(description="result archived as")
    def shown_archived_as(self, run: VerificationRun) -> SafeString:
        """The object that holds this result."""
        return components.identifier(run.archived_as)


def findings_of(run: VerificationRun) -> dict[str, Any]:
    """What a page about a run shows of its findings: the checks, and what is worth knowing."""
    checks: list[Finding] = []
    notices: list[Finding] = []
    for stored in run.findings:
        kept = {name: value for name, value in stored.items() if name != "notice"}
        (notices if stored.get("notice") else checks).append(Finding(**kept))
    return {"report": Report(tuple(checks)), "notices": notices}


def days_in_words(about: VerificationRun | VerificationRequest) -> str:
    """The days, both inclusive, or that there was no bound."""
    start, end = about.start_day, about.end_day
    if start is None and end is None:
        return "All"
    return f"{start or 'the beginning'} to {end or 'the end'}"


def _newest() -> tuple[int, int]:
    end = standing.log_size()
    return max(0, end - VERIFY_EVENTS), end
