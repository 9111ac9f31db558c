"""Where commits are real: several people at once, and what is committed when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections

from ops.models import Approval, ApprovalState
from sealing.errors import Conflict, Forbidden
from tests.factories import World
from tests.services.ops.approving import Acts, approved, ask, decide, use


@pytest.fixture(autouse=True)
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    return Acts.registered(monkeypatch)


def test_that_it_is_used_is_committed_before_files_are_touched(
    committed_world: World, acts: Acts
) -> None:
    seen: list[tuple[str, bool]] = []
    acts.change(does_io=True)
    approval = ask(committed_world)
    acts.while_at_it = lambda: seen.append(
        (Approval.objects.get(pk=approval.pk).state, connection.in_atomic_block)
    )
    done = decide(committed_world, approval)
    assert seen == [(ApprovalState.USED, False)]
    assert (done.state, done.result) == (ApprovalState.USED, {"name": "New name"})


def at_once(*calls: Callable[[], Any]) -> list[str]:
    """What came of calls in threads of their own: the state, or the refusal's code."""
    outcomes: list[str] = []
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> None:
        try:
            start.wait()
            outcomes.append(call().state)
        except (Conflict, Forbidden) as error:
            outcomes.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def test_two_who_decide_at_once(committed_world: World, acts: Acts) -> None:
    approval = ask(committed_world)
    outcomes = at_once(
        lambda: decide(committed_world, approval, "olivia"),
        lambda: decide(committed_world, approval, "oscar"),
    )
    assert outcomes == ["approval_closed", "used"]
    assert len(acts.done) == 1 and approval.decisions.count() == 1


def test_one_person_who_decides_at_once_by_two_accounts(committed_world: World, acts: Acts) -> None:
    acts.change(needed=2)
    approval = ask(committed_world)
    outcomes = at_once(
        lambda: decide(committed_world, approval, "olivia"),
        lambda: decide(committed_world, approval, "olivia2"),
    )
    assert outcomes == ["already_decided", "pending"]
    assert not acts.done


def test_it_is_used_once_however_often_at_once(committed_world: World, acts: Acts) -> None:
    approval = approved(committed_world, acts)
    calls = [lambda: use(committed_world, approval, password="secret")] * 4
    assert at_once(*calls) == ["approval_closed"] * 3 + ["used"]
    assert len(acts.done) == 1


def test_two_acts_about_one_thing_follow_each_other(committed_world: World, acts: Acts) -> None:
    """What the one has looked at, the other does not change before it is done."""
    one, other = (approved(committed_world, acts, params={"name": name}) for name in "ab")
    outcomes = at_once(
        lambda: use(committed_world, one, password="secret"),
        lambda: use(committed_world, other, password="secret"),
    )
    assert outcomes == ["approval_void", "used"]
    assert len(acts.done) == 1
