"""Keys over time at the installation: rotation, compromise, and what its own log anchors."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from audit.services import keys, sealing
from evidence.formats import manifest, signature
from evidence.formats.check_timestamp import timestamp_digest
from evidence.formats.package import MANIFEST
from evidence.formats.report import PackageReport
from evidence.formats.verification import Sidecars, verify_package
from evidence.models import Package
from evidence.services import checking, stamping, verification
from sealing import digests
from sealing.results import Verdict
from sealing.times import format_time, parse_time
from tests.factories import World
from tests.servers.tsa import Authority
from tests.services.evidence import helpers
from tests.services.evidence.aging import (
    alone,
    anchor,
    codes,
    compromise,
    long_ago,
    rotate,
    stamp_package,
)
from tests.services.evidence.helpers import countersign, export

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def trusting(settings: Any, authority: Authority) -> None:
    settings.TSA_CERTIFICATES = authority.certificates.decode()


# --- rotation -------------------------------------------------------------------------------------


def test_old_packages_verify_after_the_service_s_key_was_rotated(
    world: World, settings: Any
) -> None:
    old = alone(world)
    rotate(world, settings)
    new = alone(world)
    assert old.signing_key_id != new.signing_key_id
    for package in (old, new):
        assert checking.check_files(package).verdict is Verdict.VALID
        # So they do for somebody who has the signers file and nothing else.
        data = helpers.file(package).read_bytes()
        report = verify_package(data, checking.read_sidecars(package.name), keys.signers())
        assert report.verdict is Verdict.VALID
    assert old.signing_key is not None
    old.signing_key.refresh_from_db()
    assert old.signing_key.status == "retired"


def test_old_packages_verify_after_a_person_s_key_was_made_anew(world: World) -> None:
    package = export(world)
    countersign(world, package)
    before = world.key("oscar")
    keys.retire_key(actor=world.actor("oscar"), key=before)
    other = export(world)
    countersign(world, other)
    assert world.key("oscar").pk != before.pk
    for countersigned in (package, other):
        report = checking.check_files(countersigned)
        assert (report.verdict, len(report.countersigners)) == (Verdict.VALID, 1)


# --- the service's key ----------------------------------------------------------------------------


def test_a_compromised_key_invalidates_what_nobody_else_saw(world: World, settings: Any) -> None:
    old = alone(world)
    rotate(world, settings)
    new = alone(world)
    compromise(old.signing_key)
    report = checking.check_files(old)
    assert (report.verdict, codes(report)) == (Verdict.INVALID, {"key_compromised"})
    assert checking.check_files(new).verdict is Verdict.VALID


def test_a_timestamp_saves_a_package_that_the_log_tells_of(
    world: World, authority: Authority
) -> None:
    package = alone(world)
    sealing.seal_pending()
    stamp_package(authority, package)
    compromise(package.signing_key)
    report = checking.check_files(package)
    assert report.verdict is Verdict.VALID, report.issues
    assert report.timestamp_valid


def test_a_timestamp_after_the_compromise_saves_nothing(world: World, authority: Authority) -> None:
    package = alone(world)
    sealing.seal_pending()
    stamp_package(authority, package)
    compromise(package.signing_key, long_ago(package))
    report = checking.check_files(package)
    assert (report.verdict, codes(report)) == (Verdict.INVALID, {"key_compromised"})


def test_the_log_saves_a_package_without_a_timestamp(world: World, authority: Authority) -> None:
    package = alone(world)
    anchor(authority)
    compromise(package.signing_key)
    assert checking.check_files(package).verdict is Verdict.VALID


def test_an_anchor_after_the_compromise_saves_nothing(world: World, authority: Authority) -> None:
    package = alone(world)
    anchor(authority)
    compromise(package.signing_key, long_ago(package))
    assert codes(checking.check_files(package)) == {"key_compromised"}


def prepared(package: Package) -> Sidecars:
    """The package's files with a signature by its own key that no export made."""
    described = helpers.opened(package).read(MANIFEST, max_bytes=1 << 20)
    signer = keys.signer_for("package")
    later = parse_time(format_time(package.generated_at)) + timedelta(microseconds=1)
    raw = signature.build(
        manifest=manifest.parse(described),
        manifest_digest=digests.sha256_tag(described),
        digest=package.package_sha256,
        signer=signer,
        signer_name="Strongroom artefacts",
        signed_at=format_time(later),
    )
    sig = signature.sig_file(signer.sign(helpers.file(package).read_bytes()))
    return Sidecars(sig, raw, timestamp=helpers.file(package, ".tsr").read_bytes())


def upload(world: World, package: Package, sidecars: Sidecars) -> PackageReport:
    result = verification.verify_upload(
        actor=world.actor("audrey"),
        file_name="x.zip",
        data=helpers.file(package).read_bytes(),
        sidecars=sidecars,
    )
    assert result.report is not None
    return result.report


