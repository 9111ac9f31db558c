"""Carrying out what was approved: once, while everything still holds, and never half."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from access.models import Client
from access.roles import Role
from audit.events import EventType
from ops.admin import approval_words
from ops.models import Approval, ApprovalState
from ops.services import approval_errors as errors
from ops.services import approval_execution as execution
from ops.services import approval_states as states
from ops.services import approvals, people
from sealing.errors import Conflict, Forbidden, Invalid, Unavailable
from tests.factories import World
from tests.services.ops.approving import (
    Acts,
    approved,
    ask,
    decide,
    events,
    name_of,
    outlive,
    use,
    with_one_officer,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    return Acts.registered(monkeypatch)


def state_of(approval: Approval) -> str:
    return Approval.objects.get(pk=approval.pk).state


# --- by the requester, with a secret ------------------------------------------------------------


def test_the_requester_carries_out_what_needs_a_secret(world: World, acts: Acts) -> None:
    approval = use(world, approved(world, acts), password="secret")
    assert (approval.state, approval.result) == (ApprovalState.USED, {"name": "New name"})
    ((_, _, secrets),) = acts.done
    assert secrets == {"password": "secret"}
    assert not any("secret" in str(event) for event in events(*EventType))


def test_it_is_used_once(world: World, acts: Acts) -> None:
    approval = approved(world, acts)
    use(world, approval, password="secret")
    with pytest.raises(errors.ApprovalClosed):
        use(world, approval, password="secret")
    assert len(acts.done) == 1
    (refused,) = events(EventType.OPS_APPROVAL_REFUSED)
    assert refused["data"]["code"] == "approval_closed"


@pytest.mark.parametrize(
    ("by", "secrets", "refusal"),
    [
        ("olivia", {"password": "x"}, errors.NotYourRequest),
        ("oscar", {"password": "x"}, errors.NotYourRequest),
        ("alice", {}, Invalid),
        ("alice", {"password": ""}, Invalid),
        ("alice", {"password": "x", "pin": "1"}, Invalid),
    ],
)
def test_what_does_not_carry_it_out(
    world: World, acts: Acts, by: str, secrets: dict[str, str], refusal: type[Exception]
) -> None:
    approval = approved(world, acts)
    with pytest.raises(refusal):
        use(world, approval, by, **secrets)
    assert state_of(approval) == ApprovalState.APPROVED and not acts.done


def test_what_was_not_approved_is_not_carried_out(world: World, acts: Acts) -> None:
    acts.change(needs=("password",))
    with pytest.raises(errors.NotApproved):
        use(world, ask(world), password="secret")
    assert not acts.done


def test_a_secret_that_is_not_right_does_not_spend_it(world: World, acts: Acts) -> None:
    approval = approved(world, acts)
    acts.failure = Forbidden("Wrong.", field="password")
    with pytest.raises(Forbidden, match="Wrong"):
        use(world, approval, password="typo")
    assert (state_of(approval), name_of()) == (ApprovalState.APPROVED, "Clinic-001")
    acts.failure = None
    assert use(world, approval, password="secret").state == ApprovalState.USED


# --- nothing that it rested on may have changed ---------------------------------------------------


def lose(world: World, username: str) -> None:
    for grant in world.user(username).grants.filter(revoked_at=None):
        people.revoke_grant(actor=world.actor("adam"), grant=grant)


def close(world: World, username: str) -> None:
    people.deactivate_account(actor=world.actor("adam"), user=world.user(username))


def rename(world: World, username: str) -> None:
    Client.objects.filter(pk="clinic-001").update(name="Changed")


@pytest.mark.parametrize(
    ("change", "username", "code"),
    [
        (lose, "olivia", "approvers_missing"),
        (close, "olivia", "approvers_missing"),
        (rename, "", "subject_changed"),
    ],
)
def test_what_voids_it_after_the_approval(
    world: World, acts: Acts, change: Callable[..., None], username: str, code: str
) -> None:
    approval = approved(world, acts)
    adam = people.create_person_account(
        actor=world.actor("alice"), username="adam", display_name="Adam", password="p" * 20 + "7"
    )
    people.grant(actor=world.actor("alice"), user=adam, role=Role.ADMIN, client=None)
    change(world, username)
    with pytest.raises(errors.ApprovalVoid):
        use(world, approval, password="secret")
    assert state_of(approval) == ApprovalState.VOID and not acts.done
    assert [event["data"]["code"] for event in events(EventType.OPS_APPROVAL_VOIDED)] == [code]


def test_a_requester_who_lost_the_role_voids_it(world: World, acts: Acts) -> None:
    with_one_officer(world)
    acts.change(needed=2)
    approval = ask(world, "alice")
    decide(world, approval, "olivia")
    lose(world, "alice")
    assert decide(world, approval, "adam").state == ApprovalState.VOID
    assert not acts.done


def test_whoever_stood_in_does_not_count_once_there_are_officers(world: World, acts: Acts) -> None:
    with_one_officer(world)
    acts.change(needs=("password",))
    approval = decide(world, ask(world, "olivia"), "alice")
    people.grant(
        actor=world.actor("alice"), user=world.user("oscar"), role=Role.OFFICER, client=None
    )
    with pytest.raises(errors.ApprovalVoid):
        use(world, approval, "olivia", password="secret")
    assert not acts.done


def test_what_expired_after_the_approval_is_not_carried_out(world: World, acts: Acts) -> None:
    approval = approved(world, acts, left=timedelta(seconds=1))
    outlive(approval)
    with pytest.raises(errors.ApprovalExpired):
        use(world, approval, password="secret")
    assert state_of(approval) == ApprovalState.EXPIRED and not acts.done


# --- failing ------------------------------------------------------------------------------------


def test_an_act_that_fails_spends_it_and_leaves_nothing(world: World, acts: Acts) -> None:
    acts.failure = Conflict("It is not possible.", code="impossible")
    approval = decide(world, ask(world))
    assert (approval.state, approval.outcome_code) == (ApprovalState.FAILED, "impossible")
    assert approval.outcome_note == "It is not possible."
    assert name_of() == "Clinic-001"
    (event,) = events(EventType.OPS_APPROVAL_USED)
    assert (event["outcome"], event["data"]["code"]) == ("failure", "impossible")
    acts.failure = None
    with pytest.raises(errors.ApprovalClosed):
        use(world, approval)
    assert not acts.done


def test_a_precondition_is_asked_again(world: World, acts: Acts) -> None:
    def refuse(actor: Any, params: Any) -> None:
        raise Forbidden("Not any more.")

    approval = ask(world)
    acts.change(precondition=refuse)
    assert decide(world, approval).outcome_note == "Not any more."
    assert not acts.done


def test_what_was_cut_short_is_taken_up_by_the_requester(world: World, acts: Acts) -> None:
    acts.failure = RuntimeError("the process died")
    approval = ask(world)
    with pytest.raises(RuntimeError):
        decide(world, approval)
    assert (state_of(approval), name_of()) == (ApprovalState.APPROVED, "Clinic-001")
    acts.failure = None
    with pytest.raises(errors.NotYourRequest):
        use(world, approval, "olivia")
    assert use(world, approval).state == ApprovalState.USED
    assert len(acts.done) == 1


# --- acts that work beside the database -----------------------------------------------------------


def test_files_that_fail_spend_it(world: World, acts: Acts) -> None:
    acts.change(does_io=True)
    acts.failure = Unavailable("The store does not answer.")
    approval = decide(world, ask(world))
    assert (approval.state, approval.outcome_code) == (ApprovalState.FAILED, "unavailable")
    outcomes = [event["outcome"] for event in events(EventType.OPS_APPROVAL_USED)]
    assert outcomes == ["success", "failure"]
    with pytest.raises(errors.ApprovalClosed):
        use(world, approval)


def test_files_that_were_cut_short_are_found(
    world: World, acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts.change(does_io=True)
    acts.failure = SystemExit("the process died")
    approval = ask(world)
    with pytest.raises(SystemExit):
        decide(world, approval)
    assert state_of(approval) == ApprovalState.USED
    assert "Under way" in approval_words.state(Approval.objects.get(pk=approval.pk))
    with pytest.raises(errors.ApprovalClosed):
        use(world, approval)
    assert approvals.expire_due() == 0
    monkeypatch.setattr(states, "LOST_AFTER", timedelta())
    assert approvals.expire_due() == 1
    approval.refresh_from_db()
    assert (approval.state, approval.outcome_code) == (ApprovalState.FAILED, "interrupted")


def test_files_that_fail_unforeseen_spend_it_at_once(world: World, acts: Acts) -> None:
    acts.change(does_io=True)
    acts.failure = RuntimeError("a fault of ours")
    approval = decide(world, ask(world))
    assert (approval.state, approval.outcome_code) == (ApprovalState.FAILED, "internal_error")
    assert "a fault of ours" not in approval.outcome_note
    outcomes = [event["outcome"] for event in events(EventType.OPS_APPROVAL_USED)]
    assert outcomes == ["success", "failure"]
    with pytest.raises(errors.ApprovalClosed):
        use(world, approval)


@pytest.mark.parametrize(
    ("does_io", "sentence"),
    [(False, "nothing was changed by it"), (True, "can only be looked up")],
)
def test_what_failed_says_whether_it_left_anything(
    world: World, acts: Acts, does_io: bool, sentence: str
) -> None:
    acts.change(does_io=does_io)
    acts.failure = Conflict("It is not possible.")
    approval = decide(world, ask(world))
    assert sentence in str(approval_words.custody(approval)[-1].what)


def test_what_belongs_to_another_client_by_now_is_void(world: World, acts: Acts) -> None:
    approval = approved(world, acts)
    acts.change(client_of=lambda params: None)
    with pytest.raises(errors.ApprovalVoid, match="another client"):
        use(world, approval, password="secret")
    assert not acts.done


def test_the_requesters_name_stands_for_it_and_the_request_of_who_set_it_off(
    world: World,
) -> None:
    approval = ask(world)
    oscar = world.actor("oscar")
    by = execution._requester(approval, type(oscar)(oscar.id, oscar.account, request_id="r-1"))
    assert (by.id, by.ip, by.request_id) == ("user:alice", None, "r-1")
