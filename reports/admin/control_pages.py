"""Controls on the desk: how each stands for a client and a month, and what was found about it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from access.admin import components, desk
from access.admin.acts import Decision, Done, ObjectAction
from access.admin.mixins import ObjectActionsMixin, ReadOnlyAdmin
from access.roles import Action
from audit.events import Actor
from reports.admin import columns, control_facts, control_scope, months
from reports.admin.control_scope import Chosen
from reports.admin.forms import AssessForm, clients_for
from reports.models import Control, ControlAssessment, Framework
from reports.services import controls, packets
from reports.services.controls import ControlStanding

SHOWN = 50


class ControlAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """The controls of a framework; what is shown of them is a client's."""

    client_field = None
    change_form_template = "admin/reports/control/change_form.html"
    fieldsets = ((None, {"fields": ("framework", "series", "label", "shown_category")}),)
    object_actions = (
        ObjectAction(
            "assess",
            "Assess",
            Action.ASSESS_CONTROL,
            AssessForm,
            handler="do_assess",
            describe="describe_assess",
            primary=True,
        ),
    )

    # --- who may look: the catalogue is no secret, what was found about it is a client's -------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may look at anything."""
        return bool(desk.scope_of(request, Action.VIEW))

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """All of them."""
        return queryset if self.has_view_permission(request) else queryset.none()

    def may(self, request: HttpRequest, act: ObjectAction, obj: Any) -> bool:
        """Whether the account may do it for any client; the service asks about the very one."""
        return bool(desk.scope_of(request, act.action))

    # --- the list -----------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Every control in scope, as it stands for a client and a month."""
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        known = control_scope.clients_of(request)
        chosen = control_scope.chosen(request, known)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Controls",
            "chosen": chosen,
            "clients": known,
            **(_listed(request, chosen) if chosen else {}),
        }
        return TemplateResponse(request, "admin/reports/control/change_list.html", context)

    # --- a control ----------------------------------------------------------------------------

    @admin.display(description="Part of")
    def shown_category(self, obj: Control) -> str:
        """Which scope it belongs to."""
        return obj.category.replace("_", " ").capitalize()

    def page_context(self, request: HttpRequest, obj: Control) -> dict[str, Any]:
        """How it stands, what it rests on, and everything that was ever found."""
        known = control_scope.clients_of(request)
        chosen = control_scope.chosen(request, known)
        context = {**super().page_context(request, obj), "title": obj.control_id}
        if chosen is None:
            return {**context, "buttons": []}
        may_assess = _may_assess(request, chosen)
        newest = controls.state_in(obj.framework, obj.control_id, chosen.client_id, chosen.period)
        return {
            **context,
            "buttons": [
                button._replace(url=chosen.page_url(obj, "assess"))
                for button in context["buttons"]
                if may_assess
            ],
            "chosen": chosen,
            "clients": known,
            "month_choices": control_scope.month_choices(chosen.period),
            "period_words": months.words(chosen.period),
            "state": columns.control_state(controls.state_of(newest)),
            "newest": newest,
            **control_facts.of_control(obj, chosen),
            "artifacts": control_facts.artifacts(Actor.of_request(request), obj, chosen),
            "upload_url": _upload_url(request, obj, chosen),
            "history": _history(obj, chosen, newest),
            "list_url": chosen.list_url(),
        }

    # --- assess -------------------------------------------------------------------------------

    def get_action_form(
        self, request: HttpRequest, act: ObjectAction, obj: Any, *data: Any
    ) -> forms.Form:
        """The form, for the client that it is about, with the artefacts that there are."""
        form = super().get_action_form(request, act, obj, *data)
        assert isinstance(form, AssessForm)
        client_id = request.POST.get("client_id") if data else _assessed(request).client_id
        found = controls.evidence_for(
            actor=Actor.of_request(request),
            framework=obj.framework,
            control_id=obj.control_id,
            client_id=client_id or None,
        )
        form.offer(client_id or None, control_facts.to_tick(found[:SHOWN]))
        return form

    def _context(self, request: HttpRequest, act: ObjectAction, obj: Any) -> dict[str, Any]:
        """Leads back to the client and month that one came from."""
        context = super()._context(request, act, obj)
        return {**context, "back_url": _assessed(request).page_url(obj)}

    def describe_assess(self, request: HttpRequest, obj: Control) -> Decision:
        """What an assessment is, and what it takes the place of."""
        chosen = _assessed(request)
        newest = controls.state_in(obj.framework, obj.control_id, chosen.client_id, chosen.period)
        return Decision(
            act=f"Assess {obj.control_id} for {chosen.name}",
            facts=(
                ("Control", f"{obj.control_id}, {obj.label}"),
                ("Client", chosen.name),
                (
                    f"In {months.words(chosen.period)}",
                    columns.control_state(controls.state_of(newest)),
                ),
            ),
            consequences=(
                "From now on packets of this period show your assessment, with your name and note; "
                "if the period is not over yet, only those that are made until it is.",
                "It takes the place of the one before, which stays in the history.",
                "That you assessed it is recorded in the audit trail.",
            ),
            irreversible=(
                "An assessment can't be changed or deleted; a later one can take its place. "
                "Packets that were made before keep what they say.",
            ),
        )

    def do_assess(self, request: HttpRequest, obj: Control, data: dict[str, Any]) -> Done:
        """Records what was found."""
        made = controls.assess(
            actor=Actor.of_request(request),
            framework=obj.framework,
            control_id=obj.control_id,
            client_id=data["client_id"] or None,
            period=data["period"],
            state=data["state"],
            note=data["note"],
            evidence=data.get("evidence", ()),
        )
        chosen = _chosen_of(request, made)
        return Done(
            message=f"Assessed {obj.control_id} as {made.get_state_display().lower()} for "
            f"{chosen.name}, {months.words(data['period'])}.",
            url=chosen.page_url(obj),
        )


