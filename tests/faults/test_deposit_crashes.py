"""Deposits under fire: the process killed at every step, and taken up by the next."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta

import pytest

from audit import failpoints
from audit.events import Actor, EventType
from audit.services import holds
from evidence.models import Artifact, Deposit, DepositIntent
from evidence.services import artifact_recording
from evidence.services.vault import depositing, locks
from evidence.services.vault.auditing import VaultAudit, audit_vault
from evidence.services.vault.base import of_bytes
from sealing.results import Verdict
from tests.api.artifacts import keep
from tests.factories import World
from tests.faults import processes
from tests.services.evidence import deposits, helpers
from tests.services.evidence.deposits import FILES, FOLDER, NAME
from tests.services.evidence.vaults import local_vault, s3_vault  # noqa: F401

pytestmark = pytest.mark.xdist_group("faults")
SYSTEM = Actor.system("tests")
# Mode, step, and at which time of coming to it.
DEPOSIT = [
    *(("local", step, 1) for step in ("vault-1", "vault-3", "vault-4", "vault-5", "vault-8")),
    ("local", "vault-4", 3),
    *(("s3", step, 1) for step in ("vault-1", "vault-3", "vault-8")),
    ("s3", "vault-3", 3),
]


@pytest.fixture
def prepared(request: pytest.FixtureRequest, committed_world: World) -> World:
    """The world, and the vault of the test."""
    request.getfixturevalue(f"{request.node.callspec.params['mode']}_vault")
    return committed_world


def killed_at(step: str, work: Callable[[], object], *, time: int = 1) -> None:
    """Runs ``work`` in a process that is killed when it comes to a step, the ``time``-th time."""

    def doomed() -> None:
        left = time

        def die(name: str) -> None:
            nonlocal left
            if name == step:
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

        failpoints.listener = die
        work()

    assert processes.finished(processes.start(doomed)) == -signal.SIGKILL


def in_order() -> VaultAudit:
    """The vault is as its records say, and there is nothing else in it."""
    audit = audit_vault(actor=SYSTEM)
    assert (audit.verdict, audit.findings, audit.notices) == (Verdict.VALID, [], [])
    assert audit.deposits == Deposit.objects.count()
    return audit


@pytest.mark.parametrize(("mode", "step", "time"), DEPOSIT)
def test_a_deposit_is_taken_up(prepared: World, mode: str, step: str, time: int) -> None:
    killed_at(step, lambda: deposits.put(mode), time=time)
    assert not Deposit.objects.exists()
    between = audit_vault(actor=SYSTEM)
    assert between.findings == []
    assert {item.where for item in between.notices} <= {FOLDER}
    deposit = deposits.put(mode)
    for name, raw in FILES.items():
        assert depositing.read(deposit, name) == raw
    in_order()


@pytest.mark.parametrize(
    ("mode", "step"),
    [("local", "vault-6"), ("local", "vault-7"), ("local", "vault-9"), ("s3", "vault-9")],
)
def test_a_file_more_is_taken_up(prepared: World, mode: str, step: str) -> None:
    deposit = deposits.put(mode)
    later = of_bytes(f"{NAME}.countersigned.pdf", b"twice")
    killed_at(step, lambda: depositing.add(deposit, later))
    depositing.add(deposit, later)
    assert depositing.read(deposit, later.name) == b"twice"
    in_order()


@pytest.mark.parametrize("mode", ["local", "s3"])
@pytest.mark.parametrize("change", ["place", "release"])
def test_a_hold_is_taken_up(prepared: World, mode: str, change: str) -> None:
    """The store has done it, and the record is missing: the next one finds that out."""
    deposit = deposits.put(mode)
    officer = prepared.actor("olivia")
    hold = holds.place(actor=officer, case_id="case 7", reason="Asked for")
    if change == "release":
        locks.apply_holds(actor=SYSTEM)
        holds.release(actor=officer, hold=hold, reason="Closed")
    before = depositing.current(deposit).number
    killed_at("vault-12", lambda: locks.apply_holds(actor=SYSTEM))
    assert depositing.current(deposit).number == before
    assert in_order().repaired == [f"{NAME}: lock"]
    is_held = change == "place"
    assert depositing.current(deposit).number == before + 1
    assert depositing.current(deposit).legal_holds == (["case 7"] if is_held else [])
    if mode == "s3":
        assert {held for _, held in deposits.in_store(deposit)} == {is_held}


@pytest.mark.parametrize("mode", ["local", "s3"])
@pytest.mark.parametrize("step", ["vault-3", "vault-8", "artifact-1"])
def test_an_artefact_without_its_record_is_recorded_later(
    prepared: World, mode: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes are in their place: the intent knows of what they are evidence."""
    killed_at(step, lambda: keep(prepared))
    assert not Artifact.objects.exists() and not Deposit.objects.exists()
    assert not helpers.events_of(EventType.EVIDENCE_ARTIFACT_RECEIVED)
    audit = audit_vault(actor=SYSTEM)
    assert [item.code for item in audit.notices] == ["vault_deposit_new"]
    assert "/artifact_" in str(audit.notices[0].where)
    monkeypatch.setattr(artifact_recording, "_LEFT", timedelta())
    (repaired,) = in_order().repaired
    assert repaired.endswith(": recorded")
    (event,) = helpers.events_of(EventType.EVIDENCE_ARTIFACT_RECEIVED)
    assert event["object"]["id"] == str(Artifact.objects.get().pk)
    assert not DepositIntent.objects.exists()
    assert in_order().repaired == []
