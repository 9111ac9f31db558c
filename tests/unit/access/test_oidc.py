"""Tokens of an outside identity provider, which answers on a loopback port here."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rest_framework.test import APIClient

from access import oidc, tokens
from access.checks import check_identity_provider
from access.models import User
from access.oidc import ProviderUnavailable
from access.tokens import TokenRefused
from sealing.errors import Invalid
from tests.factories import World
from tests.unit.access.tokens_by_hand import unsigned

AUDIENCE = "strongroom-at-example"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    kinds = {
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
        ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm,
    }
    kind = next(found for base, found in kinds.items() if isinstance(key, base))
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


class Provider:
    """An identity provider whose documents a test can change."""

    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status, body, headers = outer.answers.get(self.path, (404, b"", {}))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.asked: list[str] = []
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.serve("/.well-known/openid-configuration", self.discovery())
        self.serve("/keys", {"keys": [jwk(RSA_KEY, "rsa"), jwk(EC_KEY, "ec"), jwk(ED_KEY, "ed")]})

    def discovery(self, **changes: Any) -> dict[str, Any]:
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **changes}

    def serve(self, path: str, document: Any) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers[path] = (200, body, {})

    def token(
        self, key: Any = RSA_KEY, algorithm: str = "RS256", kid: str = "rsa", **changes: Any
    ) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": "abc", "iat": now, "exp": now + 60}
        claims.update(changes)
        body = json.dumps({k: v for k, v in claims.items() if v is not None}).encode()
        return jwt.PyJWS().encode(body, key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture
def provider(world: World, settings: Any) -> Iterator[Provider]:
    oidc._keys.cache_clear()
    provider = Provider()
    thread = Thread(target=provider.server.serve_forever, args=(0.01,))
    thread.start()
    settings.OIDC_ISSUER, settings.OIDC_AUDIENCE = provider.issuer, AUDIENCE
    User.objects.filter(username="audrey").update(oidc_subject="abc")
    yield provider
    provider.server.shutdown()
    thread.join()
    provider.server.server_close()


def opened(token: str) -> Any:
    answer = APIClient().get("/api/audit/status", HTTP_AUTHORIZATION=f"Bearer {token}")
    return answer.status_code, answer.json().get("code")


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA_KEY, "RS256", "rsa"), (EC_KEY, "ES256", "ec")]
)
def test_accepted(provider: Provider, world: World, key: Any, algorithm: str, kid: str) -> None:
    token = provider.token(key, algorithm, kid)
    assert oidc.account_of(token) == world.user("audrey")
    assert opened(token) == (200, None)
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


def test_audience_may_be_one_of_several(provider: Provider, world: World) -> None:
    assert oidc.account_of(provider.token(aud=["other", AUDIENCE])) == world.user("audrey")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"iat": 99_999_999_999},
        {"nbf": 99_999_999_999},
        {"sub": None},
        {"sub": ""},
        {"sub": "abd"},
        {"sub": "ABC"},
        {"sub": "abc\x00"},
        {"sub": 7},
    ],
)
def test_changed_claim(provider: Provider, changes: dict[str, Any]) -> None:
    oidc.account_of(provider.token())
    with pytest.raises(TokenRefused):
        oidc.account_of(provider.token(**changes))
    assert opened(provider.token(**changes)) == (401, "token_invalid")


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        (rsa.generate_private_key(65537, 2048), "RS256", "rsa"),
        (RSA_KEY, "RS256", "ec"),
        (RSA_KEY, "RS256", "unknown"),
        (RSA_KEY, "RS384", "rsa"),
        (RSA_KEY, "PS256", "rsa"),
        (ED_KEY, "EdDSA", "ed"),
    ],
)
def test_other_key_or_algorithm(provider: Provider, key: Any, algorithm: str, kid: str) -> None:
    with pytest.raises(TokenRefused):
        oidc.account_of(provider.token(key, algorithm, kid))


def test_key_for_another_algorithm(provider: Provider) -> None:
    provider.serve("/keys", {"keys": [jwk(RSA_KEY, "rsa", alg="RS512")]})
    for algorithm in ("RS256", "RS512"):
        with pytest.raises(TokenRefused):
            oidc.account_of(provider.token(algorithm=algorithm))


def test_symmetric_key_in_the_set(provider: Provider) -> None:
    secret = {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "oct"}
    provider.serve("/keys", {"keys": [secret, jwk(RSA_KEY, "rsa")]})
    token = provider.token(b"secretsecretsecretsecretsecret", "HS256", "oct")
    with pytest.raises(TokenRefused):
        oidc.account_of(token)


def test_public_key_as_hmac_secret(provider: Provider) -> None:
    public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    header = {"alg": "HS256", "kid": "rsa"}
    message = unsigned(claims, header).rpartition(".")[0]
    signature = hmac.new(public, message.encode(), hashlib.sha256).digest()
    with pytest.raises(TokenRefused):
        oidc.account_of(unsigned(claims, header, signature))


def test_unsigned(provider: Provider) -> None:
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    with pytest.raises(TokenRefused):
        oidc.account_of(unsigned(claims, {"alg": "none", "kid": "rsa"}))


def test_closed_account(provider: Provider) -> None:
    User.objects.filter(username="audrey").update(is_active=False)
    with pytest.raises(TokenRefused):
        oidc.account_of(provider.token())


def test_service_account(provider: Provider) -> None:
    User.objects.filter(username="audrey").update(oidc_subject=None)
    User.objects.filter(username="svc-clinic-001").update(oidc_subject="abc")
    with pytest.raises(TokenRefused):
        oidc.account_of(provider.token())


def test_their_key_signs_nothing_in_our_name(provider: Provider, world: World) -> None:
    ours = tokens.issue(world.user("audrey")).access
    claims = jwt.decode(ours, options={"verify_signature": False})
    assert opened(provider.token(**claims)) == (401, "token_invalid")
    assert opened(ours) == (200, None)


def test_our_key_signs_nothing_in_their_name(provider: Provider, settings: Any) -> None:
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    ours = tokens._key(settings.JWT_SIGNING_KEY)
    token = jwt.encode(claims, ours.private, algorithm=ours.algorithm, headers={"kid": "rsa"})
    assert opened(token) == (401, "token_invalid")


@pytest.mark.parametrize("missing", ["OIDC_ISSUER", "OIDC_AUDIENCE"])
def test_not_configured(provider: Provider, settings: Any, missing: str) -> None:
    setattr(settings, missing, "")
    assert opened(provider.token()) == (401, "token_invalid")
    assert provider.asked == []


def test_keys_are_kept_and_unknown_ones_asked_for_once(provider: Provider) -> None:
    for _ in range(3):
        oidc.account_of(provider.token())
    assert len(provider.asked) == 2
    for _ in range(5):
        with pytest.raises(TokenRefused):
            oidc.account_of(provider.token(kid="unknown"))
    assert len(provider.asked) == 4


def test_new_key_of_the_provider(provider: Provider, world: World) -> None:
    oidc.account_of(provider.token())
    new = rsa.generate_private_key(65537, 2048)
    provider.serve("/keys", {"keys": [jwk(RSA_KEY, "rsa"), jwk(new, "new")]})
    assert oidc.account_of(provider.token(new, "RS256", "new")) == world.user("audrey")


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
@pytest.mark.parametrize(
    "answer",
    [
        (404, b"{}", {}),
        (500, b"{}", {}),
        (302, b"", {"Location": "/elsewhere"}),
        (200, b"", {}),
        (200, b"<html>", {}),
        (200, b'{"keys": [], "keys": []}', {}),
        (200, b'{"a": "' + b"a" * (1 << 20) + b'"}', {}),
    ],
    ids=["404", "500", "redirect", "empty", "html", "duplicate", "large"],
)
def test_provider_that_does_not_tell(provider: Provider, path: str, answer: Any) -> None:
    provider.answers["/elsewhere"] = provider.answers[path]
    provider.answers[path] = answer
    with pytest.raises(ProviderUnavailable):
        oidc.account_of(provider.token())
    assert opened(provider.token()) == (503, "identity_provider_unavailable")
    # It is left alone for a while.
    assert provider.asked.count(path) == 1
    assert "/elsewhere" not in provider.asked


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://elsewhere.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "http://192.0.2.1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ["x"]},
    ],
)
def test_discovery_that_is_not_theirs(provider: Provider, changes: dict[str, Any]) -> None:
    provider.serve("/.well-known/openid-configuration", provider.discovery(**changes))
    with pytest.raises(ProviderUnavailable):
        oidc.account_of(provider.token())
    assert "/keys" not in provider.asked


@pytest.mark.parametrize("keys", [{"keys": []}, {"keys": [{}]}, {}, [], {"keys": "x"}, 7])
def test_key_set_without_keys(provider: Provider, keys: Any) -> None:
    provider.serve("/keys", keys)
    with pytest.raises(TokenRefused):
        oidc.account_of(provider.token())


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "",
        "data:,x",
        "//x",
        "http:",
    ],
)
def test_addresses_that_are_not_asked(address: str) -> None:
    with pytest.raises(Invalid):
        oidc.fetch(address)


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("", []),
        ("https://id.example.org", []),
        ("http://localhost:8080", []),
        ("http://id.example.org", ["strongroom.E030"]),
        ("id.example.org", ["strongroom.E030"]),
        ("strongroom", ["strongroom.E030", "strongroom.E031"]),
    ],
)
def test_check(settings: Any, issuer: str, expected: list[str]) -> None:
    settings.OIDC_ISSUER = issuer
    assert [message.id for message in check_identity_provider(None)] == expected
