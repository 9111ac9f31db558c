"""The HMAC kept for compatibility (docs/formats.md §4). It satisfies no signature policy."""

from __future__ import annotations

import hashlib
import hmac

from sealing.errors import Invalid

SEPARATOR = "|"


class MacFieldRefused(Invalid):
    """A field holds the separator, so that two different inputs could give one text."""

    code = "mac_field_invalid"


def mac(secret: bytes, digest: str, signer: str, signing_key_id: str, signed_at: str) -> str:
    """Hexadecimal HMAC-SHA256 over `digest|signer|signing_key_id|signed_at`."""
    fields = (digest, signer, signing_key_id, signed_at)
    if any(SEPARATOR in field for field in fields):
        raise MacFieldRefused("A field may not contain the character |.")
    return hmac.new(secret, SEPARATOR.join(fields).encode("utf-8"), hashlib.sha256).hexdigest()


def mac_matches(
    expected: str, secret: bytes, digest: str, signer: str, signing_key_id: str, signed_at: str
) -> bool:
    """Whether ``expected`` is the MAC of these fields; compares in constant time."""
    try:
        computed = mac(secret, digest, signer, signing_key_id, signed_at)
    except MacFieldRefused:
        return False
    return hmac.compare_digest(computed.encode(), expected.encode("utf-8", "replace"))
