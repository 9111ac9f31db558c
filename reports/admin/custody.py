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
from evidence.admin.custody_people import Cast
from evidence.admin.custody_vault import FAILED, reason_of
from evidence.formats.contents import VaultMode
from evidence.models import Deposit, DepositLock
from reports.admin import columns
from reports.models import Packet, PacketCountersignature, PacketStatus
from sealing import canonical
from sealing.external import DISABLED

SHOWN_EVENTS = 50
_TAKEN = (EventType.REPORTS_PACKET_DOWNLOADED, EventType.REPORTS_PACKET_COUNTERSIGN_REFUSED)
_PLACES = {VaultMode.LOCAL: "the local vault", VaultMode.S3: "the S3 bucket with Object Lock"}
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
        *(_lock_step(lock, packet, cast) for lock in locks[1:]),
        *(_taken(event, packet, cast) for event in events),
    ]
    return [
        *_made(packet, cast),
        *_deposited(packet, cast),
        *(_lock_step(lock, packet, cast) for lock in locks[:1]),
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
    who = cast.who(deposit.actor_id)
    yield CustodyStep(
        what=f"Deposited in {_PLACES[VaultMode(deposit.mode)]}",
        who=who,
        at=deposit.deposited_at,
        state="complete",
        role=cast.role(who, deposit.deposited_at, packet.client_id),
        detail="Every file was read back and compared before this was recorded.",
        facts=[("Folder", components.identifier(deposit.folder)), *_kept(deposit)],
    )


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


def _lock_step(lock: DepositLock, packet: Packet, cast: Cast) -> CustodyStep:
    who = cast.who(lock.actor_id)
    return CustodyStep(
        what="Locked" if lock.number == 1 else f"Lock changed, state {lock.number}",
        who=who,
        at=lock.locked_at,
        state="sealed",
        role=cast.role(who, lock.locked_at, packet.client_id),
        facts=[
            ("Until", components.when(lock.retain_until)),
            ("Policy", components.identifier(packet.retention_policy)),
            ("Legal holds", ", ".join(lock.legal_holds) or "None"),
        ],
    )


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


def _taken(event: AuditEvent, packet: Packet, cast: Cast) -> CustodyStep:
    account = cast.who(event.actor_id)
    data = canonical.loads(event.event.encode())["data"]
    refused = event.type == EventType.REPORTS_PACKET_COUNTERSIGN_REFUSED
    return CustodyStep(
        what="Countersignature refused" if refused else f"Downloaded {data['file']}",
        who=account,
        at=event.occurred_at,
        state="denied" if refused else "unknown",
        role=cast.role(account, event.occurred_at, packet.client_id),
        digest=None if refused else data["sha256"],
        detail=data["code"].replace("_", " ") if refused else "",
    )
