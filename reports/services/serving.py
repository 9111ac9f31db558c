"""Hands out packets as they are stored, with the signature of what is handed out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast

from access import policy
from access.roles import Action
from audit.events import Actor
from audit.services import keys, trail
from ops.models import Run
from reports import selectors
from reports.formats import names
from reports.formats.period import Period
from reports.models import Framework, Packet, PacketStatus
from reports.services import certificates, files, packets, planning
from sealing import digests
from sealing.errors import IntegrityFailure, NotFound

# Stands for every digest, where somebody has some copy.
ANY: Final = "*"


class DocumentFormat(StrEnum):
    """The two forms of a packet."""

    JSON = "json"
    PDF = "pdf"


class SignatureDiffers(IntegrityFailure):
    """The stored signature is not one over the stored file."""

    code = "signature_differs"


class PacketNotStored(NotFound):
    """There is no packet of this client and period, and this door makes none."""

    code = "packet_not_stored"


@dataclass(frozen=True, slots=True)
class Document:
    """A file of a packet as it leaves.

    Attributes:
        raw: its bytes; None where the caller has them already.
        signature: of these bytes, in base64; empty where the signature is a file of its own, and
            where the caller said that he has whatever there is.
        key_id: the key that made it.
    """

    name: str
    media_type: str
    sha256: str
    raw: bytes | None
    signature: str = ""
    key_id: str = ""


def serve(
    *,
    actor: Actor,
    client_id: str | None,
    period: Period,
    document_format: DocumentFormat = DocumentFormat.JSON,
    revision: int | None = None,
    known: Collection[str] = (),
    may_make: bool = False,
) -> Document | Run:
    """The packet of a client and period; where none stands for it one is made, if that is wanted.

    A packet is countersigned in its PDF: once it is, that PDF is the one that is handed out.

    Args:
        actor: Who asks, and takes it away, which is recorded.
        client_id: Whose packet; None for the platform.
        period: What it covers.
        document_format: Which form of it.
        revision: Which one; None for the newest.
        known: Digests of what the caller has; `ANY` for whatever there is.
        may_make: Make one where there is none, or only one from before the period was over, and
            wait for it a while.

    Returns:
        The document, or the run that makes the packet and goes on.

    Raises:
        AuditDisabled. OutOfScope, Forbidden: the actor may not have packets of this client made.
        PacketNotStored: there is none, and none is to be made.
        SignatureDiffers. What `packets.request_packet` and `files.read` raise.
    """
    trail.ensure_enabled()
    policy.require(actor.account, Action.EXPORT, client_id)
    packet = _stored(client_id, period, revision)
    if may_make and revision is None and (packet is None or planning.is_outdated(packet)):
        asked = packets.request_packet(actor=actor, client_id=client_id, period=period)
        if asked.packet is None:
            # Where there is no packet yet, there is the run that makes it.
            return cast(Run, asked.run)
        packet = asked.packet
    if packet is None:
        raise _not_stored(revision)
    return _document(actor, packet, document_format, known)


def download(*, actor: Actor, name: str, file: str) -> Document:
    """A file of the packet of that name; that it was taken is recorded first.

    Raises:
        What `files.read` raises.
    """
    packet = selectors.by_name(actor=actor, name=name, action=Action.DOWNLOAD)
    raw, media_type = files.read(actor=actor, packet=packet, name=file)
    return Document(file, media_type, digests.sha256_tag(raw), raw)


def _stored(client_id: str | None, period: Period, revision: int | None) -> Packet | None:
    if revision is None:
        return packets.find(client_id=client_id, period=period)
    return Packet.objects.filter(
        framework=Framework.SOC2,
        client_id=client_id,
        period_start=period.start,
        period_end=period.end,
        revision=revision,
        status=PacketStatus.COMPLETE,
    ).first()


def _not_stored(revision: int | None) -> PacketNotStored:
    if revision is not None:
        return PacketNotStored(
            "There is no such revision of the packet of this client and period.", field="revision"
        )
    return PacketNotStored(
        "There is no packet of this client and period yet. Have it made on the page of packets,"
        " with POST /api/compliance/packets, or by asking here with a bearer token."
    )


def _document(
    actor: Actor, packet: Packet, document_format: DocumentFormat, known: Collection[str]
) -> Document:
    final = names.files(packet.name)
    name, sha256 = final.json, packet.json_sha256
    if document_format is DocumentFormat.PDF:
        name, sha256 = final.pdf, packet.pdf_sha256
        if final.countersigned in files.names_of(packet):
            name, sha256 = final.countersigned, packet.countersignature.pdf_sha256
    if sha256 in known:
        raw, media_type = files.look(packet, name)
    elif ANY in known:
        # Who names no digest need not have the file, and its signature goes with the file alone.
        _, media_type = files.look(packet, name)
        return Document(name, media_type, sha256, None)
    else:
        raw, media_type = files.read(actor=actor, packet=packet, name=name)
    signature = files.look(packet, f"{name}{names.SIG_SUFFIX}")[0].decode("ascii").strip()
    key_id = _key_of(raw, signature)
    is_known = sha256 in known
    return Document(name, media_type, sha256, None if is_known else raw, signature, key_id)


def _key_of(raw: bytes, signature: str) -> str:
    """The key that made a signature: keys change, and a countersigned PDF is younger."""
    made = digests.unb64(signature)
    for key in keys.signers().keys:
        if certificates.PURPOSE in key.purposes and key.verify(made, raw):
            return key.signer_kid
    raise SignatureDiffers("The signature beside the file is by none of the keys for packets.")
