"""What can be asked for on the pages of legal holds."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest

from access.admin import components
from access.admin.acts import Decision, Done, ObjectAction
from access.admin.forms import DayField, ReasonForm
from access.roles import Action
from audit.admin import actors
from audit.admin.holds import LegalHoldAdmin
from audit.events import Actor
from audit.models import LegalHold
from audit.services import holds
from ops.acts import retention
from ops.admin import asking
from ops.services import proposals


class HoldForm(ReasonForm):
    """Which case, and what it covers."""

    case_id = forms.CharField(label="Case", max_length=holds.MAX_CASE)
    start_day = DayField(
        label="First day",
        required=False,
        help_text="By the UTC day on which events were sealed. Empty: from the beginning.",
    )
    end_day = DayField(
        label="Last day",
        required=False,
        help_text="Included. Empty: whatever is still to come, too.",
    )
    field_order = ("case_id", "start_day", "end_day", "reason")


def connect() -> None:
    """Adds the acts to the pages; called once, at start-up."""
    LegalHoldAdmin.list_actions = (PLACE,)
    LegalHoldAdmin.object_actions = (RELEASE,)


def describe_place(request: HttpRequest, obj: None) -> Decision:
    """What a hold does."""
    return asking.decision(retention.PLACE, "Ask to place a legal hold")


def do_place(request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
    """Asks for it."""
    approval = proposals.place_hold(actor=Actor.of(request.user, request), **data)
    return asking.requested(approval)


def describe_release(request: HttpRequest, obj: LegalHold) -> Decision:
    """What would not be held any more."""
    days = f"{obj.start_day or 'the beginning'} to {obj.end_day or 'the end'}"
    return asking.decision(
        retention.RELEASE,
        f"Ask to release the hold of case {obj.case_id}",
        facts=(
            ("Case", obj.case_id),
            ("Days", days if obj.start_day or obj.end_day else "All"),
            ("Placed", components.when(obj.placed_at)),
            ("By", actors.shown(obj.placed_by)),
            ("Because", obj.reason),
        ),
        danger=True,
    )


def hindrance_to_release(request: HttpRequest, obj: LegalHold) -> str | None:
    """Once only."""
    return "The hold was released before." if obj.released_at else None


def do_release(request: HttpRequest, obj: LegalHold, data: dict[str, Any]) -> Done:
    """Asks for it."""
    approval = proposals.release_hold(
        actor=Actor.of(request.user, request), hold_id=obj.pk, reason=data["reason"]
    )
    return asking.requested(approval)


PLACE = ObjectAction(
    "place",
    "Place a legal hold",
    Action.PROPOSE_RETENTION,
    HoldForm,
    handler=do_place,
    describe=describe_place,
    primary=True,
)
RELEASE = ObjectAction(
    "release",
    "Release the hold",
    Action.PROPOSE_RETENTION,
    ReasonForm,
    handler=do_release,
    describe=describe_release,
    hindrance=hindrance_to_release,
)
