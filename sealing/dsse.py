"""DSSE envelopes (Dead Simple Signing Envelope v1) and in-toto statements v1."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sealing.digests import b64, unb64
from sealing.errors import Invalid
from sealing.signers.base import Signer

IN_TOTO = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATES = "https://strongroom.dev/predicates"


class EnvelopeRefused(Invalid):
    """The value is not a DSSE envelope."""

    code = "envelope_invalid"


class VerifyingKey(Protocol):
    """Whatever can verify a signature."""

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is of this key."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope; ``signatures`` are (key id, signature)."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def pae(self) -> bytes:
        """The bytes that are signed."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: type and body with their lengths."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload_type: str, payload: bytes, signers: Iterable[Signer]) -> dict[str, Any]:
    """An envelope with one signature of each signer, as a JSON value."""
    message = pae(payload_type, payload)
    return {
        "payload": b64(payload),
        "payloadType": payload_type,
        "signatures": [
            {"keyid": signer.key_id, "sig": b64(signer.sign(message))} for signer in signers
        ],
    }


def parse_envelope(value: Any, *, strict: bool = True) -> Envelope:
    """Reads an envelope without verifying it.

    Args:
        strict: accept only our own spelling: exactly these members, standard base64 with padding.
            Otherwise either alphabet of base64 and unknown members, as DSSE asks of verifiers.

    Raises:
        EnvelopeRefused: with the place in `field`.
    """
    members = _members(value, {"payload", "payloadType", "signatures"}, "", strict)
    if not isinstance(members["payloadType"], str):
        raise EnvelopeRefused("The type is text.", field="/payloadType")
    if not isinstance(members["signatures"], list):
        raise EnvelopeRefused("The signatures are a list.", field="/signatures")
    decode = unb64 if strict else _lenient
    signatures = []
    for index, item in enumerate(members["signatures"]):
        place = f"/signatures/{index}"
        needed = {"keyid", "sig"} if strict else {"sig"}
        signature = _members(item, needed, place, strict)
        keyid = signature.get("keyid") or ""
        if not isinstance(keyid, str):
            raise EnvelopeRefused("A key id is text.", field=f"{place}/keyid")
        signatures.append((keyid, _decoded(decode, signature["sig"], f"{place}/sig")))
    payload = _decoded(decode, members["payload"], "/payload")
    return Envelope(members["payloadType"], payload, tuple(signatures))


def verify_envelope(
    envelope: Envelope, keys: Mapping[str, VerifyingKey], threshold: int = 1
) -> tuple[str, ...]:
    """The ids of the keys in ``keys`` whose signatures verify.

    A key counts once, however many signatures it has; a signature's key id is only a hint, so
    every key is tried.

    Returns:
        The ids, or nothing if they are fewer than ``threshold``.
    """
    message = envelope.pae()
    found = tuple(
        name
        for name, key in keys.items()
        if any(key.verify(signature, message) for _, signature in envelope.signatures)
    )
    return found if len(found) >= threshold > 0 else ()


def statement(
    subject_name: str, sha256_hex: str, predicate_type: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    """An in-toto Statement v1 about one file."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject_name, "digest": {"sha256": sha256_hex}}],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }


def _members(value: Any, needed: set[str], place: str, strict: bool) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EnvelopeRefused("An object is expected here.", field=place or "/")
    if needed - value.keys():
        raise EnvelopeRefused("A member is missing.", field=f"{place}/{min(needed - value.keys())}")
    if strict and value.keys() - needed:
        raise EnvelopeRefused("Unknown member.", field=f"{place}/{min(value.keys() - needed)}")
    return value


def _decoded(decode: Any, text: Any, place: str) -> bytes:
    if not isinstance(text, str):
        raise EnvelopeRefused("Base64 text is expected here.", field=place)
    try:
        data: bytes = decode(text)
    except Invalid as error:
        raise EnvelopeRefused(error.message, field=place) from error
    return data


def _lenient(text: str) -> bytes:
    standard = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EnvelopeRefused("Not base64.") from error
