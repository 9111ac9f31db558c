"""A page that asks for the password can't be used to guess it."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from ops.models import Approval
from ops.services import proposals
from tests.admin.approvals import given, page
from tests.factories import World


@pytest.fixture
def approval(world: World) -> Approval:
    """Something on which both officers can decide."""
    return proposals.place_hold(actor=world.actor("alice"), case_id="C-7", reason="Litigation")


def browser(world: World, username: str) -> Browser:
    found = Browser()
    found.force_login(world.user(username))
    return found


def test_passwords_are_asked_for_ten_times_a_minute(world: World, approval: Approval) -> None:
    desk, address = browser(world, "olivia"), page(approval, "approve")
    for _ in range(10):
        assert desk.post(address, given(approval, password="wrong")).status_code == 403
    refused = desk.post(address, given(approval))
    assert refused.status_code == 429
    assert refused["Retry-After"] == "60"
    assert "Too many attempts" in refused.content.decode()


def test_one_persons_attempts_do_not_stop_another(world: World, approval: Approval) -> None:
    first, second = browser(world, "olivia"), browser(world, "oscar")
    address = page(approval, "approve")
    for _ in range(11):
        last = first.post(address, given(approval, password="wrong"))
    assert last.status_code == 429
    assert second.post(address, given(approval)).status_code == 302
