"""The audit of the vault: each damage alone is found, named, and nothing else is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.events import Actor, EventType
from audit.models import AuditEvent
from audit.services import holds, sealing
from evidence.models import Package, VaultLock
from evidence.services.vault import audited, deposit, holding, locks
from evidence.services.vault.auditing import VaultAudit, audit_vault
from evidence.services.vault.errors import VaultUnavailable
from evidence.services.vault.local import LocalVault
from sealing import digests, immutable
from sealing.immutable import Flag
from sealing.results import Verdict
from sealing.stores.base import LockMode, Retention
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.evidence import helpers, vaults
from tests.services.evidence.helpers import export

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("tests")


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
    helpers.some_events()
    for client in ("clinic-001", "clinic-002", None):
        package = export(world, vault_mode=mode, client=client)
    helpers.countersign(world, package)
    told = []
    found = audit_vault(actor=SYSTEM, progress=lambda done, total: told.append((done, total)))
    assert (found.verdict, found.findings, found.notices, found.repaired) == (
        Verdict.VALID, [], [], [],
    )  # fmt: skip
    assert (found.copies, found.exit_code) == (3, 0)
    assert told == [(1, 3), (2, 3), (3, 3)]
    rows = [row for each in Package.objects.all() for row in each.vault_objects.all()]
    assert (found.files, found.bytes) == (len(rows), sum(row.size_bytes for row in rows))
    (event,) = helpers.events_of(EventType.EVIDENCE_VAULT_AUDITED)
    assert (event["outcome"], event["data"]["copies"]) == ("success", 3)
    assert not helpers.events_of(EventType.EVIDENCE_VAULT_DIFFERS)


def test_nothing_to_compare_is_no_success(world: World, local_vault: Path) -> None:
    export(world, vault_mode="none")
    found = audit()
    assert (found.verdict, found.exit_code, found.copies) == (Verdict.INCONCLUSIVE, 3, 0)
    assert "nothing was compared" in found.message


# --- a folder ---------------------------------------------------------------------------------


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def swap_for_link(path: Path) -> None:
    elsewhere = path.parents[6] / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


DAMAGES: dict[str, tuple[Callable[[Path, str], Any], str]] = {
    "zip-flipped": (lambda d, b: flip(d / f"{b}.zip"), "vault_file_changed"),
    "sig-flipped": (lambda d, b: flip(d / f"{b}.zip.sig"), "vault_file_changed"),
    "lock-flipped": (lambda d, b: flip(d / f"{b}.worm-lock-0001.json"), "vault_file_changed"),
    "envelope-flipped": (lambda d, b: flip(d / f"{b}.kms-envelope.json"), "vault_file_changed"),
    "zip-cut": (lambda d, b: os.truncate(d / f"{b}.zip", 100), "vault_file_changed"),
    "zip-longer": (
        lambda d, b: (d / f"{b}.zip").write_bytes((d / f"{b}.zip").read_bytes() + b"x"),
        "vault_file_changed",
    ),
    "zip-a-link": (lambda d, b: swap_for_link(d / f"{b}.zip"), "vault_file_changed"),
    "sig-gone": (lambda d, b: (d / f"{b}.zip.sig").unlink(), "vault_file_missing"),
    "zip-gone": (lambda d, b: (d / f"{b}.zip").unlink(), "vault_file_missing"),
    "more": (lambda d, b: (d / "more.txt").write_bytes(b""), "vault_file_extra"),
    "lock-more": (
        lambda d, b: (d / f"{b}.worm-lock-0002.json").write_bytes(b""),
        "vault_file_extra",
    ),
    "all-gone": (lambda d, b: shutil.rmtree(d), "vault_copy_missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy(world: World, local_vault: Path, damage: str) -> None:
    helpers.some_events()
    export(world, vault_mode="local")
    package = export(world, vault_mode="local")
    folder = vaults.folder(package)
    vaults.loosen(folder)
    change, code = DAMAGES[damage]
    change(folder, package.bundle_id)
    vaults.close(folder)
    found = audit()
    assert found.verdict is Verdict.INVALID
    # A link stands for a file that is nowhere protected.
    assert set(codes(found)) - {"vault_flag_lost"} == {code}
    assert all(package.vault_copy.folder in str(item.where) for item in found.findings)
    if code == "vault_copy_missing":
        assert "check storage permission for COMPLIANCE_EVIDENCE_VAULT_DIR" in (
            found.findings[0].message
        )
    (event,) = helpers.events_of(EventType.EVIDENCE_VAULT_DIFFERS)
    assert event["data"]["counts"] == codes(found)
    assert event["data"]["findings"][0]["where"] == found.findings[0].where


def test_lost_protection_is_told_and_given_back(
    world: World, local_vault: Path, flags: None
) -> None:
    package = export(world, vault_mode="local")
    folder = vaults.folder(package)
    path = folder / f"{package.bundle_id}.zip"
    vaults.expose(path, Flag.IMMUTABLE)
    found = audit()
    assert codes(found) == {"vault_flag_lost": 1}
    assert found.repaired == [f"{package.bundle_id}: protected again"]
    assert immutable.is_protected(path, Flag.IMMUTABLE)
    vaults.expose(path, Flag.IMMUTABLE)
    path.chmod(0o644)
    vaults.expose(folder, Flag.APPEND_ONLY)
    found = audit()
    assert codes(found) == {"vault_flag_lost": 2, "vault_permissions": 1}
    assert immutable.is_protected(folder, Flag.APPEND_ONLY)
    assert path.stat().st_mode & 0o777 == 0o444
    assert audit().verdict is Verdict.VALID


def test_lost_permissions_where_no_flag_works(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(immutable, "protect", lambda path, flag: immutable.Setting.NOT_SUPPORTED)
    package = export(world, vault_mode="local")
    folder = vaults.folder(package)
    assert audit().verdict is Verdict.VALID
    (folder / f"{package.bundle_id}.zip").chmod(0o644)
    folder.chmod(0o755)
    assert codes(audit()) == {"vault_permissions": 2}
    assert audit().verdict is Verdict.VALID


def test_a_folder_of_nobody(world: World, local_vault: Path) -> None:
    package = export(world, vault_mode="local")
    folder = vaults.folder(package)
    stranger = folder.with_name(f"{package.bundle_id[:-8]}00000000")
    stranger.mkdir()
    (local_vault / "clinic-001" / "2026" / "note.txt").parent.mkdir(exist_ok=True)
    (local_vault / "clinic-001" / "2026" / "note.txt").write_bytes(b"")
    found = audit()
    assert codes(found) == {"vault_copy_unrecorded": 1, "vault_path_strange": 1}
    assert {item.where for item in found.findings} == {
        str(stranger.relative_to(local_vault)),
        "clinic-001/2026/note.txt",
    }


def test_a_link_in_the_way(world: World, local_vault: Path) -> None:
    package = export(world, vault_mode="local")
    folder = vaults.folder(package)
    vaults.loosen(local_vault)
    folder.rename(local_vault.parent / "elsewhere")
    folder.symlink_to(local_vault.parent / "elsewhere")
    found = audit()
    assert codes(found) == {"vault_path_strange": 1}
    assert found.verdict is Verdict.INVALID


def test_what_countersigning_could_not_add_is_added(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evidence.services import countersigning

    package = export(world, vault_mode="local")
    with monkeypatch.context() as patch:
        patch.setattr(countersigning.countersign_vault, "deposit_states", lambda package: 0)
        helpers.countersign(world, package)
    assert ".countersign-0001.json" not in vaults.names(package)
    found = audit()
    assert found.verdict is Verdict.VALID
    assert found.repaired == [f"{package.bundle_id}: 1 of its countersign states"]
    assert audit().repaired == []


def test_a_vault_that_is_not_there_could_not_be_checked(
    world: World, local_vault: Path, settings: Any
) -> None:
    export(world, vault_mode="local")
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    found = audit()
    assert (found.verdict, codes(found)) == (Verdict.INCONCLUSIVE, {"vault_not_configured": 1})


def test_an_installation_that_records_nothing_only_compares(
    world: World, local_vault: Path, settings: Any, flags: None
) -> None:
    package = export(world, vault_mode="local")
    path = vaults.folder(package) / f"{package.bundle_id}.zip"
    vaults.expose(path, Flag.IMMUTABLE)
    sealing.seal_pending()
    before = AuditEvent.objects.count()
    settings.AUDIT_ENABLED = False
    found = audit()
    assert codes(found) == {"vault_flag_lost": 1}
    assert found.repaired == []
    assert not immutable.is_protected(path, Flag.IMMUTABLE)
    settings.AUDIT_ENABLED = True
    sealing.seal_pending()
    assert AuditEvent.objects.count() == before


def test_a_state_that_was_not_carried_out_is_told(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = export(world, vault_mode="local")
    holds.place(actor=world.actor("olivia"), case_id="case 7", reason="Asked for")

    def fail(*args: Any, **kwargs: Any) -> None:
        raise VaultUnavailable("The vault does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(LocalVault, "add", fail)
        found = audit()
    assert found.verdict is Verdict.INVALID
    assert codes(found) == {"vault_lock_not_carried_out": 1, "vault_lock_waiting": 1}
    assert audit().repaired == [f"{package.bundle_id}: lock"]
    assert audit().verdict is Verdict.VALID


def test_many_findings_are_counted_and_some_are_told(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audited, "MAX_TOLD", 2)
    package = export(world, vault_mode="local")
    folder = vaults.folder(package)
    vaults.loosen(folder)
    for number in range(5):
        (folder / f"more-{number}").write_bytes(b"")
    vaults.close(folder)
    found = audit()
    assert len(found.findings) == 2
    assert codes(found) == {"vault_file_extra": 5}


# --- a bucket ---------------------------------------------------------------------------------


def place_of(bucket: Bucket, package: Package, suffix: str) -> dict[str, str]:
    key = f"vault/{package.vault_copy.folder}/{package.bundle_id}{suffix}"
    return {"Bucket": bucket.name, "Key": key}


def test_versions_and_markers_above_are_noticed(world: World, s3_vault: Bucket) -> None:
    package = export(world, vault_mode="s3")
    place = place_of(s3_vault, package, ".zip")
    s3_vault.client.put_object(**place, Body=b"something else")
    s3_vault.client.delete_object(**place)
    found = audit()
    assert (found.verdict, found.findings) == (Verdict.VALID, [])
    assert {item.code for item in found.notices} == {"vault_version_added", "vault_delete_marker"}


def test_an_object_of_nobody(world: World, s3_vault: Bucket) -> None:
    package = export(world, vault_mode="s3")
    s3_vault.client.put_object(**place_of(s3_vault, package, ".more"), Body=b"")
    for name in ("strange", "preflight/20260101T000000Z-00000000.probe"):
        s3_vault.client.put_object(Bucket=s3_vault.name, Key=f"vault/{name}", Body=b"")
    assert codes(audit()) == {"vault_file_extra": 1, "vault_path_strange": 1}


def test_locks_that_are_short_in_the_store_are_told_and_extended(
    world: World, s3_vault: Bucket
) -> None:
    package = export(world, vault_mode="s3")
    first = locks.current(package)
    # The record asks for more than the store has, as if the store had lost an extension.
    VaultLock.objects.bulk_create([longer(package, first)])
    raw = holding.document_of(package, locks.current(package)).build()
    deposit.add_file(package=package, name=locks.current(package).name, raw=raw)
    found = audit()
    count = package.vault_objects.count()
    assert codes(found) == {"vault_retention_short": count - 1}
    assert found.repaired == [f"{package.bundle_id}: protected again"]
    assert audit().verdict is Verdict.VALID


def longer(package: Package, first: VaultLock) -> VaultLock:
    state = VaultLock(
        package=package,
        number=2,
        retention_policy=first.retention_policy,
        retain_until=first.retain_until + timedelta(days=30),
        name=first.name.replace("0001", "0002"),
        locked_at=first.locked_at,
        actor_id="user:olivia",
    )
    state.sha256 = digests.sha256_tag(holding.document_of(package, state).build())
    return state


def test_a_hold_that_the_store_lost_is_told_and_put_on_again(
    world: World, s3_vault: Bucket
) -> None:
    holds.place(actor=world.actor("olivia"), case_id="case 7", reason="Asked for")
    package = export(world, vault_mode="s3")
    place = place_of(s3_vault, package, ".zip")
    s3_vault.client.put_object_legal_hold(**place, LegalHold={"Status": "OFF"})
    found = audit()
    assert codes(found) == {"vault_hold_missing": 1}
    assert audit().verdict is Verdict.VALID


def test_a_hold_that_nobody_asked_for_is_noticed(world: World, s3_vault: Bucket) -> None:
    package = export(world, vault_mode="s3")
    place = place_of(s3_vault, package, ".zip")
    s3_vault.client.put_object_legal_hold(**place, LegalHold={"Status": "ON"})
    found = audit()
    assert found.verdict is Verdict.VALID
    assert [item.code for item in found.notices] == ["vault_hold_stray"]


def test_a_weaker_lock_in_the_store(world: World, s3_vault: Bucket) -> None:
    """moto lets a compliance lock be weakened; real servers don't (tests/real)."""
    package = export(world, vault_mode="s3")
    row = package.vault_objects.get(name=f"{package.bundle_id}.zip")
    until = row.retain_until
    s3_vault.client.put_object_retention(
        **place_of(s3_vault, package, ".zip"),
        VersionId=row.version_id,
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until},
    )
    found = audit()
    assert codes(found) == {"vault_lock_weak": 1, "vault_retention_short": 1}
    kept, _ = vaults.vault(package).look(package.vault_copy.folder, row.name, row.version_id)
    assert kept.retention == Retention(LockMode.COMPLIANCE, until)


def test_a_bucket_that_does_not_answer(world: World, s3_vault: Bucket, settings: Any) -> None:
    export(world, vault_mode="s3")
    settings.AUDIT_S3_ENDPOINT_URL = "http://127.0.0.1:9"
    settings.AWS_MAX_ATTEMPTS = 1
    found = audit()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert codes(found) == {"vault_unavailable": 2}
