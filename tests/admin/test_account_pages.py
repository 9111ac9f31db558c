"""Sign-in, passwords and second factors: allauth's flows in our pages."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.test import Client as Browser
from django.urls import reverse

from tests.factories import World


def sign_in(world: World, username: str = "olivia") -> Browser:
    browser = Browser()
    given = {"login": username, "password": world.password}
    assert browser.post(reverse("account_login"), given).status_code == 302
    return browser


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("account_change_password", "Change password"),
        ("account_logout", "Sign out"),
        ("account_reauthenticate", "Confirm that it is you"),
        ("mfa_index", "Second factor"),
    ],
)
def test_each_page_is_in_our_frame(world: World, name: str, heading: str) -> None:
    page = sign_in(world).get(reverse(name)).content.decode()
    assert f"<h1>{heading}</h1>" in page
    assert "strongroom/strongroom.css" in page


@pytest.mark.parametrize("name", ["account_login", "account_change_password"])
def test_no_page_offers_what_is_closed(world: World, name: str) -> None:
    """Nobody signs up or resets a password by mail: no link leads there."""
    page = (Browser() if name == "account_login" else sign_in(world)).get(reverse(name))
    for closed in ("account_signup", "account_reset_password"):
        assert f'href="{reverse(closed)}"' not in page.content.decode()


def test_a_service_account_can_not_sign_in_by_a_form(world: World) -> None:
    service = world.user("svc-clinic-001")
    service.set_password(world.password)
    service.save()
    given = {"login": "svc-clinic-001", "password": world.password}
    page = Browser().post(reverse("account_login"), given, follow=True).content.decode()
    assert "<h1>This account can’t sign in</h1>" in page


def test_a_password_is_changed(world: World) -> None:
    browser = sign_in(world)
    new = "quite another long phrase 42"
    given = {"oldpassword": world.password, "password1": new, "password2": new}
    page = browser.post(reverse("account_change_password"), given, follow=True).content.decode()
    assert "Password changed." in page
    assert world.user("olivia").check_password(new)


def test_a_second_factor_is_set_up_asked_for_and_taken_away(world: World) -> None:
    browser = sign_in(world)
    asked = browser.get(reverse("mfa_activate_totp"), follow=True)
    assert "<h1>Confirm that it is you</h1>" in asked.content.decode()
    given = {"password": world.password, "next": reverse("mfa_activate_totp")}
    page = browser.post(reverse("account_reauthenticate"), given, follow=True).content.decode()
    assert "<h1>Set up an authenticator app</h1>" in page
    found = re.search(r"Secret <code>([A-Z2-7]+)</code>", page)
    assert found is not None
    step = next(totp.yield_hotp_counters_from_time())
    code = totp.format_hotp_value(totp.hotp_value(found.group(1), step))
    shown = browser.post(reverse("mfa_activate_totp"), {"code": code}, follow=True)
    spare = re.findall(r"<li><code>([0-9a-z]+)</code></li>", shown.content.decode())
    assert len(spare) == 10

    other = Browser()
    given = {"login": "olivia", "password": world.password}
    page = other.post(reverse("account_login"), given, follow=True).content.decode()
    assert "<h1>Second factor</h1>" in page
    assert other.get("/admin/").status_code == 302
    wrong = other.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert "field-error" in wrong.content.decode()
    assert other.post(reverse("mfa_authenticate"), {"code": spare[0]})["Location"] == "/admin/"

    assert "<h1>Make new recovery codes</h1>" in (
        browser.get(reverse("mfa_generate_recovery_codes")).content.decode()
    )
    page = browser.get(reverse("mfa_deactivate_totp")).content.decode()
    assert "<h1>Stop asking for the authenticator app</h1>" in page
    page = browser.post(reverse("mfa_deactivate_totp"), follow=True).content.decode()
    assert "Not set up" in page
