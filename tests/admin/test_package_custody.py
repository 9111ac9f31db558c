"""The custody line of a package: each step with who, when and which bytes; absence said plainly."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from access.models import Grant
from evidence.admin import custody_vault
from evidence.admin.custody_people import Cast
from evidence.models import Package, PackageTimestamp, Receipt, VaultCopy, VaultLock, VaultObject
from evidence.services import publishing
from evidence.services.errors import ExportFailed
from ops.services import people
from tests.admin.test_evidence_admin import address, browser, page
from tests.factories import World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db
DIGEST = f"sha256:{'cd' * 32}"


@pytest.fixture
def package(world: World) -> Package:
    helpers.some_events()
    return helpers.export(world, note="Quarterly review")


def shown(world: World, package: Package, username: str = "audrey") -> str:
    return page(world, username, address(package))


def custody(text: str) -> str:
    return text.split('<section class="custody"')[1].split("</section>")[0]


def step(text: str, what: str) -> str:
    """The part of the custody line that begins with these words."""
    found = re.search(rf'<p class="what">{re.escape(what)}.*?</li>', custody(text), re.DOTALL)
    assert found is not None, f"{what} is not in {custody(text)}"
    return found[0]


def receipt(package: Package, kind: str, outcome: str = "OK", **changes: Any) -> Receipt:
    now = timezone.now()
    given: dict[str, Any] = {
        "endpoint": "https://worm.example.org/v1/archive",
        "started_at": now,
        "finished_at": now,
        "http_status": 200,
        "body": b"{}",
        "body_sha256": DIGEST,
        **changes,
    }
    return Receipt.objects.create(package=package, kind=kind, outcome=outcome, **given)


def lock(package: Package, number: int, **changes: Any) -> VaultLock:
    now = timezone.now()
    given: dict[str, Any] = {
        "retention_policy": "hipaa_6y",
        "retain_until": now + timedelta(days=2192),
        "name": f"{package.bundle_id}.worm-lock-{number:04d}.json",
        "sha256": DIGEST,
        "locked_at": now,
        "actor_id": "user:oscar",
        **changes,
    }
    return VaultLock.objects.create(package=package, number=number, **given)


def deposited(package: Package) -> None:
    """Rows as the vault leaves them."""
    package_name = f"{package.bundle_id}.zip"
    VaultCopy.objects.create(
        package=package,
        mode="local",
        folder=f"clinic-001/2026/02/01/{package.bundle_id}",
        package_name=package_name,
        encryption="aws_kms",
    )
    for name in (package_name, f"{package_name}.sig"):
        VaultObject.objects.create(
            package=package,
            name=name,
            sha256=package.package_sha256 if name == package_name else DIGEST,
            size_bytes=2048,
            protection="read-only, immutable",
            retain_until=timezone.now() + timedelta(days=2192),
        )
    lock(package, 1, actor_id="user:olivia")


# --- what is there --------------------------------------------------------------------------------


def test_every_step_names_person_role_and_account(world: World, package: Package) -> None:
    helpers.countersign(world, package, note="Seen")
    text = shown(world, package)
    for what, account in (("Export requested", "olivia"), ("Countersigned", "oscar")):
        part = step(text, what)
        assert f"compliance officer · {account}" in part
        assert "<time " in part
    assert package.package_sha256 in step(text, "Package written and verified")
    assert package.signature.signature_sha256 in step(text, "Signed by the service")
    assert "1 of 1 needed" in step(text, "Countersigned")
    assert "Awaits" not in custody(text)
    assert "Verify now" in custody(text)


def test_the_role_is_the_one_of_that_time(world: World, package: Package) -> None:
    people.revoke_grant(
        actor=world.actor("alice"), grant=Grant.objects.get(user__username="olivia")
    )
    assert "compliance officer · olivia" in step(shown(world, package), "Export requested")
    olivia, audrey = world.user("olivia"), world.user("audrey")
    cast, made = Cast.of([], [olivia, audrey]), package.created_at
    assert cast.role(olivia, made, "clinic-001") == "compliance-officer"
    assert cast.role(olivia, timezone.now() + timedelta(hours=1), "clinic-001") is None
    assert cast.role(olivia, made - timedelta(days=1), "clinic-001") is None
    assert cast.role(audrey, made, "clinic-001") == "auditor"
    assert cast.role(audrey, made, "clinic-002") is None
    assert cast.role("a name alone", made, None) is None


def test_a_deposit_with_its_files_and_locks(world: World, package: Package) -> None:
    deposited(package)
    lock(package, 2, legal_holds=["C-7"], locked_at=timezone.now() + timedelta(seconds=1))
    text = shown(world, package)
    part = step(text, "Deposited in the local vault")
    for known in (f"clinic-001/2026/02/01/{package.bundle_id}", package.package_sha256,
                  "compliance officer · olivia", "key service aws_kms",
                  "read-only, immutable"):  # fmt: skip
        assert known in part, known
    assert "worm-lock-0001.json" in step(text, "Locked")
    changed = step(text, "Lock changed, state 2")
    assert "C-7" in changed
    assert "compliance officer · oscar" in changed
    assert "as long as a legal hold is on it: C-7" in text
    files = text.split('<table class="vault-files">')[1].split("</table>")[0]
    for known in (f"{package.bundle_id}.zip", f"{package.bundle_id}.zip.sig", "2 KiB", DIGEST):
        assert known in files, known


def test_the_real_vault(world: World, settings: Any, tmp_path: Path) -> None:
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = str(tmp_path / "vault")
    helpers.some_events()
    package = helpers.export(world, vault_mode="local")
    text = shown(world, package)
    assert str(VaultCopy.objects.get().folder) in step(text, "Deposited in the local vault")
    objects = VaultObject.objects.filter(package=package)
    assert objects.count() >= 4
    files = text.split('<table class="vault-files">')[1].split("</table>")[0]
    for item in objects:
        assert item.name in files
        assert item.sha256 in files
        assert item.protection in files


def test_a_timestamp(world: World, package: Package) -> None:
    PackageTimestamp.objects.create(
        package=package, token_sha256=DIGEST, stamped_at=timezone.now(), authority="CN=Test TSA"
    )
    part = step(shown(world, package), "Timestamped by an outside authority")
    assert "CN=Test TSA" in part
    assert DIGEST in part


def test_what_outside_services_answered(world: World, package: Package) -> None:
    receipt(
        package,
        "external_worm",
        "FAILED: http_status: the answer was 500.",
        http_status=500,
    )
    receipt(
        package,
        "external_worm",
        receipt={
            "provider": "vaultco",
            "archive_id": "A-1",
            "object_key": "k/1",
            "lock_until": "2033-01-01T00:00:00Z",
            "request_id": "R-9",
            "package_sha256": package.package_sha256,
        },
    )
    receipt(
        package,
        "external_kms",
        receipt={"provider": "hsm", "wrapped_digest": DIGEST, "key_version": "7"},
    )
    text = shown(world, package)
    failed = step(text, "The external archive failed")
    assert "the answer was 500." in failed
    assert ">500<" in failed
    good = step(text, "Confirmed by the external archive")
    for known in ("vaultco", "A-1", "R-9", "2033-01-01", package.package_sha256):
        assert known in good, known
    assert "7" in step(text, "Confirmed by the external key service")
    assert "Not sent to" not in custody(text)


# --- what is not there ----------------------------------------------------------------------------


def test_what_there_is_none_of_is_said(world: World, package: Package) -> None:
    text = shown(world, package)
    assert "Vault mode none" in step(text, "Not deposited")
    assert "No timestamp authority is configured." in step(text, "Not timestamped")
    assert "The export did not ask for it." in step(text, "Not sent to an external archive")
    assert "The export did not ask for it." in step(text, "Not sent to an external key service")
    assert "By somebody else than the maker." in step(text, "Awaits its countersignature")
    assert "None: the export asked for no copy in a vault." in text


def test_a_copy_that_should_be_there(world: World, package: Package) -> None:
    with_vault = Package(
        pk=package.pk, vault_mode="local", status="complete", retention_policy="hipaa_6y"
    )
    kept = custody_vault.Kept.of(package)
    (only,) = custody_vault.vault_steps(with_vault, kept, Cast({}, {}))
    assert "no copy is recorded" in only.detail


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("", "—"),
        ("OK", "Done"),
        ("SKIPPED", "Not asked for"),
        ("DISABLED", "Not configured"),
        ("FAILED: no_answer: it did not answer.", "no_answer: it did not answer."),
    ],
)
def test_statuses_in_words(status: str, words: str) -> None:
    assert words in custody_vault.outside_status(status)


def test_an_unsigned_package(world: World) -> None:
    helpers.some_events()
    package = helpers.export(world, sign_bundle=False)
    assert "nothing proves where the package is from" in step(shown(world, package), "Not signed")


def test_a_failed_export(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    helpers.some_events()
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_check", fail)
        with pytest.raises((OSError, ExportFailed)):
            helpers.export(world)
    package = Package.objects.get()
    text = shown(world, package)
    assert "No space left on device" in step(text, "Export failed")
    assert "Not deposited" not in custody(text)
    assert "Verify now" not in custody(text)


def test_a_page_costs_the_same_however_long_its_line_is(
    world: World, package: Package, django_assert_max_num_queries: Any
) -> None:
    deposited(package)
    for number in range(2, 12):
        lock(package, number)
        receipt(package, "external_worm")
    found = browser(world, "audrey")
    with django_assert_max_num_queries(30):
        assert found.get(address(package)).status_code == 200
