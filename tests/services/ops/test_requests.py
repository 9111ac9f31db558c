"""What holds for every request: its id, the read-only mode, and the record of refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client as Browser

from audit.models import PendingEvent
from tests.factories import PASSWORD, World


def events(kind: str) -> list[dict[str, Any]]:
    found = [json.loads(text) for text in PendingEvent.objects.values_list("event", flat=True)]
    return [event for event in found if event["type"] == kind]


def test_every_answer_has_an_id_and_takes_a_sound_one(world: World) -> None:
    browser = Browser()
    assert len(browser.get("/healthz")["X-Request-Id"]) == 32
    given = browser.get("/healthz", headers={"X-Request-Id": "from-the-proxy-1"})
    assert given["X-Request-Id"] == "from-the-proxy-1"
    forged = browser.get("/healthz", headers={"X-Request-Id": "bad id\r\nx: y"})
    assert len(forged["X-Request-Id"]) == 32


def test_a_refusal_is_recorded_with_who_and_what(world: World) -> None:
    browser = Browser()
    browser.force_login(world.user("audrey"))
    answer = browser.get("/admin/access/client/new/")
    assert answer.status_code == 403
    (event,) = events("access.denied")
    assert event["actor"]["id"] == "user:audrey"
    assert event["outcome"] == "denied"
    assert event["object"] == {"type": "address", "id": "admin:access_client_new"}
    assert event["request_id"] == answer["X-Request-Id"]


def test_a_request_without_credentials_writes_nothing(world: World) -> None:
    before = PendingEvent.objects.count()
    assert Browser().get("/api/audit/status").status_code == 401
    assert Browser().get("/admin/").status_code == 302
    assert PendingEvent.objects.count() == before


def test_a_failed_login_names_only_accounts_that_exist(world: World) -> None:
    for username in ("olivia", "my-password-by-mistake"):
        Browser().post("/accounts/login/", {"login": username, "password": "wrong"})
    known, unknown = events("access.login.failed")
    assert known["object"] == {"type": "account", "id": "olivia"}
    assert "my-password-by-mistake" not in json.dumps(unknown)


def test_signing_in_and_out_is_recorded(world: World) -> None:
    browser = Browser()
    answer = browser.post("/accounts/login/", {"login": "olivia", "password": PASSWORD})
    assert answer.status_code == 302
    browser.post("/accounts/logout/")
    assert len(events("access.login.succeeded")) == len(events("access.logout")) == 1


@pytest.mark.parametrize(
    "address",
    ["/compliance/evidence/export", "/api/audit/events", "/compliance/evidence/countersign"],
)
def test_read_only_mode_refuses_every_write(world: World, settings: Any, address: str) -> None:
    settings.AUDIT_ENABLED = False
    browser = Browser()
    browser.force_login(world.user("olivia"))
    answer = browser.post(address, "{}", content_type="application/json")
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "audit_disabled"


def test_read_only_mode_lets_one_sign_in_to_look(world: World, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    before = PendingEvent.objects.count()
    browser = Browser()
    answer = browser.post("/accounts/login/", {"login": "olivia", "password": PASSWORD})
    assert answer.status_code == 302
    assert browser.get("/admin/").status_code == 200
    refused = browser.post("/admin/access/client/new/", {"client_id": "x", "name": "x"})
    assert refused.status_code == 503
    assert b"read-only" in refused.content
    assert PendingEvent.objects.count() == before


def test_unknown_addresses_of_the_api_answer_problem_details(world: World) -> None:
    answer = Browser().get("/api/nothing-here")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("trusted", "header", "expected"),
    [
        (True, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (True, "not an address", "127.0.0.1"),
        (False, "198.51.100.7", "127.0.0.1"),
    ],
)
def test_the_callers_address_is_what_the_proxy_saw(
    world: World, settings: Any, trusted: bool, header: str, expected: str
) -> None:
    settings.TRUST_PROXY_HEADERS = trusted
    Browser().post(
        "/accounts/login/",
        {"login": "olivia", "password": "wrong"},
        headers={"X-Forwarded-For": header},
    )
    (event,) = events("access.login.failed")
    assert event["source"]["ip"] == expected


def test_a_changed_password_is_recorded_with_the_change(world: World) -> None:
    browser = Browser()
    browser.force_login(world.user("olivia"))
    new = "another long enough password 8"
    answer = browser.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )
    assert answer.status_code == 302
    assert world.user("olivia").check_password(new)
    (event,) = events("access.password.changed")
    assert event["actor"]["id"] == "user:olivia"
    assert new not in json.dumps(event)


def test_a_password_that_cannot_be_recorded_does_not_change(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.services import trail

    def fail(*args: Any, **kwargs: Any) -> str:
        raise trail.AuditDisabled("no")

    browser = Browser(raise_request_exception=False)
    browser.force_login(world.user("olivia"))
    new = "another long enough password 8"
    monkeypatch.setattr(trail, "record", fail)
    answer = browser.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )
    assert answer.status_code >= 500
    assert world.user("olivia").check_password(PASSWORD)
