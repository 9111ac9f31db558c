"""Legal holds, told again by the log: without them the sweep would let go what a case needs."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from audit.events import RECORDER, EventType
from audit.models import AuditEvent, LegalHold

_PLACED, _RELEASED = EventType.AUDIT_LEGAL_HOLD_PLACED, EventType.AUDIT_LEGAL_HOLD_RELEASED


def enter() -> int:
    """Enters the holds that the restored events tell of; returns how many are in force.

    Only for an installation that has none: what it knows itself is newer than any archive.
    """
    if LegalHold.objects.exists():
        return 0
    found: list[LegalHold] = []
    active: dict[str, LegalHold] = {}
    told = AuditEvent.objects.filter(type__in=[_PLACED, _RELEASED], recorder=RECORDER)
    for event in told.order_by("seq").iterator(chunk_size=500):
        case_id, data = event.object_id or "", json.loads(event.event)["data"]
        if event.type == _PLACED:
            active[case_id] = _placed(event, case_id, data)
            found.append(active[case_id])
        elif case_id in active:
            hold = active.pop(case_id)
            hold.released_at, hold.released_by = event.occurred_at, event.actor_id
            hold.release_reason = data["reason"]
    LegalHold.objects.bulk_create(found)
    return len(active)


def _placed(event: AuditEvent, case_id: str, data: dict[str, Any]) -> LegalHold:
    return LegalHold(
        case_id=case_id,
        reason=data["reason"],
        start_day=_day(data["start_day"]),
        end_day=_day(data["end_day"]),
        placed_at=event.occurred_at,
        placed_by=event.actor_id,
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
