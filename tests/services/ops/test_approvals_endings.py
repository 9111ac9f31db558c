"""Requests that end without being carried out: void, taken back, or too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from access.models import Client
from audit.events import EventType
from ops.models import Approval, ApprovalState
from ops.services import approval_errors as errors
from ops.services import approvals
from sealing.errors import NotFound
from tests.factories import World
from tests.services.ops.approving import Acts, ask, decide, events, outlive

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    return Acts.registered(monkeypatch)


def state_of(approval: Approval) -> str:
    return Approval.objects.get(pk=approval.pk).state


def test_a_changed_subject_voids_it(world: World, acts: Acts) -> None:
    approval = ask(world)
    Client.objects.filter(pk="clinic-001").update(name="Changed")
    with pytest.raises(errors.ApprovalVoid):
        decide(world, approval)
    assert state_of(approval) == ApprovalState.VOID
    (event,) = events(EventType.OPS_APPROVAL_VOIDED)
    assert event["data"]["code"] == "subject_changed"
    Client.objects.filter(pk="clinic-001").update(name="Clinic-001")
    with pytest.raises(errors.ApprovalClosed):
        decide(world, approval)
    assert not acts.done


def test_a_subject_that_is_gone_voids_it(world: World, acts: Acts) -> None:
    def gone(params: Any) -> dict[str, Any]:
        raise NotFound("There is no such thing.")

    approval = ask(world)
    acts.change(subject=gone)
    with pytest.raises(errors.ApprovalVoid, match="no such thing"):
        decide(world, approval)
    assert state_of(approval) == ApprovalState.VOID


def test_an_act_that_needs_more_people_now_voids_it(world: World, acts: Acts) -> None:
    approval = ask(world)
    acts.change(needed=2)
    with pytest.raises(errors.ApprovalVoid):
        decide(world, approval)
    assert state_of(approval) == ApprovalState.VOID


def test_a_request_is_taken_back(world: World) -> None:
    approval = ask(world, "olivia")
    with pytest.raises(errors.NotYourRequest):
        approvals.withdraw(actor=world.actor("oscar"), approval_id=approval.pk)
    taken = approvals.withdraw(
        actor=world.actor("olivia2"), approval_id=approval.pk, reason="A mistake."
    )
    assert (taken.state, taken.outcome_note) == (ApprovalState.WITHDRAWN, "A mistake.")
    (event,) = events(EventType.OPS_APPROVAL_WITHDRAWN)
    assert event["actor"]["id"] == "user:olivia2"
    with pytest.raises(errors.ApprovalClosed):
        decide(world, approval, "oscar")
    with pytest.raises(errors.ApprovalClosed):
        approvals.withdraw(actor=world.actor("olivia"), approval_id=approval.pk)


@pytest.mark.parametrize("act", ["decide", "withdraw"])
def test_what_expired_is_over(world: World, act: str) -> None:
    approval = ask(world, left=timedelta(microseconds=1))
    outlive(approval)
    assert approval.current_state == ApprovalState.EXPIRED
    with pytest.raises(errors.ApprovalExpired):
        if act == "decide":
            decide(world, approval)
        else:
            approvals.withdraw(actor=world.actor("alice"), approval_id=approval.pk)
    assert state_of(approval) == ApprovalState.EXPIRED
    assert len(events(EventType.OPS_APPROVAL_EXPIRED)) == 1


def test_the_sweeper_ends_what_is_over(world: World) -> None:
    fresh, old = ask(world), ask(world, left=timedelta(microseconds=1))
    outlive(old)
    assert approvals.expire_due() == 1
    assert approvals.expire_due() == 0
    assert (state_of(fresh), state_of(old)) == (ApprovalState.PENDING, ApprovalState.EXPIRED)
    (event,) = events(EventType.OPS_APPROVAL_EXPIRED)
    assert event["actor"]["id"] == "service:approvals"
