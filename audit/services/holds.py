"""Legal holds: while a case is open, what was sealed in its days stays, whatever its lock says.

Placing and releasing take two people: both are asked for through `ops`, and called here by the act
that was approved (`ops.acts.retention`), in the name of whoever asked for it.
"""

from __future__ import annotations

from datetime import date

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from access import policy
from access.roles import Action
from audit import storage
from audit.events import Actor, EventType
from audit.models import LegalHold, Segment, SegmentStatus
from audit.services import trail
from sealing.errors import Conflict, Invalid
from sealing.stores.base import Store

MAX_CASE = 128
log = structlog.get_logger(__name__)


class HoldExists(Conflict):
    """There is an active hold for this case already."""

    code = "hold_exists"


class HoldReleased(Conflict):
    """The hold was released before."""

    code = "hold_released"


def place(
    *,
    actor: Actor,
    case_id: str,
    reason: str,
    start_day: date | None = None,
    end_day: date | None = None,
) -> LegalHold:
    """Holds what was sealed from ``start_day`` to ``end_day``, both inclusive; None: open.

    The objects themselves are held by `apply`, which the retention sweep calls.

    Raises:
        Forbidden. Invalid: no case, no reason, or the days are the wrong way round. HoldExists.
    """
    policy.require(actor.account, Action.PROPOSE_RETENTION, None)
    ensure_valid(case_id=case_id, reason=reason, start_day=start_day, end_day=end_day)
    ensure_not_held(case_id)
    try:
        with transaction.atomic():
            hold = LegalHold.objects.create(
                case_id=case_id.strip(),
                reason=reason,
                start_day=start_day,
                end_day=end_day,
                placed_by=actor.id,
            )
            _record(EventType.AUDIT_LEGAL_HOLD_PLACED, actor, hold, reason)
    except IntegrityError as error:  # another request of the same case was faster
        raise HoldExists(f"Case {case_id} has an active hold already.", field="case_id") from error
    return hold


def ensure_valid(
    *, case_id: str, reason: str, start_day: date | None, end_day: date | None
) -> None:
    """Raises Invalid where there can be no such hold, whatever is held; reads nothing."""
    if not case_id.strip() or len(case_id) > MAX_CASE:
        raise Invalid(f"A case of at most {MAX_CASE} characters.", field="case_id")
    if not reason.strip():
        raise Invalid("Say why; the reason is recorded.", field="reason")
    if start_day and end_day and start_day > end_day:
        raise Invalid("The last day is before the first.", field="end_day")


def ensure_not_held(case_id: str) -> None:
    """Raises HoldExists where the case has an active hold; for those who may know."""
    if active().filter(case_id=case_id.strip()).exists():
        raise HoldExists(f"Case {case_id} has an active hold already.", field="case_id")


def release(*, actor: Actor, hold: LegalHold, reason: str) -> LegalHold:
    """Ends a hold. What another active hold covers stays held.

    Raises:
        Forbidden. Invalid: no reason was given. HoldReleased.
    """
    policy.require(actor.account, Action.PROPOSE_RETENTION, None)
    if not reason.strip():
        raise Invalid("Say why; the reason is recorded.", field="reason")
    with transaction.atomic():
        current = LegalHold.objects.select_for_update().get(pk=hold.pk)
        if current.released_at is not None:
            raise HoldReleased(f"The hold of case {current.case_id} was released before.")
        current.released_at = timezone.now()
        current.released_by = actor.id
        current.release_reason = reason
        current.save()
        _record(EventType.AUDIT_LEGAL_HOLD_RELEASED, actor, current, reason)
    return current


def listed(*, actor: Actor, state: str | None = None) -> QuerySet[LegalHold]:
    """The holds, for a list; only the ``active`` or ``released`` ones if that is asked for.

    Raises:
        Forbidden: the actor doesn't look after the installation. Invalid: there is no such state.
    """
    policy.require(actor.account, Action.VIEW, None)
    if state is None:
        return LegalHold.objects.all()
    if state not in ("active", "released"):
        raise Invalid("Either active or released.", field="state")
    return LegalHold.objects.filter(released_at__isnull=state == "active")


def active() -> QuerySet[LegalHold]:
    """The holds in force."""
    return LegalHold.objects.filter(released_at__isnull=True)


def covers(day: str | date) -> bool:
    """Whether an active hold covers what was sealed on ``day`` (YYYY-MM-DD)."""
    return (
        active()
        .filter(
            Q(start_day__isnull=True) | Q(start_day__lte=day),
            Q(end_day__isnull=True) | Q(end_day__gte=day),
        )
        .exists()
    )


def apply(store: Store | None = None) -> int:
    """Makes the objects' holds those of the active cases; returns how many segments changed.

    Raises:
        StoreUnavailable, StoreDenied: what was changed until then stays changed.
    """
    store = store or storage.archive_store()
    kept = Segment.objects.filter(status=SegmentStatus.ARCHIVED, released_at__isnull=True)
    changed = 0
    for day, held in kept.order_by().values_list("day", "legal_hold").distinct():
        wanted = covers(day)
        if held == wanted:
            continue
        for segment in kept.filter(day=day, legal_hold=held).order_by("first_seq"):
            _set(store, segment, on=wanted)
            changed += 1
    return changed


def _set(store: Store, segment: Segment, *, on: bool) -> None:
    store.hold(segment.object_name, on=on, version_id=segment.kept_version)
    for companion in segment.companions:
        store.hold(companion["name"], on=on, version_id=companion["version_id"] or None)
    Segment.objects.filter(pk=segment.pk).update(legal_hold=on)
    log.info("legal hold", name=segment.object_name, on=on)


def _record(kind: EventType, actor: Actor, hold: LegalHold, reason: str) -> None:
    trail.record(
        kind,
        actor=actor,
        obj=("legal-hold", hold.case_id),
        data={
            "reason": reason,
            "start_day": str(hold.start_day) if hold.start_day else None,
            "end_day": str(hold.end_day) if hold.end_day else None,
        },
    )
