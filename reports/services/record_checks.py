"""Compares what a packet says of itself with the record of it: the row, and the log's events.

The digests in the row only say that the files are those of the row. Whoever could write another
row would name another packet's files in it; so the files must say that they are this packet, and
the sealed events of making and countersigning must name them too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from audit import selectors
from audit.events import RECORDER, EventType
from audit.models import AuditEvent, PendingEvent
from reports.formats import names, pdf_reading
from reports.formats.packet_report import PacketReport
from reports.formats.pdf_errors import PdfRefused
from reports.formats.period import Period
from reports.formats.verification import PacketFilesGiven
from reports.models import Packet, PacketCountersignature
from reports.services.errors import RecordDiffers
from sealing.errors import IntegrityFailure
from sealing.results import Finding
from sealing.times import format_time

CODE: Final = RecordDiffers.code
_KIND: Final = "packet"


def against_record(
    packet: Packet, given: PacketFilesGiven, report: PacketReport
) -> Iterator[Finding]:
    """What differs between the files of a complete packet, its row, and the log.

    Args:
        packet: the row.
        given: its files as they lie there.
        report: what was found of the files by themselves; what they say of themselves is only
            read where a trusted key's signature over it holds.
    """
    if report.head is not None and given.json is not None:
        yield from _document_differs(packet, json.loads(given.json))
    for name in ("pdf", "countersigned"):
        yield from _pdf_differs(packet, name, getattr(given, name))
    yield from _log_differs(packet)


def ensure_of(packet: Packet, name: str, raw: bytes) -> None:
    """Sees that a file that is about to be handed out says that it is of this packet.

    A ``.sig`` file says nothing; its file does.

    Raises:
        RecordDiffers: it names another packet, or none.
    """
    final = names.files(packet.name)
    if name == final.json:
        is_of = _packet_id(raw) == packet.name
    elif name in (final.pdf, final.countersigned):
        is_of = f"({packet.name}, JSON packet {packet.json_sha256})".encode("ascii") in raw
    else:
        return
    if not is_of:
        raise RecordDiffers(f"{name} is recorded as this packet's, and says that it is another's.")


def _packet_id(raw: bytes) -> Any:
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return parsed.get("packetId") if isinstance(parsed, dict) else None


def _document_differs(packet: Packet, said: dict[str, Any]) -> Iterator[Finding]:
    client, maker = said["client"], said["maker"]
    pairs = {
        "/packetId": (said["packetId"], packet.name),
        "/framework": (said["framework"], packet.framework),
        "/client": (client and client["id"], packet.client_id),
        "/auditPeriod": (
            said["auditPeriod"],
            Period(packet.period_start, packet.period_end).as_dict(),
        ),
        "/revision": (said["revision"], packet.revision),
        "/maker": (maker and maker["person"], packet.maker_id and str(packet.maker_id)),
        "/generatedAt": (said["generatedAt"], format_time(packet.generated_at)),
        "/log/treeSize": (said["log"]["treeSize"], packet.tree_size),
        "/log/checkpoint": (said["log"]["checkpoint"], packet.checkpoint),
        "/signaturePolicy/countersignatures": (
            said["signaturePolicy"]["countersignatures"],
            packet.required_countersignatures,
        ),
        "/verification/signingKeyId": (
            said["verification"]["signingKeyId"],
            packet.signing_key.key_id,
        ),
    }
    for where, (told, recorded) in pairs.items():
        if told != recorded:
            yield Finding(
                CODE, False, "The JSON packet says something else than its record.", where
            )


def _pdf_differs(packet: Packet, field: str, raw: bytes | None) -> Iterator[Finding]:
    if raw is None:
        return
    try:
        signed = pdf_reading.read(raw)
    except PdfRefused:  # which the report has told already
        return
    if (signed.packet_id, signed.json_sha256) != (packet.name, packet.json_sha256):
        yield Finding(CODE, False, "The PDF names another packet than its record.", f"{field}.pdf")


def _log_differs(packet: Packet) -> Iterator[Finding]:
    """What the log tells of the making and the countersigning, and the rows do not, or not so."""
    made = {"json_sha256": packet.json_sha256, "pdf_sha256": packet.pdf_sha256}
    yield from _event_differs(packet, EventType.REPORTS_PACKET_GENERATED, made)
    row = PacketCountersignature.objects.select_related("key").filter(packet=packet).first()
    second = None
    if row is not None:
        second = {
            "json_sha256": row.json_sha256,
            "first_pdf_sha256": row.first_pdf_sha256,
            "pdf_sha256": row.pdf_sha256,
            "signing_key_id": row.key.key_id,
            "nonce": row.nonce,
        }
    yield from _event_differs(packet, EventType.REPORTS_PACKET_COUNTERSIGNED, second)


def _event_differs(
    packet: Packet, kind: EventType, recorded: dict[str, str] | None
) -> Iterator[Finding]:
    """What is wrong with the events of a type; ``recorded`` is None where there must be none."""
    try:
        told = _told(packet, kind)
    except IntegrityFailure as error:
        yield Finding("record_event_invalid", False, error.message, kind.value)
        return
    if recorded is not None and not told:
        yield Finding(
            "record_event_missing",
            False,
            f"The log tells of no {kind.value} of this packet: its record is not of our making.",
            kind.value,
        )
    for data in told:
        if recorded is None or any(data.get(name) != value for name, value in recorded.items()):
            yield Finding(
                "record_event_differs",
                False,
                f"The log tells of a {kind.value} of this packet that its record does not tell of.",
                kind.value,
            )


def _told(packet: Packet, kind: EventType) -> list[dict[str, Any]]:
    """The data of the sealed events; of those that wait to be sealed, where none is.

    Raises:
        IntegrityFailure: a line does not give its hash.
    """
    # Asked again: what waited may have been sealed in between.
    events = _sealed(packet, kind) or _waiting(packet, kind) or _sealed(packet, kind)
    return [event["data"] or {} for event in events]


def _sealed(packet: Packet, kind: EventType) -> list[dict[str, Any]]:
    rows = AuditEvent.objects.filter(
        object_id=packet.name,
        object_type=_KIND,
        type=kind.value,
        recorder=RECORDER,
        outcome="success",
    )
    found = []
    for row in rows.order_by("seq"):
        selectors.line_of(row)
        found.append(json.loads(row.event))
    return found


def _waiting(packet: Packet, kind: EventType) -> list[dict[str, Any]]:
    """Recorded a moment ago, or while the sealer stands still."""
    found = []
    rows = PendingEvent.objects.filter(set_aside_at__isnull=True, event__contains=packet.name)
    for text in rows.values_list("event", flat=True):
        event = json.loads(text)
        told = (event["type"], event["object"], event["recorder"], event["outcome"])
        if told == (kind.value, {"type": _KIND, "id": packet.name}, RECORDER, "success"):
            found.append(event)
    return found