def _assessed(request: HttpRequest) -> Chosen:
    """For whom the decision page is: the posted client, or the one of the address."""
    known = [
        (key or control_scope.PLATFORM, name)
        for key, name in clients_for(request.user, Action.ASSESS_CONTROL)
    ]
    posted = request.POST.get("client_id") if request.method == "POST" else None
    names = dict(known)
    if posted is not None and (posted or control_scope.PLATFORM) in names:
        key = posted or control_scope.PLATFORM
        period = months.of_text(request.POST.get("month", "")) or months.last_month()
        return Chosen(key, names[key], period)
    found = control_scope.chosen(request, known)
    assert found is not None, "whoever may assess may do so for somebody"
    return found


def _chosen_of(request: HttpRequest, made: ControlAssessment) -> Chosen:
    chosen = _assessed(request)
    if months.of_text(request.POST.get("month", "")):
        return chosen
    return Chosen(chosen.key, chosen.name, months.last_month_of(made.period_end))


def _may_assess(request: HttpRequest, chosen: Chosen) -> bool:
    return desk.scope_of(request, Action.ASSESS_CONTROL).covers(chosen.client_id)


def _listed(request: HttpRequest, chosen: Chosen) -> dict[str, Any]:
    found = controls.overview(
        client_id=chosen.client_id, framework=Framework.SOC2, period=chosen.period
    )
    may_assess = _may_assess(request, chosen)
    return {
        "month_choices": control_scope.month_choices(chosen.period),
        "period_words": months.words(chosen.period),
        "groups": [
            {
                "title": series,
                "anchor": series.partition(" ")[0],
                "rows": [_line(standing, chosen, may_assess) for standing in rows],
            }
            for series, rows in groupby(found, key=lambda standing: standing.control.series)
        ],
        "counts": _counts(found),
        "packet": packets.find(client_id=chosen.client_id, period=chosen.period),
        "generate_url": _generate_url(request, chosen),
    }


def _line(standing: ControlStanding, chosen: Chosen, may_assess: bool) -> dict[str, Any]:
    assessment = standing.assessment
    return {
        "control": standing.control,
        "url": chosen.page_url(standing.control),
        "state": columns.control_state(standing.state),
        "assessment": assessment,
        "evidence": standing.evidence,
        "assess_url": chosen.page_url(standing.control, "assess") if may_assess else None,
        "assess_words": "Assess" if assessment is None else "Assess again",
    }


def _counts(found: Iterable[ControlStanding]) -> list[tuple[Any, int]]:
    standings = list(found)
    return [
        (columns.control_state(state), count)
        for state in columns.CONTROL_STATES
        if (count := sum(1 for standing in standings if standing.state == state))
    ]


def _generate_url(request: HttpRequest, chosen: Chosen) -> str | None:
    if not desk.scope_of(request, Action.EXPORT).covers(chosen.client_id):
        return None
    month = months.text_of(chosen.period)
    return (
        f"{reverse('admin:reports_packet_generate')}?client={chosen.client_id or ''}&month={month}"
    )


def _upload_url(request: HttpRequest, control: Control, chosen: Chosen) -> str | None:
    if not desk.scope_of(request, Action.UPLOAD_ARTEFACT).covers(chosen.client_id):
        return None
    asked = {
        "client": chosen.client_id or "",
        "control": control.pk,
        "month": months.text_of(chosen.period),
    }
    return f"{reverse('admin:evidence_artifact_upload')}?{urlencode(asked)}"


def _history(
    control: Control, chosen: Chosen, newest: ControlAssessment | None
) -> list[dict[str, Any]]:
    rows = controls.history_of(control.framework, control.control_id, chosen.client_id)
    return [
        {
            "assessment": row,
            "state": columns.control_state(row.state),
            "period": components.period(row.period_start, row.period_end),
            "counts": newest is not None and row.pk == newest.pk,
        }
        for row in rows[:SHOWN]
    ]
