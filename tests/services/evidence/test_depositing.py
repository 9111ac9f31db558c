"""What is no package goes into the vault whole, stays as it was put there, and is read back."""

from __future__ import annotations

import errno
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from audit.services import holds
from evidence.formats.errors import FormatRefused
from evidence.models import Deposit, DepositKind, DepositObject
from evidence.services.errors import VaultNotConfigured
from evidence.services.vault import depositing, opening
from evidence.services.vault.base import of_bytes, of_file
from evidence.services.vault.errors import VaultDiffers, VaultUnavailable
from sealing import digests
from sealing.errors import NotFound
from sealing.external_body import PackageDiffers
from sealing.files import PathRefused
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.evidence import deposits, vaults
from tests.services.evidence.deposits import FILES, FOLDER, NAME

pytestmark = pytest.mark.django_db
UNTIL = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["local", "s3"])
def mode(request: pytest.FixtureRequest) -> str:
    """Each kind of vault."""
    request.getfixturevalue(f"{request.param}_vault")
    return str(request.param)


def test_a_deposit_is_recorded_and_read_back(world: World, mode: str) -> None:
    deposit = deposits.put(mode)
    assert (deposit.kind, deposit.client_id, deposit.name) == ("packet", "clinic-001", NAME)
    assert (deposit.mode, deposit.folder, deposit.actor_id) == (mode, FOLDER, "service:tests")
    for name, raw in FILES.items():
        row = deposit.objects_kept.get(name=name)
        assert (row.sha256, row.size_bytes) == (digests.sha256_tag(raw), len(raw))
        assert row.retain_until == UNTIL
        assert bool(row.version_id) is (mode == "s3")
        assert depositing.read(deposit, name) == raw
    assert deposit.objects_kept.count() == 4
    lock = depositing.current(deposit)
    assert (lock.number, lock.retain_until, lock.legal_holds) == (1, UNTIL, [])
    if mode == "s3":
        assert deposits.in_store(deposit) == {(UNTIL, False)}
    else:
        assert {path.name for path in deposits.path(deposit).iterdir()} == set(FILES)


def test_the_first_vault_is_the_one_for_deposits(
    world: World, local_vault: Path, s3_vault: Bucket, settings: Any
) -> None:
    assert depositing.default_mode() == "local"
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    assert depositing.default_mode() == "s3"
    settings.EVIDENCE_VAULT_S3_BUCKET = ""
    with pytest.raises(VaultNotConfigured, match="set COMPLIANCE_EVIDENCE_VAULT_DIR or"):
        depositing.default_mode()


def test_an_earlier_attempt_is_adopted(world: World, mode: str) -> None:
    """The bytes are in the vault, and their record is not: the next attempt ends in the same."""
    sources = [of_bytes(name, raw) for name, raw in FILES.items()]
    first = depositing.commit(depositing.stage(deposits.plan(mode), sources))
    assert not Deposit.objects.exists()
    deposit = deposits.put(mode)
    assert {row.version_id for row in deposit.objects_kept.all()} == {
        kept.version_id for kept in first.objects
    }
    assert depositing.read(deposit, f"{NAME}.pdf") == FILES[f"{NAME}.pdf"]


def test_another_attempt_with_other_bytes_is_refused(world: World, mode: str) -> None:
    deposits.put(mode)
    with pytest.raises(VaultDiffers):
        deposits.put(mode, FILES | {f"{NAME}.pdf": b"other"})
    assert Deposit.objects.count() == 1


def test_what_is_discarded_leaves_nothing(world: World, local_vault: Path) -> None:
    staged = depositing.stage(deposits.plan("local"), [of_bytes("a", b"a")])
    assert list((local_vault / ".staging").iterdir())
    depositing.discard(staged)
    assert list((local_vault / ".staging").iterdir()) == []
    assert not (local_vault / FOLDER).exists()
    depositing.sweep()


def test_a_file_is_added_under_the_lock_that_rules(world: World, mode: str) -> None:
    deposit = deposits.put(mode)
    row = depositing.add(deposit, of_bytes(f"{NAME}.countersigned.pdf", b"%PDF twice"))
    again = depositing.add(deposit, of_bytes(f"{NAME}.countersigned.pdf", b"%PDF twice"))
    assert row == again
    assert depositing.read(deposit, row.name) == b"%PDF twice"
    assert (deposit.objects_kept.count(), row.retain_until) == (5, UNTIL)
    with pytest.raises(VaultDiffers):
        depositing.add(deposit, of_bytes(row.name, b"%PDF thrice"))
    assert depositing.read(deposit, row.name) == b"%PDF twice"
    if mode == "s3":
        assert deposits.in_store(deposit) == {(UNTIL, False)}


