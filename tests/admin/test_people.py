"""Pages of people, accounts, grants, keys, sessions and clients."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from access import tokens
from access.models import ApiKey, Client, Grant, Person, TokenSession, User
from tests.factories import World

MODELS = {
    "client": Client,
    "person": Person,
    "user": User,
    "grant": Grant,
    "apikey": ApiKey,
    "tokensession": TokenSession,
}
# Which lists each account may open.
MAY: dict[str, set[str]] = {
    "alice": set(MODELS),
    "olivia": set(MODELS),
    "audrey": {"client", "tokensession"},
    "omar": {"client", "tokensession"},
    "ben": {"client", "grant", "tokensession"},
    "root": set(),
    "nobody": set(),
}


@pytest.fixture
def rows(world: World) -> World:
    """At least one row of each kind."""
    world.api_key()
    tokens.issue(world.user("alice"))
    tokens.issue(world.user("ben"))
    return world


def browser(world: World, username: str) -> Browser:
    browser = Browser()
    browser.force_login(world.user(username))
    return browser


def address(name: str, pk: Any = None) -> str:
    if pk is None:
        return reverse(f"admin:access_{name}_changelist")
    return reverse(f"admin:access_{name}_change", args=[pk])


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("username", list(MAY))
def test_list(rows: World, username: str, name: str) -> None:
    answer = browser(rows, username).get(address(name))
    assert answer.status_code == (200 if name in MAY[username] else 403)


@pytest.mark.parametrize("name", list(MODELS))
def test_anonymous_is_sent_to_the_login(rows: World, name: str) -> None:
    for pk in (None, MODELS[name].objects.first().pk):
        answer = Browser().get(address(name, pk))
        assert answer.status_code == 302
        assert "login" in answer["Location"]


VISIBLE: dict[tuple[str, str], Any] = {
    ("ben", "client"): Client.objects.filter(pk="clinic-002"),
    ("omar", "client"): Client.objects.filter(pk="clinic-001"),
    ("audrey", "client"): Client.objects.filter(pk="clinic-001"),
    ("alice", "client"): Client.objects.all(),
    ("ben", "grant"): Grant.objects.filter(client="clinic-002"),
    ("alice", "grant"): Grant.objects.all(),
    ("ben", "tokensession"): TokenSession.objects.filter(user__username="ben"),
    ("olivia", "tokensession"): TokenSession.objects.filter(user__username="olivia"),
    ("alice", "tokensession"): TokenSession.objects.all(),
    ("alice", "user"): User.objects.all(),
    ("olivia", "person"): Person.objects.all(),
    ("olivia", "apikey"): ApiKey.objects.all(),
    ("ben", "user"): User.objects.none(),
    ("ben", "person"): Person.objects.none(),
    ("audrey", "apikey"): ApiKey.objects.none(),
    ("audrey", "grant"): Grant.objects.none(),
}


@pytest.mark.parametrize(("username", "name"), list(VISIBLE))
def test_objects(rows: World, username: str, name: str) -> None:
    seen = set(VISIBLE[username, name].all().values_list("pk", flat=True))
    page = browser(rows, username)
    # Whoever may look at none of the kind is told so, whether or not there is such a row.
    refusal = 404 if name in MAY[username] else 403
    for pk in MODELS[name].objects.values_list("pk", flat=True):
        expected = 200 if pk in seen else refusal
        assert page.get(address(name, pk)).status_code == expected, pk
    nothing = {"client": "none", "person": uuid.uuid4(), "tokensession": uuid.uuid4()}
    assert page.get(address(name, nothing.get(name, 0))).status_code == refusal
    if name in MAY[username]:
        listed = page.get(address(name)).context["cl"].result_list
        assert {row.pk for row in listed} == seen


@pytest.mark.parametrize("name", list(MODELS))
def test_nothing_is_edited_here(rows: World, name: str) -> None:
    page, pk = browser(rows, "alice"), MODELS[name].objects.first().pk
    assert page.post(address(name, pk), {"username": "x", "name": "x"}).status_code == 403
    assert page.post(address(name), {"action": "delete_selected"}).status_code in (200, 403)
    assert MODELS[name].objects.filter(pk=pk).exists()
    for tail in ("add/", f"{pk}/delete/", f"{pk}/history/"):
        assert page.get(address(name) + tail).status_code == 404


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("pk", ["0", "x", "%00", "1'", "../1", "9" * 40, "é", "_5F"])
def test_ids_that_name_nothing(rows: World, name: str, pk: str) -> None:
    answer = browser(rows, "alice").get(f"{address(name)}{pk}/change/")
    assert answer.status_code == 404


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "q='",
        "q=%25",
        "state=x",
        "is_active__exact=x",
        "user__password__startswith=a",
        "p=x",
    ],
)
def test_odd_queries(rows: World, name: str, query: str) -> None:
    answer = browser(rows, "alice").get(f"{address(name)}?{query}")
    # Django sends back to the plain list what it can't read.
    assert answer.status_code in (200, 302, 400)


def test_no_secret_is_shown(rows: World) -> None:
    alice = rows.user("alice")
    TOTP.activate(alice, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    key = ApiKey.objects.get()
    secrets = [alice.password, key.secret_sha256, rows.api_key().rpartition("_")[2], "JBSWY3DP"]
    secrets += [str(jti) for jti in TokenSession.objects.values_list("refresh_jti", flat=True)]
    page = browser(rows, "alice")
    for name, model in MODELS.items():
        for pk in (None, *model.objects.values_list("pk", flat=True)):
            text = page.get(address(name, pk)).content.decode()
            assert not any(secret in text for secret in secrets)


def test_account_page(rows: World) -> None:
    audrey = rows.user("audrey")
    TOTP.activate(audrey, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    text = browser(rows, "olivia").get(address("user", audrey.pk)).content.decode()
    assert "auditor for clinic-001" in text
    assert "Audrey Auditor" in text
    assert address("person", audrey.person_id) in text
    Grant.objects.filter(user=audrey).update(revoked_at=timezone.now())
    text = browser(rows, "olivia").get(address("user", audrey.pk)).content.decode()
    assert "auditor for clinic-001" not in text


def test_person_page_shows_all_accounts(rows: World) -> None:
    page = browser(rows, "alice").get(address("person", rows.person("olivia").pk))
    for username in ("olivia", "olivia2"):
        assert address("user", rows.user(username).pk) in page.content.decode()


def test_client_page_names_people_only_to_those_who_may_know(rows: World) -> None:
    for username, expected in (("alice", True), ("audrey", False), ("omar", False)):
        page = browser(rows, username).get(address("client", "clinic-001"))
        assert ("svc-clinic-001" in page.content.decode()) is expected


def test_states(rows: World) -> None:
    page = browser(rows, "alice")
    Grant.objects.filter(user__username="audrey").update(revoked_at=timezone.now())
    found = {}
    for state in ("active", "revoked"):
        listed = page.get(address("grant"), {"state": state}).context["cl"].result_list
        found[state] = {grant.pk for grant in listed}
    assert found["revoked"] == {Grant.objects.get(user__username="audrey").pk}
    assert found["active"] | found["revoked"] == set(Grant.objects.values_list("pk", flat=True))
    assert not found["active"] & found["revoked"]


def test_markup_in_names_is_text(rows: World) -> None:
    name = "<script>alert(1)</script>"
    Person.objects.filter(display_name="Audrey Auditor").update(display_name=name)
    Client.objects.filter(pk="clinic-001").update(name=name, redaction_pointers=["/data/<b>"])
    page = browser(rows, "alice")
    for url in (
        address("person"),
        address("client"),
        address("client", "clinic-001"),
        address("user", rows.user("audrey").pk),
        address("grant"),
    ):
        text = page.get(url).content.decode()
        assert "<script>alert" not in text
        assert "<b>" not in text


@pytest.mark.parametrize("name", ["user", "person", "grant", "apikey", "tokensession", "client"])
def test_queries_do_not_grow_with_the_list(rows: World, name: str) -> None:
    page = browser(rows, "alice")
    page.get(address(name))
    with CaptureQueriesContext(connection) as few:
        page.get(address(name))
    group = Grant.objects.first().group
    for number in range(10):
        client = Client.objects.create(id=f"c-{number}", name="C")
        user = User.objects.create_user(f"user{number}")
        Grant.objects.create(user=user, group=group, client=client, granted_by=user)
        ApiKey.objects.create(user=user, prefix=f"p{number}", secret_sha256="", label="x")
        tokens.issue(user)
    with CaptureQueriesContext(connection) as many:
        page.get(address(name))
    assert len(many) <= len(few) + 1


def test_navigation(rows: World) -> None:
    links = {
        username: {
            name for name in MODELS
            if f'href="{address(name)}"' in browser(rows, username).get("/admin/").content.decode()
        }
        for username in ("alice", "audrey", "ben")
    }  # fmt: skip
    assert links == {username: MAY[username] for username in links}
