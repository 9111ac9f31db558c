"""What the database refuses by itself, whoever asks and past every service."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from ops.models import ApprovalState
from ops.services import approval_errors as errors
from ops.services import approvals
from tests.factories import World
from tests.services.ops.approval_rows import in_state, insert, merge, refusal_of, row, update
from tests.services.ops.approving import Acts, approved, ask, decide, outlive

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    return Acts.registered(monkeypatch)


# --- decisions ------------------------------------------------------------------------------------


def test_honest_rows_are_accepted(world: World) -> None:
    approval = ask(world)
    insert(row(world, approval), row(world, approval, "oscar"))
    update(approval, state="approved")
    update(approval, state="used")


@pytest.mark.parametrize(
    ("by", "changes", "constraint"),
    [
        ("alice", {}, "ops_decision_not_requester"),
        ("alice", {"requester_id": "oscar"}, "ops_decision_not_requester"),
        ("olivia", {"requester_id": "oscar"}, "ops_decision_bound"),
        ("olivia", {"request_sha256": f"sha256:{'0' * 64}"}, "ops_decision_bound"),
        ("olivia", {"person_id": "oscar"}, "ops_decision_account"),
        ("alice", {"person_id": "oscar"}, "ops_decision_account"),
        ("olivia", {"approves": False}, "ops_decision_rejection_says_why"),
    ],
)
def test_bulk_create_of_a_wrong_decision(
    world: World, by: str, changes: dict[str, Any], constraint: str
) -> None:
    meant = {
        name: world.person(value).pk if name.endswith("_id") else value
        for name, value in changes.items()
    }
    assert refusal_of(insert, row(world, ask(world), by, **meant)) == constraint


def test_the_check_alone_refuses_the_requester(world: World) -> None:
    """Were the trigger gone, the constraint over the copied column would still refuse."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conname = 'ops_decision_not_requester'"
        )
        (definition,) = cursor.fetchone()
    assert "person_id = requester_id" in definition and "NOT" in definition


def test_one_person_decides_once_by_whichever_account(world: World) -> None:
    approval = ask(world)
    twice = (row(world, approval), row(world, approval, "olivia2"))
    assert refusal_of(insert, *twice) == "ops_decision_one_per_person"
    insert(twice[0])
    assert refusal_of(insert, twice[1]) == "ops_decision_one_per_person"


def test_merged_people_decide_once(world: World) -> None:
    merge(world, "oscar", "olivia")
    approval = ask(world)
    twice = (row(world, approval), row(world, approval, "oscar"))
    assert refusal_of(insert, *twice) == "ops_decision_one_per_person"


def test_whoever_is_merged_with_the_requester_does_not_decide(world: World) -> None:
    approval = ask(world, "oscar")
    merge(world, "oscar", "olivia")
    assert refusal_of(insert, row(world, approval)) == "ops_decision_not_requester"


@pytest.mark.parametrize("state", ["approved", "used", "withdrawn", "void"])
def test_what_is_not_pending_is_not_decided(world: World, state: str) -> None:
    approval = ask(world)
    insert(row(world, approval))
    for step in ("approved", "used") if state in ("approved", "used") else (state,):
        update(approval, state=step)
        if step == state:
            break
    assert refusal_of(insert, row(world, approval, "oscar")) == "ops_decision_pending"


def test_what_expired_is_not_decided(world: World) -> None:
    approval = ask(world, left=timedelta(microseconds=1))
    outlive(approval)
    assert refusal_of(insert, row(world, approval)) == "ops_decision_in_time"


def test_a_decision_can_not_be_antedated(world: World) -> None:
    approval = ask(world)
    long_ago = approval.created_at - timedelta(days=30)
    insert(row(world, approval, decided_at=long_ago))
    assert approval.decisions.get().decided_at > approval.created_at


# --- states ---------------------------------------------------------------------------------------

STATES = ApprovalState.values
ALLOWED = {
    ("pending", "approved"),
    ("pending", "rejected"),
    ("pending", "withdrawn"),
    ("pending", "expired"),
    ("pending", "void"),
    ("approved", "used"),
    ("approved", "failed"),
    ("approved", "expired"),
    ("approved", "void"),
    ("used", "failed"),
}


@pytest.mark.parametrize(
    ("old", "new"),
    [(old, new) for old in STATES for new in STATES if old != new and (old, new) not in ALLOWED],
)
def test_states_that_do_not_follow(world: World, old: str, new: str) -> None:
    approval = in_state(world, old)
    code = "x" if new == "failed" else ""
    refusal = refusal_of(update, approval, state=new, outcome_code=code)
    assert refusal == "ops_approval_transition"


def test_enough_people_have_to_approve(world: World, acts: Acts) -> None:
    acts.change(needed=2)
    approval = ask(world)
    assert refusal_of(update, approval, state="approved") == "ops_approval_people"
    insert(row(world, approval))
    assert refusal_of(update, approval, state="approved") == "ops_approval_people"
    insert(row(world, approval, "oscar"))
    update(approval, state="approved")


def test_people_who_were_merged_after_they_approved_count_once(world: World, acts: Acts) -> None:
    acts.change(needed=2)
    approval = ask(world)
    insert(row(world, approval), row(world, approval, "oscar"))
    update(approval, state="approved")
    merge(world, "oscar", "olivia")
    assert refusal_of(update, approval, state="used") == "ops_approval_people"


def test_whoever_is_merged_with_the_requester_afterwards_does_not_count(world: World) -> None:
    approval = ask(world)
    insert(row(world, approval))
    update(approval, state="approved")
    merge(world, "olivia", "alice")
    assert refusal_of(update, approval, state="used") == "ops_approval_people"


def test_a_rejection_stands_in_the_way(world: World) -> None:
    approval = ask(world)
    insert(row(world, approval), row(world, approval, "oscar", approves=False, comment="No."))
    assert refusal_of(update, approval, state="approved") == "ops_approval_rejected"


def test_nothing_is_rejected_by_nobody(world: World) -> None:
    approval = ask(world)
    insert(row(world, approval))
    assert refusal_of(update, approval, state="rejected") == "ops_approval_rejected"


def test_nothing_is_used_too_late_or_expired_too_early(world: World) -> None:
    fresh, old = ask(world), ask(world, left=timedelta(seconds=0.5))
    insert(row(world, old))
    update(old, state="approved")
    outlive(old)
    assert refusal_of(update, old, state="used") == "ops_approval_in_time"
    assert refusal_of(update, fresh, state="expired") == "ops_approval_in_time"


def test_a_state_past_the_people_is_not_carried_out_either(world: World, acts: Acts) -> None:
    """The service counts as well, should somebody have written past the triggers."""
    approval = approved(world, acts)
    merge(world, "olivia", "alice")
    with pytest.raises(errors.ApprovalVoid):
        approvals.use(
            actor=world.actor("alice"), approval_id=approval.pk, secrets={"password": "x"}
        )
    assert not acts.done


def test_a_race_is_decided_by_the_database(
    world: World, acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the service's own look too early, the database would still refuse, by name."""
    acts.change(needed=2)
    approval = ask(world)
    monkeypatch.setattr(approvals, "_decider", lambda act, approval, actor: actor.account)
    with pytest.raises(errors.OwnRequest):
        decide(world, approval, "alice")
    decide(world, approval, "olivia")
    with pytest.raises(errors.AlreadyDecided):
        decide(world, approval, "olivia2")
