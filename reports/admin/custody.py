"""The custody line of a packet: who did what with it, when, and to which bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from access.admin import components
from access.admin.components import CustodyStep
from audit.events import EventType
from audit.models import AuditEvent
from evidence.admin.custody_deposits import deposited, lock_step
from evidence.admin.custody_people import Cast, taken_step
from evidence.admin.custody_vault import FAILED, reason_of
from evidence.models import Deposit, DepositLock
from reports.admin import columns
from reports.models import Packet, PacketCountersignature, PacketStatus
from sealing.external import DISABLED

SHOWN_EVENTS = 50
_TAKEN = (EventType.REPORTS_PACKET_DOWNLOADED, EventType.REPORTS_PACKET_COUNTERSIGN_REFUSED)
_SCHEDULE = "The schedule"


def steps(packet: Packet) -> list[CustodyStep]:
    """Everything known: how it was made and where it was put, then what was done with it since."""
    second = getattr(packet, "countersignature", None)
    locks = _locks(packet.deposit)
    events = _events(packet)
    accounts = [account for account in (packet.maker_account, second and second.account) if account]
    actors = [*(event.actor_id for event in events), *(lock.actor_id for lock in locks)]
    cast = Cast.of([*actors, *([packet.deposit.actor_id] if packet.deposit else [])], accounts)
    later = [
        *([_countersigned(second, packet, cast)] if second else []),
        *(lock_step(lock, cast) for lock in locks[1:]),
        *(taken_step(event, packet.client_id, cast) for event in events),
    ]
    return [
        *_made(packet, cast),
        *_deposited(packet, cast),
        *(lock_step(lock, cast) for lock in locks[:1]),
        *sorted(later, key=lambda step: str(step.at)),
        *_awaited(packet),
    ]


def _made(packet: Packet, cast: Cast) -> Iterator[CustodyStep]:
    maker = packet.maker_account
    yield CustodyStep(
        what="Planned" if packet.revision == 1 else f"Revision {packet.revision} planned",
        who=maker or _SCHEDULE,
        at=packet.created_at,
        state="unknown",
        role=cast.role(maker, packet.created_at, packet.client_id),
        detail=packet.reason,
        facts=_plan(packet),
    )
    if packet.status == PacketStatus.FAILED:
        yield CustodyStep(
            what="Could not be made",
            at=packet.completed_at,
            state="failed",
            detail=packet.error_message,
        )
    if not packet.is_complete:
        return
    yield CustodyStep(
        what="Generated and verified",
        who=maker or _SCHEDULE,
        at=packet.completed_at,
        state="complete",
        role=cast.role(maker, packet.completed_at, packet.client_id),
        digest=packet.json_sha256,
        facts=[
            ("PDF", components.digest(packet.pdf_sha256)),
            ("PDF before it was signed", components.digest(packet.unsigned_pdf_sha256)),
        ],
    )
    yield CustodyStep(
        what="Signed by the service",
        who=packet.signing_key.name,
        at=packet.generated_at,
        state="signed",
        digest=packet.pdf_sha256,
        facts=[
            ("Key", components.digest(packet.signing_key.key_id)),
            ("Timestamp", _stamp(packet)),
        ],
    )


def _plan(packet: Packet) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("Log", f"{packet.tree_size:,} events")]
    if packet.run_id is not None:
        url = reverse("admin:ops_run_change", args=[packet.run_id])
        found.append(("Run", format_html('<a href="{}"><code>{}</code></a>', url, packet.run_id)))
    return found


def _stamp(packet: Packet) -> str:
    status = packet.timestamp_status
    if status.startswith(FAILED):
        return f"The authority failed: {reason_of(status)}"
    if not status or status == DISABLED:
        return "None: no timestamp authority is configured"
    return "Stamped by an outside authority" if status == "OK" else status


def _locks(deposit: Deposit | None) -> list[DepositLock]:
    return list(deposit.locks.order_by("number")) if deposit is not None else []


def _deposited(packet: Packet, cast: Cast) -> Iterator[CustodyStep]:
    deposit = packet.deposit
    if deposit is None:
        if packet.is_complete:
            yield CustodyStep(
                what="Not deposited",
                state="inconclusive",
                detail="No copy in a vault is recorded. Have the vault audited.",
            )
        return
    yield from deposited(deposit, cast, _kept(deposit))


def _kept(deposit: Deposit) -> list[tuple[str, Any]]:
    rows = deposit.objects_kept.order_by("name")
    return [(_ending(row.name), components.digest(row.sha256)) for row in rows]


def _ending(name: str) -> str:
    endings = (
        (".countersigned.pdf.sig", "Signature of the countersigned PDF"),
        (".countersigned.pdf", "Countersigned PDF"),
        (".pdf.sig", "Signature of the PDF"),
        (".json.sig", "Signature of the JSON"),
        (".pdf", "PDF"),
        (".json", "JSON"),
    )
    return next((words for ending, words in endings if name.endswith(ending)), name)


def _countersigned(second: PacketCountersignature, packet: Packet, cast: Cast) -> CustodyStep:
    return CustodyStep(
        what=f"Countersigned: {second.meaning}",
        who=second.account,
        at=second.signed_at,
        state="countersigned",
        role=cast.role(second.account, second.signed_at, packet.client_id),
        digest=second.pdf_sha256,
        detail=second.note,
        facts=[
            ("What was signed", components.digest(second.first_pdf_sha256)),
            ("Key", components.digest(second.key.key_id)),
        ],
    )


def _awaited(packet: Packet) -> Iterator[CustodyStep]:
    if not packet.is_complete or columns.is_countersigned(packet):
        return
    if packet.required_countersignatures:
        yield CustodyStep(
            what="Awaits its countersignature",
            state="waiting",
            detail="By an officer"
            + (" who is another person than the maker." if packet.maker_id else "."),
        )


def _events(packet: Packet) -> list[AuditEvent]:
    if not packet.is_complete:
        return []
    return list(
        AuditEvent.objects.filter(
            object_id=packet.name, object_type="packet", recorder="strongroom", type__in=_TAKEN
        ).order_by("-seq")[:SHOWN_EVENTS]
    )
