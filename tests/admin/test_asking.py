"""People, clients and grants at the desk: done at once, or asked for where it takes two people."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from access.models import Client, Grant
from ops.models import Approval
from tests.admin.approvals import approved, asked, page
from tests.admin.test_audit_admin import signed_in, text
from tests.factories import World

NEW_CLIENT = "/admin/access/client/new/"


def grant_page(world: World, username: str = "nobody") -> str:
    return f"/admin/access/user/{world.user(username).pk}/grant/"


def merge_page(world: World, username: str = "nobody") -> str:
    return f"/admin/access/person/{world.person(username).pk}/merge/"


# --- grants ----------------------------------------------------------------------------------


def test_a_role_of_little_power_is_granted_at_once(world: World) -> None:
    desk = signed_in(world, "alice")
    given = {"role": "auditor", "client_id": "clinic-001", "reason": ""}
    response = desk.post(grant_page(world), given, follow=True)
    assert "Granted nobody: auditor for clinic-001." in text(response)
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("role", "client_id"),
    [("admin", "clinic-001"), ("compliance-officer", "clinic-001"), ("auditor", "")],
)
def test_a_role_of_much_power_is_asked_for(world: World, role: str, client_id: str) -> None:
    desk = signed_in(world, "alice")
    assert "take two people" in text(desk.get(grant_page(world)))
    given = {"role": role, "client_id": client_id, "reason": ""}
    assert "Say why" in text(desk.post(grant_page(world), given), 400)
    approval = asked(desk, grant_page(world), {**given, "reason": "He joins the team."})
    shown = text(desk.get(page(approval)))
    assert "Nobody Here" in shown
    assert "Olivia Officer or Oscar Officer can decide on it." in shown
    assert not Grant.objects.filter(user=world.user("nobody")).exists()
    approved(world, approval)
    made = Grant.objects.get(user=world.user("nobody"))
    assert (made.group.name, made.client_id) == (role, client_id or None)


def test_nobody_asks_for_himself(world: World) -> None:
    desk = signed_in(world, "alice")
    given = {"role": "auditor", "client_id": "", "reason": "I want it."}
    assert "your own rights" in text(desk.post(grant_page(world, "alice"), given), 403)
    assert not Approval.objects.exists()


# --- clients ---------------------------------------------------------------------------------


def test_an_administrator_creates_a_client_at_once(world: World) -> None:
    desk = signed_in(world, "alice")
    assert 'name="reason"' not in text(desk.get(NEW_CLIENT))
    given = {"client_id": "clinic-003", "name": "Third", "redaction_pointers": "/data/secret"}
    response = desk.post(NEW_CLIENT, given, follow=True)
    assert "Created the client Third (clinic-003)." in text(response)
    assert Client.objects.get(pk="clinic-003").redaction_pointers == ["/data/secret"]


def test_an_officer_asks_for_one(world: World) -> None:
    desk = signed_in(world)
    assert "Ask for the client" in text(desk.get(NEW_CLIENT))
    given = {"client_id": "clinic-003", "name": "Third", "redaction_pointers": ""}
    assert desk.post(NEW_CLIENT, given).status_code == 400
    approval = asked(desk, NEW_CLIENT, {**given, "reason": "A new contract."})
    assert not Client.objects.filter(pk="clinic-003").exists()
    approved(world, approval, "alice")
    assert Client.objects.filter(pk="clinic-003").exists()


def test_an_officer_of_one_client_does_not(world: World) -> None:
    desk = signed_in(world, "ben")
    assert "New client" not in text(desk.get("/admin/access/client/"))
    assert desk.get(NEW_CLIENT).status_code == 409
    given = {"client_id": "clinic-003", "name": "Third", "reason": "A new contract."}
    assert desk.post(NEW_CLIENT, given).status_code == 403
    assert not Approval.objects.exists()


# --- persons who are one ---------------------------------------------------------------------


def test_two_persons_are_treated_as_one_when_an_officer_approved(world: World) -> None:
    desk: Browser = signed_in(world, "alice")
    nobody, omar = world.person("nobody"), world.person("omar")
    assert "can't be separated again" in text(desk.get(merge_page(world)))
    given = {"into": str(omar.pk), "reason": "They told us."}
    approval = asked(desk, merge_page(world), given)
    nobody.refresh_from_db()
    assert nobody.merged_into is None
    approved(world, approval)
    nobody.refresh_from_db()
    assert nobody.merged_into == omar
    assert "Omar Operator" in text(desk.get(f"/admin/access/person/{nobody.pk}/change/"))
    assert desk.get(merge_page(world)).status_code == 409


def test_a_person_is_not_merged_with_itself(world: World) -> None:
    desk = signed_in(world, "alice")
    given = {"into": str(world.person("nobody").pk), "reason": "x"}
    assert desk.post(merge_page(world), given).status_code == 400
    assert not Approval.objects.exists()
