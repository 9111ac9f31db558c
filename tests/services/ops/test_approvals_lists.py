"""Which requests somebody sees, which wait for him, and where an administrator stands in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ops.models import ApprovalState
from ops.services import approval_errors as errors
from ops.services import approvals
from tests.factories import World
from tests.services.ops import approving
from tests.services.ops.approving import Acts, ask, decide

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    return Acts.registered(monkeypatch)


@pytest.fixture
def lone_officer(world: World) -> World:
    return approving.with_one_officer(world)


def test_an_administrator_decides_what_the_only_officer_asks_for(lone_officer: World) -> None:
    approval = ask(lone_officer, "olivia")
    assert approvals.hindrance(lone_officer.user("alice"), approval) is None
    assert decide(lone_officer, approval, "alice").state == ApprovalState.USED


def test_an_administrator_does_not_decide_where_the_officer_can(lone_officer: World) -> None:
    approval = ask(lone_officer, "alice")
    with pytest.raises(errors.NotADecider):
        decide(lone_officer, approval, "adam")
    approving.close(lone_officer, "olivia")
    with pytest.raises(errors.NotADecider):
        decide(lone_officer, approval, "adam")  # olivia2 is an account of the same officer
    approving.close(lone_officer, "olivia2")
    assert decide(lone_officer, approval, "adam").state == ApprovalState.USED


def test_an_administrator_never_decides_his_own(lone_officer: World) -> None:
    approval = ask(lone_officer, "alice")
    approving.close(lone_officer, "olivia", "olivia2")
    with pytest.raises(errors.OwnRequest):
        decide(lone_officer, approval, "alice")


def test_an_auditor_never_stands_in(lone_officer: World) -> None:
    with pytest.raises(errors.NotADecider):
        decide(lone_officer, ask(lone_officer, "olivia"), "audrey")


# --- lists ------------------------------------------------------------------------------------


def waiting_for(world: World, username: str) -> list[str]:
    return [row.reason for row in approvals.pending_for(world.user(username))]


def test_what_waits_for_whom(world: World, acts: Acts) -> None:
    acts.add("test.concerning", concerns=lambda params: [world.person("olivia").pk])
    ask(world, "alice", reason="by alice")
    ask(world, "olivia", reason="by olivia")
    ask(world, "alice", reason="about olivia", action="test.concerning")
    ask(world, "alice", reason="elsewhere", params={"name": "x", "client_id": "clinic-002"})
    ask(world, "alice", reason="too late", left=timedelta(microseconds=1))
    assert waiting_for(world, "olivia") == ["by alice", "elsewhere"]
    assert waiting_for(world, "olivia2") == ["by alice", "elsewhere"]
    assert waiting_for(world, "oscar") == ["by alice", "by olivia", "about olivia", "elsewhere"]
    assert waiting_for(world, "ben") == ["elsewhere"]
    for username in ("alice", "audrey", "omar", "root", "nobody", "svc-clinic-001"):
        assert waiting_for(world, username) == []
    acts.monkeypatch.undo()  # as after an upgrade that took the acts away
    assert waiting_for(world, "oscar") == []


def test_what_waits_for_an_administrator_who_stands_in(lone_officer: World) -> None:
    approval = ask(lone_officer, "olivia", reason="by the only officer")
    assert waiting_for(lone_officer, "alice") == ["by the only officer"]
    decide(lone_officer, approval, "alice")
    assert waiting_for(lone_officer, "adam") == []


def test_who_sees_what(world: World) -> None:
    one = ask(world)
    two = ask(world, params={"name": "x", "client_id": "clinic-002"})
    three = ask(world, params={"name": "x", "client_id": None})
    seen = {
        "alice": {one, two, three},
        "oscar": {one, two, three},
        "audrey": {one},
        "ben": {two},
        "omar": set(),
        "svc-clinic-001": set(),
        "root": set(),
        "nobody": set(),
    }
    for username, expected in seen.items():
        assert set(approvals.visible(world.user(username))) == expected, username


@pytest.mark.parametrize(
    ("username", "sentence"),
    [
        ("alice", "You asked for it"),
        ("audrey", "Your roles do not let you"),
        ("svc-clinic-001", "Deciding is for people"),
        ("olivia", None),
    ],
)
def test_what_hinders_whom(world: World, username: str, sentence: str | None) -> None:
    found = approvals.hindrance(world.user(username), ask(world))
    assert found is None if sentence is None else sentence in str(found)


def test_deciding_twice_or_too_late_is_hindered(world: World, acts: Acts) -> None:
    acts.change(needed=2)
    approval = decide(world, ask(world))
    assert "before" in str(approvals.hindrance(world.user("olivia2"), approval))
    approval = decide(world, approval, "oscar")
    assert "nothing to decide" in str(approvals.hindrance(world.user("oscar"), approval))
