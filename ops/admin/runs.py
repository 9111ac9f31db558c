"""Runs in the admin: what was done, by whom, how it ended, and how far it is."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from access.admin import components
from access.admin.mixins import ReadOnlyAdmin
from access.admin.paging import ScopedChangeList
from access.admin.site import site
from access.admin.time_paging import TimeChangeList
from audit.admin import actors
from audit.models import AuditEvent
from audit.services import sealing
from ops.admin import facts, run_columns
from ops.admin.run_advice import advice_for
from ops.admin.run_filters import ClientFilter, JobFilter, PeriodFilter, StateFilter, TypeFilter
from ops.admin.sparkline import took
from ops.models import Run, RunStatus
from ops.services import jobs, runs

SHOWN_EVENTS = 50


def connect() -> None:
    """Registers the page with the site."""
    site.register(Run, RunAdmin)


class RunAdmin(ReadOnlyAdmin):
    """Runs, newest first."""

    keyset_field = "created_at"
    empty_sentence = "Every time that a job is done will be listed here."
    list_display = (
        "shown_what",
        "shown_state",
        "shown_client",
        "intended_at",
        "shown_took",
        "shown_asked_by",
    )
    list_filter = (StateFilter, TypeFilter, JobFilter, ClientFilter, PeriodFilter)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "shown_state",
                    "shown_job",
                    "shown_type",
                    "shown_client",
                    "shown_asked_by",
                    "shown_authority",
                    "shown_id",
                )
            },
        ),
        (
            "When",
            {
                "fields": (
                    "shown_intended",
                    "shown_queued",
                    "shown_started",
                    "shown_finished",
                    "shown_took",
                    "shown_attempts",
                    "shown_heartbeat",
                )
            },
        ),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ScopedChangeList]:
        """The list that pages by time and id."""
        return TimeChangeList

    def get_urls(self) -> list[URLPattern]:
        """Those of the admin, and how far a run is."""
        view = self.admin_site.admin_view(self.progress_view)
        progress = path("<path:object_id>/progress/", view, name="ops_run_progress")
        return [progress, *super().get_urls()]

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The runs that the account may see; the API asks the same function."""
        return runs.visible_runs(request.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with what a line of the list shows."""
        found = super().get_queryset(request)
        return found.select_related("job", "client", "account__person")

    def jobs_of(self, request: HttpRequest) -> list[tuple[Any, str]]:
        """Ids and names of the jobs that the list can be narrowed to."""
        return list(jobs.visible_jobs(request.user).order_by("name").values_list("pk", "name"))

    # --- the page ---------------------------------------------------------------------------

    def page_context(self, request: HttpRequest, obj: Run) -> dict[str, Any]:
        """How far it is, what was asked for, what came of it, and what the trail has of it."""
        sealing.catch_up()
        pages = facts.pages_of(obj.job_type)
        return {
            **super().page_context(request, obj),
            "run_title": run_columns.title(obj),
            "state": progress_of(obj),
            "advice": advice_for(obj) if obj.status == RunStatus.FAILED else None,
            "is_retried": obj.status == RunStatus.QUEUED and bool(obj.error_message),
            "asked": pages.asked(obj.payload),
            "came": pages.came(obj) if obj.is_finished else [],
            "events": _events(obj),
            "events_url": f"{reverse('admin:audit_auditevent_changelist')}?q={obj.pk}",
        }

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How far it is, for the script of the page."""
        return JsonResponse(progress_of(self.object_or_404(request, object_id)))

    # --- columns ----------------------------------------------------------------------------

    @display(description="run")
    def shown_what(self, run: Run) -> str:
        """The job's name, or the type."""
        return run_columns.title(run)

    @display(description="state")
    def shown_state(self, run: Run) -> SafeString:
        """Where it stands."""
        return run_columns.state(run)

    @display(description="job")
    def shown_job(self, run: Run) -> Any:
        """The job, with the way to it."""
        if run.job is None:
            return "None: somebody asked for it once"
        url = reverse("admin:ops_job_change", args=[run.job.pk])
        return format_html('<a href="{}">{}</a>', url, run.job.name)

    @display(description="type")
    def shown_type(self, run: Run) -> SafeString:
        """What is done."""
        return components.identifier(run.job_type)

    @display(description="client")
    def shown_client(self, run: Run) -> str:
        """Whose evidence it concerns."""
        return run_columns.client(run)

    @display(description="asked for by")
    def shown_asked_by(self, run: Run) -> Any:
        """Who caused it."""
        return run_columns.asked_by(run)

    @display(description="with the rights of")
    def shown_authority(self, run: Run) -> Any:
        """With whose rights it runs."""
        return run_columns.authority(run)

    @display(description="intended for")
    def shown_intended(self, run: Run) -> SafeString:
        """The window of the schedule, or when it was asked for."""
        return components.when(run.intended_at, seconds=True)

    @display(description="queued")
    def shown_queued(self, run: Run) -> SafeString:
        """When it was made."""
        return components.when(run.created_at, seconds=True)

    @display(description="started")
    def shown_started(self, run: Run) -> SafeString:
        """When the last attempt began."""
        return components.when(run.started_at, seconds=True)

    @display(description="finished")
    def shown_finished(self, run: Run) -> SafeString:
        """When it ended."""
        return components.when(run.finished_at, seconds=True)

    @display(description="last sign of life")
    def shown_heartbeat(self, run: Run) -> SafeString:
        """When the worker last said that it works on it."""
        return components.when(run.heartbeat_at, seconds=True)

    @display(description="run")
    def shown_id(self, run: Run) -> SafeString:
        """Its id, as the API, logs and events name it."""
        return components.identifier(run.pk)

    @display(description="took")
    def shown_took(self, run: Run) -> str:
        """How long it took, or has taken so far."""
        return took(run)

    @display(description="attempts")
    def shown_attempts(self, run: Run) -> str:
        """How often it was tried, of how many times."""
        return f"{run.attempts} of at most {run.max_attempts}"


def progress_of(run: Run) -> dict[str, Any]:
    """How far a run is, in the words that the page shows."""
    headings = {
        RunStatus.QUEUED: "Waits for a worker",
        RunStatus.RUNNING: capfirst(run.step) or "Under way",
    }
    return {
        "status": run.status.lower(),
        "is_open": not run.is_finished,
        "done": run.progress_done,
        "total": run.progress_total,
        "heading": headings.get(RunStatus(run.status), ""),
        "words": run_columns.progress(run),
    }


def _events(run: Run) -> list[dict[str, Any]]:
    found = AuditEvent.objects.filter(
        object_id=str(run.pk), object_type="run", recorder="strongroom"
    )
    events = list(found.order_by("seq")[:SHOWN_EVENTS])
    names = actors.all_shown(event.actor_id for event in events)
    return [{"event": event, "actor": names[event.actor_id]} for event in events]
