"""What signs: the same interface whether the key is in memory, in a KMS or in a token."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """Holds one private key and signs with its one algorithm."""

    @property
    def key_id(self) -> str:
        """`sha256:` and the SHA-256 of the public key."""

    @property
    def algorithm(self) -> str:
        """One of `sealing.keys.ALGORITHMS`."""

    @property
    def public_key_pem(self) -> str:
        """The public key, as SubjectPublicKeyInfo in PEM."""

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``, which is hashed as the algorithm says."""

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature over a message of which only the SHA-256 is at hand.

        Raises:
            KeyRefused: the algorithm has none (Ed25519).
        """
