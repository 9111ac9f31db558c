"""What people found about the controls of a packet, as the document tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reports.formats.period import Period
from reports.models import ControlAssessment, Packet
from reports.services import controls
from sealing.times import format_time


@dataclass(frozen=True, slots=True)
class Assessed:
    """One assessment that counts."""

    assessment: ControlAssessment

    def as_dict(self) -> dict[str, Any]:
        """The control's ``assessment`` in the document."""
        found = self.assessment
        return {
            "state": found.state,
            "note": found.note,
            "assessor": {"person": str(found.person_id), "name": found.person.display_name},
            "assessedAt": format_time(found.assessed_at),
            "periodStart": format_time(found.period_start),
            "periodEnd": format_time(found.period_end),
            "evidence": [str(item) for item in found.evidence],
        }


def assessments_of(packet: Packet) -> dict[str, Assessed]:
    """The newest assessments that count for the packet's period, made before it was planned.

    Where the period was over by then, they were made after its end (`controls.assessments_of`).
    """
    found = controls.assessments_of(
        packet.client_id,
        packet.framework,
        Period(packet.period_start, packet.period_end),
        packet.generated_at,
    )
    return {control_id: Assessed(assessment) for control_id, assessment in found.items()}
