"""What the tests of approvals share: acts of their own, and shorthands."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from access.models import Client, User
from access.roles import Action, Role
from audit.events import Actor, EventType
from audit.models import PendingEvent
from ops import approvable
from ops.approvable import Approvable
from ops.models import Approval, ApprovalState
from ops.services import approval_states, approvals, people
from sealing.errors import Invalid
from tests.factories import PASSWORD, World


@dataclass
class Acts:
    """Renames a client, in several manners, and remembers what was carried out."""

    monkeypatch: pytest.MonkeyPatch
    done: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    failure: BaseException | None = None
    while_at_it: Callable[[], None] | None = None

    @classmethod
    def registered(cls, monkeypatch: pytest.MonkeyPatch) -> Acts:
        """With the act ``test.rename``; more where a test adds them."""
        acts = cls(monkeypatch)
        acts.add()
        return acts

    def add(self, name: str = "test.rename", **changes: Any) -> str:
        """Registers an act for this test; its name."""
        act = Approvable(
            name=name,
            label="Rename a client",
            propose=Action.MANAGE_KEYS,
            approve=Action.APPROVE_KEYS,
            validate=self._validate,
            client_of=lambda params: params["client_id"],
            subject=self._subject,
            describe=lambda params: [("Client", params["client_id"])],
            execute=self._execute,
        )
        act = dataclasses.replace(act, **changes)
        self.monkeypatch.setitem(approvable._acts._entries, name, act)
        return name

    def change(self, name: str = "test.rename", **changes: Any) -> None:
        """Changes an act after something was asked for."""
        act = dataclasses.replace(approvable.get(name), **changes)
        self.monkeypatch.setitem(approvable._acts._entries, name, act)

    def _validate(self, params: Mapping[str, Any]) -> dict[str, Any]:
        if not params.get("name"):
            raise Invalid("A name is expected.", field="name")
        return {"client_id": params.get("client_id", "clinic-001"), "name": params["name"]}

    def _subject(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"name": Client.objects.get(pk=params["client_id"] or "clinic-001").name}

    def _execute(
        self, actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> dict[str, Any]:
        if self.while_at_it is not None:
            self.while_at_it()
        Client.objects.filter(pk=params["client_id"] or "clinic-001").update(name=params["name"])
        if self.failure is not None:
            raise self.failure
        self.done.append((actor.id, dict(params), dict(secrets)))
        return {"name": params["name"]}


def ask(
    world: World, by: str = "alice", *, left: timedelta | None = None, **changes: Any
) -> Approval:
    """A request of somebody; with ``left``, one of long ago that has only so much time left."""
    given: dict[str, Any] = {
        "action": "test.rename",
        "params": {"name": "New name"},
        "reason": "It moved.",
        **changes,
    }
    if left is None:
        return approvals.request(actor=world.actor(by), **given)
    then = approval_states.clock() - approvals.LIFETIME + left
    with mock.patch.object(approval_states, "clock", lambda: then):
        return approvals.request(actor=world.actor(by), **given)


def approved(world: World, acts: Acts, **changes: Any) -> Approval:
    """Approved by olivia; it needs alice's password to be carried out."""
    acts.change(needs=("password",))
    approval = decide(world, ask(world, **changes))
    assert approval.state == ApprovalState.APPROVED and not acts.done
    return approval


def outlive(approval: Approval) -> None:
    """Waits until the time of a request is over."""
    left = approval.expires_at - approval_states.clock()
    time.sleep(max(0.0, left.total_seconds()) + 0.001)


def decide(world: World, approval: Approval, by: str = "olivia", **changes: Any) -> Approval:
    """An approval of somebody who saw what was asked for."""
    given: dict[str, Any] = {
        "approval_id": approval.pk,
        "approve": True,
        "comment": "",
        "password": PASSWORD,
        "request_sha256": approval.request_sha256,
        **changes,
    }
    return approvals.decide(actor=world.actor(by), **given)


def use(world: World, approval: Approval, by: str = "alice", **secrets: str) -> Approval:
    return approvals.use(actor=world.actor(by), approval_id=approval.pk, secrets=secrets)


def with_one_officer(world: World) -> World:
    """Olivia is the only officer for all clients; Adam is an administrator beside Alice."""
    alice = world.actor("alice")
    people.revoke_grant(actor=alice, grant=world.user("oscar").grants.get())
    adam = people.create_person_account(
        actor=alice, username="adam", display_name="Adam", password=PASSWORD
    )
    people.grant(actor=alice, user=adam, role=Role.ADMIN, client=None)
    return world


def close(world: World, *usernames: str) -> None:
    """Accounts that are closed past the service, which keeps the last officer."""
    for username in usernames:
        User.objects.filter(pk=world.user(username).pk).update(is_active=False)


def name_of(client_id: str = "clinic-001") -> str:
    return Client.objects.get(pk=client_id).name


def events(*kinds: EventType) -> list[dict[str, Any]]:
    """The recorded events of these types, oldest first."""
    found = [json.loads(row.event) for row in PendingEvent.objects.order_by("id")]
    return [event for event in found if event["type"] in kinds]


def constraint_of(error: BaseException) -> str | None:
    """The constraint or trigger by which the database refused."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
