"""The database itself refuses to rewrite the log, whoever asks (issue acceptance 6)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connections
from django.test import override_settings
from psycopg import errors, sql
from pytest_django import DjangoDbBlocker

from audit.events import Actor
from audit.services import checkpoints, keys
from audit.services.verification import verify_database
from config.development import DatabaseUrls
from tests import databases
from tests.services.audit.helpers import event_bytes, seal

COLUMNS = (
    "seq, id, created_at, prev_hash, hash, type, occurred_at, actor_id, recorder, client_id,"
    " object_type, object_id, outcome, event"
)
REWRITES = (
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "TRUNCATE {table} CASCADE",
)
FACTS = {
    "audit_events": "outcome",
    "audit_checkpoint": "note",
    "audit_verificationrun": "message",
}


@pytest.fixture(scope="module")
def filled(
    template_database: str,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DatabaseUrls]:
    """A log with an event, a checkpoint and a verification; one for all, as nothing may change."""
    name = f"append_only_{uuid.uuid4().hex[:12]}"
    before = connections["default"].settings_dict["NAME"]
    state = tmp_path_factory.mktemp("signer") / "state.json"
    with django_db_blocker.unblock(), override_settings(AUDIT_SIGNER_STATE=state):
        connections.close_all()
        urls = databases.create(name, template=template_database)
        databases.point_at(name)
        try:
            actor = Actor.system("test")
            keys.ensure_service_keys(actor=actor)
            seal()
            checkpoints.issue()
            verify_database(actor=actor)
            connections.close_all()
            yield urls
        finally:
            connections.close_all()
            databases.point_at(before)
            databases.drop(name)


def connect(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def as_application(filled: DatabaseUrls) -> Iterator[psycopg.Connection]:
    yield from connect(filled.application)


@pytest.fixture
def as_owner(filled: DatabaseUrls) -> Iterator[psycopg.Connection]:
    yield from connect(filled.owner)


@pytest.fixture
def as_superuser(filled: DatabaseUrls) -> Iterator[psycopg.Connection]:
    yield from connect(filled.superuser)


def rewrites() -> list[tuple[str, str]]:
    return [
        (table, statement.format(table=table, column=column))
        for table, column in FACTS.items()
        for statement in REWRITES
    ]


@pytest.mark.parametrize(("table", "statement"), rewrites())
def test_the_application_has_no_right_to(
    as_application: psycopg.Connection, table: str, statement: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        as_application.execute(statement.encode())


@pytest.mark.parametrize(("table", "statement"), rewrites())
def test_triggers_refuse_the_owner(
    as_owner: psycopg.Connection, table: str, statement: str
) -> None:
    with pytest.raises(errors.IntegrityConstraintViolation, match="records of fact"):
        as_owner.execute(statement.encode())


@pytest.mark.parametrize(("table", "statement"), rewrites())
def test_triggers_hold_for_replicas(
    as_superuser: psycopg.Connection, table: str, statement: str
) -> None:
    as_superuser.execute("SET session_replication_role = replica")
    with pytest.raises(errors.IntegrityConstraintViolation, match="records of fact"):
        as_superuser.execute(statement.encode())
    as_superuser.rollback()
    # The owner may not even ask for that role; and as a replica the superuser is who we think.
    as_superuser.execute("SET session_replication_role = replica")
    as_superuser.execute("SET ROLE strongroom_owner")
    with pytest.raises(errors.IntegrityConstraintViolation):
        as_superuser.execute(statement.encode())


def test_the_application_can_not_switch_triggers_off(as_application: psycopg.Connection) -> None:
    for statement in (
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "ALTER TABLE audit_events DROP CONSTRAINT audit_events_columns_match",
        "SET session_replication_role = replica",
        "CREATE TABLE escape (id int)",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            as_application.execute(statement.encode())
        as_application.rollback()


GUARDED = (
    ("DELETE FROM audit_loghead", "one head"),
    ("TRUNCATE audit_loghead", "one head"),
    ("UPDATE audit_loghead SET origin = 'other'", "name"),
    ("UPDATE audit_loghead SET size = size - 1", "shorter"),
    ("DELETE FROM audit_signingkey", "never deleted"),
    ("TRUNCATE audit_signingkey CASCADE", "refused"),
    ("UPDATE audit_signingkey SET public_key_pem = 'x'", "only the status"),
    ("UPDATE audit_signingkey SET private_box = NULL", "only the status"),
    ("UPDATE audit_signingkey SET not_before = now()", "only the status"),
    ("UPDATE audit_signingkey SET purposes = '[]'", "only the status"),
    ("UPDATE audit_signingkey SET status = 'active'", "never goes back"),
)


@pytest.mark.parametrize(("statement", "reason"), GUARDED)
def test_head_and_keys_are_guarded(
    as_owner: psycopg.Connection, statement: str, reason: str
) -> None:
    with pytest.raises(errors.IntegrityConstraintViolation, match=reason):
        as_owner.execute(statement.encode())


def test_a_retired_key_never_becomes_active(as_owner: psycopg.Connection) -> None:
    as_owner.execute("UPDATE audit_signingkey SET status = 'retired', not_after = now()")
    with pytest.raises(errors.IntegrityConstraintViolation, match="never goes back"):
        as_owner.execute("UPDATE audit_signingkey SET status = 'active', not_after = NULL")


# --- columns and event -----------------------------------------------------------------------

LIES = {
    "id": "'00000000-0000-4000-8000-000000000000'",
    "type": "'access.denied'",
    "occurred_at": "'2026-01-02T03:04:05.000007Z'",
    "actor_id": "'service:other'",
    "recorder": "'service:other'",
    "client_id": "'clinic-002'",
    "object_type": "'other'",
    "object_id": "'other'",
    "outcome": "'denied'",
}


def insert(connection: psycopg.Connection, raw: bytes, **columns: str) -> None:
    event = json.loads(raw)
    values: dict[str, sql.Composable] = {
        "seq": sql.SQL("(SELECT count(*) FROM audit_events)"),
        "id": sql.Literal(event["id"]),
        "created_at": sql.SQL("now()"),
        "prev_hash": sql.Literal(bytes(32)),
        "hash": sql.Literal(bytes(32)),
        "type": sql.Literal(event["type"]),
        "occurred_at": sql.Literal(event["occurred_at"]),
        "actor_id": sql.Literal(event["actor"]["id"]),
        "recorder": sql.Literal(event["recorder"]),
        "client_id": sql.Literal(event["client_id"]),
        "object_type": sql.Literal((event["object"] or {}).get("type")),
        "object_id": sql.Literal((event["object"] or {}).get("id")),
        "outcome": sql.Literal(event["outcome"]),
        "event": sql.Literal(raw.decode()),
    } | {name: sql.SQL(value) for name, value in columns.items()}
    connection.execute(
        sql.SQL("INSERT INTO audit_events ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(values.values())
        )
    )


def test_a_row_that_agrees_with_its_event_is_accepted(as_application: psycopg.Connection) -> None:
    insert(as_application, event_bytes())


@pytest.mark.parametrize("column", LIES)
def test_a_column_that_disagrees_is_refused(
    as_application: psycopg.Connection, column: str
) -> None:
    with pytest.raises(errors.CheckViolation, match="audit_events_columns_match"):
        insert(as_application, event_bytes(), **{column: LIES[column]})


@pytest.mark.parametrize("column", ["client_id", "object_type", "object_id"])
def test_a_column_that_says_nothing_where_the_event_does_is_refused(
    as_application: psycopg.Connection, column: str
) -> None:
    with pytest.raises(errors.CheckViolation, match="audit_events_columns_match"):
        insert(as_application, event_bytes(), **{column: "NULL"})


@pytest.mark.parametrize("column", ["client_id", "object_type"])
def test_a_column_that_says_something_where_the_event_does_not_is_refused(
    as_application: psycopg.Connection, column: str
) -> None:
    raw = event_bytes(client_id=None, object=None)
    with pytest.raises(errors.CheckViolation, match="audit_events_columns_match"):
        insert(as_application, raw, **{column: "'x'"})


def test_events_without_client_and_object_are_accepted(as_application: psycopg.Connection) -> None:
    insert(as_application, event_bytes(client_id=None, object=None))


def test_replicas_are_not_exempt_from_the_check(as_superuser: psycopg.Connection) -> None:
    as_superuser.execute("SET session_replication_role = replica")
    with pytest.raises(errors.CheckViolation, match="audit_events_columns_match"):
        insert(as_superuser, event_bytes(), outcome="'denied'")


@pytest.mark.parametrize("column", ["hash", "prev_hash"])
def test_a_hash_has_32_bytes(as_application: psycopg.Connection, column: str) -> None:
    with pytest.raises(errors.CheckViolation, match="audit_events_hash_length"):
        insert(as_application, event_bytes(), **{column: "''"})
