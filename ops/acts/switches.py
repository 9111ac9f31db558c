"""Pausing the archiver or the retention sweep: asked for by one person, approved by another."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from access.roles import Action
from audit.events import Actor
from audit.services import switches
from audit.services.switches import What
from ops.acts import params as read
from ops.approvable import Approvable, register
from sealing.errors import Invalid

WORDS: Mapping[What, str] = {"archiver": "archiver", "retention_sweep": "retention sweep"}
STILL: Mapping[What, tuple[str, ...]] = {
    "archiver": (
        "Sealing goes on; nothing is lost. But what is sealed stays in the database alone.",
        "The archive falls behind, and metrics and the desk tell so.",
    ),
    "retention_sweep": (
        "Locks are not extended, and nothing is let go of.",
        "Locks that exist stay as they are.",
    ),
}


def act_of(what: What) -> str:
    """The name of the act that pauses it."""
    return f"{what}.pause"


def connect() -> None:
    """Registers the acts; called once, at start-up."""
    for what, words in WORDS.items():
        register(
            Approvable(
                name=act_of(what),
                label=f"Pause the {words}",
                propose=Action.PROPOSE_RETENTION,
                approve=Action.APPROVE_RETENTION,
                validate=_validate,
                check=partial(_ensure_running, what=what),
                client_of=_platform,
                subject=partial(_subject, what=what),
                describe=_describe,
                changes=partial(_changes, what=what),
                execute=partial(_pause, what=what),
                consequences=(
                    f"What the {words} has under way is finished; then it stops.",
                    *STILL[what],
                    "One person alone may resume it at any time.",
                ),
            )
        )


def _platform(params: Mapping[str, Any]) -> None:
    return None


def _validate(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "reason")
    if not read.text(params, "reason").strip():
        raise Invalid("Say why; the reason is recorded.", field="reason")
    return {"reason": params["reason"]}


def _ensure_running(params: Mapping[str, Any], *, what: What) -> None:
    if switches.is_paused(what):
        raise switches.AlreadyThere("It is paused already.")


def _subject(params: Mapping[str, Any], *, what: What) -> dict[str, Any]:
    return {"is_paused": switches.is_paused(what)}


def _describe(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return []


def _changes(params: Mapping[str, Any], *, what: What) -> list[tuple[str, Any, Any]]:
    return [(f"The {WORDS[what]}", "Running", "Paused")]


def _pause(
    actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str], *, what: What
) -> dict[str, Any]:
    switches.pause(actor=actor, what=what, reason=params["reason"])
    return {}
