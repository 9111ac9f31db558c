"""Verification by name and by upload, and downloads: scope, paths, records."""

from __future__ import annotations

import os
from typing import Any

import pytest

from audit.events import EventType
from audit.services import trail
from evidence.formats.verification import Sidecars
from evidence.models import Package
from evidence.services import downloads, verification
from evidence.services.errors import ExportFailed, PackageFileMissing, PackageUnfinished
from sealing import digests
from sealing.errors import Forbidden, Invalid, NotFound
from sealing.results import Verdict
from tests.factories import World
from tests.services.evidence import helpers
from tests.services.evidence.helpers import countersign, export

pytestmark = pytest.mark.django_db


@pytest.fixture
def package(world: World) -> Package:
    made = export(world)
    countersign(world, made)
    made.refresh_from_db()
    return made


def verify(world: World, path: str, *, by: str = "audrey", **options: Any):
    return verification.verify(actor=world.actor(by), package_path=path, **options)


def test_valid(world: World, package: Package) -> None:
    result = verify(world, package.package_path, require_countersign=True)
    assert result.verdict is Verdict.VALID
    told = result.as_dict()
    assert told["package_exists"] is True
    assert told["package_path"] == package.package_path
    assert told["package_sha256"] == package.package_sha256


def test_verification_is_not_recorded(world: World, package: Package) -> None:
    before = helpers.AuditEvent.objects.count()
    helpers.sealing.seal_pending()
    between = helpers.AuditEvent.objects.count()
    verify(world, package.package_path)
    helpers.sealing.seal_pending()
    assert helpers.AuditEvent.objects.count() == between >= before


@pytest.mark.parametrize(
    "path",
    [
        "clinic-002/{bundle}.zip",
        "platform/{bundle}.zip",
        "clinic-999/{bundle}.zip",
        "../packages/clinic-001/{bundle}.zip",
        "/{root}/clinic-001/{bundle}.zip",
        "clinic-001/../clinic-001/{bundle}.zip",
        "clinic-001/./{bundle}.zip",
        "clinic-001//{bundle}.zip",
        "clinic-001/{bundle}.zip/",
        "clinic-001/{bundle}.zip.sig",
        "{bundle}.zip",
        "clinic-001\\{bundle}.zip",
        "../../../../etc/passwd",
        "/etc/passwd",
        "clinic-001/x.zip",
        "",
    ],
)
def test_other_names_are_as_if_there_were_nothing(
    world: World, package: Package, path: str, settings: Any
) -> None:
    name = path.format(bundle=package.bundle_id, root=settings.EVIDENCE_PACKAGE_DIR)
    with pytest.raises(NotFound) as there:
        verify(world, name)
    other = path.format(bundle="evidence_20000101T000000Z_00000000", root="nowhere")
    with pytest.raises(NotFound) as nowhere:
        verify(world, other)
    assert there.value.message == nowhere.value.message


def test_a_name_in_scope_without_a_file(world: World) -> None:
    result = verify(world, "clinic-001/evidence_20000101T000000Z_00000000.zip")
    assert (result.verdict, result.as_dict()["package_exists"]) == (Verdict.INCONCLUSIVE, False)


def test_a_recorded_package_whose_file_is_gone(world: World, package: Package) -> None:
    helpers.file(package).unlink()
    result = verify(world, package.package_path)
    assert (result.verdict, result.as_dict()["package_exists"]) == (Verdict.INVALID, False)


def test_operators_see_no_packages(world: World, package: Package) -> None:
    for path in (package.package_path, "clinic-001/evidence_20000101T000000Z_00000000.zip"):
        with pytest.raises(Forbidden):
            verify(world, path, by="omar")


def test_a_link_is_not_followed(world: World, package: Package, tmp_path: Any) -> None:
    path = helpers.file(package)
    outside = tmp_path / "outside.zip"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(Invalid):
        verify(world, package.package_path)


def test_a_folder_that_is_a_link_is_not_followed(
    world: World, package: Package, tmp_path: Any
) -> None:
    folder = helpers.file(package).parent
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Invalid):
        verify(world, package.package_path)


def test_a_pipe_in_place_of_a_sidecar_does_not_hang(world: World, package: Package) -> None:
    path = helpers.file(package, ".countersign.json")
    path.unlink()
    os.mkfifo(path)
    assert verify(world, package.package_path).verdict is Verdict.INVALID


def test_another_s_file_under_the_name(world: World, package: Package) -> None:
    """A package that is good in itself, but not the one that the record speaks of."""
    other = export(world, required_countersignatures=0, package_prefix="other")
    for suffix in (".zip", ".zip.sig", ".signature.json"):
        helpers.file(package, suffix).write_bytes(helpers.file(other, suffix).read_bytes())
    helpers.file(package, ".countersign.json").unlink()
    result = verify(world, package.package_path)
    assert result.report is not None
    codes = {issue.code for issue in result.report.issues}
    assert codes == {
        "record_digest_differs", "record_signature_differs", "record_countersignatures_differ",
    }  # fmt: skip


def test_a_file_without_a_record(world: World, package: Package) -> None:
    name = "evidence_20000101T000000Z_00000000"
    folder = helpers.file(package).parent
    for suffix in (".zip", ".zip.sig", ".signature.json", ".countersign.json"):
        (folder / f"{name}{suffix}").write_bytes(helpers.file(package, suffix).read_bytes())
    result = verify(world, f"clinic-001/{name}.zip")
    assert result.verdict is Verdict.INCONCLUSIVE


