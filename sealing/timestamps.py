"""Timestamps by an outside authority (RFC 3161): asked for over HTTP, checked offline.

What is kept is the authority's whole answer (``TimeStampResp``), which ``openssl ts -verify``
reads.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from sealing import der, outgoing
from sealing.errors import Invalid
from sealing.timestamp_form import UNREADABLE, TimestampForm, TimestampRefused

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

MAX_BYTES = 1 << 20
_QUERY_TYPE, _REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"
_NONCE_BITS = 64
_TRUE = bytes.fromhex("0101ff")

_SHA256 = bytes.fromhex("0609608648016503040201")
_NULL = bytes.fromhex("0500")
_ONE = bytes.fromhex("020101")


class CertificatesRefused(Invalid):
    """The certificates of the authority can't be read."""

    code = "timestamp_certificates_invalid"


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """What a check of a timestamp found.

    Attributes:
        ok: whether it proves that the digest existed at ``time``.
        time: when the authority saw the digest; None unless ``ok``.
        authority: the subject of its certificate (RFC 4514); empty unless ``ok``.
        message: for people.
    """

    ok: bool
    time: datetime | None
    authority: str
    message: str


def request_bytes(digest: bytes, nonce: int) -> bytes:
    """The DER of a TimeStampReq over a SHA-256 digest (RFC 3161 §2.4.1), with certReq."""
    imprint = der.encode(
        der.SEQUENCE,
        der.encode(der.SEQUENCE, _SHA256, _NULL),
        der.encode(der.OCTET_STRING, digest),
    )
    return der.encode(der.SEQUENCE, _ONE, imprint, der.integer(nonce), _TRUE)


def request_token(url: str, digest: bytes, *, timeout_seconds: float = 10) -> bytes:
    """Asks an authority for a timestamp over a SHA-256 digest; trusts nobody yet.

    Args:
        url: the authority's address: https, or http on this host.
        digest: 32 bytes.
        timeout_seconds: for the whole exchange.

    Returns:
        The DER of its answer. `check_token` tells whether it proves anything.

    Raises:
        AddressRefused, NoAnswer: see `sealing.outgoing.post`.
        TimestampRefused: the answer is another's, or not of the form that counts.
    """
    if len(digest) != 32:
        raise TimestampRefused("A SHA-256 digest has 32 bytes.")
    nonce = secrets.randbits(_NONCE_BITS)
    token = outgoing.post(
        url,
        request_bytes(digest, nonce),
        content_type=_QUERY_TYPE,
        accept=_REPLY_TYPE,
        timeout_seconds=timeout_seconds,
        max_bytes=MAX_BYTES,
    )
    TimestampForm.of(token)
    response = _decoded(token)
    if response.tst_info.nonce != nonce:
        raise TimestampRefused("The answer is to another request: its nonce differs.")
    _check_imprint(response, digest)
    return token


def check_token(token: bytes, digest: bytes, certificates_pem: bytes) -> TokenCheck:
    """Checks a kept answer without asking anybody.

    The certificates need to have been valid when the stamp was made, not now.

    Args:
        token: the DER of the authority's answer.
        digest: the SHA-256 digest that it must be over.
        certificates_pem: the authorities that are trusted: root certificates, and intermediate
            ones that the token lacks.

    Raises:
        CertificatesRefused: ``certificates_pem`` can't be read.
    """
    trusted = _certificates(certificates_pem)
    try:
        form = TimestampForm.of(token)
        response = _decoded(token)
        _check_imprint(response, digest)
        leaf = form.signer_certificate()
        form.check_chain(leaf, trusted)
        _check_purpose(leaf)
        _check_signature(response, digest, trusted)
        moment = response.tst_info.gen_time.astimezone(UTC)
        authority = leaf.subject.rfc4514_string()
    except Invalid as error:
        return TokenCheck(False, None, "", error.message)
    except UNREADABLE as error:
        return TokenCheck(False, None, "", f"Not a timestamp: {error}")
    message = f"Stamped at {moment:%Y-%m-%d %H:%M:%S} UTC by {authority}."
    return TokenCheck(True, moment, authority, message)


def _decoded(token: bytes) -> TimeStampResponse:
    # Here, so that whoever checks no timestamps needs no library for them.
    from rfc3161_client import decode_timestamp_response

    try:
        response = decode_timestamp_response(token)
        if response.as_bytes() != token:
            raise TimestampRefused("The token is not in the one form that DER has for it.")
        # Parsed only when asked for; whatever can't be parsed shows here.
        info = response.tst_info
        _ = info.message_imprint.message, info.gen_time, info.nonce
        return response
    except ValueError as error:
        raise TimestampRefused(f"Not a timestamp: {error}") from error


def _check_imprint(response: TimeStampResponse, digest: bytes) -> None:
    imprint = response.tst_info.message_imprint
    if imprint.hash_algorithm.dotted_string != "2.16.840.1.101.3.4.2.1":
        raise TimestampRefused("The timestamp is not over a SHA-256 digest.")
    if imprint.message != digest:
        raise TimestampRefused("The timestamp is over another digest.")


def _check_purpose(leaf: x509.Certificate) -> None:
    """RFC 3161 §2.3: a key that signs timestamps signs nothing else."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise TimestampRefused("The certificate is not one of a timestamp authority.") from error
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise TimestampRefused("The certificate is not one of a timestamp authority.")


def _check_signature(
    response: TimeStampResponse, digest: bytes, trusted: list[x509.Certificate]
) -> None:
    from rfc3161_client import VerificationError, VerifierBuilder

    try:
        VerifierBuilder(roots=trusted).build().verify(response, digest)
    except (VerificationError, ValueError) as error:
        raise TimestampRefused(f"The timestamp does not verify: {error}") from error


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise CertificatesRefused(
            "The certificates of the timestamp authority are not PEM."
        ) from error
