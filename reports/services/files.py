"""Hands out the files of a packet; that somebody took one is recorded first."""

from __future__ import annotations

from django.db import transaction

from access.roles import Action
from audit.events import Actor, EventType
from audit.services import trail
from evidence.services.vault import depositing
from reports import selectors
from reports.models import Packet
from reports.services import countersigned_files, outcomes, record_checks, writing
from reports.services.errors import FileMissing, PacketNotFound, PacketUnfinished
from sealing import digests
from sealing.errors import NotFound, StrongroomError, TooLarge
from sealing.files import PathRefused


def names_of(packet: Packet) -> list[str]:
    """The names under which the files of a complete packet can be fetched."""
    if not packet.is_complete:
        return []
    found = [str(entry["name"]) for entry in packet.files]
    return found + [entry.name for entry in countersigned_files.entries(packet)]


def read(*, actor: Actor, packet: Packet, name: str) -> tuple[bytes, str]:
    """A file of a packet and its media type, for whoever takes it away; the download is recorded.

    Args:
        actor: Who takes it.
        packet: The packet.
        name: The file's name, without a folder.

    Raises:
        NotFound: There is no such packet or file that the actor may see.
        Forbidden: The actor may look at packets, but not take them away.
        PacketUnfinished: The packet was not made to its end.
        FileMissing: The file is not the one that was recorded, here or in the vault.
        RecordDiffers: The file that was recorded says that it is another packet's.
    """
    trail.ensure_enabled()
    packet = selectors.by_name(actor=actor, name=packet.name, action=Action.DOWNLOAD)
    raw, media_type = look(packet, name)
    with transaction.atomic():
        trail.record(
            EventType.REPORTS_PACKET_DOWNLOADED,
            actor=actor,
            client=packet.client_id,
            obj=("packet", packet.name),
            data={"file": name, "sha256": digests.sha256_tag(raw), "size_bytes": len(raw)},
        )
    return raw, media_type


def look(packet: Packet, name: str) -> tuple[bytes, str]:
    """A file as it was recorded: the working copy, or else the vault's.

    Raises:
        PacketUnfinished. PacketNotFound: the packet has no such file. FileMissing. RecordDiffers.
    """
    if not packet.is_complete:
        raise PacketUnfinished("The packet was not made to its end.")
    recorded = {str(entry["name"]): str(entry["sha256"]) for entry in packet.files}
    recorded |= {entry.name: entry.sha256 for entry in countersigned_files.entries(packet)}
    if name not in recorded:
        raise PacketNotFound("The packet has no file of that name.")
    try:
        raw = writing.read(writing.file_of(packet, name))
    except (NotFound, TooLarge, PathRefused):
        raw = None
    if raw is None or digests.sha256_tag(raw) != recorded[name]:
        raw = _from_elsewhere(packet, name, recorded[name])
    record_checks.ensure_of(packet, name, raw)
    return raw, outcomes.media_type_of(name)


def _from_elsewhere(packet: Packet, name: str, sha256: str) -> bytes:
    """A file whose working copy is gone or changed."""
    raw = countersigned_files.waiting(packet, name)
    if raw is not None:
        return raw
    missing = f"{name} is not where it was put, nor is it in the vault as it was."
    if packet.deposit is None:
        raise FileMissing(missing)
    try:
        raw = depositing.read(packet.deposit, name)
    except StrongroomError as error:
        raise FileMissing(f"{missing} {error.message}") from error
    if digests.sha256_tag(raw) != sha256:
        raise FileMissing(missing)
    return raw
