"""Jobs in the admin: what is done when, how it went, and what can be done about it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.mixins import ObjectAction, ObjectActionsMixin, ReadOnlyAdmin
from access.admin.paging import ScopedChangeList
from access.admin.site import site
from ops import registry
from ops.admin import facts, history, job_acts, job_forms, run_columns
from ops.admin.run_filters import ActiveFilter, ClientFilter, TypeFilter
from ops.admin.sparkline import sparkline, took
from ops.models import Job, Run
from ops.services import jobs, windows

RUNS = "admin:ops_run_changelist"


def connect() -> None:
    """Registers the page with the site."""
    site.register(Job, JobAdmin)


class JobChangeList(ScopedChangeList):
    """The list of jobs, each with its last runs."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetches one page, and the runs of its jobs in one look-up."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = history.latest(request.user, (job.pk for job in self.result_list))
        for job in self.result_list:
            job.__dict__["recent"] = found[job.pk]


class JobAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """Jobs, by name."""

    empty_sentence = "Jobs that are done by a schedule or on demand will be listed here."
    list_display = (
        "shown_name",
        "shown_schedule",
        "shown_next",
        "shown_last",
        "shown_recent",
        "shown_state",
    )
    list_filter = (ActiveFilter, TypeFilter, ClientFilter)
    search_fields = ("name__istartswith",)
    search_help_text = "The beginning of a name"
    ordering = ("name",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "shown_state",
                    "shown_type",
                    "shown_does",
                    "shown_schedule",
                    "shown_next",
                    "shown_client",
                    "shown_owner",
                    "description",
                    "created_at",
                )
            },
        ),
    )
    list_actions = (job_acts.REGISTER_ACT,)
    object_actions = (job_acts.RUN, job_acts.ENABLE, job_acts.DISABLE_ACT)

    # --- scope ------------------------------------------------------------------------------

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The jobs that the account may look at or run; the API asks the same function."""
        return jobs.visible_jobs(request.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with what a line of the list shows."""
        return super().get_queryset(request).select_related("client", "owner__person")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ScopedChangeList]:
        """The list that knows the last runs."""
        return JobChangeList

    def may(self, request: HttpRequest, act: ObjectAction, obj: Any) -> bool:
        """What the policy says; running also asks for what the type itself needs."""
        if act is job_acts.RUN:
            return job_acts.may_run(request.user, obj)
        if act is job_acts.REGISTER_ACT and not job_forms.choices():
            return False
        return super().may(request, act, obj)

    # --- registering ------------------------------------------------------------------------

    def get_action_form(
        self, request: HttpRequest, act: ObjectAction, obj: Any, *data: Any
    ) -> forms.Form:
        """A new job's form asks for what its type needs."""
        if act is not job_acts.REGISTER_ACT:
            return super().get_action_form(request, act, obj, *data)
        return job_forms.form_for(self._type_of(request))(*data, request=request, obj=None)

    def action_view(
        self, request: HttpRequest, object_id: str | None = None, *, act: ObjectAction
    ) -> Any:
        """Before a job is registered its type is chosen, where there are several."""
        is_open = act is job_acts.REGISTER_ACT and "type" not in request.GET
        if is_open and len(job_forms.choices()) > 1 and self.may(request, act, None):
            return self._choose_type(request, act)
        return super().action_view(request, object_id, act=act)

    def _choose_type(self, request: HttpRequest, act: ObjectAction) -> HttpResponse:
        kinds = [registry.get(name) for name in job_forms.choices()]
        context = {**self._context(request, act, None), "kinds": kinds}
        return TemplateResponse(request, "admin/ops/job/choose_type.html", context)

    def _type_of(self, request: HttpRequest) -> str:
        offered = job_forms.choices()
        wanted = request.GET.get("type", offered[0] if offered else "")
        if wanted not in offered:
            raise Http404
        return wanted

    # --- the page ---------------------------------------------------------------------------

    def page_context(self, request: HttpRequest, obj: Job) -> dict[str, Any]:
        """The last runs as bars and as a table, and what the job does with its payload."""
        recent = history.latest(request.user, [obj.pk])[obj.pk]
        return {
            **super().page_context(request, obj),
            "asked": facts.pages_of(obj.job_type).asked(obj.payload),
            "chart": sparkline(recent, places=history.SHOWN),
            "rows": [_row(run) for run in _with_people(recent)],
            "runs_url": f"{reverse(RUNS)}?job={obj.pk}",
        }

    # --- columns ----------------------------------------------------------------------------

    @display(description="job", ordering="name")
    def shown_name(self, job: Job) -> SafeString:
        """The name; below it the type, where that is another one, and whose evidence it is."""
        client = run_columns.client(job)
        if job.name == job.job_type:
            name: str = components.identifier(job.name)
            return format_html('{} <span class="account">{}</span>', name, client)
        beside = f"{job.job_type} · {client}"
        return format_html('{} <span class="account">{}</span>', job.name, beside)

    @display(description="type")
    def shown_type(self, job: Job) -> SafeString:
        """What is done."""
        return components.identifier(job.job_type)

    @display(description="what it does")
    def shown_does(self, job: Job) -> str:
        """The type's description."""
        return registry.get(job.job_type).description

    @display(description="schedule")
    def shown_schedule(self, job: Job) -> Any:
        """In words and as its five fields."""
        return job_acts.schedule(job)

    @display(description="next run")
    def shown_next(self, job: Job) -> Any:
        """When it is due next."""
        if not job.is_enabled:
            return "None while disabled"
        moment = windows.next_window(job)
        return components.when(moment, relative=True) if moment else components.NOTHING

    @display(description="last run")
    def shown_last(self, job: Job) -> SafeString:
        """How the last run ended, and when."""
        recent = _recent(job)
        return run_columns.linked_state(recent[-1] if recent else None)

    @display(description="last 20 runs")
    def shown_recent(self, job: Job) -> SafeString:
        """The last runs as bars, leading to their table."""
        recent = _recent(job)
        if not recent:
            return components.NOTHING
        url = reverse("admin:ops_job_change", args=[job.pk])
        return format_html(
            '<a class="spark-link" href="{}#runs">{}</a>',
            url,
            sparkline(recent, places=history.SHOWN),
        )

    @display(description="client")
    def shown_client(self, job: Job) -> str:
        """Whose evidence it concerns."""
        return run_columns.client(job)

    @display(description="owner")
    def shown_owner(self, job: Job) -> Any:
        """With whose rights scheduled runs act."""
        return components.person(job.owner) if job.owner else "Strongroom itself"

    @display(description="state")
    def shown_state(self, job: Job) -> SafeString:
        """Active or disabled."""
        return components.pill("active" if job.is_enabled else "inactive", _STATE[job.is_enabled])


_STATE = {True: "Active", False: "Disabled"}


def _recent(job: Job) -> list[Run]:
    # `JobChangeList` has put them there: what of them is shown depends on who looks.
    found: list[Run] = job.__dict__["recent"]
    return found


def _with_people(runs: list[Run]) -> QuerySet[Run]:
    """The same runs, newest first, with the accounts that asked for them."""
    found = Run.objects.filter(pk__in=[run.pk for run in runs])
    return found.select_related("account__person").order_by("-created_at", "-id")


def _row(run: Run) -> tuple[Any, ...]:
    link = format_html(
        '<a href="{}">{}</a>', run_columns.address(run), components.when(run.intended_at)
    )
    return link, run_columns.state(run), took(run), run_columns.asked_by(run)
