"""SHA-256 digests and base64 as formats write them: one spelling for one value."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from pathlib import Path

from sealing.errors import Invalid

PREFIX = "sha256:"
_TAGGED = re.compile(r"sha256:[0-9a-f]{64}\Z", re.ASCII)
_BLOCK = 1 << 20


class DigestRefused(Invalid):
    """The text is not a digest or base64 in the one accepted spelling."""

    code = "encoding_invalid"


def sha256(data: bytes) -> bytes:
    """The 32 bytes of the SHA-256 of ``data``."""
    return hashlib.sha256(data).digest()


def tag(digest: bytes) -> str:
    """`sha256:` and 64 lower-case hexadecimal digits."""
    if len(digest) != 32:
        raise DigestRefused("A SHA-256 digest has 32 bytes.")
    return PREFIX + digest.hex()


def untag(text: str) -> bytes:
    """The 32 bytes of a tagged digest. Raises DigestRefused for any other spelling."""
    if not isinstance(text, str) or not _TAGGED.match(text):
        raise DigestRefused("Expected sha256: and 64 lower-case hexadecimal digits.")
    return bytes.fromhex(text[len(PREFIX) :])


def sha256_tag(data: bytes) -> str:
    """The tagged digest of ``data``."""
    return tag(sha256(data))


def sha256_file(path: Path) -> tuple[str, int]:
    """The tagged digest of a file and its size in bytes."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return tag(digest.digest()), size


def b64(data: bytes) -> str:
    """Base64 of the standard alphabet, with padding (RFC 4648 §4)."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str) -> bytes:
    """Decodes base64, accepting only what `b64` writes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise DigestRefused("Not base64 of the standard alphabet with padding.") from error
    if b64(data) != text:
        raise DigestRefused("Base64 that another text would also decode to.")
    return data
