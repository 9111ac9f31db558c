"""How the trail stands, on one page: log, archive, verifications, streams, and the checklist."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib.admin import display
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from access.admin import components, desk
from access.admin.forms import ActionForm, ReasonForm
from access.admin.mixins import Decision, Done, ObjectAction
from access.admin.site import site
from access.roles import Action
from audit import selectors, standing
from audit.admin import actors, trail_words
from audit.admin.holds import RECORDED, PlatformActs
from audit.admin.log import LogAdmin
from audit.events import Actor
from audit.models import ArchiverState, Duty, DutyRecord
from audit.services import duties, holds, switches
from audit.services.duties import DutyState
from audit.services.switches import What
from sealing.errors import StrongroomError

HOME = "admin:audit_archiverstate_changelist"
WORDS: dict[What, str] = {"archiver": "archiver", "retention_sweep": "retention sweep"}


def connect() -> None:
    """Registers the pages with the site."""
    site.register(ArchiverState, TrailAdmin)
    site.register(DutyRecord, DutyRecordAdmin)


def resume_act(what: What) -> ObjectAction:
    """The act that restores the protection, which one person may do alone."""
    return ObjectAction(
        f"resume-{what.replace('_', '-')}",
        f"Resume the {WORDS[what]}",
        Action.PROPOSE_RETENTION,
        ReasonForm,
        handler=partial(_do_resume, what=what),
        describe=partial(_describe_resume, what=what),
        hindrance=partial(hindrance_to_switch, what=what, pausing=False),
    )


def _describe_resume(request: HttpRequest, obj: None, *, what: What) -> Decision:
    words = WORDS[what]
    state = _state(request)
    prefix = "sweep_" if what == "retention_sweep" else ""
    return Decision(
        act=f"Resume the {words}",
        facts=(
            ("Paused", components.when(getattr(state, f"{prefix}paused_at"), relative=True)),
            ("By", actors.shown(getattr(state, f"{prefix}paused_by"))),
            ("Because", getattr(state, f"{prefix}pause_reason") or "—"),
        ),
        consequences=(f"The {words} goes on where it stopped, within minutes.", RECORDED),
    )


def hindrance_to_switch(
    request: HttpRequest, obj: None, *, what: What, pausing: bool
) -> str | None:
    """Why it can't be paused, or resumed, now."""
    state = _state(request)
    paused = state.sweep_paused_at if what == "retention_sweep" else state.paused_at
    if (paused is not None) == pausing:
        return f"The {WORDS[what]} is {'paused' if pausing else 'running'} already."
    return None


def _state(request: HttpRequest) -> ArchiverState:
    """The row, asked for once: four acts want to know whether they are possible."""
    remembered = request.__dict__.setdefault("_audit_archiver_state", None)
    if remembered is None:
        remembered = request.__dict__["_audit_archiver_state"] = standing.archiver_state()
    found: ArchiverState = remembered
    return found


def _do_resume(request: HttpRequest, obj: None, data: dict[str, Any], *, what: What) -> Done:
    actor = Actor.of(request.user, request)
    switches.resume(actor=actor, what=what, reason=data["reason"])
    return Done(message=f"The {WORDS[what]} was resumed.", url=reverse(HOME))


