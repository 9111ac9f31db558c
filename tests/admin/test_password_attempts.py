"""A page that asks for the password can't be used to guess it."""

from __future__ import annotations

from django.test import Client as Browser

from tests.factories import PASSWORD, World

ADDRESS = "/admin/audit/signingkey/create/"


def test_passwords_are_asked_for_ten_times_a_minute(world: World) -> None:
    browser = Browser()
    browser.force_login(world.user("olivia"))
    for _ in range(10):
        assert browser.post(ADDRESS, {"password": "wrong"}).status_code == 403
    refused = browser.post(ADDRESS, {"password": PASSWORD})
    assert refused.status_code == 429
    assert refused["Retry-After"] == "60"
    assert "Too many attempts" in refused.content.decode()


def test_one_persons_attempts_do_not_stop_another(world: World) -> None:
    first, second = Browser(), Browser()
    first.force_login(world.user("olivia"))
    second.force_login(world.user("oscar"))
    for _ in range(11):
        last = first.post(ADDRESS, {"password": "wrong"})
    assert last.status_code == 429
    assert second.post(ADDRESS, {"password": PASSWORD}).status_code == 302
