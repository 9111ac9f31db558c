"""Packages on the desk: list, page, custody line, and each act with its decision page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from audit.events import EventType
from evidence.models import CountersignEntry, Package
from evidence.services.errors import ExportFailed
from sealing import digests
from tests.factories import PASSWORD, World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db
LIST = "/admin/evidence/package/"


def browser(world: World, username: str) -> Browser:
    found = Browser()
    found.force_login(world.user(username))
    return found


def page(world: World, username: str, address: str, status: int = 200) -> str:
    response = browser(world, username).get(address)
    assert response.status_code == status, response.content.decode()
    return without_breaks(response)


def without_breaks(response: Any) -> str:
    """The page; long words have places where they may be broken."""
    text: str = response.content.decode()
    return text.replace("<wbr>", "")


def address(package: Package, act: str = "change") -> str:
    return f"{LIST}{package.pk}/{act}/"


@pytest.fixture
def package(world: World) -> Package:
    helpers.some_events()
    return helpers.export(world, note="Quarterly review")


# --- looking --------------------------------------------------------------------------------------


def test_list(world: World, package: Package) -> None:
    text = page(world, "audrey", LIST)
    assert package.bundle_id in text
    assert "Awaiting countersignature" in text
    assert "one of two" in text
    assert package.package_sha256[7:19] in text
    assert "Export a package" not in text
    assert "Export a package" in page(world, "olivia", LIST)


def test_list_after_the_countersignature(world: World, package: Package) -> None:
    helpers.countersign(world, package)
    text = page(world, "audrey", LIST)
    assert "Countersigned" in text
    assert "two of two" in text


def test_list_costs_the_same_however_long_it_is(
    world: World, package: Package, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        helpers.export(world, sign_bundle=False)
    found = browser(world, "alice")
    with django_assert_max_num_queries(14):
        assert found.get(LIST).status_code == 200


def test_list_is_in_scope(world: World, package: Package) -> None:
    assert package.bundle_id not in page(world, "ben", LIST)
    assert package.bundle_id not in page(world, "omar", LIST)
    page(world, "nobody", LIST, 403)
    page(world, "root", LIST, 403)


def test_filters(world: World, package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    from evidence.services import publishing

    def fail(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_check", fail)
        with pytest.raises(ExportFailed):
            helpers.export(world, package_prefix="broken")
    waiting = page(world, "oscar", f"{LIST}?waiting=me")
    assert package.bundle_id in waiting
    assert "broken_" not in waiting
    assert package.bundle_id not in page(world, "olivia", f"{LIST}?waiting=me")
    failed = page(world, "oscar", f"{LIST}?outcome=failed")
    assert "broken_" in failed
    assert package.bundle_id not in failed
    assert "broken_" in page(world, "oscar", f"{LIST}?q=broken")


def test_page_with_custody(world: World, package: Package) -> None:
    helpers.countersign(world, package, note="Seen by me")
    found = browser(world, "audrey")
    name = f"{package.bundle_id}.zip"
    b"".join(found.post(address(package, "download"), {"file": name}).streaming_content)
    helpers.sealing.seal_pending()
    text = page(world, "audrey", address(package))
    steps = [
        "Export requested",
        "Package written and verified",
        "Signed by the service",
        "Countersigned: reviewed and approved",
        f"Downloaded {name}",
    ]
    places = [text.index(step) for step in steps]
    assert places == sorted(places)
    for known in ("Olivia Officer", "Oscar Officer", "Audrey Auditor", "Quarterly review",
                  "Seen by me", package.package_sha256):  # fmt: skip
        assert known in text


def test_refused_attempts_are_part_of_the_custody(world: World, package: Package) -> None:
    with pytest.raises(Exception, match="You made"):
        helpers.countersign(world, package, by="olivia")
    helpers.sealing.seal_pending()
    text = page(world, "audrey", address(package))
    assert "Countersignature refused" in text
    assert "countersigner is maker" in text


def test_another_client_s_package_is_not_there(world: World, package: Package) -> None:
    for act in ("change", "countersign", "download", "verify"):
        page(world, "ben", address(package, act), 404)
        page(world, "omar", address(package, act), 404)


def test_nothing_is_added_changed_or_deleted(world: World, package: Package) -> None:
    found = browser(world, "alice")
    assert found.get(f"{LIST}add/").status_code == 404
    assert found.get(address(package, "delete")).status_code == 404
    assert found.post(address(package), {"note": "x"}).status_code == 403
    package.refresh_from_db()
    assert package.note == "Quarterly review"


# --- the desk -------------------------------------------------------------------------------------


def test_desk_of_an_officer(world: World, package: Package) -> None:
    text = page(world, "oscar", "/admin/")
    assert "Waiting for my countersignature" in text
    assert f"{LIST}?waiting=me" in text
    assert "Failed exports" in text
    assert package.bundle_id in text
    assert f"{LIST}?waiting=me" not in page(world, "olivia", "/admin/")


def test_desk_of_those_who_never_sign(world: World, package: Package) -> None:
    assert "Waiting for my countersignature" not in page(world, "audrey", "/admin/")


# --- export ---------------------------------------------------------------------------------------

FORM = {
    "client_id": "clinic-001",
    "first_day": "2026-01-01",
    "last_day": "2026-01-31",
    "retention_policy": "hipaa_6y",
    "required_countersignatures": "1",
    "note": "First line\r\nsecond",
}


def test_export_page_offers_the_clients_in_scope(world: World) -> None:
    text = page(world, "ben", f"{LIST}export/")
    assert 'value="clinic-002"' in text
    assert 'value="clinic-001"' not in text
    assert not Package.objects.exists()
    page(world, "audrey", f"{LIST}export/", 403)


def test_export(world: World) -> None:
    helpers.some_events()
    response = browser(world, "olivia").post(f"{LIST}export/", FORM, follow=True)
    package = Package.objects.get()
    assert response.redirect_chain == [(address(package), 302)]
    assert f"Made {package.bundle_id} with 3 events." in without_breaks(response)
    assert (package.period_start, package.period_end) == (helpers.START, helpers.END)
    assert package.note == "First line\nsecond"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"last_day": "2025-12-31"}, "The last day is before the first."),
        ({"last_day": "9999-12-31"}, "There is no day after this one."),
        ({"first_day": "yesterday"}, "Enter a valid date."),
        ({"client_id": "clinic-002x"}, "Select a valid choice."),
        ({"required_countersignatures": "9"}, "less than or equal to 8"),
        ({"note": "\x07"}, "Control characters"),
    ],
)
def test_export_with_an_answer_that_does_not_fit(
    world: World, changes: dict[str, str], words: str
) -> None:
    response = browser(world, "olivia").post(f"{LIST}export/", FORM | changes)
    assert response.status_code == 400
    assert words in without_breaks(response)
    assert not Package.objects.exists()


def test_export_for_another_client(world: World) -> None:
    response = browser(world, "ben").post(f"{LIST}export/", FORM)
    assert response.status_code == 400
    assert not Package.objects.exists()


# --- countersign ----------------------------------------------------------------------------------

SIGN = {"meaning": "reviewed and approved", "note": "", "password": PASSWORD}


def test_countersign(world: World, package: Package) -> None:
    key = world.key("oscar")
    found = browser(world, "oscar")
    text = without_breaks(found.get(address(package, "countersign")))
    assert f"Countersign {package.bundle_id}" in text
    assert package.package_sha256 in text
    assert key.key_id in text
    assert not CountersignEntry.objects.exists()
    response = found.post(address(package, "countersign"), SIGN | {"note": "Read"}, follow=True)
    assert f"Countersigned {package.bundle_id} as number 1." in without_breaks(response)
    entry = CountersignEntry.objects.get()
    assert (entry.signer, entry.note, entry.key) == ("oscar", "Read", key)


@pytest.mark.parametrize(
    ("who", "changes", "status", "words"),
    [
        ("olivia", {}, 403, "another person has to countersign it"),
        ("olivia2", {}, 403, "another person has to countersign it"),
        ("oscar", {"password": "guess"}, 403, "The password is not right."),
        ("oscar", {"password": ""}, 400, "This field is required."),
        ("oscar", {"meaning": ""}, 400, "This field is required."),
        ("alice", {}, 403, "Not allowed"),
        ("audrey", {}, 403, "Not allowed"),
    ],
)
def test_countersign_refused(
    world: World, package: Package, who: str, changes: dict[str, str], status: int, words: str
) -> None:
    world.key("olivia")
    world.key("oscar")
    response = browser(world, who).post(address(package, "countersign"), SIGN | changes)
    assert response.status_code == status
    assert words in without_breaks(response)
    assert not CountersignEntry.objects.exists()
    assert not helpers.file(package, ".countersign.json").exists()


def test_countersign_twice(world: World, package: Package) -> None:
    helpers.countersign(world, package)
    response = browser(world, "oscar").post(address(package, "countersign"), SIGN)
    assert response.status_code == 409
    assert "countersigned this package already" in without_breaks(response)


def test_countersign_with_somebody_else_s_key_named(world: World, package: Package) -> None:
    """The form has no place for a key: what is sent beside it is not looked at."""
    other = world.key("olivia").key_id
    world.key("oscar")
    data = SIGN | {"signing_key_id": other, "signer": "olivia"}
    assert browser(world, "oscar").post(address(package, "countersign"), data).status_code == 302
    assert CountersignEntry.objects.get().key == world.key("oscar")


def test_countersign_needs_a_csrf_token(world: World, package: Package) -> None:
    found = Browser(enforce_csrf_checks=True)
    found.force_login(world.user("oscar"))
    world.key("oscar")
    assert found.post(address(package, "countersign"), SIGN).status_code == 403
    assert not CountersignEntry.objects.exists()


@pytest.mark.parametrize(
    ("who", "words"),
    [("olivia", "You made this package"), ("oscar", "You have no active signing key")],
)
def test_what_stands_in_the_way_is_said_before(
    world: World, package: Package, who: str, words: str
) -> None:
    text = page(world, who, address(package, "countersign"), 409)
    assert words in text
    assert "password" not in text.lower().split("<main", 1)[-1]


# --- verify and download --------------------------------------------------------------------------


def test_verify(world: World, package: Package) -> None:
    helpers.countersign(world, package)
    found = browser(world, "audrey")
    text = without_breaks(found.post(address(package, "verify"), {}))
    assert "VALID" in text
    assert "The signed statement is genuine." in text
    assert "A timestamp of an authority: there is none, or nothing to check it by." in text
    path = helpers.file(package)
    path.write_bytes(path.read_bytes().replace(b"strongroom", b"strongro0m", 1))
    text = without_breaks(found.post(address(package, "verify"), {}))
    assert "INVALID" in text
    assert "The signature is not over this file." in text


def test_verify_a_file_that_is_gone(world: World, package: Package) -> None:
    helpers.file(package).unlink()
    response = browser(world, "audrey").post(address(package, "verify"), {})
    assert response.status_code == 200
    assert "its file is gone" in without_breaks(response)


def test_download(world: World, package: Package) -> None:
    found = browser(world, "audrey")
    assert "is recorded" in without_breaks(found.get(address(package, "download")))
    assert helpers.events_of(EventType.EVIDENCE_PACKAGE_DOWNLOADED) == []
    name = f"{package.bundle_id}.zip.sig"
    response = found.post(address(package, "download"), {"file": name})
    raw = b"".join(response.streaming_content)
    assert raw == helpers.file(package, ".zip.sig").read_bytes()
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_DOWNLOADED, package.bundle_id)
    assert event["data"]["sha256"] == digests.sha256_tag(raw)


def test_download_of_something_else(world: World, package: Package) -> None:
    found = browser(world, "audrey")
    response = found.post(address(package, "download"), {"file": "../../etc/passwd"})
    assert response.status_code == 400
    assert helpers.events_of(EventType.EVIDENCE_PACKAGE_DOWNLOADED) == []


def test_read_only(world: World, package: Package, settings: Any) -> None:
    world.key("oscar")
    settings.AUDIT_ENABLED = False
    found = browser(world, "oscar")
    assert found.get(address(package)).status_code == 200
    for act, data in (("countersign", SIGN), ("download", {"file": f"{package.bundle_id}.zip"})):
        assert found.post(address(package, act), data).status_code == 503
    assert found.post(f"{LIST}export/", FORM).status_code == 503


def test_addresses_are_those_of_the_desk(package: Package) -> None:
    assert reverse("admin:evidence_package_change", args=[package.pk]) == address(package)
    assert reverse("admin:evidence_package_export") == f"{LIST}export/"
