"""Deciding at the desk: who may, what it takes, and what is refused there as everywhere."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from access.models import Grant
from audit.models import AuditEvent, LegalHold
from audit.services import sealing
from ops.models import Approval, ApprovalDecision, ApprovalState
from ops.services import approvals, people, proposals
from tests.admin.approvals import REASON, approved, given, page, pause
from tests.admin.test_audit_admin import signed_in, text
from tests.factories import World
from tests.services.ops.approving import Acts, ask, outlive


@pytest.fixture
def hold(world: World) -> Approval:
    """Asked for by Olivia: Oscar can decide."""
    return proposals.place_hold(actor=world.actor("olivia"), case_id="C-7", reason=REASON)


def refusals() -> list[str]:
    """The codes of the refused decisions that were recorded."""
    sealing.seal_pending()
    found = AuditEvent.objects.filter(type="ops.approval.refused").order_by("seq")
    return [re.findall(r'"code":"(\w+)"', event.event)[0] for event in found]


def test_a_decision_page_says_everything_before_it_asks(world: World, hold: Approval) -> None:
    shown = text(signed_in(world, "oscar").get(page(hold, "approve")))
    order = [
        "Approve: place a legal hold",
        hold.request_sha256,
        "C-7",
        "Olivia Officer",
        REASON,
        "it is carried out at once, in the name of Olivia Officer",
        "What can’t be undone",
        hold.request,
        'name="comment"',
        'name="password"',
    ]
    places = [shown.index(said) for said in order]
    assert places == sorted(places)
    assert f'name="request_sha256" value="{hold.request_sha256}"' in shown
    assert re.search(r"<button[^>]*>Approve: place a legal hold</button>", shown)


def test_a_decision_page_says_what_will_be_another_way(world: World) -> None:
    approval = pause(world)
    shown = text(signed_in(world).get(page(approval, "approve")))
    table = shown[shown.index("What changes") : shown.index("What will happen")]
    assert re.findall(r"<t[dh][^>]*>([^<]+)</t", table)[3:] == ["The archiver", "Running", "Paused"]
    approved(world, approval)
    assert "What changes" not in text(signed_in(world).get(page(approval, "approve")), 409)


def test_the_approval_of_another_person_has_it_done(world: World, hold: Approval) -> None:
    desk = signed_in(world, "oscar")
    response = desk.post(page(hold, "approve"), given(hold), follow=True)
    assert "Done: place a legal hold." in text(response)
    assert LegalHold.objects.get().placed_by == "user:olivia"
    decision = ApprovalDecision.objects.get()
    assert (decision.account, decision.comment) == (world.user("oscar"), "Looked at it.")


def test_a_rejection_says_why_and_ends_it(world: World, hold: Approval) -> None:
    desk = signed_in(world, "oscar")
    assert desk.post(page(hold, "reject"), given(hold, comment="")).status_code == 400
    response = desk.post(page(hold, "reject"), given(hold, comment="Wrong days."), follow=True)
    assert "Rejected: place a legal hold." in text(response)
    assert "Wrong days." in text(signed_in(world).get(page(hold)))
    assert not LegalHold.objects.exists()
    assert Approval.objects.get().state == ApprovalState.REJECTED


def test_whoever_asked_is_told_why_he_can_not_decide(world: World, hold: Approval) -> None:
    for username in ("olivia", "olivia2"):
        desk = signed_in(world, username)
        shown = text(desk.get(page(hold)))
        assert "You can’t decide on this" in shown
        assert "another person has to decide" in shown
        assert "another person has to decide" in text(desk.get(page(hold, "approve")), 409)
        assert desk.post(page(hold, "approve"), given(hold)).status_code == 403
    assert refusals() == ["own_request", "own_request"]
    assert not ApprovalDecision.objects.exists()


def test_roles_decide_who_decides(world: World, hold: Approval) -> None:
    desk = signed_in(world, "alice")
    assert "Your roles do not let you decide" in text(desk.get(page(hold, "approve")), 409)
    assert desk.post(page(hold, "approve"), given(hold)).status_code == 403
    for username, status in (("audrey", 404), ("omar", 404), ("nobody", 403), ("root", 403)):
        refused = signed_in(world, username).post(page(hold, "approve"), given(hold))
        assert refused.status_code == status, username
    assert refusals() == ["not_a_decider"]
    assert not ApprovalDecision.objects.exists()


def test_an_administrator_stands_in_where_there_is_one_officer(
    world: World, hold: Approval
) -> None:
    people.revoke_grant(actor=world.actor("alice"), grant=Grant.objects.get(user__username="oscar"))
    desk = signed_in(world, "alice")
    assert hold in approvals.pending_for(world.user("alice"))
    assert desk.post(page(hold, "approve"), given(hold)).status_code == 302
    assert LegalHold.objects.exists()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"password": "wrong"}, 403),
        ({"password": ""}, 400),
        ({"request_sha256": "sha256:" + "0" * 64}, 409),
        ({"request_sha256": ""}, 400),
    ],
    ids=["wrong password", "no password", "another digest", "no digest"],
)
def test_without_password_or_digest_nothing_is_decided(
    world: World, hold: Approval, changes: dict[str, Any], status: int
) -> None:
    desk = signed_in(world, "oscar")
    assert desk.post(page(hold, "approve"), given(hold, **changes)).status_code == status
    assert not ApprovalDecision.objects.exists()
    assert not LegalHold.objects.exists()


def test_a_form_without_its_token_is_refused(world: World, hold: Approval) -> None:
    desk = Browser(enforce_csrf_checks=True)
    desk.force_login(world.user("oscar"))
    assert desk.post(page(hold, "approve"), given(hold)).status_code == 403
    assert not ApprovalDecision.objects.exists()


# --- what is over ----------------------------------------------------------------------------


def test_an_expired_request_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    acts = Acts.registered(monkeypatch)
    approval = ask(world, left=timedelta(milliseconds=1))
    outlive(approval)
    desk = signed_in(world)
    assert "nothing to decide any more" in text(desk.get(page(approval, "approve")), 409)
    assert "Its time is over" in text(desk.post(page(approval, "approve"), given(approval)), 409)
    assert acts.done == []
    assert refusals() == ["approval_expired"]


def test_a_used_request_is_refused(world: World, hold: Approval) -> None:
    approved(world, hold)
    LegalHold.objects.update(released_at=timezone.now())
    for username in ("oscar", "alice"):
        desk = signed_in(world, username)
        assert desk.get(page(hold, "approve")).status_code == 409
        assert desk.post(page(hold, "approve"), given(hold)).status_code in (403, 409)
    olivia = signed_in(world)
    assert olivia.post(page(hold, "carry-out"), {}).status_code == 409
    assert olivia.post(page(hold, "withdraw"), {}).status_code == 409
    assert LegalHold.objects.count() == 1


def test_a_request_whose_subject_changed_is_void(world: World) -> None:
    approval = pause(world)
    approved(world, pause(world, "olivia"), "oscar")
    desk = signed_in(world, "oscar")
    refused = text(desk.post(page(approval, "approve"), given(approval)), 409)
    assert "It is void" in refused
    assert "Void" in text(desk.get(page(approval)))


def test_an_act_that_fails_is_no_success(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    acts = Acts.registered(monkeypatch)
    acts.failure = people.AlreadyThere("It is there already.")
    approval = ask(world)
    response = signed_in(world).post(page(approval, "approve"), given(approval), follow=True)
    shown = text(response)
    assert "Not done: rename a client. It is there already." in shown
    assert 'class="message error"' in shown
    assert Approval.objects.get().state == ApprovalState.FAILED


def test_where_more_are_needed_the_page_says_how_many_are_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts = Acts.registered(monkeypatch)
    acts.change(needed=2)
    approval = ask(world)
    assert "it waits for 1 more" in text(signed_in(world).get(page(approval, "approve")))
    response = signed_in(world).post(page(approval, "approve"), given(approval), follow=True)
    assert "Approved by you. 1 of 2 have approved." in text(response)
    assert acts.done == []
    assert "You have decided on this before." in text(signed_in(world).get(page(approval)))
    signed_in(world, "oscar").post(page(approval, "approve"), given(approval))
    assert len(acts.done) == 1


# --- by whoever asked ------------------------------------------------------------------------


def test_a_request_is_withdrawn(world: World, hold: Approval) -> None:
    for username, status in (("oscar", 409), ("alice", 409)):
        assert signed_in(world, username).get(page(hold, "withdraw")).status_code == status
    assert signed_in(world, "oscar").post(page(hold, "withdraw"), {}).status_code == 403
    desk = signed_in(world)
    assert page(hold, "withdraw") in text(desk.get(page(hold)))
    response = desk.post(page(hold, "withdraw"), {"reason": "Settled."}, follow=True)
    assert "Withdrawn: place a legal hold." in text(response)
    assert "Settled." in text(desk.get(page(hold)))
    assert signed_in(world, "oscar").post(page(hold, "approve"), given(hold)).status_code == 409


@pytest.mark.parametrize("username", ["oscar", "alice", "olivia2"])
def test_only_the_account_that_asked_carries_it_out(world: World, username: str) -> None:
    approval = proposals.create_key(actor=world.actor("olivia"), reason="I start on Monday.")
    approved(world, approval)
    desk = signed_in(world, username)
    assert page(approval, "carry-out") not in text(desk.get(page(approval)))
    assert "Only the account that asked" in text(desk.get(page(approval, "carry-out")), 409)
    refused = desk.post(page(approval, "carry-out"), {"password": world.password})
    assert refused.status_code == 403
    assert Approval.objects.get().state == ApprovalState.APPROVED
