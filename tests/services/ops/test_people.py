"""People, grants and keys of services: who may change them, and that each change is recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from access import apikeys, policy
from access.models import ApiKey, Client, Grant, Person, User
from access.roles import Action, Role
from audit.models import PendingEvent
from audit.services.trail import AuditDisabled
from ops.services import officers, people
from sealing.errors import Conflict, Forbidden, Invalid
from tests.factories import PASSWORD, World


def last_event() -> dict[str, Any]:
    return dict(json.loads(PendingEvent.objects.latest("id").event))


def test_a_new_client_is_recorded(world: World) -> None:
    people.create_client(
        actor=world.actor("alice"),
        client_id="clinic-003",
        name="Third",
        redaction_pointers=["/data/secret"],
    )
    event = last_event()
    assert event["type"] == "access.client.created"
    assert (event["client_id"], event["actor"]["id"]) == ("clinic-003", "user:alice")
    assert event["data"] == {"redaction_pointers": ["/data/secret"]}


@pytest.mark.parametrize(
    ("client_id", "pointers", "field"),
    [
        ("platform", [], "id"),
        ("Clinic", [], "id"),
        ("../etc", [], "id"),
        ("clinic\n", [], "id"),
        ("clinic-003", ["/id"], "redaction_pointers"),
        ("clinic-003", ["data"], "redaction_pointers"),
    ],
)
def test_a_client_that_is_not_valid_names_the_field(
    world: World, client_id: str, pointers: list[str], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        people.create_client(
            actor=world.actor("alice"), client_id=client_id, name="x", redaction_pointers=pointers
        )
    assert [name for name, _ in refused.value.errors] == [field]
    assert not Client.objects.filter(name="x").exists()


def test_a_taken_client_id_is_a_conflict(world: World) -> None:
    with pytest.raises(people.AlreadyThere):
        people.create_client(actor=world.actor("alice"), client_id="clinic-001", name="Again")


@pytest.mark.parametrize("username", ["audrey", "omar", "ben", "nobody", "root"])
def test_who_creates_no_clients(world: World, username: str) -> None:
    """An officer's wish becomes one by an administrator's approval (tests of the acts)."""
    with pytest.raises(Forbidden):
        people.create_client(actor=world.actor(username), client_id="clinic-003", name="x")


def test_an_officer_creates_no_accounts(world: World) -> None:
    with pytest.raises(Forbidden):
        people.create_person_account(
            actor=world.actor("olivia"), username="x", display_name="X", password=PASSWORD
        )


def test_a_weak_password_is_refused_and_nothing_is_left(world: World) -> None:
    before = Person.objects.count()
    with pytest.raises(Invalid, match="too short"):
        people.create_person_account(
            actor=world.actor("alice"), username="zoe", display_name="Zoe", password="short"
        )
    assert Person.objects.count() == before


def test_a_second_account_shares_its_person(world: World) -> None:
    assert world.user("olivia2").person_id == world.user("olivia").person_id


@pytest.mark.parametrize("how", ["revoked", "closed"])
def test_the_last_officer_stays(world: World, how: str) -> None:
    """Administrators decide for one another where there is none: one of them can't see to that."""
    alice = world.actor("alice")

    def end(username: str) -> None:
        user = world.user(username)
        if how == "revoked":
            people.revoke_grant(actor=alice, grant=Grant.objects.get(user=user))
        else:
            people.deactivate_account(actor=alice, user=user)

    end("oscar")
    end("olivia2")  # another account of the same officer
    with pytest.raises(officers.LastOfficer):
        end("olivia")
    assert policy.can(world.user("olivia"), Action.APPROVE_GRANTS)
    assert last_event()["object"]["id"] == "olivia2"
    end("ben")  # the platform's officer is his client's as well
    people.grant(actor=alice, user=world.user("nobody"), role=Role.OFFICER, client=None)
    end("olivia")


