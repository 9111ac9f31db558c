"""The installation's signatures over packets: in the PDF, and beside each file."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from django.conf import settings

from audit.events import Actor
from audit.services import keys, tokens
from audit.services.tokens import MAX_SKEW, StampRefused
from reports.formats import pdf_signing
from reports.models import Packet
from reports.services import certificates
from reports.services.errors import SigningKeyChanged
from sealing import timestamps
from sealing.errors import StrongroomError
from sealing.external import DISABLED, OK
from sealing.signers.base import Signer

log = structlog.get_logger(__name__)
_ACTOR = Actor.system("packets")


def sign_pdf(pdf: bytes, packet: Packet, *, actor: Actor = _ACTOR) -> bytes:
    """The PDF of a packet with both fields, the first signed by the installation's key.

    Call it outside transactions: an authority may be asked for a timestamp. One that fails does
    not fail the packet, which then has a signature without one.

    Args:
        pdf: as it was rendered.
        packet: gives the time of the signature. `Packet.timestamp_status` is set on it, and for
            the caller to save: ``OK``, ``FAILED: …`` or ``DISABLED``.
        actor: in whose name the certificate is issued, if there is none yet.

    Raises:
        PdfRefused, CertificateRefused, CertificateEnded, KeyMissing. SigningKeyChanged: the key is
        no longer the one that the packet was planned with.
    """
    signer = service_signer(packet)
    chain = certificates.service_chain(actor=actor)
    prepared = pdf_signing.prepare(pdf)
    reason = f"Made packet {packet.name}"

    def signed(stamper: pdf_signing.Timestamper | None) -> bytes:
        at = packet.generated_at
        return pdf_signing.sign(
            prepared, pdf_signing.SERVICE, signer, chain, at, reason, timestamper=stamper
        )

    result, packet.timestamp_status = stamped(
        signed, not_before=packet.generated_at, packet_name=packet.name
    )
    return result


def stamped(
    sign: Callable[[pdf_signing.Timestamper | None], bytes],
    *,
    not_before: datetime,
    packet_name: str,
) -> tuple[bytes, str]:
    """What ``sign`` makes with a timestamp where there is an authority, and what came of that.

    Args:
        sign: signs, given what asks the authority; None signs without a timestamp.
        not_before: an authority that states an earlier time is refused.
        packet_name: for the log.

    Returns:
        What was signed, and ``OK``, ``FAILED: …`` or ``DISABLED``.

    Raises:
        Whatever ``sign`` raises that is not about the timestamp.
    """
    if not settings.TSA_URL:
        return sign(None), DISABLED
    try:
        return sign(lambda digest: _stamped(digest, not_before)), OK
    except StrongroomError as error:
        if isinstance(error, pdf_signing.SIGNING_ERRORS):
            raise
        log.error("packet not stamped", packet=packet_name, reason=error.message)
        return sign(None), f"FAILED: {error.message}"[:400]


def sig_line(raw: bytes, *, signer: Signer | None = None) -> bytes:
    """What a ``.sig`` file holds: the signature over ``raw`` in base64, and a newline.

    Args:
        raw: the file.
        signer: by default the key that signs packets.

    Raises:
        KeyMissing: the key is not registered.
    """
    chosen = signer or keys.signer_for(certificates.PURPOSE)
    return base64.b64encode(chosen.sign(raw)) + b"\n"


def service_signer(packet: Packet) -> Signer:
    """The signer that the packet was planned with.

    Raises:
        SigningKeyChanged: another key signs now. KeyMissing.
    """
    signer = keys.signer_for(certificates.PURPOSE)
    if packet.signing_key.key_id != signer.key_id:
        raise SigningKeyChanged(
            "The key that signs packets is no longer the one that this packet was planned with."
        )
    return signer


def _stamped(digest: bytes, generated_at: datetime) -> bytes:
    tokens.certificates()  # nobody is asked for what could not be checked
    answer = timestamps.request_token(settings.TSA_URL, digest)
    stamp = tokens.checked(answer, digest)
    if not generated_at - MAX_SKEW <= stamp.time <= datetime.now(UTC) + MAX_SKEW:
        raise StampRefused(
            f"{stamp.authority} says {stamp.time:%Y-%m-%d %H:%M:%S} UTC, which can't be: compare"
            " the clocks."
        )
    return answer
