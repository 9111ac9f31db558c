"""How django-allauth behaves here: nobody signs up, and no secret lies in the database in clear."""

from __future__ import annotations

import contextlib
from functools import lru_cache

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest

from sealing import secretbox
from sealing.digests import b64, unb64

_PURPOSE = b"strongroom/second-factor/v1"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Closes sign-up and keeps service accounts out of the login form."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: accounts are made by `people.create_person_account`, which records it."""
        return False

    def pre_login(self, request: HttpRequest, user, **kwargs):  # type: ignore[no-untyped-def]
        """Refuses service accounts, which only ever use API keys."""
        if user.is_service:
            return self.respond_user_inactive(request, user)
        return super().pre_login(request, user, **kwargs)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Keeps the secrets of second factors under the key-encryption key."""

    def encrypt(self, text: str) -> str:
        """A box around a secret."""
        return b64(secretbox.seal(_mfa_key(settings.KEY_ENCRYPTION_KEY), text.encode(), _PURPOSE))

    def decrypt(self, encrypted_text: str) -> str:
        """The secret in a box. Raises WrongKey where no key-encryption key at hand closed it."""
        return opened(encrypted_text)[0]


def opened(encrypted_text: str) -> tuple[str, bool]:
    """The secret in a box, and whether the present key-encryption key closed it.

    Raises:
        WrongKey: neither it nor a former one did.
    """
    box = unb64(encrypted_text)
    keys = (settings.KEY_ENCRYPTION_KEY, *settings.KEY_ENCRYPTION_KEYS_FORMER)
    for kek in keys:
        with contextlib.suppress(secretbox.WrongKey):
            secret = secretbox.open_(_mfa_key(kek), box, _PURPOSE)
            return secret.decode(), kek == settings.KEY_ENCRYPTION_KEY
    raise secretbox.WrongKey("No key-encryption key at hand opens this secret.")


@lru_cache(maxsize=4)
def _mfa_key(kek: bytes) -> bytes:
    return secretbox.derive(kek, None, _PURPOSE)
