"""Signing keys at the desk: made, retired and reported by the person whose they are."""

from __future__ import annotations

from datetime import UTC, datetime

from audit.models import SigningKey
from audit.services import keys
from tests.admin.test_audit_admin import signed_in, text
from tests.factories import World

KEYS = "/admin/audit/signingkey/"


def test_an_officer_makes_a_key_with_the_password(world: World) -> None:
    desk = signed_in(world)
    assert "Create my signing key" in text(desk.get(KEYS))
    assert "locked with your password" in text(desk.get(KEYS + "create/"))
    refused = desk.post(KEYS + "create/", {"password": "wrong"})
    assert "That is not your password." in text(refused, 403)
    assert not SigningKey.objects.filter(person=world.person("olivia")).exists()
    response = desk.post(KEYS + "create/", {"password": world.password})
    key = SigningKey.objects.get(person=world.person("olivia"))
    assert (response.status_code, response["Location"]) == (302, f"{KEYS}{key.pk}/change/")
    assert keys.person_signer(key, world.password).key_id == key.key_id
    page = text(desk.get(f"{KEYS}{key.pk}/change/"))
    assert key.key_id in page
    assert "PRIVATE" not in page
    # A second one is in the way of the first.
    assert "Retire it before" in text(desk.get(KEYS + "create/"), 409)
    assert desk.post(KEYS + "create/", {"password": world.password}).status_code == 409
    assert "Create my signing key" not in text(desk.get(KEYS))


def test_an_officer_retires_the_own_key_only(world: World) -> None:
    key = world.key("olivia")
    page = f"{KEYS}{key.pk}/retire/"
    assert signed_in(world, "oscar").post(page).status_code == 403
    assert signed_in(world, "alice").post(page).status_code == 403
    key.refresh_from_db()
    assert key.is_active
    desk = signed_in(world)
    assert "can't be used again" in text(desk.get(page))
    assert desk.post(page).status_code == 302
    key.refresh_from_db()
    assert key.status == "retired"


def test_an_officer_reports_the_own_key(world: World) -> None:
    key = world.key("olivia")
    page = f"{KEYS}{key.pk}/compromised/"
    desk = signed_in(world)
    assert desk.post(page, {"compromised_at": "yesterday"}).status_code == 400
    assert desk.post(page, {"compromised_at": "2999-01-01T00:00:00Z"}).status_code == 400
    assert desk.post(page, {"compromised_at": "2026-01-01T09:00:00+01:00"}).status_code == 302
    key.refresh_from_db()
    assert key.compromised_at == datetime(2026, 1, 1, 8, tzinfo=UTC)


def test_an_officer_of_one_client_has_a_key_too(world: World) -> None:
    desk = signed_in(world, "ben")
    assert desk.post(KEYS + "create/", {"password": world.password}).status_code == 302
    key = SigningKey.objects.get(person=world.person("ben"))
    assert desk.post(f"{KEYS}{key.pk}/retire/").status_code == 302


def test_who_does_not_sign_is_not_offered_a_key(world: World) -> None:
    for username in ("alice", "audrey"):
        desk = signed_in(world, username)
        assert "Create my signing key" not in text(desk.get(KEYS))
        response = desk.post(KEYS + "create/", {"password": world.password})
        assert response.status_code == 403
