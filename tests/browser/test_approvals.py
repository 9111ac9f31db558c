"""Deciding in a real browser: from the desk's card to what was done, by mouse and by keyboard."""

from __future__ import annotations

import re

import pytest

from ops.models import Approval, ApprovalState
from ops.services import approvals, proposals
from tests.browser.chromium import PHONE, WIDE, serving, visiting
from tests.factories import World
from tests.tools import require_tool

pytestmark = pytest.mark.xdist_group("browser")


def hold(world: World) -> Approval:
    return proposals.place_hold(
        actor=world.actor("olivia"), case_id="C-7", reason="Litigation, case C-7"
    )


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_from_the_desk_to_what_was_done(
    committed_world: World, size: tuple[int, int], scripts: bool
) -> None:
    hold(committed_world)
    chromium = require_tool("chromium")
    with serving() as address, visiting(chromium, address, size=size, scripts=scripts) as visit:
        visit.sign_in("oscar", committed_world.password)
        visit.follow(visit.page.get_by_role("link", name=re.compile("Waiting for my decision")))
        assert visit.overflow() == 0
        visit.follow(visit.page.get_by_role("link", name="Place a legal hold"))
        assert visit.overflow() == 0
        visit.follow(visit.page.get_by_role("link", name="Approve"))
        assert visit.overflow() == 0
        visit.page.get_by_label("Comment").fill("Looked at the case.")
        visit.page.get_by_label("Your password").fill(committed_world.password)
        visit.follow(visit.page.get_by_role("button", name="Approve: place a legal hold"))
        assert (
            visit.page.get_by_role("status").get_by_text("Done: place a legal hold.").is_visible()
        )
        assert visit.overflow() == 0
        assert visit.complaints == []
    assert Approval.objects.get().state == ApprovalState.USED


def test_a_request_is_rejected_by_keyboard(committed_world: World) -> None:
    approval = hold(committed_world)
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        visit.sign_in("oscar", committed_world.password)
        visit.open(f"/admin/ops/approval/{approval.pk}/reject/")
        visit.page.get_by_label("Comment").focus()
        visit.page.keyboard.type("Wrong days.")
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.type(committed_world.password)
        with visit.page.expect_navigation():
            visit.page.keyboard.press("Enter")
        assert visit.path == f"/admin/ops/approval/{approval.pk}/change/"
        assert visit.page.get_by_text("Wrong days.").is_visible()
        assert visit.complaints == []
    assert Approval.objects.get().state == ApprovalState.REJECTED


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_key_is_rotated_by_whoever_asked(committed_world: World, size: tuple[int, int]) -> None:
    world = committed_world
    key = world.key("olivia")
    approval = proposals.rotate_key(
        actor=world.actor("olivia"), key_id=key.key_id, reason="A yearly rotation"
    )
    approvals.decide(
        actor=world.actor("oscar"),
        approval_id=approval.pk,
        approve=True,
        comment="",
        password=world.password,
    )
    chromium = require_tool("chromium")
    with serving() as address, visiting(chromium, address, size=size) as visit:
        visit.sign_in("olivia", world.password)
        visit.follow(visit.page.get_by_role("link", name=re.compile("Waiting for my decision")))
        visit.follow(visit.page.get_by_role("link", name="Rotate a signing key"))
        visit.follow(visit.page.get_by_role("link", name="Carry out"))
        assert visit.overflow() == 0
        visit.page.get_by_label("Your password").fill(world.password)
        visit.follow(visit.page.get_by_role("button", name="Rotate a signing key"))
        assert visit.page.get_by_text("Done: rotate a signing key.").is_visible()
        assert visit.overflow() == 0
        assert visit.complaints == []
    assert Approval.objects.get().state == ApprovalState.USED
