"""Countersignatures: who may, who may not, and what the database refuses by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from audit.events import EventType
from audit.services import keys, trail
from evidence.models import CountersignEntry, Package
from evidence.services import checking, countersign_file, countersigning, errors, verification
from sealing import digests
from sealing.errors import Forbidden, Invalid, NotFound, StrongroomError
from sealing.results import Verdict
from tests.factories import World
from tests.services.evidence import helpers
from tests.services.evidence.helpers import countersign, export

pytestmark = pytest.mark.django_db


@pytest.fixture
def package(world: World) -> Package:
    """Made by olivia."""
    return export(world)


def test_another_officer_countersigns(world: World, package: Package) -> None:
    entry = countersign(world, package, note="Looked at it")
    report = checking.check_files(package)
    assert report.verdict is Verdict.VALID, report.issues
    assert [c.person for c in report.countersigners] == [str(world.person("oscar").pk)]
    raw = json.loads(helpers.file(package, ".countersign.json").read_bytes())
    assert (raw["entry_count"], raw["package_path"]) == (1, package.package_path)
    assert raw["entries"][0]["note"] == "Looked at it"
    assert raw["entries"][0]["meaning"] == countersigning.MEANING
    assert json.loads(entry.entry) == raw["entries"][0]
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_COUNTERSIGNED, package.bundle_id)
    assert event["data"]["nonce"] == entry.nonce
    assert event["data"]["package_sha256"] == package.package_sha256


def test_entries_are_chained(world: World) -> None:
    made = export(world, client="clinic-002", required_countersignatures=2)
    first = countersign(world, made, by="oscar")
    assert checking.check_files(made).awaits_countersignature
    second = countersign(world, made, by="ben")
    signature = helpers.file(made, ".signature.json").read_bytes()
    assert first.previous == digests.sha256_tag(signature)
    assert second.previous == digests.sha256_tag(first.entry.encode())
    assert (first.number, second.number) == (1, 2)
    assert checking.check_files(made).verdict is Verdict.VALID


@pytest.mark.parametrize("how", ["username", "actor", "person"])
def test_the_signer_may_be_told_in_three_ways(world: World, package: Package, how: str) -> None:
    names = {
        "username": "oscar",
        "actor": "user:oscar",
        "person": str(world.person("oscar").pk),
    }
    assert countersign(world, package, signer=names[how]).signer == "oscar"


def test_the_file_may_be_named_if_it_is_the_one(world: World, package: Package) -> None:
    path = package.package_path.replace(".zip", ".countersign.json")
    assert countersign(world, package, countersign_path=path).number == 1


# --- what is refused ------------------------------------------------------------------------------


def assert_refused(
    world: World, package: Package, error: type[StrongroomError], code: str, **options: Any
) -> None:
    with pytest.raises(error) as caught:
        countersign(world, package, **options)
    assert caught.value.code == code
    assert not helpers.file(package, ".countersign.json").exists()
    assert not CountersignEntry.objects.exists()
    assert helpers.events_of(EventType.EVIDENCE_PACKAGE_COUNTERSIGNED) == []
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_COUNTERSIGN_REFUSED)
    assert (event["outcome"], event["data"]["code"]) == ("denied", code)


def test_the_maker(world: World, package: Package) -> None:
    assert_refused(world, package, Forbidden, "countersigner_is_maker", by="olivia")


def test_the_maker_by_a_second_account(world: World, package: Package) -> None:
    key = world.key("olivia").key_id
    assert_refused(
        world, package, Forbidden, "countersigner_is_maker", by="olivia2", signing_key_id=key
    )


def test_another_person_s_key(world: World, package: Package) -> None:
    key = world.key("olivia").key_id
    assert_refused(world, package, Forbidden, "key_is_not_yours", signing_key_id=key)


def test_the_service_s_key(world: World, package: Package) -> None:
    key = keys.signer_for("package").key_id
    assert_refused(world, package, Forbidden, "key_is_not_yours", signing_key_id=key)


def test_a_key_that_does_not_exist(world: World, package: Package) -> None:
    assert_refused(world, package, Forbidden, "key_is_not_yours", signing_key_id="sha256:00")


def test_a_retired_key(world: World, package: Package) -> None:
    key = world.key("oscar")
    keys.retire_key(actor=world.actor("oscar"), key=key)
    assert_refused(world, package, Forbidden, "key_is_not_yours", signing_key_id=key.key_id)


@pytest.mark.parametrize("signer", ["olivia", "user:olivia", "Oscar", "", "oscar "])
def test_for_somebody_else(world: World, package: Package, signer: str) -> None:
    assert_refused(world, package, Forbidden, "signer_is_not_you", signer=signer)


def test_without_the_right_password(world: World, package: Package) -> None:
    assert_refused(world, package, Forbidden, "reauthentication_failed", password="guess")


def test_a_changed_password_does_not_open_the_key(world: World, package: Package) -> None:
    key = world.key("oscar").key_id
    oscar = world.user("oscar")
    oscar.set_password("another long password 8")
    oscar.save()
    assert_refused(
        world,
        package,
        Forbidden,
        "wrong_password",
        signing_key_id=key,
        password="another long password 8",
    )


def test_twice(world: World, package: Package) -> None:
    countersign(world, package)
    before = helpers.file(package, ".countersign.json").read_bytes()
    with pytest.raises(errors.AlreadyCountersigned):
        countersign(world, package)
    assert helpers.file(package, ".countersign.json").read_bytes() == before
    assert len(helpers.entries_of(package)) == 1


def test_twice_with_a_new_key(world: World, package: Package) -> None:
    countersign(world, package)
    keys.retire_key(actor=world.actor("oscar"), key=world.key("oscar"))
    with pytest.raises(errors.AlreadyCountersigned):
        countersign(world, package)


@pytest.mark.parametrize(
    ("who", "error"),
    [
        ("alice", Forbidden),
        ("audrey", Forbidden),
        ("omar", Forbidden),
        ("svc-clinic-001", Forbidden),
        ("ben", NotFound),
        ("root", NotFound),
        ("nobody", NotFound),
    ],
)
def test_only_officers_of_the_client(
    world: World, package: Package, who: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        countersign(world, package, by=who, signing_key_id=world.key("oscar").key_id)
    assert not CountersignEntry.objects.exists()


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("countersign_path", {"countersign_path": "clinic-001/other.countersign.json"}),
        ("countersign_path", {"countersign_path": "../x.countersign.json"}),
        ("meaning", {"meaning": ""}),
        ("meaning", {"meaning": "x" * 201}),
        ("note", {"note": "x" * 1001}),
        ("note", {"note": "bell \x07"}),
    ],
)
def test_a_field_that_can_not_be_accepted(
    world: World, package: Package, field: str, options: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as caught:
        countersign(world, package, **options)
    assert caught.value.field == field


def test_an_unsigned_package(world: World) -> None:
    assert_refused(
        world, export(world, sign_bundle=False), errors.PackageNotValid, "package_not_valid"
    )


def test_a_failed_export(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from evidence.services import publishing

    monkeypatch.setattr(publishing, "_check", lambda *a: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(errors.ExportFailed):
        export(world)
    assert_refused(world, Package.objects.get(), errors.PackageUnfinished, "package_unfinished")


def damage_zip(package: Package) -> None:
    path = helpers.file(package)
    path.write_bytes(path.read_bytes().replace(b"strongroom/package/v1", b"strongroom/package/v2"))


def damage_signature(package: Package) -> None:
    path = helpers.file(package, ".signature.json")
    path.write_bytes(path.read_bytes() + b"\n")


def remove_sig(package: Package) -> None:
    helpers.file(package, ".zip.sig").unlink()


def remove_zip(package: Package) -> None:
    helpers.file(package).unlink()


@pytest.mark.parametrize("damage", [damage_zip, damage_signature, remove_sig])
def test_a_package_with_another_fault(
    world: World, package: Package, damage: Callable[[Package], None]
) -> None:
    damage(package)
    assert_refused(world, package, errors.PackageNotValid, "package_not_valid")


def test_a_package_whose_file_is_gone(world: World, package: Package) -> None:
    remove_zip(package)
    with pytest.raises(errors.PackageFileMissing):
        countersign(world, package)


def test_a_secret_that_does_not_give_the_mac(world: World, settings: Any) -> None:
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = b"of older times"
    package = export(world)
    assert_refused(
        world, package, errors.PackageNotValid, "package_not_valid", signing_secret=b"other"
    )
    assert countersign(world, package, signing_secret=b"of older times").number == 1


def test_nothing_unrecorded(world: World, package: Package, settings: Any) -> None:
    world.key("oscar")
    settings.AUDIT_ENABLED = False
    with pytest.raises(trail.AuditDisabled):
        countersign(world, package)


# --- the file and its rows ------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


def interrupted(world: World, package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(countersign_file, "replace", die)
        with pytest.raises(Killed):
            countersign(world, package)
    assert not helpers.file(package, ".countersign.json").exists()
    assert len(helpers.entries_of(package)) == 1


def test_verification_writes_a_file_whose_writing_was_interrupted(
    world: World, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(world, package, monkeypatch)
    path = package.package_path
    result = verification.verify(actor=world.actor("audrey"), package_path=path)
    assert result.verdict is Verdict.VALID
    assert helpers.file(package, ".countersign.json").exists()


def test_the_next_countersignature_does_so_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = export(world, client="clinic-002", required_countersignatures=2)
    interrupted(world, package, monkeypatch)
    countersign(world, package, by="ben")
    report = checking.check_files(package)
    assert (report.verdict, len(report.countersigners)) == (Verdict.VALID, 2)


def test_a_retry_says_twice_and_leaves_the_file_whole(
    world: World, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(world, package, monkeypatch)
    with pytest.raises(errors.AlreadyCountersigned):
        countersign(world, package)
    verification.verify(actor=world.actor("oscar"), package_path=package.package_path)
    assert checking.check_files(package).verdict is Verdict.VALID


def test_read_only_nothing_is_written(
    world: World, package: Package, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    interrupted(world, package, monkeypatch)
    settings.AUDIT_ENABLED = False
    result = verification.verify(actor=world.actor("oscar"), package_path=package.package_path)
    assert result.verdict is Verdict.INVALID
    assert not helpers.file(package, ".countersign.json").exists()


def test_a_disk_that_refuses_is_told(
    world: World, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(countersign_file, "replace", full)
        with pytest.raises(errors.CountersignFileNotWritten):
            countersign(world, package)
    assert len(helpers.entries_of(package)) == 1
    assert len(helpers.events_of(EventType.EVIDENCE_PACKAGE_COUNTERSIGNED)) == 1


@pytest.mark.parametrize("change", ["removed", "changed", "older state"])
def test_a_file_that_somebody_changed_is_not_written_again(world: World, change: str) -> None:
    """Verification has to find it, not to cover it up."""
    package = export(world, client="clinic-002", required_countersignatures=1)
    countersign(world, package, by="oscar")
    path = helpers.file(package, ".countersign.json")
    older = path.read_bytes()
    countersign(world, package, by="ben")
    if change == "removed":
        path.unlink()
    elif change == "changed":
        path.write_bytes(path.read_bytes().replace(b"reviewed", b"Reviewed"))
    else:
        path.write_bytes(older)
    result = verification.verify(actor=world.actor("ben"), package_path=package.package_path)
    assert result.verdict is Verdict.INVALID
    assert result.report is not None
    assert "record_countersignatures_differ" in {i.code for i in result.report.issues}
