"""Packages put into a vault: what lies there, how it is locked, and what is recorded."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import failpoints
from audit.events import Actor
from audit.services import holds
from evidence.formats.vault import CopyKind, KmsEnvelope, WormLock, WormReceipt
from evidence.models import Package, PackageStatus, VaultCopy, VaultLock, VaultObject
from evidence.services.errors import ExportFailed
from evidence.services.vault import deposit, staging
from evidence.services.vault.errors import VaultDiffers
from ops.models import Run
from sealing import digests, immutable
from sealing.immutable import Flag, Setting
from sealing.stores.base import LockMode
from sealing.times import format_time, parse_time
from tests.carrying import carry_on
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.evidence import helpers, vaults
from tests.services.evidence.helpers import START, export

pytestmark = pytest.mark.django_db
SIGNED = [".kms-envelope.json", ".signature.json", ".worm-lock-0001.json", ".zip", ".zip.sig"]


@pytest.fixture(params=["local", "s3"])
def mode(request: pytest.FixtureRequest) -> str:
    """Each kind of vault."""
    request.getfixturevalue(f"{request.param}_vault")
    return str(request.param)


def interrupted(monkeypatch: pytest.MonkeyPatch, at: str, act: Callable[[], Any]) -> None:
    """Does something, and has it fail at a step."""

    def fail(name: str) -> None:
        if name == at:
            raise RuntimeError("interrupted by the test")

    monkeypatch.setattr(failpoints, "listener", fail)
    with pytest.raises(ExportFailed):
        act()
    monkeypatch.setattr(failpoints, "listener", None)


def test_a_copy_lies_in_its_folder_with_its_sidecars(world: World, mode: str) -> None:
    helpers.some_events()
    package = export(world, vault_mode=mode)
    copy = package.vault_copy
    assert copy.folder == package.name.vault_folder
    assert (copy.mode, copy.package_name, copy.encryption) == (mode, f"{package.bundle_id}.zip", "")
    more = [".worm-receipt.json"] if mode == "s3" else []
    assert vaults.names(package) == sorted(SIGNED + more)
    for suffix in (".zip", ".zip.sig", ".signature.json"):
        assert vaults.read(package, suffix) == helpers.file(package, suffix).read_bytes()


def test_every_file_is_recorded_as_it_was_read_back(world: World, mode: str) -> None:
    package = export(world, vault_mode=mode)
    rows = list(package.vault_objects.all())
    assert sorted(row.name.removeprefix(package.bundle_id) for row in rows) == vaults.names(package)
    for row in rows:
        raw = vaults.read(package, row.name.removeprefix(package.bundle_id))
        assert (row.sha256, row.size_bytes) == (digests.sha256_tag(raw), len(raw))
        assert row.retain_until == package.retain_until
        assert bool(row.version_id) is (mode == "s3")
        assert row.protection.startswith("COMPLIANCE" if mode == "s3" else "read-only")


def test_the_first_lock_says_what_it_locks(world: World, mode: str) -> None:
    package = export(world, vault_mode=mode, retention_policy="custom_soc2_400d")
    raw = vaults.read(package, ".worm-lock-0001.json")
    lock = WormLock.parse(raw)
    assert lock == WormLock(
        bundle_id=package.bundle_id,
        locked_at=lock.locked_at,
        retention_policy="custom_soc2_400d",
        retain_until=format_time(package.retain_until),
        mode=LockMode.COMPLIANCE,
        package_sha256=package.package_sha256,
        signature_path=f"{package.vault_copy.folder}/{package.bundle_id}.zip.sig",
    )
    row = package.vault_locks.get()
    assert (row.number, row.sha256) == (1, digests.sha256_tag(raw))
    assert row.locked_at == parse_time(lock.locked_at)
    assert row.actor_id == "user:olivia"
    days = (package.retain_until - package.generated_at).total_seconds() / 86_400
    assert 400 <= days < 400.001


def test_an_unsigned_package_has_no_signature_to_name(world: World, mode: str) -> None:
    package = export(world, vault_mode=mode, sign_bundle=False)
    assert WormLock.parse(vaults.read(package, ".worm-lock-0001.json")).signature_path is None
    assert ".zip.sig" not in vaults.names(package)


def test_a_hold_in_force_is_on_the_first_lock(world: World, mode: str) -> None:
    holds.place(
        actor=world.actor("olivia"), case_id="case 7", reason="Asked for", start_day=START.date()
    )
    package = export(world, vault_mode=mode)
    lock = WormLock.parse(vaults.read(package, ".worm-lock-0001.json"))
    assert lock.legal_holds == ("case 7",)
    assert package.vault_locks.get().legal_holds == ["case 7"]
    if mode == "s3":
        for row in package.vault_objects.all():
            kept, _ = vaults.vault(package).look(
                package.vault_copy.folder, row.name, row.version_id
            )
            assert kept.is_held, row.name


def test_the_receipt_is_what_reading_back_showed(world: World, s3_vault: Bucket) -> None:
    package = export(world, vault_mode="s3")
    receipt = WormReceipt.parse(vaults.read(package, ".worm-receipt.json"))
    (copy,) = receipt.copies
    row = package.vault_objects.get(name=package.vault_copy.package_name)
    key = f"vault/{package.vault_copy.folder}/{package.bundle_id}.zip"
    assert (copy.kind, copy.archive_id, copy.object_key) == (CopyKind.S3, s3_vault.name, key)
    assert (copy.version_id, copy.package_sha256) == (row.version_id, package.package_sha256)
    assert copy.checked is not None
    head = s3_vault.client.head_object(Bucket=s3_vault.name, Key=key)
    assert head["VersionId"] == copy.checked.version_id == row.version_id
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert format_time(head["ObjectLockRetainUntilDate"]) == copy.checked.lock_until


def test_the_files_of_a_folder_are_closed_against_changes(
    world: World, local_vault: Path, flags: None
) -> None:
    package = export(world, vault_mode="local")
    folder = vaults.folder(package)
    assert folder == local_vault / package.name.vault_folder
    assert {row.protection for row in package.vault_objects.all()} == {"read-only, immutable"}
    assert immutable.is_protected(folder, Flag.APPEND_ONLY)
    for path in folder.iterdir():
        status = path.stat()
        assert stat.S_IMODE(status.st_mode) == 0o444
        assert status.st_nlink == 1
        assert immutable.is_protected(path, Flag.IMMUTABLE)
        with pytest.raises(PermissionError):
            path.unlink()
        with pytest.raises(PermissionError):
            path.chmod(0o644)
        with pytest.raises(PermissionError):
            path.write_bytes(b"changed")
    with pytest.raises(PermissionError):
        folder.rename(folder.with_name("elsewhere"))


@pytest.mark.parametrize("setting", [Setting.NOT_PERMITTED, Setting.NOT_SUPPORTED])
def test_where_the_flag_does_not_work_it_is_said(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch, setting: Setting
) -> None:
    monkeypatch.setattr(immutable, "protect", lambda path, flag: setting)
    package = export(world, vault_mode="local")
    folder = vaults.folder(package)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    for row in package.vault_objects.all():
        assert row.protection == f"read-only (immutable flag: {setting})"
        assert stat.S_IMODE((folder / row.name).stat().st_mode) == 0o444
    # A file more opens the folder for a moment only.
    deposit.add_file(package=package, name=f"{package.bundle_id}.tsr", raw=b"later")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    assert (folder / f"{package.bundle_id}.tsr").read_bytes() == b"later"


def test_the_flag_can_be_switched_off(world: World, local_vault: Path, settings: Any) -> None:
    settings.EVIDENCE_VAULT_IMMUTABLE = False
    package = export(world, vault_mode="local")
    folder = vaults.folder(package)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    for row in package.vault_objects.all():
        assert row.protection == "read-only (immutable flag: switched off)"
        assert not immutable.is_protected(folder / row.name, Flag.IMMUTABLE)


def test_nothing_is_left_in_the_staging_folder(world: World, local_vault: Path) -> None:
    package = export(world, vault_mode="local")
    deposit.add_file(package=package, name=f"{package.bundle_id}.tsr", raw=b"later")
    left = [path.name for path in (local_vault / ".staging").iterdir()]
    assert left == ["adding"]
    assert [path.name for path in local_vault.iterdir() if path.name != ".staging"] == [
        "clinic-001"
    ]


def test_a_file_more_is_added_once(world: World, mode: str) -> None:
    package = export(world, vault_mode=mode)
    name = f"{package.bundle_id}.tsr"
    first = deposit.add_file(package=package, name=name, raw=b"later")
    assert first is not None
    assert (first.sha256, first.size_bytes) == (digests.sha256_tag(b"later"), 5)
    assert deposit.add_file(package=package, name=name, raw=b"later") == first
    with pytest.raises(VaultDiffers):
        deposit.add_file(package=package, name=name, raw=b"other")
    assert vaults.read(package, ".tsr") == b"later"
    assert package.vault_objects.filter(name=name).count() == 1


def test_a_package_without_a_vault_has_no_file_more(world: World, local_vault: Path) -> None:
    package = export(world, vault_mode="none")
    name = f"{package.bundle_id}.tsr"
    assert deposit.add_file(package=package, name=name, raw=b"later") is None
    assert not VaultCopy.objects.exists()
    assert not local_vault.exists()


def test_each_countersignature_is_a_file_of_its_own(world: World, mode: str) -> None:
    package = export(world, vault_mode=mode, client="clinic-002", required_countersignatures=2)
    for number, name in enumerate(("oscar", "ben"), start=1):
        helpers.countersign(world, package, by=name)
        state = helpers.file(package, ".countersign.json").read_bytes()
        assert vaults.read(package, f".countersign-{number:04d}.json") == state


@pytest.mark.parametrize("at", ["vault-1", "vault-2", "export-7"])
def test_a_deposit_that_fails_leaves_nothing(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    interrupted(monkeypatch, at, lambda: export(world, vault_mode="local"))
    package = Package.objects.get()
    assert package.status == PackageStatus.FAILED
    assert not VaultCopy.objects.exists()
    assert not VaultObject.objects.exists()
    assert [path for path in local_vault.rglob("*") if path.is_file()] == []
    hidden = [path.name for path in helpers.file(package).parent.iterdir()]
    assert hidden == []


def test_what_an_attempt_before_has_committed_is_adopted(
    world: World, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vault has the copy, and its record could not be stored: a passing fault."""
    from evidence.services import outcomes
    from sealing.errors import Unavailable

    def fail(*args: Any, **kwargs: Any) -> None:
        raise Unavailable("interrupted by the test")

    with monkeypatch.context() as patch:
        patch.setattr(outcomes.deposit, "record", fail)
        export_pending(world, mode)
    package = Package.objects.get()
    assert package.status == PackageStatus.WRITING
    before = list(vaults.vault_of(mode).entries(package.name.vault_folder))
    assert before
    Run.objects.update(not_before=None)
    assert carry_on(package.run).status == "SUCCESS"
    package.refresh_from_db()
    assert list(vaults.vault_of(mode).entries(package.name.vault_folder)) == before
    assert VaultLock.objects.get().sha256 == digests.sha256_tag(
        vaults.read(package, ".worm-lock-0001.json")
    )
    assert VaultObject.objects.count() == len(before)


