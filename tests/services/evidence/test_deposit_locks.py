"""Legal holds on deposits: by the days of their period, on and off, in records and store."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from audit import failpoints
from audit.events import Actor, EventType
from audit.models import LegalHold
from audit.services import holds
from evidence import vault_jobs
from evidence.models import Deposit
from evidence.services.vault import deposit_locks, depositing, locks
from evidence.services.vault.base import of_bytes
from evidence.services.vault.errors import VaultUnavailable
from evidence.services.vault.local import LocalVault
from ops.services.runs import request_once
from tests.api.artifacts import keep
from tests.carrying import carry_out
from tests.factories import World
from tests.services.evidence import deposits, helpers
from tests.services.evidence.deposits import NAME

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("tests")
UNTIL = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["local", "s3"])
def mode(request: pytest.FixtureRequest) -> str:
    """Each kind of vault."""
    request.getfixturevalue(f"{request.param}_vault")
    return str(request.param)


def place(world: World, case_id: str = "case 7", **days: Any) -> LegalHold:
    return holds.place(actor=world.actor("olivia"), case_id=case_id, reason="Asked for", **days)


def states(deposit: Deposit) -> list[tuple[int, list[str]]]:
    return [(state.number, state.legal_holds) for state in deposit.locks.order_by("number")]


def test_holds_come_and_go(world: World, mode: str) -> None:
    deposit = deposits.put(mode)
    hold = place(world)
    applied = locks.apply_holds(actor=SYSTEM)
    assert (applied.changed, applied.finished, applied.failures) == ((NAME,), (), ())
    assert states(deposit) == [(1, []), (2, ["case 7"])]
    if mode == "s3":
        assert deposits.in_store(deposit) == {(UNTIL, True)}
    assert locks.apply_holds(actor=SYSTEM).changed == ()
    place(world, "case 8")
    assert locks.apply_holds(actor=SYSTEM).changed == (NAME,)
    holds.release(actor=world.actor("olivia"), hold=hold, reason="Closed")
    assert locks.apply_holds(actor=SYSTEM).changed == (NAME,)
    assert states(deposit)[2:] == [(3, ["case 7", "case 8"]), (4, ["case 8"])]
    if mode == "s3":
        assert deposits.in_store(deposit) == {(UNTIL, True)}
    other = LegalHold.objects.get(case_id="case 8")
    holds.release(actor=world.actor("olivia"), hold=other, reason="Closed")
    locks.apply_holds(actor=SYSTEM)
    assert states(deposit)[4:] == [(5, [])]
    if mode == "s3":
        assert deposits.in_store(deposit) == {(UNTIL, False)}
    events = helpers.events_of(EventType.EVIDENCE_DEPOSIT_LOCK_CHANGED, NAME)
    assert [event["data"]["number"] for event in events] == [2, 3, 4, 5]
    assert events[1]["data"]["legal_holds_before"] == ["case 7"]
    assert {event["client_id"] for event in events} == {"clinic-001"}


DAYS = [
    ({}, True),
    ({"start_day": date(2025, 1, 31)}, True),
    ({"start_day": date(2025, 2, 1)}, False),
    ({"end_day": date(2025, 1, 1)}, True),
    ({"end_day": date(2024, 12, 31)}, False),
    ({"start_day": date(2025, 1, 15), "end_day": date(2025, 1, 15)}, True),
]


@pytest.mark.parametrize(("days", "is_held"), DAYS)
def test_a_hold_covers_the_days_of_a_period(
    world: World, local_vault: Any, days: dict[str, date], is_held: bool
) -> None:
    """January ends with its last day; February's first is not part of it."""
    deposit = deposits.put("local")
    place(world, **days)
    locks.apply_holds(actor=SYSTEM)
    assert depositing.current(deposit).legal_holds == (["case 7"] if is_held else [])


def test_artefacts_are_held_like_packets(world: World, mode: str) -> None:
    artifact = keep(world)
    place(world, start_day=date(2026, 1, 31))
    assert locks.apply_holds(actor=SYSTEM).changed == (artifact.deposit.name,)
    assert depositing.current(artifact.deposit).legal_holds == ["case 7"]


def test_a_file_that_is_added_while_it_is_held_is_held(world: World, s3_vault: Any) -> None:
    deposit = deposits.put("s3")
    place(world)
    locks.apply_holds(actor=SYSTEM)
    depositing.add(deposit, of_bytes("later.pdf", b"later"))
    assert deposits.in_store(deposit) == {(UNTIL, True)}


def test_a_hold_that_comes_while_a_file_is_added(
    world: World, s3_vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock changes between the file's own lock and its record."""
    deposit = deposits.put("s3")
    place(world)

    def change(name: str) -> None:
        if name == "vault-9":
            monkeypatch.setattr(failpoints, "listener", None)
            locks.apply_holds(actor=SYSTEM)

    monkeypatch.setattr(failpoints, "listener", change)
    depositing.add(deposit, of_bytes("later.pdf", b"later"))
    assert deposits.in_store(deposit) == {(UNTIL, True)}


def test_who_is_slower_leaves_what_rules(
    world: World, s3_vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One finds no case any more, another finds a new one, and stores first."""
    deposit = deposits.put("s3")
    first = place(world)
    locks.apply_holds(actor=SYSTEM)
    holds.release(actor=world.actor("olivia"), hold=first, reason="Closed")

    def overtake(name: str) -> None:
        if name == "vault-12":
            monkeypatch.setattr(failpoints, "listener", None)
            place(world, "case 8")
            locks.apply_holds(actor=SYSTEM)

    monkeypatch.setattr(failpoints, "listener", overtake)
    assert locks.apply_holds(actor=SYSTEM).changed == ()
    assert states(deposit)[2:] == [(3, ["case 8"])]
    assert deposits.in_store(deposit) == {(UNTIL, True)}


def test_one_that_fails_keeps_nobody_waiting(
    world: World, local_vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deposits.put("local")
    other = keep(world)
    place(world)
    real = LocalVault.protect

    def fail(self: LocalVault, folder: str, kept: Any, lock: Any) -> None:
        if NAME in folder:
            raise VaultUnavailable("The vault refuses.")
        real(self, folder, kept, lock)

    with monkeypatch.context() as patched:
        patched.setattr(LocalVault, "protect", fail)
        applied = locks.apply_holds(actor=SYSTEM)
    assert applied.failures == ((NAME, "The vault refuses."),)
    assert applied.changed == (other.deposit.name,)
    assert locks.apply_holds(actor=SYSTEM).changed == (NAME,)


def test_the_job_that_runs_every_five_minutes(world: World, local_vault: Any) -> None:
    deposit = deposits.put("local")
    place(world)
    run = request_once(actor=world.actor("alice"), job_type=vault_jobs.HOLDS, payload={})
    done = carry_out(run.pk)
    assert (done.status, done.result_summary["changed"]) == ("SUCCESS", 1)
    assert depositing.current(deposit).legal_holds == ["case 7"]
    assert deposit_locks.apply_holds(actor=SYSTEM, active=list(holds.active())) == ([], [])
