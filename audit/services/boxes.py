"""The boxes in which private keys rest in the database (docs/adr/0007, docs/adr/0026).

A box begins with the fingerprint of the key-encryption key that closed it, so that a rotation of
that key can be told and finished. Boxes of before (version 1 of `sealing.secretbox` alone) don't:
the keys at hand are tried on them, the newest first.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from audit.models import SigningKey
from sealing import secretbox
from sealing.errors import Forbidden, Unavailable
from sealing.signers.base import Signer
from sealing.signers.local import LocalSigner
from sealing.wrapping.local import fingerprint

_MARKED = b"\x02"
_MARK_BYTES = 16


class KeyMissing(Unavailable):
    """The service has no usable key for this purpose."""

    code = "key_missing"


class WrongPassword(Forbidden):
    """The password is not that of the account, or does not open the key."""

    code = "wrong_password"


@dataclass(frozen=True, slots=True)
class Opened:
    """What was in a box.

    Attributes:
        is_current: whether it is closed by the present key-encryption key, and says so.
    """

    signer: LocalSigner
    is_current: bool


def closed(signer: LocalSigner, password: str | None) -> tuple[bytes, bytes]:
    """A box for a key, and its salt; without a password only the server's secret locks it."""
    salt = secretbox.new_salt()
    key = secretbox.derive(settings.KEY_ENCRYPTION_KEY, password, salt)
    box = secretbox.seal(key, signer.private_pem().encode("ascii"), signer.key_id.encode("ascii"))
    mark = bytes.fromhex(fingerprint(settings.KEY_ENCRYPTION_KEY))
    return _MARKED + mark + box, salt


def closed_by(box: bytes) -> str | None:
    """The fingerprint of the key-encryption key that closed a box; None for boxes of before."""
    return box[1 : 1 + _MARK_BYTES].hex() if box[:1] == _MARKED else None


def opened(key: SigningKey, password: str | None) -> Signer:
    """The signer in a key's box.

    Raises:
        WrongPassword. KeyMissing: there is no box, or no key-encryption key at hand opens it.
    """
    return opened_box(key, password).signer


def opened_box(key: SigningKey, password: str | None) -> Opened:
    """As `opened`, and whether the box should be closed anew."""
    if key.private_box is None or key.salt is None:
        raise KeyMissing("The private part of this key is not kept here.")
    box, salt = bytes(key.private_box), bytes(key.salt)
    mark = closed_by(box)
    for kek in _candidates(mark):
        derived = secretbox.derive(kek, password, salt)
        try:
            content = box if mark is None else box[1 + _MARK_BYTES :]
            pem = secretbox.open_(derived, content, key.key_id.encode("ascii"))
        except secretbox.WrongKey:
            continue
        is_current = mark is not None and kek == settings.KEY_ENCRYPTION_KEY
        return Opened(LocalSigner.from_pem(pem), is_current)
    if password is None or (mark is not None and not _candidates(mark)):
        raise KeyMissing(
            "No key-encryption key opens this key: KEY_ENCRYPTION_KEY was changed, and the former"
            " one is not among KEY_ENCRYPTION_KEYS_FORMER."
        )
    raise WrongPassword(
        "That password does not open your signing key. After a change of password, rotate the key.",
        field="password",
    )


def _candidates(mark: str | None) -> list[bytes]:
    """The key-encryption keys that may have closed a box, the present one first."""
    keys = (settings.KEY_ENCRYPTION_KEY, *settings.KEY_ENCRYPTION_KEYS_FORMER)
    return [kek for kek in keys if mark is None or fingerprint(kek) == mark]
