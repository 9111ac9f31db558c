"""The audit of the vault over deposits: each damage alone is found, named, and nothing else is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.events import Actor, EventType
from audit.services import holds
from evidence.models import Deposit, DepositIntent
from evidence.services.vault import auditing, depositing, making_up, strangers
from evidence.services.vault.auditing import VaultAudit, audit_vault
from evidence.services.vault.base import of_bytes
from evidence.services.vault.making_up import MadeUp, MakeUp
from evidence.services.vault.opening import vault_of
from sealing import immutable
from sealing.immutable import Flag
from sealing.results import Verdict
from tests.api.artifacts import keep
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.evidence import deposits, helpers, vaults
from tests.services.evidence.deposits import FOLDER, NAME

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("tests")
PDF = f"{NAME}.pdf"


def audit() -> VaultAudit:
    return audit_vault(actor=SYSTEM)


def codes(found: VaultAudit) -> dict[str, int]:
    return dict(found.counts)


@pytest.fixture(params=["local", "s3"])
def mode(request: pytest.FixtureRequest) -> str:
    """Each kind of vault."""
    request.getfixturevalue(f"{request.param}_vault")
    return str(request.param)


def test_all_is_in_order(world: World, mode: str) -> None:
    """Packages, packets and artefacts beside each other: none is a stranger to the others."""
    helpers.some_events()
    helpers.export(world, vault_mode=mode)
    packet = deposits.put(mode)
    depositing.add(packet, of_bytes(f"{NAME}.countersigned.pdf", b"twice"))
    keep(world)
    keep(world, client_id=None)
    told = []
    found = audit_vault(actor=SYSTEM, progress=lambda done, total: told.append((done, total)))
    assert (found.verdict, found.findings, found.notices, found.repaired) == (
        Verdict.VALID, [], [], [],
    )  # fmt: skip
    assert (found.copies, found.deposits) == (1, 3)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert "1 copies, 3 deposits" in found.message
    assert found.as_dict()["deposits"] == 3
    (event,) = helpers.events_of(EventType.EVIDENCE_VAULT_AUDITED)
    assert event["data"]["deposits"] == 3


def test_deposits_alone_are_enough_to_compare(world: World, local_vault: Path) -> None:
    deposits.put("local")
    assert audit().verdict is Verdict.VALID


# --- a folder ---------------------------------------------------------------------------------


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def swap_for_link(path: Path) -> None:
    elsewhere = path.parents[6] / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "flipped": (lambda d: flip(d / PDF), "vault_file_changed"),
    "cut": (lambda d: os.truncate(d / PDF, 100), "vault_file_changed"),
    "longer": (
        lambda d: (d / PDF).write_bytes((d / PDF).read_bytes() + b"x"),
        "vault_file_changed",
    ),
    "a-link": (lambda d: swap_for_link(d / PDF), "vault_file_changed"),
    "gone": (lambda d: (d / PDF).unlink(), "vault_file_missing"),
    "more": (lambda d: (d / "more.txt").write_bytes(b""), "vault_file_extra"),
    "all-gone": (shutil.rmtree, "vault_copy_missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_deposit(world: World, local_vault: Path, damage: str) -> None:
    keep(world)
    folder = deposits.path(deposits.put("local"))
    vaults.loosen(folder)
    change, code = DAMAGES[damage]
    change(folder)
    vaults.close(folder)
    found = audit()
    assert found.verdict is Verdict.INVALID
    # A link stands for a file that is nowhere protected.
    assert set(codes(found)) - {"vault_flag_lost"} == {code}
    assert all(FOLDER in str(item.where) for item in found.findings)
    (event,) = helpers.events_of(EventType.EVIDENCE_VAULT_DIFFERS)
    assert event["data"]["counts"] == codes(found)


def test_lost_protection_is_told_and_given_back(
    world: World, local_vault: Path, flags: None
) -> None:
    path = deposits.path(deposits.put("local"), PDF)
    vaults.expose(path, Flag.IMMUTABLE)
    found = audit()
    assert codes(found) == {"vault_flag_lost": 1}
    assert found.repaired == [f"{NAME}: protected again"]
    assert immutable.is_protected(path, Flag.IMMUTABLE)
    assert audit().verdict is Verdict.VALID


def test_one_link_does_not_keep_the_others_from_being_compared(
    world: World, local_vault: Path
) -> None:
    deposit = deposits.put("local")
    keep(world)
    folder = deposits.path(deposit)
    vaults.loosen(local_vault)
    folder.rename(local_vault.parent / "elsewhere")
    folder.symlink_to(local_vault.parent / "elsewhere")
    found = audit()
    assert codes(found)["vault_path_strange"] == 1
    assert found.deposits == 2
    folder.unlink()


def test_a_vault_that_is_not_configured_any_more(
    world: World, local_vault: Path, settings: Any
) -> None:
    deposits.put("local")
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    found = audit()
    assert (found.verdict, codes(found)) == (
        Verdict.INCONCLUSIVE, {"vault_not_configured": 1},
    )  # fmt: skip


def test_nothing_is_repaired_where_nothing_is_recorded(
    world: World, local_vault: Path, flags: None, settings: Any
) -> None:
    path = deposits.path(deposits.put("local"), PDF)
    vaults.expose(path, Flag.IMMUTABLE)
    settings.AUDIT_ENABLED = False
    found = audit()
    assert (codes(found), found.repaired) == ({"vault_flag_lost": 1}, [])
    assert not immutable.is_protected(path, Flag.IMMUTABLE)


# --- strangers --------------------------------------------------------------------------------


def unrecorded(mode: str, **changes: Any) -> None:
    """A deposit that nobody meant to put there, as far as is known."""
    plan = deposits.plan(mode, **changes)
    depositing.commit(depositing.stage(plan, [of_bytes(PDF, b"%PDF")]))
    DepositIntent.objects.filter(folder=plan.folder).delete()


def test_a_deposit_on_its_way_is_a_notice(world: World, mode: str) -> None:
    deposits.put(mode, folder=FOLDER.replace("2025-01-31", "2025-01-30"))
    unrecorded(mode)
    found = audit()
    assert (found.verdict, found.findings) == (Verdict.VALID, [])
    assert [(item.code, item.where) for item in found.notices] == [("vault_deposit_new", FOLDER)]
    deposits.put(mode, {PDF: b"%PDF"})
    assert audit().notices == []


def test_after_a_day_it_is_a_stranger(
    world: World, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unrecorded(mode)
    monkeypatch.setattr(strangers, "_NEW", timedelta())
    found = audit()
    assert (found.verdict, codes(found)) == (
        Verdict.INVALID, {"vault_deposit_unrecorded": 1},
    )  # fmt: skip
    assert found.findings[0].where == FOLDER


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (timedelta(hours=23), "vault_deposit_new"),
        (timedelta(hours=25), "vault_deposit_unrecorded"),
        # Nothing of ours lies in the future.
        (timedelta(hours=-2), "vault_deposit_unrecorded"),
    ],
    ids=["day", "old", "future"],
)
def test_how_old_a_stranger_is(world: World, local_vault: Path, age: timedelta, code: str) -> None:
    unrecorded("local")
    path = local_vault / FOLDER / PDF
    vaults.loosen(path.parent)
    moment = (datetime.now(UTC) - age).timestamp()
    os.utime(path, (moment, moment))
    found = audit()
    assert [item.code for item in (*found.findings, *found.notices)] == [code]


@pytest.mark.parametrize(
    "folder",
    [
        "clinic-001/2025/02/01/anything",
        "clinic-001/2025/02/30/" + NAME,
        "clinic-001/2025/02/01/artifact_1",
        "clinic-001/2025/02/01/SOC2_Evidence_x_2025-01-01",
        "clinic 1/2025/02/01/" + NAME,
        "clinic-001/2025/02",
    ],
)
def test_what_has_no_form_of_ours_is_strange_at_once(
    world: World, local_vault: Path, folder: str
) -> None:
    keep(world)
    vaults.loosen(local_vault)
    (local_vault / folder).mkdir(parents=True, exist_ok=True)
    (local_vault / folder / "file").write_bytes(b"x")
    found = audit()
    strange = [item.code for item in found.findings if item.code.startswith("vault_path")]
    assert strange == ["vault_path_strange"]
    assert found.notices == []


def test_an_empty_folder_is_no_deposit_on_its_way(world: World, local_vault: Path) -> None:
    (local_vault / FOLDER).mkdir(parents=True)
    assert codes(audit()) == {"vault_deposit_unrecorded": 1}


# --- a bucket ---------------------------------------------------------------------------------


def test_what_was_put_over_a_file_is_a_notice(world: World, s3_vault: Bucket) -> None:
    deposit = deposits.put("s3")
    key = f"vault/{FOLDER}/{PDF}"
    s3_vault.client.put_object(Bucket=s3_vault.name, Key=key, Body=b"forged")
    s3_vault.client.delete_object(Bucket=s3_vault.name, Key=f"{key}.sig")
    found = audit()
    assert (found.verdict, found.findings) == (Verdict.VALID, [])
    assert {item.code for item in found.notices} == {"vault_version_added", "vault_delete_marker"}
    assert depositing.read(deposit, PDF) == deposits.FILES[PDF]


def test_an_object_more_is_found(world: World, s3_vault: Bucket) -> None:
    deposits.put("s3")
    s3_vault.client.put_object(Bucket=s3_vault.name, Key=f"vault/{FOLDER}/more", Body=b"x")
    assert codes(audit()) == {"vault_file_extra": 1}


def test_a_missing_hold_is_put_back(world: World, s3_vault: Bucket) -> None:
    deposit = deposits.put("s3")
    vault, row = vault_of("s3"), deposit.objects_kept.get(name=PDF)
    rules = depositing.current(deposit)
    deposit.locks.create(
        number=2,
        retain_until=rules.retain_until,
        legal_holds=["case 7"],
        locked_at=rules.locked_at,
        actor_id="service:tests",
    )
    holds.place(actor=world.actor("olivia"), case_id="case 7", reason="Asked for")
    found = audit()
    assert codes(found) == {"vault_hold_missing": 4}
    assert found.repaired == [f"{NAME}: protected again"]
    assert vault.look(FOLDER, PDF, row.version_id)[0].is_held
    assert audit().verdict is Verdict.VALID


# --- what other rooms make up -----------------------------------------------------------------


def test_other_rooms_make_up_before_it_is_compared(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deposit = deposits.put("local")

    def run(actor: Actor) -> MadeUp:
        assert actor is SYSTEM
        depositing.add(Deposit.objects.get(pk=deposit.pk), of_bytes("later.pdf", b"later"))
        return MadeUp((f"{NAME}: later.pdf",), (("another", "it is not there"),))

    item = MakeUp("tests", run)
    monkeypatch.setattr(auditing.making_up, "registered", lambda: (item,))
    found = audit()
    assert found.repaired == [f"{NAME}: later.pdf"]
    assert (found.verdict, codes(found)) == (
        Verdict.INCONCLUSIVE, {"vault_file_waiting": 1},
    )  # fmt: skip
    assert found.files == 5


def test_after_start_up_nothing_is_registered_any_more() -> None:
    with pytest.raises(RuntimeError, match="can't be registered"):
        making_up.register(MakeUp("late", lambda actor: MadeUp()))
