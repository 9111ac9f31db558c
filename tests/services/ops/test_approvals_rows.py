"""What was asked for, and what came of it, stays as it was written, past every service too."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from ops.formats import approval as formats
from ops.models import Approval
from ops.services import approval_states as states
from tests.factories import World
from tests.services.ops.approval_rows import in_state, refusal_of, update
from tests.services.ops.approving import Acts, ask, decide

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    return Acts.registered(monkeypatch)


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "test.other"},
        {"client_id": "clinic-002"},
        {"client_id": None},
        {"requester_id": "oscar"},
        {"requester_account_id": "olivia"},
        {"reason": "Another."},
        {"needed": 2},
        {"request": "{}"},
        {"request_sha256": f"sha256:{'0' * 64}"},
        {"created_at": timedelta(days=-1)},
        {"expires_at": timedelta(days=-1)},
        {"expires_at": timedelta(days=1)},
    ],
    ids=lambda changes: "-".join(f"{name} {value}" for name, value in changes.items())[:60],
)
def test_what_was_asked_for_stays(world: World, changes: dict[str, Any]) -> None:
    approval = ask(world)
    ((name, value),) = changes.items()
    if name == "requester_id":
        value = world.person(value).pk
    elif name == "requester_account_id":
        value = world.user(value).pk
    elif isinstance(value, timedelta):
        value = getattr(approval, name) + value
    with pytest.raises(IntegrityError, match="records of fact"):
        update(approval, **{name: value})


@pytest.mark.parametrize("state", ["used", "failed", "void", "withdrawn", "expired", "rejected"])
def test_an_outcome_stays(world: World, state: str) -> None:
    approval = in_state(world, state)
    if state == "used":
        states.set_result(approval, {"name": "x"})
    later = states.clock() + timedelta(days=1)
    for changes in (
        {"result": {"name": "y"}, "executed_at": later},
        {"outcome_note": "Another."},
        {"closed_at": later},
    ):
        assert refusal_of(update, approval, **changes) == "ops_approval_outcome"


def test_a_result_is_not_written_before_its_time(world: World) -> None:
    now = states.clock()
    for state in ("pending", "approved"):
        approval = in_state(world, state)
        refusal = refusal_of(update, approval, result={"x": 1}, executed_at=now)
        assert refusal == "ops_approval_outcome"


def test_times_are_the_database_s(world: World) -> None:
    approval = in_state(world, "approved")
    update(approval, state="used", closed_at=approval.created_at - timedelta(days=9))
    update(approval, executed_at=approval.created_at - timedelta(days=9), result={"x": 1})
    approval.refresh_from_db()
    assert approval.created_at < approval.closed_at < approval.executed_at


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"state": "approved"}, "ops_approval_starts_pending"),
        ({"state": "used"}, "ops_approval_starts_pending"),
        ({"needed": 0}, "ops_approval_needed"),
        ({"needed": 2}, "ops_approval_says_so"),
        ({"action": "test.other"}, "ops_approval_says_so"),
        ({"client_id": "clinic-002"}, "ops_approval_says_so"),
        ({"reason": "Another."}, "ops_approval_says_so"),
        ({"requester_account": "olivia"}, "ops_approval_says_so"),
        ({"requester": "oscar"}, "ops_approval_requester_account"),
        ({"request_sha256": f"sha256:{'0' * 64}"}, "ops_approval_digest"),
        ({"expires_at": timedelta(days=1)}, "ops_approval_longest"),
        ({"expires_at": timedelta(days=-8)}, "ops_approval_lifetime"),
        ({"created_at": timedelta(seconds=-1)}, "ops_approval_longest"),
        ({"created_at": timedelta(days=1)}, "ops_approval_not_ahead"),
    ],
    ids=lambda part: (
        "-".join(f"{k} {v}" for k, v in part.items())[:60] if isinstance(part, dict) else None
    ),
)
def test_bulk_create_of_a_wrong_request(
    world: World, changes: dict[str, Any], constraint: str
) -> None:
    approval = ask(world)
    ((name, value),) = changes.items()
    if name == "requester":
        value = world.person(value)
    elif name == "requester_account":
        value = world.user(value)
    elif isinstance(value, timedelta):
        value = getattr(approval, name) + value
    wrong = Approval.objects.get(pk=approval.pk)
    wrong.pk = Approval().pk
    wrong._state.adding = True
    setattr(wrong, name, value)
    if name == "requester":
        bound = wrong.bound | {"requester": {"account": "alice", "person": str(value.pk)}}
        wrong.request = json.dumps(bound)
        wrong.request_sha256 = formats.digest(wrong.request.encode())

    def insert_request() -> None:
        with transaction.atomic():
            Approval.objects.bulk_create([wrong])

    assert refusal_of(insert_request) == constraint


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ops_approval",
        "TRUNCATE ops_approval CASCADE",
        "UPDATE ops_approvaldecision SET comment = 'x'",
        "DELETE FROM ops_approvaldecision",
        "TRUNCATE ops_approvaldecision",
        "ALTER TABLE ops_approval DISABLE TRIGGER ALL",
        "SET session_replication_role = 'replica'",
    ],
)
def test_rows_stay(world: World, acts: Acts, statement: str) -> None:
    acts.change(needed=2)
    decide(world, ask(world))
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_triggers_can_not_be_fooled_by_temporary_tables(world: World) -> None:
    approval = ask(world)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE ops_approvaldecision AS SELECT %s::uuid AS approval_id,"
            " %s::uuid AS person_id, true AS approves",
            [approval.pk, world.person("olivia").pk],
        )
    assert refusal_of(update, approval, state="approved") == "ops_approval_people"


@pytest.mark.parametrize("table", ["ops_approval", "ops_approvaldecision", "access_person"])
def test_triggers_hold_for_replicas_too(world: World, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgenabled FROM pg_trigger"
            " WHERE tgrelid = %s::regclass AND NOT tgisinternal",
            [table],
        )
        found = dict(cursor.fetchall())
    assert len(found) >= 3 and set(found.values()) == {"A"}
