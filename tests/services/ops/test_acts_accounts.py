"""Another account of somebody: asked for by himself, and opened by no password but his own."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from access.models import Grant, User
from ops.models import Approval, ApprovalState
from ops.services import approvals, people, proposals
from ops.services.approval_errors import NotADecider, NotYourRequest, OwnRequest
from sealing.errors import Forbidden, Invalid
from tests.factories import PASSWORD, World
from tests.services.ops.approving import decide, use

REASON = "For the tablet at the reception."


def another(world: World, by: str = "olivia", username: str = "olivia3") -> Approval:
    return proposals.another_account(actor=world.actor(by), username=username, reason=REASON)


def test_it_is_made_with_ones_own_password_when_an_administrator_has_approved(
    world: World,
) -> None:
    approval = another(world)
    decide(world, approval, "alice")
    assert not User.objects.filter(username="olivia3").exists()
    used = use(world, approval, "olivia", password=PASSWORD)
    made = world.user("olivia3")
    assert (used.state, used.result) == (ApprovalState.USED, {"username": "olivia3"})
    assert made.person_id == world.user("olivia").person_id
    assert made.check_password(PASSWORD)
    assert not Grant.objects.filter(user=made).exists()


def test_an_administrator_asks_for_no_account_of_somebody_else(world: World) -> None:
    with pytest.raises(people.NotOwnAccount):
        approvals.request(
            actor=world.actor("alice"),
            action="account.another",
            params={"person": str(world.person("olivia").pk), "username": "olivia3"},
            reason=REASON,
        )
    assert not Approval.objects.exists()


def test_an_administrator_gives_nobody_an_account_with_a_password_of_his_choice(
    world: World, client: Browser
) -> None:
    client.force_login(world.user("alice"))
    given = {
        "username": "olivia3",
        "display_name": "Olivia",
        "person": str(world.person("olivia").pk),
        "password": "chosen by Alice 4711",
    }
    client.post("/admin/access/user/new-person/", given)
    assert world.user("olivia3").person_id != world.user("olivia").person_id


@pytest.mark.parametrize("username", ["olivia2", "oscar", "alice"])
def test_nobody_else_carries_it_out(world: World, username: str) -> None:
    approval = another(world)
    decide(world, approval, "alice")
    with pytest.raises(NotYourRequest):
        use(world, approval, username, password=PASSWORD)


def test_a_wrong_password_leaves_the_approval_as_it_was(world: World) -> None:
    approval = another(world)
    decide(world, approval, "alice")
    with pytest.raises(people.NotOwnAccount):
        use(world, approval, "olivia", password="wrong")
    assert Approval.objects.get().state == ApprovalState.APPROVED


def test_who_does_not_decide_on_it(world: World) -> None:
    approval = another(world)
    with pytest.raises(NotADecider):
        decide(world, approval, "oscar")
    with pytest.raises(OwnRequest):
        decide(world, approval, "olivia2")


def test_an_administrator_does_not_approve_his_own(world: World) -> None:
    with pytest.raises(OwnRequest):
        decide(world, another(world, "alice", "alice2"), "alice")


@pytest.mark.parametrize("username", ["ben", "audrey", "omar"])
def test_people_of_one_client_ask_for_it_too(world: World, username: str) -> None:
    approval = another(world, username, "second")
    decide(world, approval, "alice")
    use(world, approval, username, password=PASSWORD)
    assert world.user("second").person_id == world.user(username).person_id


@pytest.mark.parametrize("username", ["nobody", "root", "svc-clinic-001"])
def test_who_has_no_role_or_no_person_asks_for_none(world: World, username: str) -> None:
    with pytest.raises(Forbidden):
        another(world, username)


@pytest.mark.parametrize(
    ("username", "refusal"), [("oscar", people.AlreadyThere), ("a b", Invalid), ("", Invalid)]
)
def test_a_name_that_can_not_be(world: World, username: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        another(world, username=username)


def test_it_is_asked_for_at_the_desk(world: World, client: Browser) -> None:
    client.force_login(world.user("olivia"))
    address = "/admin/access/user/another/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"username": "olivia3", "reason": REASON}).status_code == 302
    assert Approval.objects.get().requester == world.person("olivia")
