"""How django-allauth behaves here: nobody signs up, and no secret lies in the database in clear."""

from __future__ import annotations

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
        """The secret in a box. Raises WrongKey after the key-encryption key was changed."""
        key = _mfa_key(settings.KEY_ENCRYPTION_KEY)
        return secretbox.open_(key, unb64(encrypted_text), _PURPOSE).decode()


@lru_cache(maxsize=4)
def _mfa_key(kek: bytes) -> bytes:
    return secretbox.derive(kek, None, _PURPOSE)
