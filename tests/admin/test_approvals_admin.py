"""The inbox at the desk: what waits, for whom, and what the pages of requests say."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client as Browser

from ops import approvable
from ops.admin import waiting
from ops.models import Approval, ApprovalState
from ops.services import proposals
from tests.admin.approvals import APPROVALS, REASON, approved, given, page, pause
from tests.admin.test_audit_admin import Asked, signed_in, text
from tests.factories import World
from tests.services.ops.approving import Acts, ask, outlive


@pytest.fixture
def hold(world: World) -> Approval:
    """Asked for by Olivia: Oscar can decide."""
    return proposals.place_hold(actor=world.actor("olivia"), case_id="C-7", reason=REASON)


def listed(desk: Browser, **query: str) -> set[str]:
    """The ids of the requests of a list, as its links name them."""
    return set(re.findall(rf"{APPROVALS}([0-9a-f-]+)/change/", text(desk.get(APPROVALS, query))))


def ids(*approvals: Approval) -> set[str]:
    return {str(approval.pk) for approval in approvals}


# --- the list --------------------------------------------------------------------------------


def test_an_empty_inbox_says_what_will_be_here(world: World) -> None:
    assert "What takes two people" in text(signed_in(world).get(APPROVALS))


def test_requests_are_listed_and_narrowed(world: World, hold: Approval) -> None:
    other = pause(world)
    approved(world, other, "olivia")
    desk = signed_in(world, "oscar")
    assert listed(desk) == ids(hold, other)
    for query, expected in (
        ({"state": "pending"}, ids(hold)),
        ({"state": "used"}, ids(other)),
        ({"state": "nonsense"}, set()),
        ({"whose": "me"}, ids(hold)),
        ({"whose": "mine"}, set()),
        ({"whose": "others"}, ids(hold, other)),
        ({"action": "archiver.pause"}, ids(other)),
    ):
        assert listed(desk, **query) == expected, query
    mine = signed_in(world, "olivia2")
    assert listed(mine, whose="mine") == ids(hold)
    assert listed(mine, whose="me") == set()


def test_long_lists_are_paged_by_key(world: World) -> None:
    made = [
        proposals.place_hold(actor=world.actor("olivia"), case_id=f"C-{n}", reason=REASON)
        for n in range(53)
    ]
    desk = signed_in(world)
    first = text(desk.get(APPROVALS))
    older = re.search(r'href="(\?before=[^"]+)"', first)
    assert older is not None
    shown = listed(desk)
    rest = set(
        re.findall(rf"{APPROVALS}([0-9a-f-]+)/change/", text(desk.get(APPROVALS + older[1])))
    )
    assert (len(shown), len(rest), shown | rest) == (50, 3, ids(*made))


def test_what_outlived_its_time_counts_as_expired(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Acts.registered(monkeypatch)
    approval = ask(world, left=timedelta(milliseconds=1))
    outlive(approval)
    desk = signed_in(world)
    assert listed(desk, state="expired") == ids(approval)
    assert listed(desk, state="pending") == set()
    assert "Expired" in text(desk.get(page(approval)))


def test_another_clients_requests_are_not_there(world: World) -> None:
    own = proposals.create_key(actor=world.actor("ben"), reason="I start on Monday.")
    hold = proposals.place_hold(actor=world.actor("olivia"), case_id="C-7", reason=REASON)
    ben, audrey = signed_in(world, "ben"), signed_in(world, "audrey")
    assert listed(ben) == ids(own)
    assert listed(audrey) == set()
    assert ben.get(page(hold)).status_code == audrey.get(page(own)).status_code == 404
    for act in ("approve", "reject", "withdraw", "carry-out"):
        assert ben.post(page(hold, act), given(hold)).status_code == 404
    assert Approval.objects.get(pk=hold.pk).state == ApprovalState.PENDING


def test_the_chosen_client_does_not_hide_what_concerns_the_installation(
    world: World, hold: Approval
) -> None:
    key = proposals.create_key(actor=world.actor("ben"), reason="I start on Monday.")
    desk = signed_in(world, "oscar")
    desk.post("/admin/client/", {"client": "clinic-001"})
    assert listed(desk) == ids(hold)
    desk.post("/admin/client/", {"client": "clinic-002"})
    assert listed(desk) == ids(hold, key)


# --- the page --------------------------------------------------------------------------------


def test_a_page_shows_what_is_asked_for_and_its_digest(world: World, hold: Approval) -> None:
    shown = text(signed_in(world, "oscar").get(page(hold)))
    for said in (
        "Place a legal hold",
        "Olivia Officer",
        REASON,
        hold.request,
        hold.request_sha256,
        "stays in the archive, whatever its lock says.",
        "Oscar Officer can decide on it.",
        "0 of 1",
    ):
        assert said in shown, said
    assert page(hold, "approve") in shown
    assert page(hold, "withdraw") not in shown


def test_a_page_shows_who_decided_and_what_came_of_it(world: World, hold: Approval) -> None:
    approved(world, hold)
    shown = text(signed_in(world, "alice").get(page(hold)))
    steps = re.findall(r'<p class="what">([^<]+)</p>', shown)
    assert steps == ["Asked for: Place a legal hold", "Approved", "Carried out"]
    assert "Hold id" in shown
    for act in ("approve", "reject", "withdraw", "carry-out"):
        assert page(hold, act) not in shown


def test_an_act_of_another_version_stays_readable(
    world: World, hold: Approval, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(approvable._acts._entries, "legal_hold.place")
    desk = signed_in(world, "oscar")
    assert "legal_hold.place" in text(desk.get(APPROVALS))
    shown = text(desk.get(page(hold)))
    assert "C-7" in shown
    assert page(hold, "approve") not in shown
    assert desk.post(page(hold, "approve"), given(hold)).status_code == 403


# --- the desk --------------------------------------------------------------------------------


def test_the_card_counts_what_waits_and_leads_to_it(world: World, hold: Approval) -> None:
    pause(world)
    card = waiting.card(Asked(world, "oscar"))  # type: ignore[arg-type]
    assert card is not None
    assert (card.value, card.url) == ("2", f"{APPROVALS}?whose=me")
    assert "The oldest was asked for just now." in card.detail
    olivia = waiting.card(Asked(world, "olivia"))  # type: ignore[arg-type]
    assert olivia is not None
    assert olivia.value == "1"
    assert "Waiting for my decision" in text(signed_in(world, "oscar").get("/admin/"))


def test_the_card_counts_what_one_has_to_carry_out(world: World) -> None:
    approval = proposals.create_key(actor=world.actor("olivia"), reason="I start on Monday.")
    card = waiting.card(Asked(world, "olivia"))  # type: ignore[arg-type]
    assert card is not None
    assert card.value == "Nothing"
    approved(world, approval)
    card = waiting.card(Asked(world, "olivia"))  # type: ignore[arg-type]
    assert card is not None
    assert card.value == "1"
    assert listed(signed_in(world), whose="me") == ids(approval)


def test_who_never_decides_has_no_card(world: World) -> None:
    for username in ("audrey", "omar"):
        assert waiting.card(Asked(world, username)) is None  # type: ignore[arg-type]
        assert "Waiting for my decision" not in text(signed_in(world, username).get("/admin/"))
