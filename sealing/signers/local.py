"""Signers whose private key is in this process's memory."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from sealing import keys
from sealing.keys import KeyRefused

RSA_BITS = 3072
PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class LocalSigner:
    """Signs with Ed25519, RSA PKCS#1 v1.5 with SHA-256, or ECDSA on P-256 with SHA-256."""

    def __init__(self, private_key: PrivateKey) -> None:
        public = private_key.public_key()
        self._private_key = private_key
        self.algorithm: str = keys.algorithm_of(public)
        self.public_key_pem: str = keys.public_pem(public)
        self.key_id: str = keys.key_id(self.public_key_pem)

    def __repr__(self) -> str:
        return f"LocalSigner({self.algorithm}, {self.key_id})"

    @classmethod
    def generate(cls, algorithm: str) -> LocalSigner:
        """Makes a new key. Raises KeyRefused for an unknown algorithm."""
        if algorithm == keys.ED25519:
            return cls(ed25519.Ed25519PrivateKey.generate())
        if algorithm == keys.RSA_SHA256:
            return cls(rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS))
        if algorithm == keys.ECDSA_P256:
            return cls(ec.generate_private_key(ec.SECP256R1()))
        raise KeyRefused(f"Unknown algorithm; known are {', '.join(keys.ALGORITHMS)}.")

    @classmethod
    def from_pem(cls, pem: str | bytes, password: bytes | None = None) -> LocalSigner:
        """Reads a private key. The error never repeats what was read."""
        raw = pem.encode("utf-8") if isinstance(pem, str) else pem
        try:
            key = serialization.load_pem_private_key(raw, password)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyRefused("Not a private key in PEM, or another password opens it.") from None
        if not isinstance(key, PrivateKey):
            raise KeyRefused("Keys are Ed25519, RSA or ECDSA on P-256.")
        return cls(key)

    def private_pem(self) -> str:
        """The private key as unencrypted PKCS#8 in PEM."""
        return self._private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode("ascii")

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``."""
        key = self._private_key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(message)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return key.sign(message, ec.ECDSA(hashes.SHA256()))

    def sign_digest(self, digest: bytes) -> bytes:
        """See `Signer.sign_digest`."""
        key, hashed = self._private_key, utils.Prehashed(hashes.SHA256())
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(digest, padding.PKCS1v15(), hashed)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(digest, ec.ECDSA(hashed))
        raise KeyRefused("Ed25519 signs whole messages, not digests.")