def test_a_hold_in_force_holds_from_the_first(world: World, mode: str) -> None:
    holds.place(
        actor=world.actor("olivia"),
        case_id="case 7",
        reason="Asked for",
        start_day=date(2025, 1, 31),
        end_day=date(2025, 1, 31),
    )
    deposit = deposits.put(mode)
    assert depositing.current(deposit).legal_holds == ["case 7"]
    depositing.add(deposit, of_bytes("more.pdf", b"more"))
    if mode == "s3":
        assert deposits.in_store(deposit) == {(UNTIL, True)}


def test_only_recorded_files_are_read(world: World, mode: str) -> None:
    deposit = deposits.put(mode)
    for name in ("other.pdf", "../x", ""):
        with pytest.raises(NotFound):
            depositing.read(deposit, name)


@pytest.mark.parametrize("change", ["flip", "cut", "longer", "gone", "link"])
def test_what_was_changed_is_not_read(world: World, local_vault: Path, change: str) -> None:
    deposit, name = deposits.put("local"), f"{NAME}.pdf"
    path = deposits.path(deposit, name)
    vaults.loosen(path.parent)
    path.chmod(0o644)
    raw = path.read_bytes()
    if change == "gone":
        path.unlink()
    elif change == "link":
        path.rename(local_vault / "elsewhere")
        path.symlink_to(local_vault / "elsewhere")
    else:
        path.write_bytes({"flip": b"x" + raw[1:], "cut": raw[:-1], "longer": raw + b"x"}[change])
    with pytest.raises(VaultDiffers, match=r"\.pdf"):
        depositing.read(deposit, name)


@pytest.mark.parametrize(
    "folder",
    [
        FOLDER.replace("clinic-001", "clinic-002", 1),
        FOLDER.replace("2025/02/01", "2025/02/30"),
        FOLDER.replace("2025/02/01", "2025/2/1"),
        FOLDER.replace(NAME, "artifact_00000000-0000-4000-8000-000000000000"),
        FOLDER.replace(NAME, "anything"),
        f"{FOLDER}/x",
        f"/{FOLDER}",
        f"../{FOLDER}",
        "clinic-001/2025/02/01/tests_20250201T000000Z_0a1b2c3d",
    ],
)
def test_a_folder_has_its_form(world: World, local_vault: Path, folder: str) -> None:
    with pytest.raises(FormatRefused):
        deposits.put("local", folder=folder)
    assert not local_vault.exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "a\x00b", "x" * 201, "a\\b"])
def test_a_file_has_a_plain_name(world: World, local_vault: Path, name: str) -> None:
    with pytest.raises((PathRefused, FormatRefused)):
        deposits.put("local", {"first": b"1", name: b"2"})
    assert list((local_vault / ".staging").iterdir()) == []
    deposit = deposits.put("local")
    with pytest.raises((PathRefused, FormatRefused)):
        depositing.add(deposit, of_bytes(name, b"2"))


def test_a_file_that_changed_on_the_way_is_refused(world: World, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"now")
    sources = [of_file("file", path, digests.sha256_tag(b"before"))]
    with pytest.raises(PackageDiffers):
        depositing.commit(depositing.stage(deposits.plan(mode), sources))
    assert deposits.put(mode, {"file": b"before"}).objects_kept.count() == 1


def test_a_full_vault_takes_nothing(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(VaultUnavailable, match="The vault is full: free or add space"):
            deposits.put("local")
    assert not (local_vault / FOLDER).exists()
    assert deposits.put("local").objects_kept.count() == 4


def test_a_bucket_that_locks_nothing_is_refused(
    world: World, settings: Any, unlocked_bucket: Bucket
) -> None:
    vaults.configure(settings, unlocked_bucket)
    with pytest.raises(VaultNotConfigured, match="no Object Lock"):
        deposits.put("s3")
    assert opening.configured() == ("s3",)


def test_records_of_deposits_stay(world: World, local_vault: Path) -> None:
    deposit = deposits.put("local")
    for rows, change in (
        (Deposit.objects.filter(pk=deposit.pk), {"kind": DepositKind.ARTEFACT}),
        (DepositObject.objects.filter(deposit=deposit), {"size_bytes": 1}),
        (deposit.locks.all(), {"number": 2}),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(**change)
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.delete()
