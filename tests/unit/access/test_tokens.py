"""Tokens: what is accepted, and what one change makes of it."""

from __future__ import annotations

import hashlib
import hmac
import threading
import uuid
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.db import connection
from django.utils import timezone

from access import tokens
from access.models import TokenSession, User
from access.tokens import Pair, TokenRefused, TokenReused
from sealing.signers.local import LocalSigner
from tests.factories import World
from tests.unit.access.tokens_by_hand import claims_of, now, resigned, unsigned

ALGORITHMS = {"ed25519": "EdDSA", "rsa-sha256": "RS256", "ecdsa-p256-sha256": "ES256"}


@pytest.fixture(params=list(ALGORITHMS))
def signing_key(request: Any, settings: Any) -> str:
    """The installation's key, of each kind."""
    settings.JWT_SIGNING_KEY = LocalSigner.generate(request.param).private_pem()
    return str(request.param)


@pytest.fixture
def pair(world: World) -> Pair:
    return tokens.issue(world.user("audrey"))


def test_algorithm_follows_from_the_key(world: World, signing_key: str) -> None:
    pair = tokens.issue(world.user("audrey"))
    assert jwt.get_unverified_header(pair.access)["alg"] == ALGORITHMS[signing_key]
    assert tokens.account_of(pair.access) == world.user("audrey")
    assert tokens.account_of(tokens.refresh(pair.refresh).access) == world.user("audrey")


def test_token_says_who_and_nothing_of_roles(world: World, pair: Pair) -> None:
    claims = claims_of(pair.access)
    assert set(claims) == {"iss", "aud", "sub", "sid", "jti", "use", "iat", "exp"}
    assert claims["sub"] == str(world.user("audrey").pk)
    assert claims["exp"] - claims["iat"] == 600
    refresh = claims_of(pair.refresh)
    assert 12 * 3600 - 2 <= refresh["exp"] - refresh["iat"] <= 12 * 3600


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "jti", "use", "iat", "exp"])
def test_every_claim_is_required(pair: Pair, claim: str) -> None:
    with pytest.raises(TokenRefused):
        tokens.account_of(resigned(pair.access, drop=claim))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"iss": ["strongroom"]},
        {"aud": "another-api"},
        {"aud": [tokens.AUDIENCE]},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": None},
        {"exp": []},
        {"exp": 1e400},
        {"iat": 99_999_999_999},
        {"iat": {}},
        {"nbf": 99_999_999_999},
        {"aud": {}},
        {"sub": "0"},
        {"sub": []},
        {"sub": 1},
        {"sid": "no-uuid"},
        {"sid": 7},
        {"sid": None},
        {"sid": str(uuid.UUID(int=0))},
        {"jti": 7},
        {"use": "refresh"},
        {"use": ["access"]},
        {"use": None},
    ],
)
def test_changed_claim(pair: Pair, changes: dict[str, Any]) -> None:
    tokens.account_of(resigned(pair.access))
    with pytest.raises(TokenRefused):
        tokens.account_of(resigned(pair.access, **changes))


def test_expired(pair: Pair) -> None:
    tokens.account_of(resigned(pair.access, exp=now() + 5))
    with pytest.raises(TokenRefused):
        tokens.account_of(resigned(pair.access, exp=now() - 1))


def test_every_character_of_the_token_counts(pair: Pair) -> None:
    head, body, signature = pair.access.split(".")
    for part, text in enumerate((head, body, signature)):
        for place in range(0, len(text) - 1, 7):
            other = "A" if text[place] != "A" else "B"
            parts = [head, body, signature]
            parts[part] = text[:place] + other + text[place + 1 :]
            with pytest.raises(TokenRefused):
                tokens.account_of(".".join(parts))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "é.é.é",
        "{}",
        "null",
        "e30.e30.",
        "\x00",
        "=" * 400,
        "[" * 4000,
    ],
)
def test_rubbish(world: World, token: str) -> None:
    with pytest.raises(TokenRefused):
        tokens.account_of(token)
    with pytest.raises(TokenRefused):
        tokens.refresh(token)
    with pytest.raises(TokenRefused):
        tokens.revoke(token)


def test_signed_by_another_key(pair: Pair) -> None:
    other = tokens._key(LocalSigner.generate("ed25519").private_pem())
    forged = jwt.encode(claims_of(pair.access), other.private, algorithm="EdDSA")
    with pytest.raises(TokenRefused):
        tokens.account_of(forged)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, ["EdDSA"]])
def test_unsigned(pair: Pair, alg: Any) -> None:
    with pytest.raises(TokenRefused):
        tokens.account_of(unsigned(claims_of(pair.access), {"alg": alg, "typ": "JWT"}))


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER])
def test_public_key_as_hmac_secret(world: World, signing_key: str, form: Encoding) -> None:
    pair = tokens.issue(world.user("audrey"))
    public = tokens._key(settings.JWT_SIGNING_KEY).public
    secret = public.public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
    for alg, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        bare = unsigned(claims_of(pair.access), {"alg": alg, "typ": "JWT"})
        message = bare.rpartition(".")[0]
        signature = hmac.new(secret, message.encode(), digest).digest()
        forged = unsigned(claims_of(pair.access), {"alg": alg, "typ": "JWT"}, signature)
        with pytest.raises(TokenRefused):
            tokens.account_of(forged)


