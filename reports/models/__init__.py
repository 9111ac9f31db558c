"""Packets, controls and assessments."""

from reports.models.control import AssessmentState, Control, ControlAssessment, Framework
from reports.models.packet import (
    Certificate,
    Packet,
    PacketCountersignature,
    PacketStatus,
)

__all__ = [
    "AssessmentState",
    "Certificate",
    "Control",
    "ControlAssessment",
    "Framework",
    "Packet",
    "PacketCountersignature",
    "PacketStatus",
]
