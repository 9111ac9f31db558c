"""Asking for a pause of the archiver or the retention sweep, on the page of the trail's state."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest

from access.admin.acts import Decision, Done, ObjectAction
from access.admin.forms import ReasonForm
from access.roles import Action
from audit.admin.standing import TrailAdmin, hindrance_to_switch, resume_act
from audit.events import Actor
from audit.services.switches import What
from ops.acts import switches
from ops.admin import asking
from ops.services import proposals


def connect() -> None:
    """Adds the acts to the page; called once, at start-up."""
    TrailAdmin.list_actions = (
        _pause_act("archiver"),
        resume_act("archiver"),
        _pause_act("retention_sweep"),
        resume_act("retention_sweep"),
    )


def _pause_act(what: What) -> ObjectAction:
    return ObjectAction(
        f"pause-{what.replace('_', '-')}",
        f"Pause the {switches.WORDS[what]}",
        Action.PROPOSE_RETENTION,
        ReasonForm,
        handler=partial(_do_pause, what=what),
        describe=partial(_describe_pause, what=what),
        hindrance=partial(hindrance_to_switch, what=what, pausing=True),
    )


def _describe_pause(request: HttpRequest, obj: None, *, what: What) -> Decision:
    act = f"Ask to pause the {switches.WORDS[what]}"
    return asking.decision(switches.act_of(what), act, danger=True)


def _do_pause(request: HttpRequest, obj: None, data: dict[str, Any], *, what: What) -> Done:
    actor = Actor.of(request.user, request)
    return asking.requested(proposals.pause(actor=actor, what=what, reason=data["reason"]))
