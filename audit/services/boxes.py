"""The boxes in which private keys rest in the database (docs/adr/0007)."""

from __future__ import annotations

from django.conf import settings

from audit.models import SigningKey
from sealing import secretbox
from sealing.errors import Forbidden, Unavailable
from sealing.signers.base import Signer
from sealing.signers.local import LocalSigner


class KeyMissing(Unavailable):
    """The service has no usable key for this purpose."""

    code = "key_missing"


class WrongPassword(Forbidden):
    """The password is not that of the account, or does not open the key."""

    code = "wrong_password"


def closed(signer: LocalSigner, password: str | None) -> tuple[bytes, bytes]:
    """A box for a new key, and its salt; without a password only the server's secret locks it."""
    salt = secretbox.new_salt()
    key = secretbox.derive(settings.KEY_ENCRYPTION_KEY, password, salt)
    box = secretbox.seal(key, signer.private_pem().encode("ascii"), signer.key_id.encode("ascii"))
    return box, salt


def opened(key: SigningKey, password: str | None) -> Signer:
    """The signer in a key's box.

    Raises:
        WrongPassword. KeyMissing: there is no box, or KEY_ENCRYPTION_KEY is another one.
    """
    if key.private_box is None or key.salt is None:
        raise KeyMissing("The private part of this key is not kept here.")
    derived = secretbox.derive(settings.KEY_ENCRYPTION_KEY, password, bytes(key.salt))
    try:
        pem = secretbox.open_(derived, bytes(key.private_box), key.key_id.encode("ascii"))
    except secretbox.WrongKey as error:
        if password is None:
            raise KeyMissing(
                "KEY_ENCRYPTION_KEY does not open the checkpoint key: it was changed."
            ) from error
        raise WrongPassword(
            "That password does not open your signing key. After a change of password, retire"
            " the key and make a new one.",
            field="password",
        ) from error
    return LocalSigner.from_pem(pem)