def test_sidecars_by_name(world: World, package: Package) -> None:
    other = export(world)
    stem = package.package_path.removesuffix(".zip")
    good = verify(
        world,
        package.package_path,
        signature_path=f"{stem}.signature.json",
        countersign_path=f"{stem}.countersign.json",
    )
    assert good.verdict is Verdict.VALID
    wrong = other.package_path.replace(".zip", ".signature.json")
    assert verify(world, package.package_path, signature_path=wrong).verdict is Verdict.INVALID


@pytest.mark.parametrize("field", ["signature_path", "countersign_path"])
@pytest.mark.parametrize(
    "path",
    [
        "clinic-002/{bundle}{ending}",
        "/etc/{bundle}{ending}",
        "../{bundle}{ending}",
        "clinic-001/../{bundle}{ending}",
        "clinic-001/{bundle}.zip",
        "clinic-001/passwd{ending}",
        "{bundle}{ending}",
        "",
    ],
)
def test_sidecars_lie_beside_the_package(
    world: World, package: Package, field: str, path: str
) -> None:
    ending = ".signature.json" if field == "signature_path" else ".countersign.json"
    given = path.format(bundle=package.bundle_id, ending=ending)
    with pytest.raises(Invalid) as caught:
        verify(world, package.package_path, **{field: given})
    assert caught.value.field == field


def test_secret_of_the_caller(world: World, settings: Any) -> None:
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = b"shared"
    package = export(world, required_countersignatures=0)
    right = verify(world, package.package_path, signing_secret=b"shared")
    wrong = verify(world, package.package_path, signing_secret=b"guess")
    assert (right.verdict, wrong.verdict) == (Verdict.VALID, Verdict.INVALID)


def test_upload(world: World, package: Package) -> None:
    def read(suffix: str) -> bytes:
        return helpers.file(package, suffix).read_bytes()

    sidecars = Sidecars(read(".zip.sig"), read(".signature.json"), read(".countersign.json"))
    result = verification.verify_upload(
        actor=world.actor("omar"), file_name="x.zip", data=read(".zip"), sidecars=sidecars
    )
    assert result.verdict is Verdict.VALID
    with pytest.raises(Forbidden):
        verification.verify_upload(
            actor=world.actor("nobody"), file_name="x.zip", data=b"", sidecars=sidecars
        )


# --- downloads ------------------------------------------------------------------------------------


def download(world: World, package: Package, suffix: str = ".zip", *, by: str = "audrey"):
    name = f"{package.bundle_id}{suffix}"
    return downloads.download(actor=world.actor(by), bundle_id=package.bundle_id, name=name)


@pytest.mark.parametrize("suffix", [".zip", ".zip.sig", ".signature.json", ".countersign.json"])
def test_download_is_recorded(world: World, package: Package, suffix: str) -> None:
    found = download(world, package, suffix)
    with found.file as file:
        raw = file.read()
    assert raw == helpers.file(package, suffix).read_bytes()
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_DOWNLOADED, package.bundle_id)
    assert event["data"] == {
        "file": f"{package.bundle_id}{suffix}",
        "sha256": digests.sha256_tag(raw),
        "size_bytes": len(raw),
    }
    assert event["actor"]["id"] == "user:audrey"


def test_unrecorded_nothing_leaves(world: World, package: Package, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    with pytest.raises(trail.AuditDisabled):
        download(world, package)


def test_recording_fails_and_the_file_is_closed(
    world: World, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    honest = downloads._opened
    monkeypatch.setattr(
        downloads, "_opened", lambda *args: opened.append(honest(*args)) or opened[-1]
    )
    monkeypatch.setattr(trail, "record", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        download(world, package)
    assert opened[0].closed


@pytest.mark.parametrize(
    ("who", "error"),
    [("omar", NotFound), ("svc-clinic-001", NotFound), ("ben", NotFound), ("nobody", NotFound)],
)
def test_who_may_not_download(
    world: World, package: Package, who: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        download(world, package, by=who)
    assert helpers.events_of(EventType.EVIDENCE_PACKAGE_DOWNLOADED) == []


@pytest.mark.parametrize(
    "name", ["{b}", "{b}.tsr", "{b}.zip.bak", "../{b}.zip", "other.zip", "", "{b}.zip\0"]
)
def test_other_names(world: World, package: Package, name: str) -> None:
    with pytest.raises(NotFound):
        downloads.download(
            actor=world.actor("alice"),
            bundle_id=package.bundle_id,
            name=name.format(b=package.bundle_id),
        )


def test_a_sidecar_that_there_is_none_of(world: World) -> None:
    unsigned = export(world, sign_bundle=False)
    assert downloads.file_names(unsigned) == [f"{unsigned.bundle_id}.zip"]
    with pytest.raises(NotFound):
        download(world, unsigned, ".zip.sig")


def test_a_file_that_is_gone(world: World, package: Package) -> None:
    helpers.file(package, ".zip.sig").unlink()
    with pytest.raises(PackageFileMissing):
        download(world, package, ".zip.sig")


def test_a_failed_export_has_nothing_to_take(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from evidence.services import publishing

    def fail(*args: Any) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr(publishing, "_check", fail)
    with pytest.raises(ExportFailed):
        export(world)
    failed = Package.objects.get()
    assert downloads.file_names(failed) == []
    with pytest.raises(PackageUnfinished):
        download(world, failed, by="olivia")
