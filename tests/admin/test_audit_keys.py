"""Signing keys at the desk: each change is asked for, and done once another person approved."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from audit.models import KeyStatus, SigningKey
from audit.services import keys
from ops.models import Approval
from tests.admin.approvals import approved, asked, page
from tests.admin.test_audit_admin import signed_in, text
from tests.factories import World

KEYS = "/admin/audit/signingkey/"
REASON = {"reason": "I start on Monday."}


def address(key: SigningKey, act: str = "change") -> str:
    return f"{KEYS}{key.pk}/{act}/"


def checkpoint_key() -> SigningKey:
    return SigningKey.objects.get(purposes=["checkpoint"], status=KeyStatus.ACTIVE)


def test_an_officer_asks_for_a_key_and_makes_it_with_the_password(world: World) -> None:
    desk = signed_in(world)
    assert "Create my signing key" in text(desk.get(KEYS))
    assert "locked with the person's password" in text(desk.get(KEYS + "create/"))
    approval = asked(desk, KEYS + "create/", REASON)
    assert desk.get(page(approval, "carry-out")).status_code == 409
    approved(world, approval)
    assert "Your password" in text(desk.get(page(approval, "carry-out")))
    refused = desk.post(page(approval, "carry-out"), {"password": "wrong"})
    assert "That is not your password." in text(refused, 403)
    assert not SigningKey.objects.filter(person=world.person("olivia")).exists()
    response = desk.post(page(approval, "carry-out"), {"password": world.password})
    assert (response.status_code, response["Location"]) == (302, page(approval))
    key = SigningKey.objects.get(person=world.person("olivia"))
    assert keys.person_signer(key, world.password).key_id == key.key_id
    assert key.key_id in text(desk.get(page(approval)))
    shown = text(desk.get(address(key)))
    assert key.key_id in shown
    assert "PRIVATE" not in shown
    # A second one is in the way of the first.
    assert "Rotate it" in text(desk.get(KEYS + "create/"), 409)
    assert desk.post(KEYS + "create/", REASON).status_code == 409
    assert "Create my signing key" not in text(desk.get(KEYS))


def test_ones_own_key_is_rotated(world: World) -> None:
    desk, old = signed_in(world), world.key("olivia")
    assert "Rotate this key" in text(desk.get(address(old)))
    approval = asked(desk, address(old, "rotate"), REASON)
    approved(world, approval)
    desk.post(page(approval, "carry-out"), {"password": world.password})
    old.refresh_from_db()
    assert old.status == KeyStatus.RETIRED
    assert keys.active_key_of(world.person("olivia")) is not None


@pytest.mark.parametrize("username", ["oscar", "alice"])
def test_somebody_elses_key_is_not_rotated(world: World, username: str) -> None:
    desk, key = signed_in(world, username), world.key("olivia")
    assert "Rotate this key" not in text(desk.get(address(key)))
    assert "the password is needed" in text(desk.get(address(key, "rotate")), 409)
    assert desk.post(address(key, "rotate"), REASON).status_code == 403
    assert not Approval.objects.exists()


def test_the_checkpoint_key_is_rotated_by_an_administrator_and_an_officer(world: World) -> None:
    desk, old = signed_in(world, "alice"), checkpoint_key()
    assert "hand it out again" in text(desk.get(address(old, "rotate")))
    approved(world, asked(desk, address(old, "rotate"), REASON))
    assert checkpoint_key() != old
    assert (
        "without a checkpoint key"
        in text(desk.get(address(checkpoint_key(), "retire")), 409).lower()
    )


def test_the_configured_key_is_rotated_elsewhere(world: World) -> None:
    key = SigningKey.objects.get(purposes=["package", "packet"])
    page_of_act = signed_in(world, "alice").get(address(key, "rotate"))
    assert "SIGNING_PRIVATE_KEY" in text(page_of_act, 409)


@pytest.mark.parametrize("username", ["olivia", "oscar", "alice"])
def test_a_key_is_retired_once_another_person_approved(world: World, username: str) -> None:
    key, desk = world.key("olivia"), signed_in(world, username)
    assert "can't be used again" in text(desk.get(address(key, "retire")))
    approval = asked(desk, address(key, "retire"), REASON)
    key.refresh_from_db()
    assert key.is_active
    approved(world, approval, "oscar" if username != "oscar" else "olivia")
    key.refresh_from_db()
    assert key.status == KeyStatus.RETIRED
    assert "out of use already" in text(desk.get(address(key, "retire")), 409)


def test_a_key_is_reported_as_compromised(world: World) -> None:
    key, desk = world.key("olivia"), signed_in(world)
    report = address(key, "compromised")
    for wrong in ("yesterday", "2999-01-01T00:00:00Z"):
        assert desk.post(report, {"compromised_at": wrong, **REASON}).status_code == 400
    assert desk.post(report, {"compromised_at": "2026-01-01T09:00:00Z"}).status_code == 400
    given = {"compromised_at": "2026-01-01T09:00:00+01:00", **REASON}
    approved(world, asked(desk, report, given))
    key.refresh_from_db()
    assert key.compromised_at == datetime(2026, 1, 1, 8, tzinfo=UTC)


def test_an_officer_of_one_client_has_a_key_too(world: World) -> None:
    desk = signed_in(world, "ben")
    approval = asked(desk, KEYS + "create/", REASON)
    approved(world, approval)
    desk.post(page(approval, "carry-out"), {"password": world.password})
    key = SigningKey.objects.get(person=world.person("ben"))
    approved(world, asked(desk, address(key, "retire"), REASON))
    # Keys of those who act for all clients are not his business.
    assert desk.post(address(world.key("olivia"), "retire"), REASON).status_code == 403


def test_who_does_not_sign_is_not_offered_a_key(world: World) -> None:
    for username in ("alice", "audrey"):
        desk = signed_in(world, username)
        assert "Create my signing key" not in text(desk.get(KEYS))
        response = desk.post(KEYS + "create/", REASON)
        assert response.status_code == 403
