"""The vault under fire: the process killed at every step, and taken up by the next."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import failpoints
from audit.events import Actor
from audit.services import holds
from evidence.models import Package, PackageStatus
from evidence.services.vault import deposit, locks
from evidence.services.vault.auditing import audit_vault
from sealing.results import Verdict
from tests.carrying import carry_on
from tests.factories import World
from tests.faults import processes
from tests.services.evidence import helpers, vaults
from tests.services.evidence.vaults import local_vault, s3_vault  # noqa: F401

pytestmark = pytest.mark.xdist_group("faults")
LOCAL = ("vault-1", "vault-2", "vault-3", "vault-4", "vault-5", "vault-8", "export-8")
IN_S3 = ("vault-1", "vault-3", "vault-5", "vault-8", "export-8")
# Mode, step, and at which time of coming to it.
DEPOSIT = [
    *(("local", step, 1) for step in LOCAL),
    *(("s3", step, 1) for step in IN_S3),
    ("local", "vault-1", 3),
    ("local", "vault-4", 3),
    ("s3", "vault-3", 3),
]
LOCKS = [
    *((mode, step, "extend") for mode in ("local", "s3") for step in ("vault-10", "vault-11")),
    ("s3", "vault-9", "extend"),
    ("s3", "vault-10", "hold"),
    ("s3", "vault-11", "hold"),
]


@pytest.fixture
def prepared(request: pytest.FixtureRequest, settings: Any, committed_world: World) -> World:
    """Copies are encrypted: each attempt would like to have a key of its own."""
    settings.EVIDENCE_VAULT_ENCRYPTION = "local"
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


def assert_in_order(*, repaired: list[str] | None = None) -> None:
    """The vault is as its records say, and there is nothing else in it."""
    audit = audit_vault(actor=Actor.system("tests"))
    assert (audit.verdict, audit.findings) == (Verdict.VALID, [])
    assert audit.copies == Package.objects.count()
    if repaired is not None:
        assert audit.repaired == repaired


@pytest.mark.parametrize(("mode", "step", "time"), DEPOSIT)
def test_a_deposit_is_taken_up(prepared: World, mode: str, step: str, time: int) -> None:
    helpers.some_events()
    killed_at(step, lambda: helpers.export(prepared, vault_mode=mode), time=time)
    package = Package.objects.get()
    assert package.status == PackageStatus.WRITING
    assert carry_on(package.run).status == "SUCCESS"
    package = Package.objects.get()
    assert package.vault_copy.encryption == "local"
    assert_in_order(repaired=[])


@pytest.mark.parametrize(
    ("mode", "step"),
    [("local", "vault-6"), ("local", "vault-7"), ("local", "vault-9"), ("s3", "vault-9")],
)
def test_a_file_more_is_taken_up(prepared: World, mode: str, step: str) -> None:
    package = helpers.export(prepared, vault_mode=mode)
    name = f"{package.bundle_id}.tsr"
    killed_at(step, lambda: deposit.add_file(package=package, name=name, raw=b"later"))
    row = deposit.add_file(package=package, name=name, raw=b"later")
    assert row is not None
    assert vaults.read(package, ".tsr") == b"later"
    assert_in_order()


@pytest.mark.parametrize(("mode", "step", "change"), LOCKS)
def test_a_change_of_the_lock_is_taken_up(
    prepared: World, mode: str, step: str, change: str
) -> None:
    world = prepared
    package = helpers.export(world, vault_mode=mode)
    until = package.retain_until + timedelta(days=30)
    if change == "hold":
        holds.place(actor=world.actor("olivia"), case_id="case 7", reason="Asked for")

    def work() -> None:
        if change == "extend":
            locks.extend(actor=world.actor("olivia"), package=package, until=until)
        else:
            locks.apply_holds(actor=Actor.system("tests"))

    killed_at(step, work)
    assert locks.current(package).number == 2
    assert_in_order(repaired=[f"{package.bundle_id}: lock"])
    assert vaults.names(package).count(".worm-lock-0002.json") == 1
    for row in package.vault_objects.all():
        kept, _ = vaults.vault(package).look(package.vault_copy.folder, row.name, row.version_id)
        if mode == "s3":
            assert kept.retention is not None
            assert kept.is_held is (change == "hold")
            assert kept.retention.until == (until if change == "extend" else package.retain_until)


def test_what_a_dead_process_staged_is_swept(prepared_local: World, local_vault: Path) -> None:  # noqa: F811
    killed_at("vault-2", lambda: helpers.export(prepared_local, vault_mode="local"))
    staging = local_vault / ".staging"
    assert [path.name for path in staging.iterdir() if path.is_dir()]
    audit = audit_vault(actor=Actor.system("tests"))
    assert audit.findings == []
    assert list(staging.iterdir()) == []


@pytest.fixture
def prepared_local(committed_world: World, local_vault: Path) -> World:  # noqa: F811
    """The world, and a local vault."""
    return committed_world
