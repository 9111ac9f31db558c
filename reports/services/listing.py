"""The artefacts that a packet lists: of its client, for a period that meets its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evidence.models import Artifact
from reports.models import Packet
from sealing.times import format_time

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


def artifacts_of(packet: Packet) -> list[Kept]:
    """The artefacts that were there when the packet was planned, by control and time."""
    rows = Artifact.objects.filter(
        framework=packet.framework,
        period_start__lt=packet.period_end,
        period_end__gt=packet.period_start,
        created_at__lt=packet.generated_at,
    )
    if packet.client_id is not None:
        rows = rows.filter(client_id=packet.client_id)
    rows = rows.select_related("deposit").order_by("control_id", "created_at", "id")
    return [Kept(row) for row in rows]
