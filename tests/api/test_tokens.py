"""`/api/token/`: obtaining, renewing and ending tokens."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.core.cache import cache
from django.db import connection
from rest_framework.test import APIClient

from access import signals, tokens
from access.models import TokenSession, User
from tests.factories import World

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def api() -> APIClient:
    return APIClient()


@pytest.fixture
def obtain(api: APIClient, world: World) -> Any:
    def post(username: str = "audrey", **changes: Any) -> Any:
        body = {"username": username, "password": world.password, **changes}
        return api.post("/api/token/", body, format="json")

    return post


def code(offset: int = 0) -> str:
    return format_hotp_value(hotp_value(SECRET, int(time.time()) // 30 + offset))


def test_obtain_and_use(api: APIClient, world: World, obtain: Any) -> None:
    answer = obtain()
    assert answer.status_code == 200
    assert set(answer.json()) == {"access", "refresh"}
    assert "no-store" in answer["Cache-Control"]
    assert tokens.account_of(answer.json()["access"]) == world.user("audrey")
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {answer.json()['access']}"}
    assert api.get("/api/audit/status", **bearer).status_code == 200


def test_trailing_spaces_belong_to_the_password(obtain: Any, world: World) -> None:
    assert obtain(password=world.password + " ").status_code == 401
    assert obtain(username="audrey ").status_code == 401


@pytest.mark.parametrize(
    ("username", "changes"),
    [
        ("audrey", {"password": "wrong"}),
        ("audrey", {"password": "wrong", "otp": "123456"}),
        ("unknown", {}),
        ("Audrey", {}),
        ("svc-clinic-001", {}),
    ],
)
def test_refusals_do_not_differ(
    obtain: Any, world: World, username: str, changes: dict[str, str]
) -> None:
    service = world.user("svc-clinic-001")
    service.set_password(world.password)
    service.save()
    User.objects.filter(username="ben").update(is_active=False)
    closed, refused = obtain("ben"), obtain(username, **changes)
    for answer in (closed, refused):
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == 'Bearer realm="strongroom"'
        assert answer["Content-Type"] == "application/problem+json"
    bodies = [{**answer.json(), "instance": ""} for answer in (closed, refused)]
    assert bodies[0] == bodies[1]
    assert bodies[0]["code"] == "credentials_invalid"
    assert not TokenSession.objects.exists()


@pytest.mark.parametrize("username", ["unknown", "nobody", "svc-clinic-001"])
def test_every_refusal_costs_one_hash(
    obtain: Any, monkeypatch: pytest.MonkeyPatch, username: str
) -> None:
    from tests.hashers import QuickScryptHasher

    hashed: list[int] = []
    encode = QuickScryptHasher.encode

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        hashed.append(1)
        return encode(self, *args, **kwargs)

    monkeypatch.setattr(QuickScryptHasher, "encode", counting)
    assert obtain(username, password="wrong").status_code == 401
    assert len(hashed) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "username"),
        ({"username": "audrey"}, "password"),
        ({"username": "audrey", "password": None}, "password"),
        ({"username": "audrey", "password": 7}, "password"),
        ({"username": ["audrey"], "password": "x"}, "username"),
        ({"username": "audrey", "password": "x" * 1001}, "password"),
        ({"username": "a" * 151, "password": "x"}, "username"),
        ({"username": "audrey", "password": "x", "role": "admin"}, "role"),
        ({"username": "audrey", "password": "x", "otp": "1" * 21}, "otp"),
    ],
)
def test_malformed(api: APIClient, world: World, body: dict[str, Any], field: str) -> None:
    answer = api.post("/api/token/", body, format="json")
    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain"])
def test_json_only(api: APIClient, world: World, content_type: str) -> None:
    answer = api.post("/api/token/", "username=audrey&password=x", content_type=content_type)
    assert answer.status_code == 415


class TestSecondFactor:
    """An account with TOTP needs its code."""

    @pytest.fixture(autouse=True)
    def totp(self, world: World) -> None:
        TOTP.activate(world.user("audrey"), SECRET)
        RecoveryCodes.activate(world.user("audrey"))

    def test_right_code(self, obtain: Any) -> None:
        assert obtain(otp=code()).status_code == 200

    @pytest.mark.parametrize("otp", [None, "", "0", "abcdef", "١٢٣٤٥٦"])
    def test_no_or_wrong_code(self, obtain: Any, otp: str | None) -> None:
        answer = obtain() if otp is None else obtain(otp=otp)
        assert answer.status_code == 401
        assert answer.json()["code"] == "credentials_invalid"

    def test_code_of_another_time(self, obtain: Any) -> None:
        assert obtain(otp=code(offset=-20)).status_code == 401

    def test_right_code_with_a_wrong_password(self, obtain: Any) -> None:
        assert obtain(otp=code(), password="wrong").status_code == 401
        # The refused attempt did not use the code up.
        assert obtain(otp=code()).status_code == 200

    def test_code_once_only(self, obtain: Any) -> None:
        given = code()
        assert obtain(otp=given).status_code == 200
        assert obtain(otp=given).status_code == 401

    def test_recovery_code_once_only(self, obtain: Any, world: World) -> None:
        found = Authenticator.objects.get(user=world.user("audrey"), type="recovery_codes")
        given = RecoveryCodes(found).get_unused_codes()[0]
        assert obtain(otp=given).status_code == 200
        assert obtain(otp=given).status_code == 401

    def test_recovery_codes_alone_are_a_second_factor_too(self, obtain: Any) -> None:
        Authenticator.objects.filter(type="totp").delete()
        assert obtain().status_code == 401

    def test_code_of_another_account(self, obtain: Any) -> None:
        assert obtain("olivia", otp=code()).status_code == 200  # needs none
        assert obtain("audrey", otp="").status_code == 401

    def test_secrets_are_not_in_the_database_in_clear(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT data::text FROM mfa_authenticator")
            stored = " ".join(row[0] for row in cursor.fetchall())
        assert SECRET not in stored
        for found in Authenticator.objects.filter(type="recovery_codes"):
            assert not any(given in stored for given in RecoveryCodes(found).generate_codes())


def test_refresh(api: APIClient, obtain: Any) -> None:
    first = obtain().json()
    answer = api.post("/api/token/refresh/", {"refresh": first["refresh"]}, format="json")
    assert answer.status_code == 200
    assert answer.json()["refresh"] != first["refresh"]
    again = api.post("/api/token/refresh/", {"refresh": first["refresh"]}, format="json")
    assert (again.status_code, again.json()["code"]) == (401, "token_reused")
    assert again["WWW-Authenticate"].startswith("Bearer")
    after = api.post("/api/token/refresh/", {"refresh": answer.json()["refresh"]}, format="json")
    assert (after.status_code, after.json()["code"]) == (401, "token_invalid")


def test_revoke(api: APIClient, obtain: Any) -> None:
    pair = obtain().json()
    answer = api.post("/api/token/revoke/", {"refresh": pair["refresh"]}, format="json")
    assert (answer.status_code, answer.content) == (204, b"")
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair['access']}"}
    assert api.get("/api/audit/status", **bearer).status_code == 401
    # The client may not have heard the first answer.
    answer = api.post("/api/token/revoke/", {"refresh": pair["refresh"]}, format="json")
    assert answer.status_code == 204


@pytest.mark.parametrize("address", ["/api/token/refresh/", "/api/token/revoke/"])
@pytest.mark.parametrize("token", ["rubbish", "a.b.c", "srk_a_b"])
def test_rubbish(api: APIClient, world: World, address: str, token: str) -> None:
    answer = api.post(address, {"refresh": token}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


@pytest.mark.parametrize("address", ["", "refresh/", "revoke/"])
@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_post_only(api: APIClient, world: World, address: str, method: str) -> None:
    assert getattr(api, method)(f"/api/token/{address}").status_code == 405


def test_signals(obtain: Any, api: APIClient, world: World) -> None:
    heard: list[tuple[str, Any]] = []

    def note(name: str) -> Any:
        def receiver(sender: Any, request: Any, **kwargs: Any) -> None:
            assert request.path.startswith("/api/token/")
            heard.append((name, kwargs.get("username") or kwargs["user"].username))

        return receiver

    receivers = {name: note(name) for name in ("sign_in_failed", "token_issued", "token_revoked")}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    try:
        first = obtain().json()
        obtain(password="wrong")
        api.post("/api/token/refresh/", {"refresh": first["refresh"]}, format="json")
        api.post("/api/token/refresh/", {"refresh": first["refresh"]}, format="json")
        api.post("/api/token/revoke/", {"refresh": first["refresh"]}, format="json")
    finally:
        for name, receiver in receivers.items():
            getattr(signals, name).disconnect(receiver)
    assert heard == [
        ("token_issued", "audrey"),
        ("sign_in_failed", "audrey"),
        ("token_revoked", "audrey"),  # by the reuse; ending it again is nothing new
    ]


def test_session_that_can_not_be_recorded_is_not_opened(
    obtain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(sender: Any, **kwargs: Any) -> None:
        raise OSError("no space left")

    signals.token_issued.connect(fails)
    try:
        with pytest.raises(OSError, match="no space"):
            obtain()
    finally:
        signals.token_issued.disconnect(fails)
    assert not TokenSession.objects.exists()


def test_failures_of_one_username_are_limited(obtain: Any, world: World) -> None:
    for username in ("unknown", "audrey"):
        cache.clear()
        for _ in range(10):
            assert obtain(username, password="wrong").status_code == 401
        answer = obtain(username)
        assert answer.status_code == 429
        assert 1 <= int(answer["Retry-After"]) <= 600
        assert answer.json()["code"] == "throttled"
    assert obtain("olivia").status_code == 200


def test_successes_do_not_count_as_failures(obtain: Any) -> None:
    assert [obtain().status_code for _ in range(12)] == [200] * 12


def test_attempts_of_one_address_are_limited(api: APIClient, world: World) -> None:
    def attempt(number: int, **extra: Any) -> Any:
        body = {"username": f"unknown{number}", "password": "wrong"}
        return api.post("/api/token/", body, format="json", **extra)

    assert {attempt(number).status_code for number in range(30)} == {401}
    refused = attempt(31, HTTP_X_FORWARDED_FOR="192.0.2.7", HTTP_FORWARDED="for=192.0.2.8")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1
    assert attempt(32, REMOTE_ADDR="192.0.2.9").status_code == 401


def test_no_password_reaches_the_log(
    obtain: Any, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = obtain(password="a very secret thing")
    obtain()
    assert "a very secret thing" not in caplog.text + answer.content.decode()
    assert world.password not in caplog.text
