"""How runs look in lists and on their page."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from audit.admin import actors
from ops.models import Job, Run, RunStatus

SCHEDULE = "schedule"
_STATES = {
    RunStatus.QUEUED: ("waiting", "Waiting"),
    RunStatus.RUNNING: ("running", "Under way"),
    RunStatus.SUCCESS: ("success", "Succeeded"),
    RunStatus.FAILED: ("failed", "Failed"),
}


def title(run: Run) -> str:
    """What is done: the job's name, or the type where somebody asked once."""
    return run.job.name if run.job else run.job_type


def state(run: Run) -> SafeString:
    """Where it stands, as a pill."""
    name, word = _STATES[RunStatus(run.status)]
    return components.pill(name, word)


def linked_state(run: Run | None) -> SafeString:
    """Where it stands, with the way to it; and when that was."""
    if run is None:
        return components.pill("none yet", "None yet")
    moment = run.finished_at or run.started_at or run.created_at
    return format_html(
        '<a href="{}">{}</a> <span class="account">{}</span>',
        address(run),
        state(run),
        components.when(moment, relative=True),
    )


def address(run: Run) -> str:
    """The run's page."""
    return reverse("admin:ops_run_change", args=[run.pk])


def client(of: Job | Run) -> str:
    """Whose evidence it concerns."""
    return of.client.name if of.client else "The installation"


def asked_by(run: Run) -> Any:
    """Who caused it: the schedule, a person by name, or a service."""
    if run.triggered_by == SCHEDULE:
        return "The schedule"
    account = run.account
    if account is not None and run.triggered_by == f"user:{account.username}":
        return components.person(account)
    return actors.shown(run.triggered_by)


def authority(run: Run) -> Any:
    """With whose rights it runs."""
    return components.person(run.account) if run.account else "Strongroom’s own"


def progress(run: Run) -> str:
    """How far it is, in its unit; empty while nothing is known."""
    if not run.progress_done and run.progress_total is None:
        return ""
    of = f" of {run.progress_total:,}" if run.progress_total is not None else ""
    return f"{run.progress_done:,}{of} {run.progress_unit}".rstrip()
