"""Records how the making of a packet ended: complete with everything about it, or failed."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import structlog
from django.db import transaction
from django.utils import timezone

from audit.events import Actor, EventType
from audit.services import trail
from evidence.services.outcomes import described
from evidence.services.vault import depositing
from evidence.services.vault.depositing import Committed
from reports.models import Packet, PacketStatus
from reports.services import writing
from reports.services.errors import PacketFinished, StorageFailed, StorageUnavailable
from reports.services.requests import PacketRequest
from reports.services.writing import DOCUMENT, REPORT
from sealing import digests
from sealing.errors import StrongroomError
from sealing.times import format_time

if TYPE_CHECKING:
    from reports.services.making import Made

JSON_TYPE: Final = "application/json"
PDF_TYPE: Final = "application/pdf"
SIG_TYPE: Final = "text/plain; charset=us-ascii"
_MAX_MESSAGE: Final = 1000
_PASSING: Final = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE,
)  # fmt: skip
log = structlog.get_logger(__name__)


def contents(packet: Packet, made: Made) -> Iterator[tuple[str, bytes]]:
    """The names and bytes of a packet's four files."""
    finals = writing.final_names(packet)
    for group, pair in ((DOCUMENT, made.document), (REPORT, made.report)):
        yield from zip(finals[group], (pair.raw, pair.sig), strict=True)


def media_type_of(name: str) -> str:
    """What a file of that name holds."""
    if name.endswith(".json"):
        return JSON_TYPE
    return PDF_TYPE if name.endswith(".pdf") else SIG_TYPE


def record_success(*, actor: Actor, packet: Packet, made: Made, committed: Committed) -> None:
    """Stores that the packet is complete and lies in the vault, in one transaction with its event.

    Raises:
        PacketFinished: Another attempt has ended it.
    """
    with transaction.atomic():
        locked = Packet.objects.select_for_update(of=("self",)).get(pk=packet.pk)
        if locked.status != PacketStatus.WRITING:
            raise PacketFinished("Another process has finished this packet.")
        deposit = depositing.record(committed, actor_id=actor.id)
        Packet.objects.filter(pk=packet.pk).update(
            status=PacketStatus.COMPLETE,
            json_sha256=digests.sha256_tag(made.document.raw),
            json_size_bytes=len(made.document.raw),
            pdf_sha256=digests.sha256_tag(made.report.raw),
            pdf_size_bytes=len(made.report.raw),
            unsigned_pdf_sha256=made.report.note["unsigned_sha256"],
            files=[
                {
                    "name": name,
                    "size_bytes": len(raw),
                    "sha256": digests.sha256_tag(raw),
                    "media_type": media_type_of(name),
                }
                for name, raw in contents(packet, made)
            ],
            summary=made.summary,
            timestamp_status=made.report.note["timestamp_status"],
            deposit=deposit,
            completed_at=timezone.now(),
        )
        locked.refresh_from_db()
        trail.record(
            EventType.REPORTS_PACKET_GENERATED,
            actor=actor,
            client=packet.client_id,
            obj=("packet", packet.name),
            data=_told(locked),
        )


def record_failure(*, actor: Actor, packet: Packet, error: Exception) -> None:
    """Stores that a packet failed, and takes away what it left. Not for what another finished.

    What can't be taken away just now is left to whoever is asked to let go of the run.
    """
    code, message = described(error)
    with transaction.atomic():
        failed = Packet.objects.filter(pk=packet.pk, status=PacketStatus.WRITING).update(
            status=PacketStatus.FAILED,
            error_code=code[:64],
            error_message=message[:_MAX_MESSAGE],
            completed_at=timezone.now(),
        )
        if failed:
            _tell_failure(actor, packet.client_id, packet.name, code, message, packet.run_id)
    if failed:
        # The row says that there is no such packet, so nothing may look like one. This comes
        # after the commit: until then the files could belong to one that can be gone on with.
        try:
            take_away(packet)
        except (StrongroomError, OSError) as failure:
            log.error("what a packet left is there yet", packet=packet.name, reason=str(failure))


def record_unplanned(
    *, actor: Actor, request: PacketRequest, run_id: object, error: Exception
) -> None:
    """Records that a packet could not even be planned: there is no row that would say so."""
    code, message = described(error)
    with transaction.atomic():
        _tell_failure(actor, request.client_id, request.name, code, message, run_id)


def take_away(packet: Packet) -> None:
    """Removes what a packet that failed has left in the working folder and in the staging.

    Raises:
        OSError, VaultUnavailable: it can't be reached. Asking twice does no harm.
    """
    writing.withdraw(packet)
    depositing.sweep()


def of_storage(error: OSError) -> StorageUnavailable | StorageFailed:
    """What the working folder's refusal is: one that may pass, or one that somebody has to end."""
    if error.errno not in _PASSING:
        return StorageFailed(described(error)[1])
    return StorageUnavailable(
        f"The working folder refuses ({errno.errorcode[error.errno]}, {error.strerror}): make room"
        " or check storage permission for EVIDENCE_PACKAGE_DIR."
    )


def _tell_failure(
    actor: Actor, client_id: str | None, name: str, code: str, message: str, run_id: object
) -> None:
    trail.record(
        EventType.REPORTS_PACKET_FAILED,
        actor=actor,
        client=client_id,
        obj=("packet", name),
        outcome="failure",
        data={"code": code, "message": message[:_MAX_MESSAGE], "run_id": str(run_id)},
    )


def _told(packet: Packet) -> dict[str, object]:
    return {
        "json_sha256": packet.json_sha256,
        "pdf_sha256": packet.pdf_sha256,
        "period": {
            "start": format_time(packet.period_start),
            "end": format_time(packet.period_end),
        },
        "revision": packet.revision,
        "reason": packet.reason or None,
        "run_id": None if packet.run_id is None else str(packet.run_id),
        "tree_size": packet.tree_size,
        "signing_key_id": packet.signing_key.key_id,
        "vault_mode": packet.vault_mode,
        "retention_policy": packet.retention_policy,
        "retain_until": format_time(packet.retain_until),
        "timestamp_status": packet.timestamp_status,
    }
