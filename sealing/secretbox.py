"""Boxes for private keys that rest on the server: AES-256-GCM under derived keys."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from sealing.errors import Forbidden, Invalid

VERSION = b"\x01"
KEY_BYTES, NONCE_BYTES, SALT_BYTES = 32, 12, 16
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1


class WrongKey(Forbidden):
    """The box can't be opened with this key: another password, another key, or a changed box."""

    code = "wrong_key"


class BoxRefused(Invalid):
    """A key, salt or box does not have the expected length or version."""

    code = "box_invalid"


def new_salt() -> bytes:
    """A random salt for `derive`."""
    return os.urandom(SALT_BYTES)


def derive(kek: bytes, password: str | None, salt: bytes) -> bytes:
    """The key of a box, from the key-encryption key and, for a person's box, the password.

    Both are needed: HKDF-SHA256 (RFC 5869) over the key-encryption key and the scrypt (RFC 7914,
    N=2^15, r=8, p=1) of the password. Neither the server alone nor a stolen database with a weak
    password opens a box.
    """
    if len(kek) != KEY_BYTES or len(salt) < SALT_BYTES:
        raise BoxRefused("The key-encryption key has 32 bytes and a salt 16 or more.")
    material = kek
    if password is not None:
        kdf = Scrypt(salt=salt, length=KEY_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
        material += kdf.derive(password.encode("utf-8"))
    info = b"strongroom/box/v1/" + (b"service" if password is None else b"person")
    return HKDF(hashes.SHA256(), KEY_BYTES, salt, info).derive(material)


def seal(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Version, random nonce and ciphertext; ``aad`` binds the box to what it belongs to."""
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + AESGCM(_checked(key)).encrypt(nonce, plaintext, VERSION + aad)


def open_(key: bytes, box: bytes, aad: bytes) -> bytes:
    """What `seal` was given. Raises WrongKey if key, box or ``aad`` differ in any bit."""
    if box[:1] != VERSION or len(box) < 1 + NONCE_BYTES + 16:
        raise BoxRefused("Not a box of a known version.")
    nonce, ciphertext = box[1 : 1 + NONCE_BYTES], box[1 + NONCE_BYTES :]
    try:
        return AESGCM(_checked(key)).decrypt(nonce, ciphertext, VERSION + aad)
    except InvalidTag:
        raise WrongKey("The key can't be opened with this password.") from None


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise BoxRefused("A box's key has 32 bytes.")
    return key
