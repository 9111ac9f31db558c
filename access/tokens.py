"""Tokens: short-lived JWTs over a session row that can be ended at any time.

A token names an account and a session and nothing else; what the account may do is read from the
database on each request. RFC 7519, RFC 8725 (best practices) and RFC 9700 §4.14 (rotation of
refresh tokens, with detection of their reuse).
"""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from access import signals
from access.models import TokenSession, User
from sealing.errors import Forbidden
from sealing.keys import ECDSA_P256, ED25519, RSA_SHA256
from sealing.signers.local import LocalSigner

ACCESS_LIFETIME = timedelta(minutes=10)
REFRESH_LIFETIME = timedelta(hours=12)
AUDIENCE = "strongroom-api"
ACCESS, REFRESH = "access", "refresh"
_ALGORITHMS = {ED25519: "EdDSA", RSA_SHA256: "RS256", ECDSA_P256: "ES256"}
_REQUIRED = ["iss", "aud", "exp", "iat", "sub", "jti", "sid", "use"]


class TokenRefused(Forbidden):
    """The token is not valid, or not any more."""

    code = "token_invalid"


class TokenReused(TokenRefused):
    """A refresh token was used a second time: two parties hold it, so its session is ended."""

    code = "token_reused"


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token and the token that renews it."""

    access: str
    refresh: str


def issue(user: User, *, request: HttpRequest | None = None) -> Pair:
    """Opens a session for an account that has proved who it is.

    The signal ``token_issued`` is sent in the same transaction.
    """
    if user.is_service or not user.is_active:
        raise TokenRefused("This account has no tokens.")
    with transaction.atomic():
        session = TokenSession.objects.create(
            user=user,
            refresh_jti=uuid.uuid4(),
            credential_mac=user.get_session_auth_hash(),
            expires_at=timezone.now() + REFRESH_LIFETIME,
        )
        signals.token_issued.send(TokenSession, request=request, user=user)
    return _pair(session)


def account_of(token: str) -> User:
    """The account that an access token stands for. Raises TokenRefused."""
    return _session(_claims(token, ACCESS)).user


def refresh(token: str, *, request: HttpRequest | None = None) -> Pair:
    """Renews a session; the refresh token is used up.

    Raises:
        TokenRefused: it is not valid. TokenReused: it was used before; the session is ended.
    """
    claims = _claims(token, REFRESH)
    with transaction.atomic():
        session = _session(claims, lock=True)
        is_reused = str(session.refresh_jti) != claims["jti"]
        if is_reused:
            _end(session, request)
        else:
            session.refresh_jti = uuid.uuid4()
            session.save(update_fields=["refresh_jti"])
    if is_reused:
        raise TokenReused("This token was used before; its session is ended. Sign in again.")
    return _pair(session)


def revoke(token: str, *, request: HttpRequest | None = None) -> None:
    """Ends the session of a refresh or access token; ended before, it stays so.

    The signal ``token_revoked`` is sent in the same transaction. Raises TokenRefused.
    """
    claims = _claims(token, REFRESH, ACCESS)
    with transaction.atomic():
        session = _find(claims, lock=True)
        if session is None:
            raise TokenRefused("The token is not valid, or not any more.")
        if session.revoked_at is None:
            _end(session, request)


def _end(session: TokenSession, request: HttpRequest | None) -> None:
    session.revoked_at = timezone.now()
    session.save(update_fields=["revoked_at"])
    signals.token_revoked.send(TokenSession, request=request, user=session.user)


def _pair(session: TokenSession) -> Pair:
    return Pair(
        _encode(session, ACCESS, uuid.uuid4(), timezone.now() + ACCESS_LIFETIME),
        _encode(session, REFRESH, session.refresh_jti, session.expires_at),
    )


def _encode(session: TokenSession, use: str, jti: uuid.UUID, expires_at: Any) -> str:
    claims = {
        "iss": settings.JWT_ISSUER,
        "aud": AUDIENCE,
        "sub": str(session.user_id),
        "sid": str(session.pk),
        "jti": str(jti),
        "use": use,
        "iat": timezone.now(),
        "exp": min(expires_at, session.expires_at),
    }
    key = _key(settings.JWT_SIGNING_KEY)
    return jwt.encode(claims, key.private, algorithm=key.algorithm)


def _claims(token: str, *uses: str) -> dict[str, Any]:
    key = _key(settings.JWT_SIGNING_KEY)
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public,
            # The algorithm follows from our key, never from the token.
            algorithms=[key.algorithm],
            issuer=settings.JWT_ISSUER,
            audience=AUDIENCE,
            options={"require": _REQUIRED, "strict_aud": True},
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise TokenRefused("The token is not valid, or not any more.") from error
    if claims["use"] not in uses:
        raise TokenRefused("The token is not valid for this.")
    return claims


def _find(claims: dict[str, Any], *, lock: bool = False) -> TokenSession | None:
    sessions = TokenSession.objects.select_related("user")
    if lock:
        sessions = sessions.select_for_update(of=("self",))
    try:
        session = sessions.filter(pk=uuid.UUID(claims["sid"])).first()
    except (ValueError, AttributeError, TypeError):
        return None
    return session if session and str(session.user_id) == claims["sub"] else None


def _session(claims: dict[str, Any], *, lock: bool = False) -> TokenSession:
    session = _find(claims, lock=lock)
    if (
        session is None
        or session.revoked_at is not None
        or session.expires_at <= timezone.now()
        or not session.user.is_active
        or session.user.is_service
        or not _same_credential(session)
    ):
        raise TokenRefused("The session is over: sign in again.")
    return session


def _same_credential(session: TokenSession) -> bool:
    current = session.user.get_session_auth_hash()
    return hmac.compare_digest(session.credential_mac.encode(), current.encode())


@dataclass(frozen=True, slots=True, repr=False)
class _Key:
    algorithm: str
    private: Any
    public: Any


@lru_cache(maxsize=4)
def _key(pem: str) -> _Key:
    signer = LocalSigner.from_pem(pem)
    private = load_pem_private_key(pem.encode(), password=None)
    return _Key(_ALGORITHMS[signer.algorithm], private, private.public_key())
