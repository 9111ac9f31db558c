"""Who calls: by a bearer token, an API key, or a session with its CSRF token."""

from __future__ import annotations

from enum import StrEnum

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from access import apikeys, oidc, tokens
from access.models import User

KEYWORD = b"bearer"
CHALLENGE = 'Bearer realm="strongroom"'
MAX_TOKEN_BYTES = 8192


class Means(StrEnum):
    """How an account was recognised; ``request.auth``."""

    TOKEN = "token"  # noqa: S105 - the word
    API_KEY = "api_key"
    PROVIDER = "identity_provider"


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer` with an access token, an API key, or the provider's token."""

    def authenticate(self, request: Request) -> tuple[User, Means] | None:
        """The account, and how it was recognised; None for other kinds of authorization.

        Raises:
            AuthenticationFailed: the token is not valid, with one message for all reasons that
            an attacker could learn from.
        """
        header = authentication.get_authorization_header(request).split()
        if not header or header[0].lower() != KEYWORD:
            return None
        if len(header) != 2 or len(header[1]) > MAX_TOKEN_BYTES or not header[1].isascii():
            raise exceptions.AuthenticationFailed(
                "Expected `Authorization: Bearer <token>`.", code="token_invalid"
            )
        try:
            return _account(header[1].decode("ascii"))
        except tokens.TokenRefused as error:
            raise exceptions.AuthenticationFailed(error.message, code=error.code) from error

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return CHALLENGE


class SessionAuthentication(authentication.SessionAuthentication):
    """The admin's session, with CSRF; without one the answer is 401, not 403."""

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return CHALLENGE


def _account(token: str) -> tuple[User, Means]:
    if token.startswith(apikeys.MARK):
        user = apikeys.account_of(token)
        if user is None:
            raise tokens.TokenRefused("The API key is not valid, or not any more.")
        return user, Means.API_KEY
    if oidc.is_configured() and oidc.is_theirs(token):
        return oidc.account_of(token), Means.PROVIDER
    return tokens.account_of(token), Means.TOKEN
