"""Whether keys may sign what they signed, at the time at which they did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from evidence.formats.check_timestamp import Age
from sealing import digests
from sealing.keys import ED25519, Signers, TrustedKey
from sealing.results import Finding

PACKET: Final = "packet"
COUNTERSIGN: Final = "countersign"
# A PDF states the second in which it was signed, not when within it.
_WITHIN: Final = timedelta(microseconds=999_999)
_EARLY: Final = "key_not_yet_valid"


def refusals(
    signers: Signers, key_id: str, *, purpose: str, signed_at: datetime, age: Age, where: str
) -> Sequence[Finding]:
    """Why a signature by that key does not count; nothing if it does.

    Args:
        signers: the keys that are trusted.
        purpose: what the key has to be for.
        signed_at: the time that the signature states, or the second of it.
        age: the signature's, by others than its signer.
        where: which signature it is.
    """

    def found(proven_at: datetime | None) -> list[Finding]:
        refusal = signers.refusal(key_id, purpose=purpose, signed_at=signed_at, proven_at=proven_at)
        if refusal is not None and refusal.code == _EARLY and not signed_at.microsecond:
            refusal = signers.refusal(
                key_id, purpose=purpose, signed_at=signed_at + _WITHIN, proven_at=proven_at
            )
        return [] if refusal is None else [refusal]

    return [Finding(item.code, item.ok, item.message, where) for item in age.weigh(found)]


def signer_of(signers: Signers, raw: bytes, signature: bytes) -> TrustedKey | None:
    """The key for packets that signed ``raw``, which is hashed once however many keys there are."""
    digest = digests.sha256(raw)
    for key in signers.keys:
        if PACKET not in key.purposes:
            continue
        if key.algorithm == ED25519:  # signs the message itself, not its digest
            holds = key.verify(signature, raw)
        else:
            holds = key.verify_digest(signature, digest)
        if holds:
            return key
    return None
