"""What was expected beside what was there: the completeness of a packet."""

from __future__ import annotations

from typing import Any

from audit.services.waiting import waiting_events
from evidence.formats.completeness import LATE_AFTER_SECONDS
from evidence.formats.contents import Ranges
from evidence.services.completeness import observe
from reports.facts.base import Scope
from reports.facts.events import numbers
from reports.facts.trail import LATE, missing_numbers
from reports.models import Packet

MAX_RANGES = 1_000


def completeness(packet: Packet, scope: Scope) -> dict[str, Any]:
    """The document's ``completeness``: the same observations that evidence packages hold."""
    waiting = waiting_events()
    observed = observe(
        client=packet.client,
        start=scope.start,
        end=scope.end,
        now=packet.generated_at,
        is_every_client=scope.client_id is None,
    )
    return {
        "observed": observed.as_dict(),
        "pending": waiting.pending,
        "setAside": waiting.set_aside,
        "lateArrivals": _late(scope),
        "gaps": missing_numbers(scope.tree_size),
        "isPeriodOver": scope.end <= packet.generated_at,
    }


def _late(scope: Scope) -> dict[str, Any]:
    ranges, count = Ranges(), 0
    for seq in numbers(scope, [LATE]):
        ranges.add(seq)
        count += 1
    found = ranges.as_tuple()
    return {
        "laterThanSeconds": LATE_AFTER_SECONDS,
        "count": count,
        "ranges": [list(pair) for pair in found[:MAX_RANGES]],
        "isTruncated": len(found) > MAX_RANGES,
    }
