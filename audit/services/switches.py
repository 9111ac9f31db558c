"""Pauses and resumes the archiver and the retention sweep, and keeps count of what they do.

Pausing takes two people: it is asked for through `ops` and called here by the approved act
(`ops.acts.switches`). Resuming restores the protection, so one person does it alone.
"""

from __future__ import annotations

from typing import Literal, get_args

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from access import policy
from access.roles import Action
from audit.events import Actor, EventType
from audit.models import ArchiverState
from audit.services import trail
from sealing.errors import Conflict, Invalid

What = Literal["archiver", "retention_sweep"]
_EVENTS = {
    ("archiver", True): EventType.AUDIT_ARCHIVER_PAUSED,
    ("archiver", False): EventType.AUDIT_ARCHIVER_RESUMED,
    ("retention_sweep", True): EventType.AUDIT_SWEEP_PAUSED,
    ("retention_sweep", False): EventType.AUDIT_SWEEP_RESUMED,
}
_PREFIX = {"archiver": "", "retention_sweep": "sweep_"}


class Paused(Conflict):
    """Somebody paused it; it does nothing until it is resumed."""

    code = "paused"


class AlreadyThere(Conflict):
    """It is paused, or running, already."""

    code = "already_there"


def state() -> ArchiverState:
    """How the archive and its upkeep stand."""
    return ArchiverState.objects.get_or_create(pk=1)[0]


def is_paused(what: What) -> bool:
    """Whether somebody paused it."""
    return getattr(state(), f"{_PREFIX[what]}paused_at") is not None


def ensure_running(what: What) -> None:
    """Raises Paused while it is paused."""
    now = state()
    if getattr(now, f"{_PREFIX[what]}paused_at") is not None:
        reason = getattr(now, f"{_PREFIX[what]}pause_reason")
        by = getattr(now, f"{_PREFIX[what]}paused_by")
        raise Paused(f"The {what.replace('_', ' ')} was paused by {by}: {reason}")


def pause(*, actor: Actor, what: What, reason: str) -> None:
    """Stops it before its next step; what is under way is finished.

    Raises:
        Forbidden: the actor may not. Invalid: no reason was given. AlreadyThere.
    """
    _change(actor, what, reason, to_paused=True)


def resume(*, actor: Actor, what: What, reason: str) -> None:
    """Lets it go on.

    Raises:
        Forbidden: the actor may not. Invalid: no reason was given. AlreadyThere.
    """
    _change(actor, what, reason, to_paused=False)


def _change(actor: Actor, what: What, reason: str, *, to_paused: bool) -> None:
    if what not in get_args(What):
        raise Invalid("Either archiver or retention_sweep.", field="what")
    if not reason.strip():
        raise Invalid("Say why; the reason is recorded.", field="reason")
    policy.require(actor.account, Action.PROPOSE_RETENTION, None)
    prefix = _PREFIX[what]
    state()
    with transaction.atomic():
        now = ArchiverState.objects.select_for_update().get(pk=1)
        if (getattr(now, f"{prefix}paused_at") is not None) == to_paused:
            raise AlreadyThere(f"It is {'paused' if to_paused else 'running'} already.")
        setattr(now, f"{prefix}paused_at", timezone.now() if to_paused else None)
        setattr(now, f"{prefix}paused_by", actor.id if to_paused else "")
        setattr(now, f"{prefix}pause_reason", reason if to_paused else "")
        now.save()
        trail.record(
            _EVENTS[what, to_paused], actor=actor, obj=("job", what), data={"reason": reason}
        )


def tell_success(*, actor: Actor) -> None:
    """Counts a run of the archiver that ended well; records it if the one before failed."""
    state()
    with transaction.atomic():
        now = ArchiverState.objects.select_for_update().get(pk=1)
        recovered = now.is_failing
        now.jobs_total = F("jobs_total") + 1
        now.last_succeeded_at = timezone.now()
        now.is_failing = False
        now.last_error = ""
        now.save()
        if recovered and trail.is_enabled():
            trail.record(EventType.AUDIT_ARCHIVER_RECOVERED, actor=actor, obj=("job", "archiver"))


def tell_failure(*, actor: Actor, code: str, message: str) -> None:
    """Counts a run of the archiver that failed; records it if the one before did not.

    Only the change is recorded: an event for each attempt would be one more to archive.
    """
    state()
    with transaction.atomic():
        now = ArchiverState.objects.select_for_update().get(pk=1)
        is_new = not now.is_failing
        now.jobs_total = F("jobs_total") + 1
        now.failed_total = F("failed_total") + 1
        now.last_failed_at = timezone.now()
        now.is_failing = True
        now.last_error = message
        now.save()
        if is_new and trail.is_enabled():
            trail.record(
                EventType.AUDIT_ARCHIVER_FAILED,
                actor=actor,
                obj=("job", "archiver"),
                outcome="failure",
                data={"code": code, "reason": message},
            )
