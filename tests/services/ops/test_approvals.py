"""Approvals: what is asked for, who decides, and how a request ends without being carried out."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest

from access.roles import Role
from audit.events import EventType
from audit.models import PendingEvent
from audit.services.trail import AuditDisabled
from ops import approvable
from ops.approvable import UnknownAction
from ops.models import Approval, ApprovalDecision, ApprovalState
from ops.services import approval_errors as errors
from ops.services import approvals, people
from sealing import canonical, digests
from sealing.errors import Forbidden, Invalid, NotFound
from tests.factories import PASSWORD, World
from tests.services.ops.approving import Acts, ask, decide, events, name_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    return Acts.registered(monkeypatch)


def state_of(approval: Approval) -> str:
    return Approval.objects.get(pk=approval.pk).state


# --- asking -----------------------------------------------------------------------------------


def test_what_is_asked_for_is_bound(world: World) -> None:
    approval = ask(world)
    bound = approval.bound
    assert bound == {
        "format": "strongroom/approval/v1",
        "action": "test.rename",
        "client_id": "clinic-001",
        "requester": {"account": "alice", "person": str(world.person("alice").pk)},
        "params": {"client_id": "clinic-001", "name": "New name"},
        "subject": {"name": "Clinic-001"},
        "reason": "It moved.",
        "needed": 1,
        "created_at": bound["created_at"],
        "expires_at": bound["expires_at"],
        "nonce": bound["nonce"],
    }
    assert canonical.dumps(bound).decode() == approval.request
    assert digests.sha256_tag(approval.request.encode()) == approval.request_sha256
    assert approval.expires_at - approval.created_at == timedelta(days=7)
    (event,) = events(EventType.OPS_APPROVAL_REQUESTED)
    assert event["object"] == {"type": "approval", "id": str(approval.pk)}
    assert (event["client_id"], event["actor"]["id"]) == ("clinic-001", "user:alice")
    assert event["data"]["request_sha256"] == approval.request_sha256


def test_the_same_asked_for_twice_is_two_requests(world: World) -> None:
    assert ask(world).request_sha256 != ask(world).request_sha256


@pytest.mark.parametrize(
    ("by", "changes", "refusal"),
    [
        ("audrey", {}, Forbidden),
        ("nobody", {}, Forbidden),
        ("root", {}, Forbidden),
        ("svc-clinic-001", {}, errors.NotAPerson),
        ("ben", {}, NotFound),
        ("ben", {"params": {"name": "x", "client_id": None}}, Forbidden),
        ("alice", {"action": "test.other"}, UnknownAction),
        ("alice", {"params": {}}, Invalid),
        ("alice", {"reason": "  "}, Invalid),
        ("alice", {"reason": "x" * 1001}, Invalid),
    ],
)
def test_what_may_not_be_asked_for(
    world: World, by: str, changes: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        ask(world, by, **changes)
    assert not Approval.objects.exists()


def test_what_concerns_the_requester_alone_may_be_asked_for_anywhere(
    world: World, acts: Acts
) -> None:
    acts.change(anywhere=True)
    approval = ask(world, "ben", params={"name": "x", "client_id": None})
    assert approvals.get(actor=world.actor("ben"), approval_id=approval.pk) == approval
    assert decide(world, approval).state == ApprovalState.USED


def test_what_this_requester_may_not_ask_for(world: World, acts: Acts) -> None:
    def not_alice(actor: Any, params: Any) -> None:
        if actor.id == "user:alice":
            raise Forbidden("Not you.")

    acts.change(precondition=not_alice)
    with pytest.raises(Forbidden, match="Not you"):
        ask(world)
    assert ask(world, "olivia").state == ApprovalState.PENDING


def test_nothing_is_asked_for_or_decided_unrecorded(world: World, settings: Any) -> None:
    approval = ask(world)
    settings.AUDIT_ENABLED = False
    with pytest.raises(AuditDisabled):
        ask(world)
    with pytest.raises(AuditDisabled):
        decide(world, approval)
    with pytest.raises(AuditDisabled):
        approvals.withdraw(actor=world.actor("alice"), approval_id=approval.pk)
    with pytest.raises(AuditDisabled):
        approvals.use(actor=world.actor("alice"), approval_id=approval.pk, secrets={})
    assert approvals.expire_due() == 0
    assert state_of(approval) == ApprovalState.PENDING


def test_the_list_of_acts_is_closed_after_start_up() -> None:
    with pytest.raises(RuntimeError):
        approvable.register(dataclasses.replace(approvable.get("test.rename"), name="test.late"))
    assert {"people.merge", "grant.create"} <= {act.name for act in approvable.all_acts()}


# --- deciding ---------------------------------------------------------------------------------


def test_the_approval_of_another_person_has_it_done(world: World, acts: Acts) -> None:
    approval = decide(world, ask(world), comment="Seen.")
    assert approval.state == ApprovalState.USED
    assert approval.result == {"name": "New name"}
    assert approval.closed_at is not None and approval.executed_at is not None
    assert name_of() == "New name"
    assert acts.done == [("user:alice", {"client_id": "clinic-001", "name": "New name"}, {})]
    (approved,) = events(EventType.OPS_APPROVAL_APPROVED)
    assert approved["actor"]["id"] == "user:olivia"
    assert approved["data"]["comment"] == "Seen."
    (used,) = events(EventType.OPS_APPROVAL_USED)
    assert (used["actor"]["id"], used["outcome"]) == ("user:alice", "success")
    assert used["data"]["request_sha256"] == approval.request_sha256


def test_the_digest_may_be_left_to_the_id(world: World) -> None:
    assert decide(world, ask(world), request_sha256=None).state == ApprovalState.USED


@pytest.mark.parametrize(
    ("by", "changes", "refusal"),
    [
        ("alice", {}, errors.OwnRequest),
        ("audrey", {}, errors.NotADecider),
        ("svc-clinic-001", {}, NotFound),
        ("root", {}, NotFound),
        ("nobody", {}, NotFound),
        ("ben", {}, NotFound),
        ("olivia", {"password": "wrong"}, errors.ReauthenticationFailed),
        ("olivia", {"password": ""}, errors.ReauthenticationFailed),
        ("olivia", {"request_sha256": f"sha256:{'0' * 64}"}, errors.DigestMismatch),
        ("olivia", {"request_sha256": ""}, errors.DigestMismatch),
        ("olivia", {"approve": False}, Invalid),
        ("olivia", {"comment": "x" * 1001}, Invalid),
        ("olivia", {"approval_id": "x"}, NotFound),
    ],
)
def test_who_may_not_decide_so(
    world: World, acts: Acts, by: str, changes: dict[str, Any], refusal: type[Exception]
) -> None:
    approval = ask(world)
    with pytest.raises(refusal) as refused:
        decide(world, approval, by, **changes)
    assert state_of(approval) == ApprovalState.PENDING
    assert not acts.done and not ApprovalDecision.objects.exists()
    recorded = events(EventType.OPS_APPROVAL_REFUSED)
    if issubclass(refusal, NotFound | Invalid):
        assert recorded == []
    else:
        (event,) = recorded
        assert (event["outcome"], event["actor"]["id"]) == ("denied", f"user:{by}")
        assert event["data"]["code"] == refused.value.code
    assert PASSWORD not in json.dumps([row.event for row in PendingEvent.objects.all()])


def test_a_superuser_bypasses_nothing(world: World) -> None:
    alice, audrey = world.user("alice"), world.user("audrey")
    for user in (alice, audrey):
        user.is_superuser = True
        user.save()
    approval = ask(world)
    with pytest.raises(errors.OwnRequest):
        decide(world, approval, "alice")
    with pytest.raises(errors.NotADecider):
        decide(world, approval, "audrey")


def test_nobody_decides_his_own_request_by_another_account(world: World) -> None:
    approval = ask(world, "olivia")
    with pytest.raises(errors.OwnRequest):
        decide(world, approval, "olivia2")
    assert decide(world, approval, "oscar").state == ApprovalState.USED


def test_nobody_decides_what_is_about_himself(world: World, acts: Acts) -> None:
    acts.change(concerns=lambda params: [str(world.person("olivia").pk)])
    approval = ask(world)
    with pytest.raises(errors.OwnRequest):
        decide(world, approval, "olivia2")
    assert decide(world, approval, "oscar").state == ApprovalState.USED


def test_an_account_that_was_closed_decides_nothing(world: World) -> None:
    approval = ask(world)
    olivia = world.actor("olivia")
    people.deactivate_account(actor=world.actor("alice"), user=olivia.account)
    with pytest.raises(NotFound):
        decide(world, approval)


def test_a_rejection_ends_it(world: World, acts: Acts) -> None:
    acts.change(needed=2)
    approval = ask(world)
    decide(world, approval)
    rejected = decide(world, approval, "oscar", approve=False, comment="No.")
    assert rejected.state == ApprovalState.REJECTED and rejected.closed_at is not None
    assert name_of() == "Clinic-001"
    (event,) = events(EventType.OPS_APPROVAL_REJECTED)
    assert event["data"]["comment"] == "No."
    with pytest.raises(errors.AlreadyDecided):
        decide(world, approval)


def test_what_was_decided_is_not_decided_again(world: World) -> None:
    approval = decide(world, ask(world))
    with pytest.raises(errors.ApprovalClosed):
        decide(world, approval, "oscar")
    with pytest.raises(errors.ApprovalClosed):
        approvals.use(actor=world.actor("alice"), approval_id=approval.pk, secrets={})


def test_two_people_are_needed_where_two_are_needed(world: World, acts: Acts) -> None:
    acts.change(needed=2)
    approval = ask(world)
    assert decide(world, approval).state == ApprovalState.PENDING
    for account in ("olivia", "olivia2"):
        with pytest.raises(errors.AlreadyDecided):
            decide(world, approval, account)
    assert not acts.done
    assert decide(world, approval, "oscar").state == ApprovalState.USED
    people_told = [event["data"]["people"] for event in events(EventType.OPS_APPROVAL_APPROVED)]
    assert people_told == [1, 2]


def test_whoever_lost_the_role_meanwhile_does_not_count(world: World, acts: Acts) -> None:
    acts.change(needed=2)
    approval = ask(world)
    decide(world, approval, "oscar")
    grant = world.user("oscar").grants.get()
    people.revoke_grant(actor=world.actor("alice"), grant=grant)
    # With one officer left for two that are needed, an administrator stands in.
    assert decide(world, approval, "olivia").state == ApprovalState.PENDING
    other = people.create_person_account(
        actor=world.actor("alice"), username="adam", display_name="Adam", password=PASSWORD
    )
    people.grant(actor=world.actor("alice"), user=other, role=Role.ADMIN, client=None)
    assert decide(world, approval, "adam").state == ApprovalState.USED