class TrailAdmin(PlatformActs, LogAdmin):
    """One page instead of a list: there is one row, and much that it does not say.

    Pausing takes two people: `ops` adds the acts that ask for it.
    """

    list_actions: Sequence[ObjectAction] = (resume_act("archiver"), resume_act("retention_sweep"))

    def get_urls(self) -> list[URLPattern]:
        """The acts and the page; the row has no page of its own."""
        view, prefix = self.admin_site.admin_view, "audit_archiverstate"
        acts = [
            path(
                f"{act.name}/",
                view(partial(self.action_view, act=act)),
                name=f"{prefix}_{act.name}",
            )
            for act in self.list_actions
        ]
        return [*acts, path("", view(self.changelist_view), name=f"{prefix}_changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page."""
        if not self.has_view_permission(request):
            return self.refused(request, self.list_actions[0], None)
        context = {
            **self.admin_site.each_context(request),
            "title": "State of the trail",
            "opts": self.opts,
            "buttons": self.buttons(request),
            **self._found(request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/audit/archiverstate/change_list.html", context)

    def _found(self, request: HttpRequest) -> dict[str, Any]:
        try:
            log, error = selectors.status(), None
        except StrongroomError as failure:
            log, error = None, failure
        archive = standing.archive(log.size if log else None)
        checklist = duties.checklist()
        may_record = desk.scope_of(request, Action.PROPOSE_RETENTION).all_clients
        return {
            "error": error,
            "log": log,
            "archive": archive,
            "state": archive.state,
            "cards": trail_words.cards(log, archive),
            "verifications": trail_words.verifications(log, archive),
            "kms_keys": sorted(archive.kms_keys.items()),
            "holds": holds.active().count(),
            "actors": _actors(archive.state, checklist),
            "duties": [_duty_row(state, may_record) for state in checklist],
        }


class DutyForm(ActionForm):
    """What was done, and whether it was in order."""

    duty = forms.ChoiceField(choices=Duty.choices)
    ok = forms.TypedChoiceField(
        label="What did you find?",
        choices=[("yes", "It is in order"), ("no", "It is not in order: it stays due")],
        coerce=lambda text: text == "yes",
        widget=forms.RadioSelect,
    )
    note = forms.CharField(
        label="What was looked at",
        max_length=duties.MAX_NOTE,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Which settings, keys, roles or objects, and what you found. It is recorded.",
    )
    reference = forms.CharField(
        required=False,
        max_length=duties.MAX_REFERENCE,
        help_text="A ticket, a document, or a verification such as verification/17.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wanted = self.request.GET.get("duty") if self.request else None
        if wanted in Duty.values:
            self.initial["duty"] = wanted

    def clean_duty(self) -> Duty:
        """The duty itself."""
        return Duty(self.cleaned_data["duty"])


class DutyRecordAdmin(PlatformActs, LogAdmin):
    """Duties that were done, and the act of recording one."""

    empty_sentence = "When a duty of the checklist is done, who did it and what was found is here."
    list_display = ("duty", "done_at", "shown_ok", "actor_id", "note")
    list_filter = ("duty",)
    fields = ("duty", "shown_ok", "done_at", "shown_actor", "note", "reference")
    list_actions = [
        ObjectAction(
            "record",
            "Record a duty as done",
            Action.PROPOSE_RETENTION,
            DutyForm,
            handler="do_record",
            describe="describe_record",
            primary=True,
        )
    ]

    def describe_record(self, request: HttpRequest, obj: None) -> Decision:
        """What is recorded."""
        return Decision(
            act="Record the duty as done",
            consequences=(
                "Found in order, the duty is due again after its interval.",
                "Found not in order, it stays due, and the checklist says so.",
                "That you did it, and what you found, is recorded in the audit trail.",
            ),
            irreversible=("A record is not changed any more; another one can follow it.",),
        )

    def do_record(self, request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
        """Records it."""
        done = duties.record_duty(Actor.of(request.user, request), **data)
        return Done(message=f"Recorded: {done.get_duty_display()}.", url=reverse(HOME))

    @display(description="found")
    def shown_ok(self, record: DutyRecord) -> Any:
        """In order or not."""
        return (
            components.pill("in order") if record.ok else components.pill("failed", "Not in order")
        )

    @display(description="done by")
    def shown_actor(self, record: DutyRecord) -> Any:
        """Who, by name."""
        return actors.shown(record.actor_id)


def _actors(state: ArchiverState, checklist: list[DutyState]) -> dict[str, Any]:
    """Everybody whom the page names, by id."""
    ids = [state.paused_by, state.sweep_paused_by]
    return actors.all_shown([*ids, *(one.last.actor_id for one in checklist if one.last)])


def _duty_row(state: DutyState, may_record: bool) -> dict[str, Any]:
    record = f"{reverse('admin:audit_dutyrecord_record')}?duty={state.duty}"
    return {
        "duty": state.duty.label,
        "pill": duty_pill(state),
        "last": state.last,
        "due_at": state.due_at,
        "record_url": record if may_record else None,
        "by_job": duties.RULES[state.duty].by_job,
    }


def duty_pill(state: DutyState) -> Any:
    """Overdue, not in order, in order, or not due yet."""
    if state.is_overdue:
        return components.pill("overdue")
    if state.last is None:
        return components.pill("due", "Not due yet")
    if not state.last.ok:
        return components.pill("failed", "Not in order")
    return components.pill("in order")
