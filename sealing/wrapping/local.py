"""Wrapping under the installation's own key-encryption key."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealing import secretbox
from sealing.wrapping.base import (
    DATA_KEY_BYTES,
    DataKey,
    Mode,
    UnwrapFailed,
    Wrapped,
    WrapperRefused,
    WrappingKeyMissing,
    check_plaintext,
    context_bytes,
)

ALGORITHM: Final = "AES-256-GCM"
PROVIDER: Final = "strongroom"
KEY_ID: Final = "key-encryption-key"
_WRAPPING: Final = b"strongroom/wrapping/v1/key"
_FINGERPRINT: Final = b"strongroom/wrapping/v1/fingerprint"


class LocalWrapper:
    """AES-256-GCM under a key derived from the key-encryption key; see `sealing.secretbox`.

    The key's version is its fingerprint, so that an envelope names the key that opens it.

    Args:
        kek: the key-encryption key, 32 bytes.
        former: key-encryption keys of before. They unwrap what they wrapped, and wrap nothing.
    """

    mode: Final = Mode.LOCAL

    def __init__(self, kek: bytes, *, former: Sequence[bytes] = ()) -> None:
        self._keys = (kek, *former)
        if any(len(key) != secretbox.KEY_BYTES for key in self._keys):
            raise WrapperRefused("A key-encryption key has 32 bytes.")
        self._by_version = {fingerprint(key): _derived(key, _WRAPPING) for key in self._keys}
        self._version = fingerprint(kek)

    def wrap(self, plaintext: bytes, context: Mapping[str, str]) -> Wrapped:
        """See `Wrapper.wrap`."""
        key = self._by_version[self._version]
        box = secretbox.seal(key, check_plaintext(plaintext), context_bytes(context))
        return Wrapped(box, ALGORITHM, PROVIDER, KEY_ID, self._version)

    def unwrap(self, wrapped: Wrapped, context: Mapping[str, str]) -> bytes:
        """See `Wrapper.unwrap`."""
        if (wrapped.algorithm, wrapped.provider) != (ALGORITHM, PROVIDER):
            raise UnwrapFailed("This was not wrapped under a key-encryption key.")
        key = self._by_version.get(wrapped.key_version)
        if key is None:
            raise WrappingKeyMissing(
                f"It was wrapped under the key-encryption key {wrapped.key_version[:64]}, which is"
                " neither the present one nor among the former ones."
            )
        try:
            return secretbox.open_(key, wrapped.ciphertext, context_bytes(context))
        except (secretbox.WrongKey, secretbox.BoxRefused):
            raise UnwrapFailed("It does not open: the ciphertext or its context differs.") from None

    def new_data_key(self, context: Mapping[str, str]) -> DataKey:
        """See `Wrapper.new_data_key`."""
        key = os.urandom(DATA_KEY_BYTES)
        return DataKey(key, self.wrap(key, context))

    def fresh(self) -> LocalWrapper:
        """See `Wrapper.fresh`."""
        return LocalWrapper(self._keys[0], former=self._keys[1:])


def fingerprint(kek: bytes) -> str:
    """The version of a key-encryption key: 32 hex digits that tell nothing of the key."""
    return _derived(kek, _FINGERPRINT)[:16].hex()


def _derived(kek: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869) with a label for each use."""
    return HKDF(hashes.SHA256(), secretbox.KEY_BYTES, None, info).derive(kek)
