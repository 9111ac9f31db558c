"""The artefacts that a packet lists: of its client, for a period that meets its own.

Whoever may hand in artefacts could hand in any number. A packet lists so many that it can still be
made and read, and tells of all the others by their number and the digest of their ids.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from evidence.models import Artifact
from reports.facts.base import Records
from reports.models import Packet
from sealing.times import format_time

MAX_PER_CONTROL: Final = 200
MAX_LISTED: Final = 1_000
QUERY: Final = "artifacts.listed"
_TOLD = ("id", "title", "sha256", "origin", "receivedAt", "vaultPath")


@dataclass(frozen=True, slots=True)
class Kept:
    """One artefact, and where in the vault it lies."""

    artifact: Artifact

    @property
    def control_id(self) -> str:
        """The control that it is evidence for."""
        return self.artifact.control_id

    def as_dict(self) -> dict[str, Any]:
        """The entry of the document's list."""
        found = self.artifact
        return {
            "id": str(found.pk),
            "title": found.title,
            "controlId": found.control_id,
            "periodStart": format_time(found.period_start),
            "periodEnd": format_time(found.period_end),
            "fileName": found.file_name,
            "mediaType": found.media_type,
            "sizeBytes": found.size_bytes,
            "sha256": found.sha256,
            "origin": found.origin,
            "receivedAt": format_time(found.created_at),
            # Below the vault's root.
            "vaultPath": f"{found.deposit.folder}/{found.file_name}",
        }

    def as_sample(self) -> dict[str, Any]:
        """The entry among a control's evidence."""
        told = self.as_dict()
        return {"kind": "artifact"} | {key: told[key] for key in _TOLD}


@dataclass(frozen=True, slots=True)
class Listing:
    """The artefacts of a packet.

    Attributes:
        kept: those that are listed, by control and time.
        every: all that there are.
    """

    kept: list[Kept]
    every: Records

    def as_dict(self) -> dict[str, Any]:
        """The document's ``artifactListing``: how many there are beside those in the list."""
        total = len(self.every.ids)
        return {
            "total": total,
            "isTruncated": total > len(self.kept),
            "source": self.every.as_dict(QUERY),
        }


def artifacts_of(packet: Packet) -> Listing:
    """The artefacts that were there when the packet was planned.

    Where there are too many, each control gets its share of the list, and within it each client,
    the oldest first: a flood from one side leaves the others theirs.
    """
    rows = Artifact.objects.filter(
        framework=packet.framework,
        period_start__lt=packet.period_end,
        period_end__gt=packet.period_start,
        created_at__lt=packet.generated_at,
    )
    if packet.client_id is not None:
        rows = rows.filter(client_id=packet.client_id)
    known = list(rows.order_by("created_at", "id").values_list("id", "control_id", "client_id"))
    listed = Artifact.objects.filter(pk__in=_shared(known)).select_related("deposit")
    kept = [Kept(row) for row in listed.order_by("control_id", "created_at", "id")]
    return Listing(kept, Records.of("artifact", (found for found, _, _ in known)))


def _shared(known: Iterable[tuple[Any, str, str | None]]) -> list[Any]:
    """The ids of those that are listed: one of each control and client at a time."""
    waiting: dict[tuple[str, str], deque[Any]] = {}
    for found, control_id, client_id in known:
        waiting.setdefault((control_id, client_id or ""), deque()).append(found)
    chosen: list[Any] = []
    of_control: Counter[str] = Counter()
    while waiting:
        for place in sorted(waiting):
            if len(chosen) == MAX_LISTED:
                return chosen
            control_id, _ = place
            if of_control[control_id] == MAX_PER_CONTROL:
                del waiting[place]
                continue
            chosen.append(waiting[place].popleft())
            of_control[control_id] += 1
            if not waiting[place]:
                del waiting[place]
    return chosen
