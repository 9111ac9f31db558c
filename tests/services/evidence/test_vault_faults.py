"""What goes wrong around the vault, or is made to: refused, told, or made up for."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import failpoints
from audit.events import Actor, EventType
from audit.services import holds
from evidence.formats.vault import KmsEnvelope
from evidence.models import Package, PackageStatus, VaultCopy
from evidence.services import countersigning, outcomes
from evidence.services.errors import ExportFailed
from evidence.services.vault import auditing, deposit, envelope, locks, staging, stamps
from evidence.services.vault.errors import VaultUnavailable
from evidence.services.vault.opening import vault_of
from evidence.services.vault.s3 import S3Vault
from ops.models import Run
from sealing import digests
from sealing.errors import Unavailable
from sealing.results import Verdict
from sealing.times import format_time
from sealing.wrapping.base import Mode, Purpose, context_of
from sealing.wrapping.local import LocalWrapper
from tests.carrying import carry_on
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.servers.tsa import Authority
from tests.services.evidence import helpers, vaults
from tests.services.evidence.helpers import export
from tests.services.evidence.test_vault_deposit import export_pending

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("tests")
OTHER_KEY = bytes(range(1, 33))


@pytest.fixture(params=["local", "s3"])
def mode(request: pytest.FixtureRequest) -> str:
    """Each kind of vault."""
    request.getfixturevalue(f"{request.param}_vault")
    return str(request.param)


def at(step: str, act: Callable[[], object]) -> Callable[[str], None]:
    """Acts the first time that a step is reached."""
    done = False

    def listener(name: str) -> None:
        nonlocal done
        if name == step and not done:
            done = True
            act()

    return listener


# --- what is put there --------------------------------------------------------------------------


@pytest.mark.parametrize("encryption", ["none", "local"])
def test_a_package_that_changed_after_signing_is_not_deposited(
    world: World, mode: str, encryption: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EVIDENCE_VAULT_ENCRYPTION = encryption

    def flip() -> None:
        path = helpers.file(Package.objects.get())
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.chmod(0o644)
        path.write_bytes(raw)

    monkeypatch.setattr(failpoints, "listener", at("export-4", flip))
    with pytest.raises(ExportFailed) as failed:
        export(world, vault_mode=mode)
    assert failed.value.code == "package_differs"
    package = Package.objects.get()
    assert package.status == PackageStatus.FAILED
    assert list(vault_of(mode).entries(package.name.vault_folder)) == []


# A key that is not at hand may come back: that run is tried again, and nothing is put meanwhile.
@pytest.mark.parametrize(
    ("encryption", "code"), [("local", "vault_differs"), ("none", "run_goes_on")]
)
def test_an_envelope_that_somebody_planted_is_refused(
    world: World,
    s3_vault: Bucket,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    encryption: str,
    code: str,
) -> None:
    settings.EVIDENCE_VAULT_ENCRYPTION = encryption

    def plant() -> None:
        package = Package.objects.get()
        tag = digests.sha256_tag(helpers.file(package).read_bytes())
        context = context_of(package.name.folder, package.bundle_id, Purpose.DIGEST)
        planted = KmsEnvelope.of(
            bundle_id=package.bundle_id,
            created_at=format_time(package.generated_at),
            digest=tag,
            mode=Mode.LOCAL,
            wrapped_digest=LocalWrapper(OTHER_KEY).wrap(digests.untag(tag), context),
            wrapped_key=None,
        )
        key = f"vault/{package.name.vault_folder}/{package.bundle_id}.kms-envelope.json"
        s3_vault.client.put_object(Bucket=s3_vault.name, Key=key, Body=planted.build())

    monkeypatch.setattr(failpoints, "listener", at("export-5", plant))
    with pytest.raises(ExportFailed) as failed:
        export(world, vault_mode="s3")
    assert failed.value.code == code
    folder = Package.objects.get().name.vault_folder
    assert [entry.name for entry in vault_of("s3").entries(folder) if ".zip" in entry.name] == []


def test_an_envelope_under_a_marker_is_taken_over(
    world: World, s3_vault: Bucket, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EVIDENCE_VAULT_ENCRYPTION = "local"

    def fail(*args: Any, **kwargs: Any) -> None:
        raise Unavailable("interrupted by the test")

    with monkeypatch.context() as patch:
        patch.setattr(outcomes.deposit, "record", fail)
        export_pending(world, "s3")
    package = Package.objects.get()
    key = f"vault/{package.name.vault_folder}/{package.bundle_id}.kms-envelope.json"
    s3_vault.client.delete_object(Bucket=s3_vault.name, Key=key)
    envelope.forget(package)
    Run.objects.update(not_before=None)
    assert carry_on(package.run).status == "SUCCESS"


# --- what is left behind ------------------------------------------------------------------------


def test_an_interruption_leaves_nothing_in_the_staging_folder(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        """As the worker stops a run: no Exception."""

    def stop() -> None:
        raise Stopped

    monkeypatch.setattr(failpoints, "listener", at("export-6", stop))
    with pytest.raises(Stopped):
        export(world, vault_mode="local")
    assert [path for path in (local_vault / ".staging").iterdir() if path.is_dir()] == []


def test_what_nobody_closed_is_swept_while_its_process_lives(tmp_path: Path) -> None:
    left = staging.StagingFolder(tmp_path, "package")
    assert staging.sweep(tmp_path) == 0
    del left
    gc.collect()
    assert staging.sweep(tmp_path) == 1


# --- two at once --------------------------------------------------------------------------------


def place_a_hold(world: World) -> None:
    holds.place(actor=world.actor("olivia"), case_id="case 7", reason="Asked for")
    locks.apply_holds(actor=SYSTEM)


def assert_held(package: Package) -> None:
    vault = vaults.vault(package)
    for row in package.vault_objects.all():
        kept, _ = vault.look(package.vault_copy.folder, row.name, row.version_id)
        assert kept.is_held, row.name


def test_a_hold_outlasts_an_extension_that_was_slower(
    world: World, s3_vault: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = export(world, vault_mode="s3")
    protect, hold = S3Vault.protect, at("slow", lambda: place_a_hold(world))

    def slowly(*args: Any) -> None:
        hold("slow")
        protect(*args)

    monkeypatch.setattr(S3Vault, "protect", slowly)
    until = package.retain_until + timedelta(days=30)
    locks.extend(actor=world.actor("olivia"), package=package, until=until)
    assert locks.current(package).legal_holds == ["case 7"]
    assert_held(package)


def test_a_file_that_comes_while_a_hold_is_placed_is_held(
    world: World, s3_vault: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = export(world, vault_mode="s3")
    monkeypatch.setattr(failpoints, "listener", at("vault-9", lambda: place_a_hold(world)))
    deposit.add_file(package=package, name=f"{package.bundle_id}.tsr", raw=b"later")
    assert_held(package)


# --- what is missing ----------------------------------------------------------------------------


def test_a_package_without_any_copy_is_told(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(outcomes.deposit, "record", lambda *args, **kwargs: None)
        with pytest.raises(ExportFailed):
            export(world, vault_mode="local")
    package = Package.objects.get(status=PackageStatus.COMPLETE)
    assert not VaultCopy.objects.exists()
    vaults.loosen(local_vault)
    shutil.rmtree(local_vault / "clinic-001")
    found = auditing.audit_vault(actor=SYSTEM)
    assert (found.verdict, dict(found.counts)) == (Verdict.INVALID, {"vault_record_missing": 1})
    assert found.findings[0].where == package.bundle_id


def test_a_countersignature_that_is_not_there_is_told(
    world: World, local_vault: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = export(world, vault_mode="local")
    with monkeypatch.context() as patch:
        patch.setattr(countersigning.countersign_vault, "deposit_states", lambda package: 0)
        helpers.countersign(world, package)
    settings.AUDIT_ENABLED = False  # so that nothing is made up for
    found = auditing.audit_vault(actor=SYSTEM)
    assert (found.verdict, dict(found.counts)) == (Verdict.INVALID, {"vault_record_missing": 1})


def test_a_timestamp_that_the_vault_refused_is_put_there_later(
    world: World,
    local_vault: Path,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.TSA_URL = "http://127.0.0.1:9"
    package = export(world, vault_mode="local")
    told = auditing.audit_vault(actor=SYSTEM)
    assert (told.verdict, dict(told.counts)) == (
        Verdict.INCONCLUSIVE,
        {"vault_timestamp_waiting": 1},
    )

    def fail(*args: Any, **kwargs: Any) -> None:
        raise VaultUnavailable("The vault does not answer.")

    with Authority(tmp_path / "authority").serving() as authority:
        (tmp_path / "tsa.pem").write_bytes(authority.certificates)
        settings.TSA_URL, settings.TSA_CERTIFICATES = authority.url, str(tmp_path / "tsa.pem")
        with monkeypatch.context() as patch:
            patch.setattr(stamps.deposit, "add_file", fail)
            told = auditing.audit_vault(actor=SYSTEM)
    assert dict(told.counts) == {"vault_timestamp_waiting": 1, "vault_record_missing": 1}
    assert len(helpers.events_of(EventType.EVIDENCE_VAULT_AUDITED)) == 2
    settings.TSA_URL = ""
    told = auditing.audit_vault(actor=SYSTEM)
    assert (told.verdict, told.repaired) == (Verdict.VALID, [f"{package.bundle_id}: timestamp"])
    assert vaults.read(package, ".tsr") == helpers.file(package, ".tsr").read_bytes()
