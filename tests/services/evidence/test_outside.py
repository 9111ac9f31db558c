"""Exports with an external archive and key service, good ones and bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.events import EventType
from evidence.formats.vault import KmsEnvelope, WormReceipt
from evidence.models import Package, PackageStatus, Receipt, ReceiptKind
from evidence.services import exporting, keeping, outcomes
from evidence.services.errors import ExportFailed
from evidence.services.vault import envelope
from evidence.services.vault.errors import VaultUnavailable
from sealing import digests, encrypted
from sealing.errors import Invalid
from sealing.wrapping.base import Mode
from tests.carrying import carry_on
from tests.factories import World
from tests.servers.external import ExternalServer
from tests.servers.external_faults import Kind
from tests.services.evidence import helpers, vaults
from tests.services.evidence.helpers import export

pytestmark = pytest.mark.django_db

BOTH = {"vault_mode": "local", "external_worm": True, "external_kms": True}
STRICT = {**BOTH, "external_require_success": True}


@pytest.fixture
def services(external: ExternalServer, settings: Any, local_vault: Path) -> ExternalServer:
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT = external.archive_url
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT = external.wrap_url
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT = external.unwrap_url
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN = external.token
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_TIMEOUT_SECONDS = 1
    return external


def test_both_succeed(world: World, services: ExternalServer) -> None:
    package = export(world, **STRICT)
    told = exporting.summary(package)
    assert (told["external_worm_status"], told["external_kms_status"]) == ("OK", "OK")
    assert told["external_worm_receipt"]["package_sha256"] == package.package_sha256
    envelope = KmsEnvelope.parse(vaults.read(package, ".kms-envelope.json"))
    assert envelope.mode is Mode.EXTERNAL_KMS
    assert envelope.digest == package.package_sha256
    receipt = WormReceipt.parse(vaults.read(package, ".worm-receipt.json"))
    assert [copy.archive_id for copy in receipt.copies] == [
        told["external_worm_receipt"]["archive_id"]
    ]
    kept = Receipt.objects.filter(package=package)
    assert set(kept.values_list("outcome", flat=True)) == {"OK"}
    assert all(services.token not in row.endpoint for row in kept)
    assert all(services.token.encode() not in bytes(row.body) for row in kept)


def test_what_is_not_asked_for_is_skipped_and_what_is_not_there_disabled(
    world: World, local_vault: Path
) -> None:
    told = exporting.summary(export(world, vault_mode="local"))
    assert (told["external_worm_status"], told["external_kms_status"]) == ("SKIPPED", "SKIPPED")
    told = exporting.summary(export(world, **BOTH))
    assert (told["external_worm_status"], told["external_kms_status"]) == ("DISABLED", "DISABLED")


FAULTS = {
    "500": ({"kind": Kind.ANSWER, "path": "/archive", "status": 500}, "http_500"),
    "wrong digest": ({"kind": Kind.DIGEST, "path": "/archive"}, "digest_differs"),
    "redirect": ({"kind": Kind.REDIRECT, "path": "/archive", "location": "/elsewhere"}, "redirect"),
    "slow drip": ({"kind": Kind.DRIP, "path": "/archive"}, "timeout"),
    "2 GiB": ({"kind": Kind.ENDLESS, "path": "/archive"}, "too_large"),
    "cut": ({"kind": Kind.CUT, "path": "/archive"}, "cut"),
    "a short lock": ({"kind": Kind.EXPIRED, "path": "/archive"}, "lock_too_short"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_strict_fails_the_run_and_leaves_nothing(
    world: World, services: ExternalServer, local_vault: Path, name: str
) -> None:
    fault, reason = FAULTS[name]
    services.inject(**fault)
    with pytest.raises(ExportFailed, match=reason) as caught:
        export(world, **STRICT)
    assert caught.value.code == "external_service_failed"
    package = Package.objects.get()
    assert (package.status, package.error_code) == (PackageStatus.FAILED, "external_service_failed")
    assert (package.run.status, package.run.error_message) == ("FAILED", caught.value.message)
    assert [path for path in local_vault.rglob("*") if package.bundle_id in path.name] == []
    assert not helpers.file(package).exists()
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORT_FAILED, package.bundle_id)
    assert reason in event["data"]["message"]
    row = package.receipts.filter(kind=ReceiptKind.EXTERNAL_WORM).latest("created_at")
    assert row.outcome.startswith(f"FAILED: {reason}")


@pytest.mark.parametrize("name", FAULTS)
def test_otherwise_it_is_told_in_the_status(
    world: World, services: ExternalServer, name: str
) -> None:
    fault, reason = FAULTS[name]
    services.inject(**fault)
    package = export(world, **BOTH)
    told = exporting.summary(package)
    assert told["external_worm_status"].startswith(f"FAILED: {reason}")
    assert told["external_worm_receipt"] is None
    assert told["external_kms_status"] == "OK"
    assert package.is_complete
    assert package.vault_copy.package_name == f"{package.bundle_id}.zip"


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "not strict"])
def test_a_private_address(
    world: World, services: ExternalServer, settings: Any, local_vault: Path, strict: bool
) -> None:
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT = "https://10.0.0.1/worm"
    if strict:
        with pytest.raises(ExportFailed, match="address_refused"):
            export(world, **STRICT)
        assert list(local_vault.rglob("*.zip")) == []
    else:
        told = exporting.summary(export(world, **BOTH))
        assert told["external_worm_status"].startswith("FAILED: address_refused")


def test_a_key_service_that_does_not_unwrap_what_it_wrapped(
    world: World, services: ExternalServer
) -> None:
    services.inject(Kind.DIGEST, path="/unwrap")
    with pytest.raises(ExportFailed, match="External key service: FAILED"):
        export(world, **STRICT)
    told = exporting.summary(export(world, **BOTH))
    assert told["external_kms_status"].startswith("FAILED")


def test_what_was_archived_outside_is_not_archived_twice(
    world: World, services: ExternalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later attempt of the same run goes by the receipt of the earlier one."""
    run = _interrupted(world, monkeypatch)
    assert carry_on(run).status == "SUCCESS"
    worm = Receipt.objects.filter(kind=ReceiptKind.EXTERNAL_WORM)
    assert [row.outcome for row in worm] == ["OK"]


