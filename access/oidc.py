"""Tokens of an outside identity provider, where the settings name one.

OpenID Connect Discovery 1.0 tells where its keys are. Only asymmetric algorithms are accepted,
each key with the one algorithm that it is for, and only for accounts that were given the
provider's subject beforehand: nobody gets an account by showing a token.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import jwt
from django.conf import settings

from access.models import User
from access.tokens import TokenRefused
from sealing import canonical
from sealing.errors import Invalid, Unavailable

ALGORITHMS = ["RS256", "ES256"]
TIMEOUT_SECONDS = 5
MAX_BYTES = 1 << 20
KEYS_LIFESPAN_SECONDS = 300
# How long the provider is left alone after it did not answer.
RETRY_AFTER_SECONDS = 10
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ProviderUnavailable(Unavailable):
    """The identity provider does not tell its keys, so its tokens can't be checked."""

    code = "identity_provider_unavailable"


def is_configured() -> bool:
    """Whether tokens of an identity provider are accepted."""
    return bool(settings.OIDC_ISSUER and settings.OIDC_AUDIENCE)


def is_theirs(token: str) -> bool:
    """Whether the token says that it comes from the configured provider; proves nothing."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return False
    return bool(claims.get("iss") == settings.OIDC_ISSUER)


def account_of(token: str) -> User:
    """The account whose subject the token names.

    Raises:
        TokenRefused: the token is not valid, or nobody here has that subject.
        ProviderUnavailable: its keys can't be had now.
    """
    try:
        key = _keys(settings.OIDC_ISSUER).get_signing_key_from_jwt(token)
        if key.algorithm_name not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError("the key is for another algorithm")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            issuer=settings.OIDC_ISSUER,
            audience=settings.OIDC_AUDIENCE,
            options={"require": ["iss", "aud", "exp", "iat", "sub"]},
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenRefused("The identity provider's token is not valid.") from error
    subject = claims["sub"]
    known = User.objects.filter(oidc_subject=subject, is_active=True, is_service=False)
    user = known.first() if subject and "\x00" not in subject else None
    if user is None:
        raise TokenRefused("Nobody here has this subject at the identity provider.")
    return user


@lru_cache(maxsize=4)
def _keys(issuer: str) -> ProviderKeys:
    return ProviderKeys(issuer)


class ProviderKeys(jwt.PyJWKClient):
    """The provider's public keys: found by discovery, kept for a while, fetched with limits."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        super().__init__(address, timeout=TIMEOUT_SECONDS, lifespan=KEYS_LIFESPAN_SECONDS)
        self._failed_at: float | None = None

    def fetch_data(self) -> Any:
        """The key set. Raises ProviderUnavailable."""
        now = time.monotonic()
        if self._failed_at is not None and now - self._failed_at < RETRY_AFTER_SECONDS:
            raise ProviderUnavailable("The identity provider did not answer a moment ago.")
        try:
            found = fetch(self.uri)
            if not isinstance(found, dict) or found.get("issuer") != self.issuer:
                raise Invalid("The discovery document is not this issuer's.")
            keys = fetch(str(found.get("jwks_uri", "")))
        except (OSError, http.client.HTTPException, Invalid) as error:
            self._failed_at = now
            raise ProviderUnavailable("The identity provider's keys can't be had now.") from error
        self._failed_at = None
        return keys


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follows none: the address was configured, not the one it points to."""


def fetch(address: str) -> Any:
    """The JSON at an address: https (http for loopback only), no redirects, 5 s and 1 MiB.

    Raises:
        Invalid: the address is not allowed, or the answer is not JSON. OSError: no answer.
    """
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise Invalid("Only https addresses are asked.")
    request = urllib.request.Request(address, headers={"Accept": "application/json"})  # noqa: S310
    opener = urllib.request.build_opener(_NoRedirect())
    with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
        raw = response.read(MAX_BYTES + 1)
    return canonical.loads(raw, max_bytes=MAX_BYTES)