def test_one_person_never_holds_admin_and_officer(world: World) -> None:
    with pytest.raises(people.RolesConflict):
        people.grant(
            actor=world.actor("alice"), user=world.user("olivia2"), role=Role.ADMIN, client=None
        )


def test_nobody_grants_himself_anything(world: World) -> None:
    with pytest.raises(people.OwnGrant):
        people.grant(
            actor=world.actor("alice"), user=world.user("alice"), role=Role.AUDITOR, client=None
        )


def test_the_same_grant_twice_is_a_conflict(world: World) -> None:
    with pytest.raises(Conflict):
        people.grant(
            actor=world.actor("alice"),
            user=world.user("audrey"),
            role=Role.AUDITOR,
            client=world.client(),
        )


def test_a_deactivated_account_gets_no_role(world: World) -> None:
    nobody = world.user("nobody")
    people.deactivate_account(actor=world.actor("alice"), user=nobody)
    with pytest.raises(Invalid, match="deactivated"):
        people.grant(
            actor=world.actor("alice"),
            user=world.user("nobody"),
            role=Role.AUDITOR,
            client=world.client(),
        )


def test_automation_is_for_services_and_services_for_nothing_else(world: World) -> None:
    for username, role in (("audrey", Role.AUTOMATION), ("svc-clinic-001", Role.AUDITOR)):
        with pytest.raises(Invalid):
            people.grant(
                actor=world.actor("alice"), user=world.user(username), role=role, client=None
            )


def test_a_revoked_grant_stops_counting_and_stays(world: World) -> None:
    audrey = world.user("audrey")
    grant = Grant.objects.get(user=audrey)
    people.revoke_grant(actor=world.actor("alice"), grant=grant)
    assert not policy.can(audrey, Action.VIEW, "clinic-001")
    grant.refresh_from_db()
    assert grant.revoked_at is not None
    assert last_event()["type"] == "access.grant.revoked"


def test_an_api_key_is_shown_once_and_works_until_revoked(world: World) -> None:
    service = world.user("svc-clinic-001")
    key, raw = people.issue_api_key(actor=world.actor("alice"), user=service, label="feed")
    assert raw not in json.dumps(last_event())
    assert raw.rsplit("_", 1)[1] not in key.secret_sha256
    assert apikeys.account_of(raw) == service
    people.revoke_api_key(actor=world.actor("alice"), key=ApiKey.objects.get(pk=key.pk))
    assert apikeys.account_of(raw) is None


def test_people_get_no_api_keys(world: World) -> None:
    with pytest.raises(Invalid, match="service accounts"):
        people.issue_api_key(actor=world.actor("alice"), user=world.user("omar"), label="x")


def test_where_nothing_can_be_recorded_nothing_changes(world: World, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    with pytest.raises(AuditDisabled):
        people.create_client(actor=world.actor("alice"), client_id="clinic-003", name="x")
    assert not Client.objects.filter(pk="clinic-003").exists()


def test_the_database_wants_a_person_or_a_service(world: World) -> None:
    with pytest.raises(IntegrityError, match="access_user_person_or_service"), transaction.atomic():
        User.objects.bulk_create([User(username="ghost")])


def test_bootstrap_works_once(world: World, tmp_path: Any) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    with pytest.raises(CommandError, match="people already"):
        call_command(
            "bootstrap",
            admin="first",
            officer="second",
            admin_password_file=secret,
            officer_password_file=secret,
        )


def test_bootstrap_makes_two_people_and_the_keys(committed_db: Any, tmp_path: Any) -> None:
    from audit.services import keys

    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    call_command(
        "bootstrap",
        admin="first",
        officer="second",
        admin_password_file=secret,
        officer_password_file=secret,
    )
    first, second = (User.objects.get(username=name) for name in ("first", "second"))
    assert policy.roles_of(first) == {Role.ADMIN}
    assert policy.roles_of(second) == {Role.OFFICER}
    assert first.person_id != second.person_id
    assert first.check_password(PASSWORD)
    assert {key.purposes for key in keys.signers().keys} == {
        ("checkpoint",),
        ("package", "packet"),
    }
