"""Evidence that was taken out of the installation, countersigned, or kept from elsewhere."""

from __future__ import annotations

from audit.events import EventType
from reports.facts.base import Fact
from reports.facts.events import counted
from reports.facts.records import rows

PER_CONTROL = "artifacts."
_ARTIFACTS = """
SELECT id FROM evidence_artifact
WHERE framework = %(framework)s AND created_at >= %(start)s AND created_at < %(until)s
  AND (%(client)s::text IS NULL OR client_id = %(client)s)
"""
_OF_CONTROL = """
SELECT id FROM evidence_artifact
WHERE framework = %(framework)s AND control_id = %(control)s
  AND period_start < %(end)s AND period_end > %(start)s AND created_at < %(now)s
  AND (%(client)s::text IS NULL OR client_id = %(client)s)
"""


def facts() -> tuple[Fact, ...]:
    """The facts of this subject."""
    return (
        counted(
            "packages.exported",
            "Evidence packages exported",
            EventType.EVIDENCE_PACKAGE_EXPORTED,
            unit="packages",
        ),
        counted(
            "packages.failed",
            "Exports that failed",
            EventType.EVIDENCE_PACKAGE_EXPORT_FAILED,
            unit="packages",
        ),
        counted(
            "packages.countersigned",
            "Countersignatures on packages",
            EventType.EVIDENCE_PACKAGE_COUNTERSIGNED,
            unit="countersignatures",
        ),
        counted(
            "packages.downloaded",
            "Downloads of packages",
            EventType.EVIDENCE_PACKAGE_DOWNLOADED,
            unit="downloads",
        ),
        counted(
            "packets.generated", "Packets made", EventType.REPORTS_PACKET_GENERATED, unit="packets"
        ),
        counted(
            "packets.countersigned",
            "Packets countersigned",
            EventType.REPORTS_PACKET_COUNTERSIGNED,
            unit="packets",
        ),
        counted(
            "controls.assessed",
            "Assessments of controls",
            EventType.REPORTS_CONTROL_ASSESSED,
            unit="assessments",
        ),
        rows(
            "artifacts.received",
            "Artefacts received",
            "artifact",
            _ARTIFACTS,
            unit="artefacts",
            framework="SOC2",
        ),
    )


def of_control(framework: str, control_id: str) -> Fact:
    """How many artefacts there are for a control and a period that meets the packet's."""
    return rows(
        f"{PER_CONTROL}{control_id}",
        f"Artefacts for {control_id}",
        "artifact",
        _OF_CONTROL,
        unit="artefacts",
        is_state=True,
        framework=framework,
        control=control_id,
    )