def test_a_package_that_was_stamped_before_the_theft_and_signed_after(
    world: World, authority: Authority
) -> None:
    """The timestamp over the file holds, and the log knows nothing of the signature."""
    package = alone(world)
    stamp_package(authority, package)
    anchor(authority)
    honest = checking.read_sidecars(package.name)
    forged = prepared(package)
    assert upload(world, package, forged).verdict is Verdict.VALID
    compromise(package.signing_key)
    assert upload(world, package, honest).verdict is Verdict.VALID
    report = upload(world, package, forged)
    assert (report.verdict, codes(report)) == (
        Verdict.INVALID,
        {"key_compromised", "lines_not_checked"},
    )
    # Without a log there is only the timestamp to go by.
    trusted = authority.certificates
    data = helpers.file(package).read_bytes()
    offline = verify_package(data, forged, keys.signers(), tsa_certificates=trusted)
    assert offline.verdict is Verdict.VALID


def test_another_signature_than_the_recorded_one(world: World, authority: Authority) -> None:
    package = alone(world)
    stamp_package(authority, package)
    forged = prepared(package)
    assert forged.signature is not None
    helpers.file(package, ".signature.json").write_bytes(forged.signature)
    report = checking.check_files(package)
    assert (report.verdict, codes(report)) == (Verdict.INVALID, {"record_signature_differs"})


# --- a person's key -------------------------------------------------------------------------------


def test_what_a_person_signed_before_is_kept_by_its_anchor(
    world: World, authority: Authority
) -> None:
    before, after = export(world), export(world)
    countersign(world, before)
    anchor(authority)
    countersign(world, after)
    sealing.seal_pending()
    compromise(world.key("oscar"))
    assert checking.check_files(before).verdict is Verdict.VALID
    report = checking.check_files(after)
    assert codes(report) == {"key_compromised", "countersignature_missing"}


def test_somebody_else_can_countersign_anew(world: World) -> None:
    package = export(world, client="clinic-002")
    countersign(world, package)
    untouched = export(world, client="clinic-002")
    countersign(world, untouched, by="ben")
    compromise(world.key("oscar"), long_ago(package))
    assert checking.check_files(untouched).verdict is Verdict.VALID
    report = checking.check_files(package)
    assert codes(report) == {"key_compromised", "countersignature_missing"}
    assert report.awaits_countersignature
    countersign(world, package, by="ben")
    report = checking.check_files(package)
    assert report.verdict is Verdict.VALID, report.issues
    assert [note.code for note in report.notes] == ["key_compromised"]


def test_what_the_door_answers(world: World) -> None:
    package = export(world)
    countersign(world, package)
    compromise(world.key("oscar"), long_ago(package))
    result = verification.verify(actor=world.actor("audrey"), package_path=package.package_path)
    assert result.verdict is Verdict.INVALID
    told = result.as_dict()
    assert [issue["code"] for issue in told["issues"]] == [
        "key_compromised", "countersignature_missing",
    ]  # fmt: skip
    assert told["issues"][0]["where"] == "/entries/0/signing_key_id"


# --- timestamps that are no help ------------------------------------------------------------------


def test_certificates_that_can_not_be_read_stop_nothing_else(
    world: World, authority: Authority, settings: Any, tmp_path: Path
) -> None:
    package = alone(world)
    stamp_package(authority, package)
    assert checking.check_files(package).timestamp_valid
    for broken in ("", str(tmp_path / "absent.pem"), "-----BEGIN NONSENSE"):
        settings.TSA_CERTIFICATES = broken
        report = checking.check_files(package)
        assert (report.verdict, report.timestamp_checked) == (Verdict.VALID, False)
        assert [note.code for note in report.notes] == ["timestamp_not_checked"]


def test_a_timestamp_that_is_not_this_package_s(world: World, authority: Authority) -> None:
    package, other = alone(world), alone(world)
    stamp_package(authority, other)
    helpers.file(package, ".tsr").write_bytes(helpers.file(other, ".tsr").read_bytes())
    report = checking.check_files(package)
    assert (report.verdict, codes(report)) == (Verdict.INVALID, {"timestamp_invalid"})


# --- stamped at export ----------------------------------------------------------------------------


def test_an_export_is_stamped_so_that_everybody_can_check_it(
    world: World, authority: Authority, settings: Any
) -> None:
    with authority.serving():
        settings.TSA_URL = authority.url
        package = alone(world)
    token = helpers.file(package, ".tsr").read_bytes()
    digest = timestamp_digest(package.package_sha256)
    assert authority.openssl_verifies(token, digest, authority.certificates)
    report = checking.check_files(package)
    assert (report.verdict, report.timestamp_checked, report.timestamp_valid) == (
        Verdict.VALID, True, True,
    )  # fmt: skip
    sealing.seal_pending()
    compromise(package.signing_key)
    assert checking.check_files(package).verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("ahead", "status"),
    [(timedelta(seconds=50), "OK"), (timedelta(seconds=90), "FAILED")],
    ids=["by less than a minute", "by more"],
)
def test_no_stamp_is_kept_that_verification_would_refuse(
    world: World, authority: Authority, settings: Any, ahead: timedelta, status: str
) -> None:
    """The clock of the installation is ahead of the authority's."""
    package = alone(world)
    package.generated_at = timezone.now() + ahead
    with authority.serving():
        settings.TSA_URL = authority.url
        stamped = stamping.stamp(package, package.package_sha256)
    assert stamped.status.partition(":")[0] == status
    assert helpers.file(package, ".tsr").exists() == (status == "OK")
