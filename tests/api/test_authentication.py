"""Who is calling: bearer tokens, API keys, sessions."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from access import tokens
from access.models import ApiKey, User
from tests.factories import World

pytestmark = pytest.mark.urls("tests.api.access_urls")


@pytest.fixture
def api() -> APIClient:
    return APIClient(enforce_csrf_checks=True)


def who(api: APIClient, authorization: str, **headers: Any) -> Any:
    return api.get("/api/who", HTTP_AUTHORIZATION=authorization, **headers)


def test_token(api: APIClient, world: World) -> None:
    access = tokens.issue(world.user("audrey")).access
    for keyword in ("Bearer", "bearer", "BEARER"):
        answer = who(api, f"{keyword} {access}")
        assert answer.json() == {"username": "audrey", "means": "token"}


def test_api_key(api: APIClient, world: World) -> None:
    answer = who(api, f"Bearer {world.api_key()}")
    assert answer.json() == {"username": "svc-clinic-001", "means": "api_key"}
    assert api.post("/api/who", HTTP_AUTHORIZATION=f"Bearer {world.api_key()}").status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer rubbish",
        "Bearer a.b.c",
        "Bearer é",
        "Bearer \x00",
        "Bearer srk_aaaaaaaaaaaa_" + "a" * 43,
        "Bearer " + "a" * 9000,
        "Bearer eyJhbGciOiJub25lIn0.e30.",
    ],
)
def test_bad_token(api: APIClient, world: World, authorization: str) -> None:
    answer = who(api, authorization)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="strongroom"'
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "token_invalid"


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Token abc", "JWT a.b.c"])
def test_no_token(api: APIClient, world: World, authorization: str) -> None:
    answer = who(api, authorization)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_bad_token_is_not_rescued_by_a_session(api: APIClient, world: World) -> None:
    api.force_login(world.user("audrey"))
    assert api.get("/api/who").json()["username"] == "audrey"
    assert who(api, "Bearer rubbish").status_code == 401


def test_refresh_token_opens_nothing(api: APIClient, world: World) -> None:
    assert who(api, f"Bearer {tokens.issue(world.user('audrey')).refresh}").status_code == 401


def test_revoked_key(api: APIClient, world: World) -> None:
    raw = world.api_key()
    ApiKey.objects.update(revoked_at=timezone.now())
    assert who(api, f"Bearer {raw}").status_code == 401


def test_closed_account(api: APIClient, world: World) -> None:
    access = tokens.issue(world.user("audrey")).access
    User.objects.filter(username="audrey").update(is_active=False)
    assert who(api, f"Bearer {access}").status_code == 401


def test_session_reads_and_writes_with_its_token(api: APIClient, world: World) -> None:
    api.force_login(world.user("audrey"))
    assert api.get("/api/who").json() == {"username": "audrey", "means": None}
    refused = api.post("/api/who")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    token = "a" * 32
    api.cookies["csrftoken"] = token
    assert api.post("/api/who", HTTP_X_CSRFTOKEN=token).status_code == 200
    assert api.post("/api/who", HTTP_X_CSRFTOKEN="b" * 32).status_code == 403


def test_bearer_needs_no_csrf(api: APIClient, world: World) -> None:
    access = tokens.issue(world.user("audrey")).access
    assert api.post("/api/who", HTTP_AUTHORIZATION=f"Bearer {access}").status_code == 200


def test_roles_are_read_anew(world: World) -> None:
    from access import policy
    from access.models import Grant
    from access.roles import Action

    access = tokens.issue(world.user("audrey")).access
    assert policy.can(tokens.account_of(access), Action.DOWNLOAD, "clinic-001")
    Grant.objects.filter(user__username="audrey").update(revoked_at=timezone.now())
    assert not policy.can(tokens.account_of(access), Action.DOWNLOAD, "clinic-001")