def test_key_in_the_header_is_not_used(pair: Pair) -> None:
    other = tokens._key(LocalSigner.generate("ed25519").private_pem())
    jwk = jwt.algorithms.OKPAlgorithm.to_jwk(other.public, as_dict=True)
    forged = jwt.encode(
        claims_of(pair.access), other.private, algorithm="EdDSA", headers={"jwk": jwk, "kid": "x"}
    )
    with pytest.raises(TokenRefused):
        tokens.account_of(forged)


def test_refresh_token_is_no_access_token(pair: Pair) -> None:
    with pytest.raises(TokenRefused):
        tokens.account_of(pair.refresh)
    with pytest.raises(TokenRefused):
        tokens.refresh(pair.access)


def test_rotation(world: World, pair: Pair) -> None:
    second = tokens.refresh(pair.refresh)
    third = tokens.refresh(second.refresh)
    assert len({pair.refresh, second.refresh, third.refresh}) == 3
    assert tokens.account_of(third.access) == world.user("audrey")
    # The session does not get longer by being renewed.
    assert claims_of(third.refresh)["exp"] == claims_of(pair.refresh)["exp"]
    assert TokenSession.objects.count() == 1


def test_reuse_ends_the_session(pair: Pair) -> None:
    second = tokens.refresh(pair.refresh)
    with pytest.raises(TokenReused):
        tokens.refresh(pair.refresh)
    for use in (tokens.account_of, tokens.refresh):
        with pytest.raises(TokenRefused):
            use(second.access if use is tokens.account_of else second.refresh)


@pytest.mark.parametrize("which", ["access", "refresh"])
def test_revoked(world: World, pair: Pair, which: str) -> None:
    other = tokens.issue(world.user("audrey"))
    tokens.revoke(getattr(pair, which))
    tokens.revoke(getattr(pair, which))
    with pytest.raises(TokenRefused):
        tokens.account_of(pair.access)
    with pytest.raises(TokenRefused):
        tokens.refresh(pair.refresh)
    assert tokens.account_of(other.access) == world.user("audrey")


def _forget(user: User) -> None:
    TokenSession.objects.filter(user=user).delete()


def _close(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _change_password(user: User) -> None:
    user.set_password("another horse and battery 8")
    user.save()


@pytest.mark.parametrize("happening", [_forget, _close, _change_password])
def test_session_ends_with(world: World, pair: Pair, happening: Any) -> None:
    happening(world.user("audrey"))
    with pytest.raises(TokenRefused):
        tokens.account_of(pair.access)
    with pytest.raises(TokenRefused):
        tokens.refresh(pair.refresh)


def test_session_over_by_time(world: World, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    later = timezone.now() + timedelta(hours=12, seconds=1)
    # The row decides too, should a token say otherwise.
    lasting = resigned(pair.access, exp=now() + 10**6)
    tokens.account_of(lasting)
    monkeypatch.setattr(tokens.timezone, "now", lambda: later)
    with pytest.raises(TokenRefused):
        tokens.account_of(lasting)


def test_token_of_another_account_with_a_session_of_ours(world: World, pair: Pair) -> None:
    alice = tokens.issue(world.user("alice"))
    mixed = resigned(alice.access, sid=claims_of(pair.access)["sid"])
    with pytest.raises(TokenRefused):
        tokens.account_of(mixed)


@pytest.mark.parametrize("username", ["svc-clinic-001", "audrey"])
def test_none_for_service_and_closed_accounts(world: World, username: str) -> None:
    User.objects.filter(username="audrey").update(is_active=False)
    with pytest.raises(TokenRefused):
        tokens.issue(world.user(username))
    assert not TokenSession.objects.exists()


def test_key_does_not_show_in_its_repr() -> None:
    key = tokens._key(settings.JWT_SIGNING_KEY)
    assert "PRIVATE" not in repr(key)
    assert "_Key" in repr(key)


def test_renewed_twice_at_once(committed_world: World) -> None:
    """Real transactions: one of them gets tokens, and the session is ended all the same."""
    pair = tokens.issue(committed_world.user("audrey"))
    started, outcomes, renewed = threading.Barrier(4), [], []

    def renew() -> None:
        started.wait(5)
        try:
            renewed.append(tokens.refresh(pair.refresh))
            outcomes.append("renewed")
        except TokenRefused as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=renew) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["renewed", "token_invalid", "token_invalid", "token_reused"]
    with pytest.raises(TokenRefused):
        tokens.account_of(renewed[0].access)
