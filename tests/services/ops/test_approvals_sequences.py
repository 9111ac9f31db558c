"""Random sequences of all that may happen: an act never takes fewer people than it needs.

Requests, decisions, edits of what they are about, rights given and taken, accounts closed, people
found to be one, time passing, and rows written past every service; in any order. At each act that
is carried out, a reckoning of the test's own says whether it may be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access import policy
from access.models import Client, Grant, Person, User
from access.roles import Role
from ops.models import Approval, ApprovalDecision, ApprovalState
from ops.services import approvals, people
from sealing.errors import StrongroomError
from tests.factories import PASSWORD, World
from tests.services.ops.approving import Acts, ask, name_of, outlive

PEOPLE = ("alice", "adam", "olivia", "olivia2", "oscar", "ben", "audrey")
# Whose roles can ever count for what is asked for here; Ben's and Audrey's can't.
ABLE = ("alice", "adam", "olivia", "olivia2", "oscar")
NEEDED = {"test.one": 1, "test.two": 2, "test.three": 3, "test.pin": 1}
# How often each happens, so that sequences come as far as acts, and past them.
KINDS = {
    "ask": 5,
    "decide": 20,
    "use": 4,
    "withdraw": 1,
    "sweep": 1,
    "edit": 1,
    "revoke": 2,
    "grant": 2,
    "close": 1,
    "open": 2,
    "merge": 1,
    "outlive": 1,
    "write_decision": 3,
    "write_state": 3,
    "write_needed": 1,
}
SERVICES = ("ask", "decide", "use", "withdraw", "sweep")
SEQUENCES, STEPS = 30, 40


@dataclass(frozen=True)
class Step:
    """Something that happens; each kind takes what it needs of it."""

    kind: str
    who: str
    other: str
    back: int
    flavour: int

    @classmethod
    def drawn(cls, random: Random) -> Step:
        (kind,) = random.choices(list(KINDS), list(KINDS.values()))
        who = random.choice(ABLE if random.random() < 0.9 else PEOPLE)
        back = random.choice((0, 0, 0, 1, 2))
        return cls(kind, who, random.choice(PEOPLE), back, random.randrange(20))


class Nothing(StrongroomError):
    """There is nothing that the step could be about."""


@dataclass
class House:
    """What happens in one sequence, and what the test itself knows of it."""

    world: World
    acts: Acts
    asked: list[Approval] = field(default_factory=list)
    # Which accounts approved what, through the service or past it, as this test saw it.
    approvers: dict[Any, set[str]] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=lambda: {"olivia2": "olivia"})
    executed: list[Any] = field(default_factory=list)
    name_before: str = ""

    def __post_init__(self) -> None:
        for name, needed in NEEDED.items():
            self.acts.add(name, needed=needed, needs=("pin",) if name == "test.pin" else ())
        self.acts.while_at_it = self._note_name

    def do(self, step: Step) -> None:
        """One step; most are refused, as they have to be."""
        act = getattr(self, f"do_{step.kind}")
        try:
            if step.kind in SERVICES:
                act(step)
            else:
                with transaction.atomic():
                    act(step)
        except (StrongroomError, DatabaseError):
            return

    # --- what the test knows ----------------------------------------------------------------

    def human(self, username: str) -> str:
        while username in self.same:
            username = self.same[username]
        return username

    def humans(self, approval: Approval, *, in_office: bool) -> set[str]:
        """Who approved it, apart from whoever asked for it."""
        names = self.approvers[approval.pk]
        found = {self.human(name) for name in names if not in_office or self.in_office(name)}
        return found - {self.human(approval.requester_account.username)}

    def in_office(self, username: str) -> bool:
        grants = Grant.objects.filter(user__username=username, revoked_at=None)
        is_active = User.objects.get(username=username).is_active
        return username in ABLE and is_active and grants.exists()

    def reckon(self, found: Approval) -> None:
        """Whether an act that was carried out may have been, by what this test knows."""
        if found.state != ApprovalState.USED:
            return
        assert found.pk not in self.executed, "carried out twice"
        self.executed.append(found.pk)
        assert len(self.acts.done) == len(self.executed)
        assert found.closed_at is not None and found.closed_at < found.expires_at
        assert found.bound["subject"] == {"name": self.name_before}
        assert self.in_office(found.requester_account.username)
        assert len(self.humans(found, in_office=True)) >= NEEDED[found.action] == found.needed

    def _note_name(self) -> None:
        self.name_before = name_of()

    def chosen(self, step: Step) -> Approval:
        """One of those that were asked for, rather the last."""
        if not self.asked:
            raise Nothing("Nothing was asked for yet.")
        return self.asked[-1 - step.back % len(self.asked)]

    # --- through the services ---------------------------------------------------------------

    def do_ask(self, step: Step) -> None:
        action = list(NEEDED)[step.flavour % len(NEEDED)]
        left = timedelta(seconds=0.1) if step.flavour == 19 else None
        found = ask(self.world, step.who, action=action, params={"name": "n"}, left=left)
        self.asked.append(found)
        self.approvers[found.pk] = set()

    def do_decide(self, step: Step) -> None:
        found = self.chosen(step)
        before = set(self.approvers[found.pk])
        self.approvers[found.pk].add(step.who)
        digest = found.request_sha256 if step.flavour != 2 else f"sha256:{'0' * 64}"
        try:
            decided = approvals.decide(
                actor=self.world.actor(step.who),
                approval_id=found.pk,
                approve=step.flavour > 0,
                comment="Why.",
                password=PASSWORD if step.flavour != 1 else "wrong",
                request_sha256=digest,
            )
        except StrongroomError:
            self.approvers[found.pk] = before
            raise
        assert step.flavour not in (1, 2)
        if step.flavour == 0:
            self.approvers[found.pk] = before
        self.reckon(decided)

    def do_use(self, step: Step) -> None:
        found = self.chosen(step)
        secrets = {"pin": "1"} if found.action == "test.pin" else {}
        username = found.requester_account.username if step.flavour else step.who
        self.reckon(
            approvals.use(actor=self.world.actor(username), approval_id=found.pk, secrets=secrets)
        )

    def do_withdraw(self, step: Step) -> None:
        found = self.chosen(step)
        approvals.withdraw(actor=self.world.actor(step.who), approval_id=found.pk)

    def do_sweep(self, step: Step) -> None:
        approvals.expire_due()

    # --- what else happens ------------------------------------------------------------------

    def do_edit(self, step: Step) -> None:
        Client.objects.filter(pk="clinic-001").update(name=f"Edited {step.flavour}")

    def do_revoke(self, step: Step) -> None:
        grants = Grant.objects.filter(user__username=step.who, revoked_at=None)
        grants.update(revoked_at=timezone.now())

    def do_grant(self, step: Step) -> None:
        for user in User.objects.exclude(grants=None).exclude(grants__revoked_at=None):
            last = user.grants.latest("id")
            Grant.objects.create(user=user, group=last.group, client=last.client)

    def do_close(self, step: Step) -> None:
        User.objects.filter(username=step.who).update(is_active=False)

    def do_open(self, step: Step) -> None:
        User.objects.filter(is_active=False).update(is_active=True)

    def do_merge(self, step: Step) -> None:
        top = policy.root_person(self.world.person(step.who).pk)
        Person.objects.filter(pk=top).update(merged_into=self.world.person(step.other))
        self.same[self.human(step.who)] = self.human(step.other)

    def do_outlive(self, step: Step) -> None:
        soon = timezone.now() + timedelta(seconds=1)
        for found in self.asked:
            if found.expires_at < soon:
                outlive(found)

    # --- past the services ------------------------------------------------------------------

    def do_write_decision(self, step: Step) -> None:
        found, user = self.chosen(step), self.world.user(step.other)
        row = ApprovalDecision(
            approval=found,
            requester_id=found.requester_id,
            request_sha256=found.request_sha256,
            person_id=user.person_id,
            account=user,
            approves=True,
        )
        ApprovalDecision.objects.bulk_create([row])
        assert self.human(step.other) != self.human(found.requester_account.username)
        assert self.human(step.other) not in map(self.human, self.approvers[found.pk])
        self.approvers[found.pk].add(step.other)

    def do_write_state(self, step: Step) -> None:
        found = self.chosen(step)
        state = ApprovalState.values[step.flavour % 3]
        if Approval.objects.filter(pk=found.pk).exclude(state=state).update(state=state):
            assert len(self.humans(found, in_office=False)) >= found.needed
        # What is written past the service is not carried out by that.
        assert len(self.acts.done) == len(self.executed)

    def do_write_needed(self, step: Step) -> None:
        found = self.chosen(step)
        if Approval.objects.filter(pk=found.pk, needed__gt=1).update(needed=1):
            pytest.fail("what was asked for could be changed")


@pytest.mark.django_db
def test_never_fewer_people_than_needed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = world.actor("alice")
    adam = people.create_person_account(
        actor=alice, username="adam", display_name="Adam", password=PASSWORD
    )
    people.grant(actor=alice, user=adam, role=Role.ADMIN, client=None)
    carried_out: list[str] = []

    @settings(
        max_examples=SEQUENCES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(random=st.randoms(use_true_random=True))
    def run(random: Random) -> None:
        point = transaction.savepoint()
        with monkeypatch.context() as patch:
            house = House(world, Acts(patch))
            try:
                for _ in range(STEPS):
                    house.do(Step.drawn(random))
            finally:
                transaction.savepoint_rollback(point)
        actions = {found.pk: found.action for found in house.asked}
        carried_out.extend(actions[pk] for pk in house.executed)

    run()
    assert {"test.one", "test.two", "test.pin"} <= set(carried_out)
