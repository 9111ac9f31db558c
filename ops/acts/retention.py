"""Legal holds: placed and released by two people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from access.roles import Action
from audit.events import Actor
from audit.models import LegalHold
from audit.services import holds
from ops.acts import params as read
from ops.approvable import Approvable, register
from sealing.errors import Invalid, NotFound
from sealing.times import format_time

PLACE, RELEASE = "legal_hold.place", "legal_hold.release"


def connect() -> None:
    """Registers the acts; called once, at start-up."""
    register(
        Approvable(
            name=PLACE,
            label="Place a legal hold",
            propose=Action.PROPOSE_RETENTION,
            approve=Action.APPROVE_RETENTION,
            validate=_validate_place,
            check=_ensure_not_held,
            client_of=_platform,
            subject=_active_holds,
            describe=_describe_place,
            execute=_place,
            consequences=(
                "What was sealed on these days stays in the archive, whatever its lock says.",
                "The retention sweep puts the hold on the objects, within a day.",
            ),
            irreversible=("The record of the hold stays, also after it was released.",),
        )
    )
    register(
        Approvable(
            name=RELEASE,
            label="Release a legal hold",
            propose=Action.PROPOSE_RETENTION,
            approve=Action.APPROVE_RETENTION,
            validate=_validate_release,
            check=_ensure_in_force,
            client_of=_platform,
            subject=_hold_as_it_is,
            describe=_describe_release,
            changes=_release_changes,
            execute=_release,
            consequences=(
                "Objects whose lock has ended may be removed from then on.",
                "What another case holds stays held.",
            ),
            irreversible=("A hold that was released is not taken up again: place another.",),
        )
    )


def _platform(params: Mapping[str, Any]) -> None:
    return None


# --- placing ----------------------------------------------------------------------------------


def _validate_place(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "case_id", "start_day", "end_day", "reason")
    first, last = read.day(params, "start_day"), read.day(params, "end_day")
    case_id, reason = read.text(params, "case_id").strip(), read.text(params, "reason")
    holds.ensure_valid(case_id=case_id, reason=reason, start_day=first, end_day=last)
    return {
        "case_id": case_id,
        "start_day": first and first.isoformat(),
        "end_day": last and last.isoformat(),
        "reason": reason,
    }


def _ensure_not_held(params: Mapping[str, Any]) -> None:
    holds.ensure_not_held(params["case_id"])


def _active_holds(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"is_held": holds.active().filter(case_id=params["case_id"]).exists()}


def _describe_place(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [("Case", params["case_id"]), ("Days", _days(params["start_day"], params["end_day"]))]


def _place(actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    hold = holds.place(
        actor=actor,
        case_id=params["case_id"],
        reason=params["reason"],
        start_day=read.day(params, "start_day"),
        end_day=read.day(params, "end_day"),
    )
    return {"hold_id": hold.pk}


# --- releasing --------------------------------------------------------------------------------


def _hold(params: Mapping[str, Any]) -> LegalHold:
    hold = LegalHold.objects.filter(pk=params["hold_id"]).first()
    if hold is None:
        raise NotFound("There is no such hold.", field="hold_id")
    return hold


def _validate_release(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "hold_id", "reason")
    if type(params["hold_id"]) is not int:
        raise Invalid("A whole number is expected.", field="hold_id")
    if not read.text(params, "reason").strip():
        raise Invalid("Say why; the reason is recorded.", field="reason")
    return {"hold_id": params["hold_id"], "reason": params["reason"]}


def _ensure_in_force(params: Mapping[str, Any]) -> None:
    if _hold(params).released_at is not None:
        raise holds.HoldReleased("The hold was released before.")


def _hold_as_it_is(params: Mapping[str, Any]) -> dict[str, Any]:
    hold = _hold(params)
    return {
        "case_id": hold.case_id,
        "start_day": hold.start_day and hold.start_day.isoformat(),
        "end_day": hold.end_day and hold.end_day.isoformat(),
        "placed_at": format_time(hold.placed_at),
        "is_released": hold.released_at is not None,
    }


def _describe_release(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    hold = _hold(params)
    return [
        ("Case", hold.case_id),
        ("Days", _days(hold.start_day, hold.end_day)),
        ("Placed", hold.placed_at),
        ("Placed by", hold.placed_by),
        ("Placed because", hold.reason),
    ]


def _release_changes(params: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [("The hold", "In force", "Released")]


def _release(actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    hold = holds.release(actor=actor, hold=_hold(params), reason=params["reason"])
    return {"hold_id": hold.pk}


def _days(first: object, last: object) -> str:
    if first is None and last is None:
        return "All, also those to come"
    return f"{first or 'the beginning'} to {last or 'the end'}"