def export_pending(world: World, mode: str) -> None:
    """An export that is to be tried again."""
    from ops.services.runs import request_once
    from tests.carrying import carry_out

    payload = {
        "client_id": "clinic-001",
        "period_start": helpers.START.isoformat(),
        "period_end": helpers.END.isoformat(),
        "vault_mode": mode,
    }
    run = request_once(
        actor=world.actor("olivia"), job_type="compliance_evidence_export", payload=payload
    )
    assert carry_out(run.pk).status == "QUEUED"


def test_something_else_in_the_place_is_never_replaced(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plant(name: str) -> None:
        if name == "export-6":
            folder = local_vault / Package.objects.get().name.vault_folder
            folder.mkdir(parents=True)
            (folder / "strange.txt").write_bytes(b"strange")

    monkeypatch.setattr(failpoints, "listener", plant)
    with pytest.raises(ExportFailed) as failed:
        export(world, vault_mode="local")
    assert failed.value.code == "vault_differs"
    (left,) = [path for path in local_vault.rglob("*") if path.is_file() and path.name != "adding"]
    assert left.read_bytes() == b"strange"


def test_another_package_in_the_bucket_is_never_replaced(
    world: World, s3_vault: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plant(name: str) -> None:
        if name == "export-6":
            package = Package.objects.get()
            key = f"vault/{package.name.vault_folder}/{package.bundle_id}.zip.sig"
            s3_vault.client.put_object(Bucket=s3_vault.name, Key=key, Body=b"strange")

    monkeypatch.setattr(failpoints, "listener", plant)
    with pytest.raises(ExportFailed) as failed:
        export(world, vault_mode="s3")
    assert failed.value.code == "vault_differs"
    assert not VaultCopy.objects.exists()


def test_a_bucket_that_locks_nothing_is_refused_before_anything_is_put(
    world: World, settings: Any, unlocked_bucket: Bucket
) -> None:
    vaults.configure(settings, unlocked_bucket)
    with pytest.raises(ExportFailed, match="Object Lock") as failed:
        export(world, vault_mode="s3")
    assert failed.value.code == "vault_not_configured"
    assert "Contents" not in unlocked_bucket.client.list_objects_v2(Bucket=unlocked_bucket.name)


def test_an_envelope_is_always_there(world: World, mode: str) -> None:
    package = export(world, vault_mode=mode)
    envelope = KmsEnvelope.parse(vaults.read(package, ".kms-envelope.json"))
    assert (envelope.bundle_id, envelope.digest) == (package.bundle_id, package.package_sha256)
    assert envelope.wrapped_key is None


def test_two_processes_do_not_sweep_each_other(tmp_path: Path) -> None:
    one = staging.StagingFolder(tmp_path, "package")
    other = staging.StagingFolder(tmp_path, "package")
    assert staging.sweep(tmp_path) == 0
    assert one.path != other.path
    assert one.path.is_dir()
    one.close()
    one.close()
    assert not one.path.exists()
    assert other.path.is_dir()
    # What a process left that is gone: its lock is free.
    other._release()
    assert staging.sweep(tmp_path) == 1
    assert list((tmp_path / ".staging").iterdir()) == []


def test_the_actor_of_a_lock_is_who_exported(world: World, local_vault: Path) -> None:
    package = export(world, by="alice", vault_mode="local")
    assert package.vault_locks.get().actor_id == Actor.of(world.user("alice")).id
