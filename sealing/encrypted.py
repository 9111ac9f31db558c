"""The encrypted copy of a package, ``<bundle_id>.zip.enc`` (docs/formats.md, "Vault").

The magic ``SRENC1\\n``, then frames. A frame is AES-256-GCM ciphertext and its tag of 16 bytes:

- every frame but the last holds exactly 1 MiB of plaintext; the last one holds what is left, less
  than 1 MiB, and is always there: after an exact multiple of 1 MiB it is empty. So a frame is the
  last one if and only if it is shorter, and one plaintext has one size encrypted;
- the nonce is the frame's number from 0, as 96 bits big-endian. A key therefore encrypts one
  plaintext and never another;
- the associated data is canonical JSON, ``{"client":…,"bundle_id":…,"frame":n,"last":bool}``.

Nothing of a frame is given out before its tag was checked. A frame that was given out proves only
itself: what was read counts when the reader came to the end without an error, since only the last
frame shows that nothing was cut off. Write what comes out under a temporary name, and give it its
own when the iterator is exhausted (`files.write_new` does so).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealing import canonical
from sealing.errors import IntegrityFailure, Invalid

MAGIC: Final = b"SRENC1\n"
FRAME_BYTES: Final = 1 << 20
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32


class EncryptedRefused(IntegrityFailure):
    """The file is not what was written with this key for this package."""

    code = "encrypted_refused"


class Truncated(EncryptedRefused):
    """The file ends where more must follow: nothing that was read of it counts."""

    code = "encrypted_truncated"


class EncryptionRefused(Invalid):
    """The key or the package's name can't be used for encryption."""

    code = "encryption_invalid"


class Readable(Protocol):
    """A file or a pipe, read in binary, that waits for its bytes."""

    def read(self, size: int, /) -> bytes | None:
        """Up to ``size`` bytes, also fewer; none only at the end."""


def encrypted_size(size_bytes: int) -> int:
    """The size of the encrypted copy of ``size_bytes``."""
    return len(MAGIC) + size_bytes + TAG_BYTES * (size_bytes // FRAME_BYTES + 1)


def encrypt(stream: Readable, key: bytes, *, client: str, bundle_id: str) -> Iterator[bytes]:
    """The encrypted copy, block by block, in memory of a few frames.

    Args:
        stream: the package, to its end.
        key: 32 bytes that encrypt this package and nothing else.
        client: the package's folder: its client, or ``platform``.
        bundle_id: the package's id.

    Raises:
        EncryptionRefused: at once, not when the first block is taken.
    """
    return _encrypted(stream, _Frames(key, client, bundle_id))


def decrypt(stream: Readable, key: bytes, *, client: str, bundle_id: str) -> Iterator[bytes]:
    """The plaintext, frame by frame, each after its tag was checked.

    Nothing counts until the iterator is exhausted: see the module's description.

    Raises:
        EncryptionRefused: at once. While iterating: Truncated, EncryptedRefused.
    """
    return _decrypted(stream, _Frames(key, client, bundle_id))


class _Frames:
    """Closes and opens single frames."""

    def __init__(self, key: bytes, client: str, bundle_id: str) -> None:
        if len(key) != KEY_BYTES:
            raise EncryptionRefused("A data key has 32 bytes.")
        if not client or not bundle_id:
            raise EncryptionRefused("A package has a client (or platform) and a bundle id.")
        self._cipher, self._client, self._bundle_id = AESGCM(key), client, bundle_id

    def close(self, number: int, plaintext: bytes) -> bytes:
        """Ciphertext and tag."""
        bound = self._bound(number, is_last=len(plaintext) < FRAME_BYTES)
        return self._cipher.encrypt(_nonce(number), plaintext, bound)

    def open(self, number: int, frame: bytes) -> bytes:
        """The plaintext. Raises EncryptedRefused."""
        bound = self._bound(number, is_last=len(frame) < FRAME_BYTES + TAG_BYTES)
        try:
            return self._cipher.decrypt(_nonce(number), frame, bound)
        except InvalidTag:
            raise EncryptedRefused(
                f"Frame {number} is not the one that was written: changed, moved, cut short or"
                " prolonged, or of another key or package.",
                field=f"frame {number}",
            ) from None

    def _bound(self, number: int, *, is_last: bool) -> bytes:
        return canonical.dumps(
            {
                "client": self._client,
                "bundle_id": self._bundle_id,
                "frame": number,
                "last": is_last,
            }
        )


def _encrypted(stream: Readable, frames: _Frames) -> Iterator[bytes]:
    yield MAGIC
    number = 0
    while True:
        plaintext = _read(stream, FRAME_BYTES)
        yield frames.close(number, plaintext)
        if len(plaintext) < FRAME_BYTES:
            return
        number += 1


def _decrypted(stream: Readable, frames: _Frames) -> Iterator[bytes]:
    magic = _read(stream, len(MAGIC))
    if magic != MAGIC:
        if MAGIC.startswith(magic):
            raise Truncated("The file ends within its first bytes.")
        raise EncryptedRefused("The file does not begin as an encrypted copy does.")
    number = 0
    while True:
        frame = _read(stream, FRAME_BYTES + TAG_BYTES)
        if len(frame) < TAG_BYTES:
            raise Truncated(
                f"The file ends where frame {number} must follow.", field=f"frame {number}"
            )
        plaintext = frames.open(number, frame)
        if plaintext:
            yield plaintext
        if len(plaintext) < FRAME_BYTES:
            return
        number += 1


def _read(stream: Readable, size: int) -> bytes:
    """Exactly ``size`` bytes, less only at the end."""
    parts: list[bytes] = []
    missing = size
    while missing:
        block = stream.read(missing)
        if block is None:
            raise EncryptionRefused("The stream does not wait, so its end can't be told.")
        if not block:
            break
        parts.append(block)
        missing -= len(block)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
