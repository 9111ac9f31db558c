"""What the tables of people and grants refuse by themselves."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from access import apikeys, dbtools
from access.models import ApiKey, Client, Grant, Person, TokenSession, User
from access.roles import Role
from tests.databases import CommittedDatabase
from tests.factories import World


def test_human_account_gets_a_person(db: None) -> None:
    user = User.objects.create_user("dana", password="x" * 20)
    assert user.person is not None
    assert user.person.display_name == "dana"


def test_human_account_keeps_the_person_given(world: World) -> None:
    user = User.objects.create_user("olivia3", person=world.person("olivia"))
    assert user.person == world.person("olivia")


def test_failed_account_leaves_no_person(world: World) -> None:
    before = Person.objects.count()
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("alice")
    assert Person.objects.count() == before


@pytest.mark.parametrize("is_service", [True, False])
def test_account_is_a_persons_or_a_services(world: World, is_service: bool) -> None:
    person = world.person("alice") if is_service else None
    with pytest.raises(IntegrityError, match="access_user_person_or_service"):
        User(username="odd", is_service=is_service, person=person).save()


def test_same_grant_twice_is_refused_also_for_all_clients(world: World) -> None:
    group = Group.objects.get(name=Role.ADMIN)
    with pytest.raises(IntegrityError, match="access_grant_once"):
        Grant.objects.create(user=world.user("alice"), group=group, client=None)


def test_grant_may_be_given_again_after_it_ended(world: World) -> None:
    grant = Grant.objects.get(user=world.user("audrey"))
    Grant.objects.filter(pk=grant.pk).update(revoked_at=timezone.now())
    Grant.objects.create(user=grant.user, group=grant.group, client=grant.client)


def _refused(statement: str, *parameters: Any) -> None:
    with (
        pytest.raises(DatabaseError, match="is refused"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, parameters)


@pytest.mark.parametrize("table", ["person", "user", "client", "grant", "apikey"])
def test_nothing_is_deleted(world: World, table: str) -> None:
    world.api_key()
    _refused(f"DELETE FROM access_{table}")


@pytest.mark.parametrize(
    "change",
    [
        "person_id = (SELECT person_id FROM access_user WHERE username = 'oscar')",
        "is_service = true, person_id = NULL",
        "id = 424242",
    ],
)
def test_account_never_changes_hands(world: World, change: str) -> None:
    _refused(f"UPDATE access_user SET {change} WHERE username = 'olivia2'")


def test_other_columns_of_an_account_change(world: World) -> None:
    user = world.user("olivia2")
    user.email, user.is_active = "olivia@example.org", False
    user.save()
    assert not world.user("olivia2").is_active


@pytest.mark.parametrize(
    "change",
    [
        "client_id = NULL",
        "user_id = (SELECT id FROM access_user WHERE username = 'nobody')",
        "group_id = (SELECT id FROM auth_group WHERE name = 'admin')",
        "granted_by_id = NULL",
        "created_at = now() - interval '1 year'",
    ],
)
def test_grant_is_not_rewritten(world: World, change: str) -> None:
    audrey = world.user("audrey").pk
    _refused(f"UPDATE access_grant SET {change} WHERE user_id = %s", audrey)


def test_ended_grant_stays_ended(world: World) -> None:
    grants = Grant.objects.filter(user=world.user("audrey"))
    assert grants.update(revoked_at=timezone.now()) == 1
    _refused(
        "UPDATE access_grant SET revoked_at = NULL WHERE user_id = %s", world.user("audrey").pk
    )


def test_revoked_key_and_ended_session_stay_so(world: World) -> None:
    user = world.user("svc-clinic-001")
    key, _ = apikeys.create(user=user, label="one", created_by=None)
    session = TokenSession.objects.create(
        user=world.user("alice"),
        refresh_jti="00000000-0000-0000-0000-000000000001",
        credential_mac="",
        expires_at=timezone.now(),
    )
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    TokenSession.objects.filter(pk=session.pk).update(revoked_at=timezone.now())
    _refused("UPDATE access_apikey SET revoked_at = NULL")
    _refused("UPDATE access_tokensession SET revoked_at = NULL")


def test_owner_and_replica_are_refused_too(committed_db: CommittedDatabase) -> None:
    with psycopg.connect(committed_db.owner_url) as conn:
        conn.execute("INSERT INTO access_client VALUES ('c-1', 'C', '[]', true, now())")
    for statement in (
        "DELETE FROM access_client",
        "TRUNCATE access_client CASCADE",
        "UPDATE access_client SET id = 'c-2'",
    ):
        for url, role in (
            (committed_db.owner_url, "origin"),
            (committed_db.superuser_url, "replica"),
        ):
            conn = psycopg.connect(url)
            if role == "replica":
                conn.execute("SET session_replication_role = replica")
            with pytest.raises(psycopg.errors.IntegrityError, match="is refused"):
                conn.execute(statement)
            conn.close()


def test_application_may_not_truncate(world: World) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute("TRUNCATE access_grant")


@pytest.mark.parametrize("name", ["a; DROP TABLE x", "A", "", "1a", 'a"b'])
def test_dbtools_refuse_what_is_no_name(name: str) -> None:
    for make in (dbtools.append_only, dbtools.never_deleted):
        with pytest.raises(ValueError, match="not a name"):
            make(name)
    with pytest.raises(ValueError, match="not a name"):
        dbtools.frozen_columns("access_user", name)


@pytest.mark.parametrize(
    "client_id",
    ["a", "-a", "a-", "A1", "a_b", "a b", "platform", "a" * 65, "../x", "a/b", "a\n", "é1", ""],
)
def test_client_id_is_a_slug(client_id: str) -> None:
    with pytest.raises(ValidationError):
        Client(id=client_id, name="x").clean_fields()


@pytest.mark.parametrize("client_id", ["a1", "clinic-001", "a" * 64, "platform-1"])
def test_client_id_accepted(client_id: str) -> None:
    Client(id=client_id, name="x").clean_fields()


@pytest.mark.parametrize(
    "pointers",
    [
        "/data/x",
        [1],
        ["data/x"],
        ["/data"],
        ["/data/~2"],
        ["/actor/id"],
        ["/data//"],
        {"a": 1},
    ],
)
def test_redaction_pointers_refused(pointers: Any) -> None:
    with pytest.raises(ValidationError):
        Client(id="a1", name="x", redaction_pointers=pointers).clean_fields()


def test_redaction_pointers_accepted() -> None:
    pointers = ["/data/a/b", "/source/ip", "/object/id", "/data/a~1b/~0"]
    Client(id="a1", name="x", redaction_pointers=pointers).clean_fields()