def test_an_encrypted_copy_opens_with_the_external_key(
    world: World, services: ExternalServer, settings: Any, local_vault: Path
) -> None:
    settings.EVIDENCE_VAULT_ENCRYPTION = "external_kms"
    package = export(world, **STRICT)
    copy = package.vault_copy
    assert (copy.package_name, copy.encryption) == (f"{package.bundle_id}.zip.enc", "external_kms")
    parsed = KmsEnvelope.parse(vaults.read(package, ".kms-envelope.json"))
    key = envelope.check(package, parsed)
    assert key is not None
    with (local_vault / copy.folder / copy.package_name).open("rb") as file:
        plain = b"".join(
            encrypted.decrypt(file, key, client="clinic-001", bundle_id=package.bundle_id)
        )
    assert digests.sha256_tag(plain) == package.package_sha256


def test_an_archive_whose_answer_was_lost_is_not_asked_again(
    world: World, services: ExternalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have locked the package: a second copy could not be taken away."""
    services.inject(Kind.CUT, path="/archive")
    run = _interrupted(world, monkeypatch)
    assert carry_on(run).status == "SUCCESS"
    assert [seen.path for seen in services.seen].count("/archive") == 1
    assert Package.objects.get().external_worm_status.startswith("FAILED: cut")


def test_an_archive_that_did_nothing_is_asked_again(
    world: World, services: ExternalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.inject(Kind.ANSWER, path="/archive", status=503, times=3)
    run = _interrupted(world, monkeypatch)
    assert carry_on(run).status == "SUCCESS"
    assert Package.objects.get().external_worm_status == "OK"


def test_what_nobody_unwrapped_is_not_called_ok(
    world: World, services: ExternalServer, settings: Any
) -> None:
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT = ""
    with pytest.raises(ExportFailed, match="not_proved"):
        export(world, **STRICT)
    package = export(world, **BOTH)
    assert package.external_kms_status.startswith("FAILED: not_proved")
    assert KmsEnvelope.parse(vaults.read(package, ".kms-envelope.json")).mode is Mode.LOCAL


def test_an_exporter_does_not_choose_a_key_of_his_own(
    world: World, settings: Any, local_vault: Path
) -> None:
    settings.EVIDENCE_VAULT_KMS_KEY_ID = "alias/evidence"
    settings.EVIDENCE_VAULT_KMS_KEY_IDS = ["alias/other"]
    assert export(world, kms_key_id="alias/other").is_complete
    with pytest.raises(Invalid, match=r"alias/evidence, alias/other") as caught:
        export(world, kms_key_id="arn:aws:kms:eu-1:666:key/mine")
    assert caught.value.field == "kms_key_id"


def test_a_failed_export_leaves_nothing_though_its_process_was_killed_in_between(
    world: World, services: ExternalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the failure was recorded, and before the files were taken away."""

    class Killed(BaseException):
        pass

    def die(*args: Any) -> None:
        raise Killed

    services.inject(Kind.ANSWER, path="/archive", status=500)
    with monkeypatch.context() as patch:
        patch.setattr(outcomes, "take_away", die)
        with pytest.raises(Killed):
            export(world, **STRICT)
    package = Package.objects.get()
    assert helpers.file(package).exists()
    assert carry_on(package.run).status == "FAILED"
    assert not helpers.file(package).exists()


def _interrupted(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run whose first attempt ended between the archive's answer and the vault."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise VaultUnavailable("not now")

    with monkeypatch.context() as patch:
        patch.setattr(keeping.deposit, "commit", fail)
        with pytest.raises(ExportFailed) as caught:
            export(world, **BOTH)
    assert caught.value.code == "run_goes_on"
    run = Package.objects.get().run
    type(run).objects.update(not_before=None)
    return run
