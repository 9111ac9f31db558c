"""The admin site: who enters, what the frame shows, and that nothing leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client as Browser
from django.test import RequestFactory
from django.urls import reverse

from access.admin import desk
from access.admin.desk import CardData, Desk, DeskCard, DeskPanel, NavItem, PanelData, Section
from access.roles import Action
from tests.factories import World

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def signed_in(world: World, username: str) -> Browser:
    browser = Browser()
    browser.force_login(world.user(username))
    return browser


# --- who enters ---------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/admin/", "/admin/login/", "/admin/login/?next=/admin/"])
def test_a_stranger_is_sent_to_the_sign_in_page(world: World, address: str) -> None:
    response = Browser().get(address, follow=True)
    last, _ = response.redirect_chain[-1]
    assert last.startswith("/accounts/login/?next=")
    assert "<h1>Sign in</h1>" in response.content.decode()


def test_the_password_is_checked_by_allauth_and_leads_on(world: World) -> None:
    browser = Browser()
    wrong = browser.post("/accounts/login/", {"login": "olivia", "password": "wrong"})
    assert wrong.status_code == 200
    assert "form-error" in wrong.content.decode()
    given = {"login": "olivia", "password": world.password, "next": "/admin/"}
    response = browser.post("/accounts/login/", given)
    assert response["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200


@pytest.mark.parametrize("address", ["/admin/", "/admin/login/", "/admin/access/client/"])
@pytest.mark.parametrize("username", ["root", "nobody"])
def test_without_grants_there_is_a_page_that_says_so(
    world: World, username: str, address: str
) -> None:
    response = signed_in(world, username).get(address)
    page = response.content.decode()
    assert response.status_code == 403
    assert "Your account has no grants" in page
    assert ("Being a superuser gives no access here" in page) == (username == "root")
    assert 'id="navigation"' not in page


def test_a_service_account_does_not_enter_by_session(world: World) -> None:
    assert signed_in(world, "svc-clinic-001").get("/admin/").status_code == 403


def test_an_account_that_was_deactivated_is_a_stranger(world: World) -> None:
    browser = signed_in(world, "olivia")
    user = world.user("olivia")
    user.is_active = False
    user.save()
    assert browser.get("/admin/")["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("name", ["olivia", "audrey", "omar", "alice", "ben"])
def test_whoever_has_a_grant_sees_the_desk(world: World, name: str) -> None:
    response = signed_in(world, name).get("/admin/")
    assert response.status_code == 200
    assert "<h1>Desk</h1>" in response.content.decode()


def test_signing_out_is_allauths(world: World) -> None:
    browser = signed_in(world, "olivia")
    assert browser.get("/admin/logout/")["Location"] == reverse("account_logout")
    browser.post(reverse("account_logout"))
    assert browser.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    "address",
    ["password_change/", "jsi18n/", "autocomplete/", "r/1/1/", "access/", "no-such-thing/"],
)
def test_djangos_unused_addresses_are_not_there(world: World, address: str) -> None:
    assert signed_in(world, "alice").get(f"/admin/{address}").status_code == 404


# --- the frame ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["olivia", "audrey", "omar", "alice", "ben"])
def test_no_link_of_the_frame_or_the_desk_is_dead(world: World, name: str) -> None:
    browser = signed_in(world, name)
    page = browser.get("/admin/").content.decode()
    links = set(re.findall(r'href="(/[^"#]*)"', page)) - {"/static/"}
    followed = sorted(link for link in links if not link.startswith("/static/"))
    assert "/admin/" in followed
    for link in followed:
        assert browser.get(link.replace("&amp;", "&")).status_code == 200, link


def test_the_frame_names_the_person_the_account_and_the_role(world: World) -> None:
    page = signed_in(world, "olivia").get("/admin/").content.decode()
    assert "Olivia Officer" in page
    assert "olivia · compliance officer" in page


def test_the_client_is_switched_by_post_and_kept(world: World) -> None:
    browser = signed_in(world, "olivia")
    assert browser.get("/admin/client/").status_code == 405
    response = browser.post("/admin/client/", {"client": "clinic-002", "next": "/admin/?x=1"})
    assert response["Location"] == "/admin/?x=1"
    assert '<option value="clinic-002" selected>' in browser.get("/admin/").content.decode()
    browser.post("/admin/client/", {"client": ""})
    assert " selected>" not in browser.get("/admin/").content.decode()


def test_a_client_out_of_reach_is_neither_offered_nor_chosen(world: World) -> None:
    browser = signed_in(world, "audrey")
    browser.post("/admin/client/", {"client": "clinic-002"})
    assert desk.SESSION_KEY not in browser.session
    page = browser.get("/admin/").content.decode()
    assert "Clinic-001" in page
    assert "Clinic-002" not in page


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", ""])
def test_switching_leads_nowhere_else(world: World, target: str) -> None:
    response = signed_in(world, "olivia").post("/admin/client/", {"client": "", "next": target})
    assert response["Location"] == "/admin/"


def test_switching_needs_a_csrf_token(world: World) -> None:
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(world.user("olivia"))
    assert browser.post("/admin/client/", {"client": "clinic-001"}).status_code == 403


# --- the registry -------------------------------------------------------------------------------


def request_of(world: World, username: str):  # type: ignore[no-untyped-def]
    request = RequestFactory().get("/admin/")
    request.user = world.user(username)
    return request


def test_sections_come_in_their_order_and_empty_ones_not_at_all(world: World) -> None:
    registry = Desk()
    registry.add(NavItem(Section.ADMINISTRATION, "Later", "account_logout", None, 20))
    registry.add(NavItem(Section.ADMINISTRATION, "Sooner", "mfa_index", None, 10))
    registry.add(NavItem("Packages", "Packages", "admin:index", Action.VIEW))
    drawn = registry.navigation(request_of(world, "audrey"))
    assert [(s.label, [link.label for link in s.links]) for s in drawn] == [
        ("Packages", ["Packages"]),
        ("Administration", ["Sooner", "Later"]),
    ]


@pytest.mark.parametrize(
    ("username", "shown"), [("olivia", ["Own", "Platform"]), ("ben", ["Own"]), ("audrey", [])]
)
def test_a_link_is_shown_to_those_who_may_follow_it(
    world: World, username: str, shown: list[str]
) -> None:
    registry = Desk()
    registry.add(NavItem(Section.PACKAGES, "Own", "mfa_index", Action.EXPORT, 1))
    registry.add(NavItem(Section.PACKAGES, "Platform", "account_logout", Action.EXPORT, 2, True))
    drawn = registry.navigation(request_of(world, username))
    assert [link.label for section in drawn for link in section.links] == shown


def test_what_is_drawn_is_frozen(world: World) -> None:
    registry = Desk()
    registry.navigation(request_of(world, "olivia"))
    with pytest.raises(RuntimeError, match="frozen"):
        registry.add(DeskCard(1, lambda request: None))


def test_a_link_is_registered_once_in_a_known_section_at_a_known_address(world: World) -> None:
    registry = Desk()
    registry.add(NavItem(Section.DESK, "Desk", "admin:index"))
    with pytest.raises(ValueError, match="already"):
        registry.add(NavItem(Section.PACKAGES, "Again", "admin:index"))
    with pytest.raises(ValueError, match="Miscellaneous"):
        registry.add(NavItem("Miscellaneous", "Other", "mfa_index"))
    registry.add(NavItem(Section.DESK, "Gone", "no-such-name"))
    with pytest.raises(LookupError, match="no-such-name"):
        registry.navigation(request_of(world, "olivia"))


def test_cards_and_panels_come_in_order_and_only_where_they_concern_one(world: World) -> None:
    registry = Desk()
    registry.add(DeskCard(2, lambda request: CardData("Second", "2")))
    registry.add(DeskCard(1, lambda request: CardData("First", "1")))
    registry.add(DeskCard(3, lambda request: None))
    registry.add(DeskPanel(1, lambda request: PanelData("Last", ["A"], [], "None yet.")))
    request = request_of(world, "olivia")
    assert [card.title for card in registry.card_data(request)] == ["First", "Second"]
    assert [panel.title for panel in registry.panel_data(request)] == ["Last"]


# --- strict CSP, by reading ---------------------------------------------------------------------


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_holds_script_or_style_of_its_own(path: Path) -> None:
    text = re.sub(
        r"{%\s*comment.*?endcomment\s*%}", "", path.read_text(encoding="utf-8"), flags=re.S
    )
    assert not re.search(r"<style\b", text, re.I)
    assert not re.search(r"\sstyle\s*=", text, re.I)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text, re.I)
    assert not re.search(r"javascript:", text, re.I)
    for tag in re.findall(r"<script\b[^>]*>", text, re.I):
        assert re.search(r'src="{[%{]', tag), tag


def test_the_policy_is_strict(world: World) -> None:
    policy = signed_in(world, "olivia").get("/admin/")["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert directives["style-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert directives["form-action"] == "'self'"
    assert directives["base-uri"] == "'none'"


# --- pages for what goes wrong ------------------------------------------------------------------


def test_not_found_looks_the_same_for_all_and_gives_the_request_id(world: World) -> None:
    for browser in (Browser(), signed_in(world, "olivia")):
        response = browser.get("/no-such-page/")
        assert response.status_code == 404
        assert response["X-Request-Id"] in response.content.decode()


@pytest.mark.parametrize("name", ["400.html", "403.html", "403_csrf.html", "404.html", "503.html"])
def test_error_pages_render_for_a_stranger(name: str, world: World) -> None:
    assert "<h1>" in render_to_string(name, request=RequestFactory().get("/"))


def test_the_page_for_a_crash_needs_nothing_at_all() -> None:
    assert "Something went wrong" in render_to_string("500.html", {})
