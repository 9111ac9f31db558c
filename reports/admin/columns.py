"""How packets and controls look in lists and on their pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.components import Tone
from evidence.admin.columns import word
from reports.formats.period import Period
from reports.models import AssessmentState, Packet, PacketStatus
from reports.services.controls import NOT_ASSESSED

PLATFORM = "The installation"
# State of a control -> tone and word; a pill is never grey by accident.
CONTROL_STATES: Mapping[str, tuple[Tone, str]] = {
    AssessmentState.COMPLIANT: (Tone.VERIFIED, "Compliant"),
    AssessmentState.ATTENTION: (Tone.ATTENTION, "Attention"),
    AssessmentState.NOT_COMPLIANT: (Tone.REFUSED, "Not compliant"),
    AssessmentState.NOT_APPLICABLE: (Tone.NEUTRAL, "Not applicable"),
    NOT_ASSESSED: (Tone.NEUTRAL, "Not assessed"),
}


def with_signatures(packets: QuerySet[Packet]) -> QuerySet[Packet]:
    """Looks up the countersignature of each packet in the same query."""
    return packets.select_related("client", "countersignature")


def is_countersigned(packet: Packet) -> bool:
    """Whether the second signature is there."""
    return hasattr(packet, "countersignature")


def awaits_countersignature() -> Q:
    """Which packets lack their countersignature, whoever may give it."""
    return Q(
        status=PacketStatus.COMPLETE,
        required_countersignatures__gt=0,
        countersignature__isnull=True,
    )


def state(packet: Packet) -> SafeString:
    """Where a packet stands, as a pill."""
    if packet.status == PacketStatus.WRITING:
        return components.pill("running", "Being made")
    if packet.status == PacketStatus.FAILED:
        return components.pill("failed")
    if is_countersigned(packet):
        return components.pill("countersigned")
    if packet.required_countersignatures:
        return components.pill("awaiting countersignature")
    return components.pill("signed")


def standing(packet: Packet) -> SafeString:
    """Where a packet stands, and how many of its signatures are there."""
    if not packet.is_complete:
        return state(packet)
    have, needed = _signatures(packet)
    words = f"{word(have)} of {word(needed)} signatures"
    return format_html('{} <span class="account">{}</span>', state(packet), words)


def signatures(packet: Packet) -> SafeString:
    """How many of the signatures that the packet needs are there: "one of two"."""
    if not packet.is_complete:
        return components.NOTHING
    have, needed = _signatures(packet)
    words = f"{word(have)} of {word(needed)}"
    return components.pill(words, words, tone=Tone.VERIFIED if have >= needed else Tone.WAITING)


def _signatures(packet: Packet) -> tuple[int, int]:
    return 1 + int(is_countersigned(packet)), 1 + packet.required_countersignatures


def client(packet: Any) -> str:
    """Whom it is about."""
    return packet.client.name if packet.client else PLATFORM


def period_of(packet: Packet) -> Period:
    """The packet's period."""
    return Period(packet.period_start, packet.period_end)


def period(record: Any) -> SafeString:
    """The half-open period."""
    return components.period(record.period_start, record.period_end)


def revision(packet: Packet) -> str:
    """Which of the packets of a period it is."""
    return "First" if packet.revision == 1 else f"Revision {packet.revision}"


def link(packet: Packet) -> SafeString:
    """Its name, with the way to its page."""
    url = reverse("admin:reports_packet_change", args=[packet.pk])
    return format_html('<a href="{}">{}</a>', url, components.identifier(packet.name))


def control_state(name: str) -> SafeString:
    """The state of a control as a pill."""
    tone, words = CONTROL_STATES.get(name, (Tone.NEUTRAL, name))
    return components.pill(name, words, tone=tone)


def controls_in_short(summary: Mapping[str, Any]) -> str:
    """How many controls are in which state: "9 compliant, 1 attention, 26 not assessed"."""
    counts = summary.get("controls")
    if not isinstance(counts, Mapping):
        return "—"
    told = [
        f"{counts[name]} {words}"
        for name, words in (
            ("compliant", "compliant"),
            ("attention", "attention"),
            ("notCompliant", "not compliant"),
            ("notApplicable", "not applicable"),
            ("notAssessed", "not assessed"),
        )
        if counts.get(name)
    ]
    return ", ".join(told) or "None in scope"
