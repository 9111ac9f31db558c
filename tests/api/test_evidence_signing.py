"""`POST /compliance/evidence/countersign` and `/verify`; the package checked by openssl."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from audit.events import EventType
from evidence.models import CountersignEntry, Package
from tests.api.evidence import COUNTERSIGN, VERIFY, Caller, fields, helpers, problem
from tests.factories import World

pytestmark = pytest.mark.django_db
NOWHERE = "clinic-001/evidence_20000101T000000Z_00000000.zip"


@pytest.fixture
def package(world: World) -> Package:
    helpers.some_events()
    return helpers.export(world)


def test_from_export_to_verification(world: World) -> None:
    helpers.some_events()
    path = Caller(world, "olivia").export().json()["package_path"]
    answer = Caller(world, "oscar").countersign(path, note="Read")
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert told["countersign_path"] == path.replace(".zip", ".countersign.json")
    assert told["entry_count"] == 1
    assert told["last_entry"]["signer"] == "oscar"
    assert told["last_entry"]["note"] == "Read"
    verdict = Caller(world, "audrey").verify(path, require_countersign=True).json()
    assert verdict == {
        "package_path": path,
        "package_exists": True,
        "package_sha256": told["package_sha256"],
        "manifest_exists": True,
        "manifest_valid": True,
        "signature_checked": True,
        "signature_valid": True,
        "countersign_checked": True,
        "countersign_valid": True,
        "countersign_count": 1,
        "mac_checked": False,
        "mac_valid": False,
        "timestamp_checked": False,
        "timestamp_valid": False,
        "proofs_checked": True,
        "proofs_valid": True,
        "verdict": "VALID",
        "issues": [],
        "message": "Everything that was checked is as it must be.",
    }


def test_openssl_accepts_what_the_service_signed(
    world: World, package: Package, client: Any, tmp_path: Path
) -> None:
    """With the key that anybody can fetch; and refuses after one flipped byte."""
    (tmp_path / "key.pem").write_bytes(client.get("/api/compliance/public-key").content)
    sig = base64.b64decode(helpers.file(package, ".zip.sig").read_bytes())
    (tmp_path / "sig.bin").write_bytes(sig)
    data = helpers.file(package).read_bytes()

    def openssl(raw: bytes) -> subprocess.CompletedProcess[str]:
        (tmp_path / "package.zip").write_bytes(raw)
        command = "openssl dgst -sha256 -verify key.pem -signature sig.bin package.zip"
        return subprocess.run(
            command.split(), cwd=tmp_path, capture_output=True, text=True, check=False
        )

    done = openssl(data)
    assert (done.returncode, done.stdout) == (0, "Verified OK\n")
    flipped = data[:200] + bytes([data[200] ^ 1]) + data[201:]
    done = openssl(flipped)
    assert done.returncode != 0
    assert "Verification failure" in done.stdout + done.stderr


# --- countersign ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "changes", "status", "code"),
    [
        ("olivia", {}, 403, "countersigner_is_maker"),
        ("olivia2", {"signing_key_id": "olivia"}, 403, "countersigner_is_maker"),
        ("oscar", {"signing_key_id": "olivia"}, 403, "key_is_not_yours"),
        ("oscar", {"signer": "olivia"}, 403, "signer_is_not_you"),
        ("oscar", {"password": "guess"}, 403, "reauthentication_failed"),
        ("alice", {"signing_key_id": "oscar"}, 403, "forbidden"),
        ("audrey", {"signing_key_id": "oscar"}, 403, "forbidden"),
        ("omar", {"signing_key_id": "oscar"}, 403, "forbidden"),
        ("svc-clinic-001", {"signing_key_id": "oscar"}, 403, "forbidden"),
        ("ben", {}, 404, "not_found"),
        ("nobody", {"signing_key_id": "oscar"}, 404, "not_found"),
        ("root", {"signing_key_id": "oscar"}, 404, "not_found"),
    ],
)
def test_who_may_not(
    world: World, package: Package, who: str, changes: dict[str, str], status: int, code: str
) -> None:
    if "signing_key_id" in changes:
        changes = {**changes, "signing_key_id": world.key(changes["signing_key_id"]).key_id}
    response = Caller(world, who).countersign(package.package_path, **changes)
    problem(response, status, code)
    assert not CountersignEntry.objects.exists()
    assert not helpers.file(package, ".countersign.json").exists()


def test_not_twice(world: World, package: Package) -> None:
    oscar = Caller(world, "oscar")
    assert oscar.countersign(package.package_path).status_code == 200
    problem(oscar.countersign(package.package_path), 409, "already_countersigned")


def test_a_damaged_package(world: World, package: Package) -> None:
    path = helpers.file(package)
    path.write_bytes(path.read_bytes() + b"\0")
    problem(Caller(world, "oscar").countersign(package.package_path), 409, "package_not_valid")


@pytest.mark.parametrize(
    "path",
    [NOWHERE, "clinic-002/x.zip", "../x.zip", "/etc/passwd", "clinic-001/../../etc/passwd", "x"],
)
def test_paths_that_are_none(world: World, path: str) -> None:
    problem(Caller(world, "oscar").countersign(path), 404, "not_found")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("countersign_path", {"countersign_path": "clinic-001/x.countersign.json"}),
        ("countersign_path", {"countersign_path": "/tmp/x.countersign.json"}),
        ("package_path", {"package_path": ""}),
        ("package_path", {"package_path": None}),
        ("package_path", {"package_path": ["x"]}),
        ("signer", {"signer": None}),
        ("password", {"password": None}),
        ("meaning", {"meaning": ""}),
        ("note", {"note": "\x07"}),
        ("person", {"person": "x"}),
    ],
)
def test_fields(world: World, package: Package, field: str, changes: dict[str, Any]) -> None:
    path = changes.pop("package_path", package.package_path)
    response = Caller(world, "oscar").countersign(path, **changes)
    assert field in fields(problem(response, 400))


def test_the_password_is_needed(world: World, package: Package) -> None:
    body = {
        "package_path": package.package_path,
        "signer": "oscar",
        "signing_key_id": world.key("oscar").key_id,
    }
    assert fields(problem(Caller(world, "oscar").post(COUNTERSIGN, body), 400)) == {"password"}


def test_no_secret_in_answers_and_events(world: World, package: Package) -> None:
    oscar = Caller(world, "oscar")
    answer = oscar.countersign(package.package_path, password="hunter2hunter2", signing_secret="s3")
    assert b"hunter2" not in answer.content
    for event in helpers.AuditEvent.objects.values_list("event", flat=True):
        assert "hunter2" not in event
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_COUNTERSIGN_REFUSED)
    assert event["data"]["code"] == "reauthentication_failed"


def test_read_only(world: World, package: Package, settings: Any) -> None:
    oscar = Caller(world, "oscar")
    world.key("oscar")
    settings.AUDIT_ENABLED = False
    problem(oscar.countersign(package.package_path), 503, "audit_disabled")
    assert oscar.verify(package.package_path).json()["verdict"] == "INVALID"


# --- verify --------------------------------------------------------------------------------------


def test_removed_countersignature(world: World, package: Package) -> None:
    told = Caller(world, "audrey").verify(package.package_path).json()
    assert told["verdict"] == "INVALID"
    assert [issue["code"] for issue in told["issues"]] == ["countersignature_missing"]


@pytest.mark.parametrize("suffix", [".zip.sig", ".signature.json"])
def test_removed_signature(world: World, package: Package, suffix: str) -> None:
    helpers.file(package, suffix).unlink()
    told = Caller(world, "audrey").verify(package.package_path).json()
    assert (told["verdict"], told["signature_valid"]) == ("INVALID", False)


def test_in_scope_without_a_file(world: World) -> None:
    response = Caller(world, "audrey").verify(NOWHERE)
    told = response.json()
    assert (response.status_code, told["package_exists"]) == (200, False)
    assert told["verdict"] == "INCONCLUSIVE"
    assert told["package_sha256"] is None


@pytest.mark.parametrize(
    "path",
    [
        NOWHERE.replace("clinic-001", "clinic-002"),
        NOWHERE.replace("clinic-001", "platform"),
        NOWHERE.replace("clinic-001", "clinic-999"),
        "../" + NOWHERE,
        "/" + NOWHERE,
        "/etc/passwd",
        "clinic-001/../clinic-002/" + NOWHERE.partition("/")[2],
    ],
)
def test_out_of_scope(world: World, path: str) -> None:
    problem(Caller(world, "audrey").verify(path), 404)


def test_another_client_s_file_and_none_give_one_answer(world: World, package: Package) -> None:
    ben = Caller(world, "ben")
    there, nowhere = ben.verify(package.package_path), ben.verify(NOWHERE)
    body, other = problem(there, 404), problem(nowhere, 404)
    del body["instance"], other["instance"]
    assert body == other


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("signature_path", {"signature_path": "/etc/passwd"}),
        ("signature_path", {"signature_path": "clinic-002/" + NOWHERE.partition("/")[2]}),
        ("countersign_path", {"countersign_path": "../x.countersign.json"}),
        ("require_countersign", {"require_countersign": "maybe"}),
        ("signing_secret", {"signing_secret": ["x"]}),
        ("extra", {"extra": 1}),
    ],
)
def test_fields_of_verify(
    world: World, package: Package, field: str, changes: dict[str, Any]
) -> None:
    response = Caller(world, "audrey").verify(package.package_path, **changes)
    assert field in fields(problem(response, 400))


@pytest.mark.parametrize("raw", ['{"package_path":"a\\u0000"}', '{"package_path":"\\ud800"}', "[]"])
def test_naughty_bodies(world: World, raw: str) -> None:
    problem(Caller(world, "audrey").post(VERIFY, raw), 400)


def test_secrets_that_do_not_fit(world: World, settings: Any) -> None:
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = b"shared"
    path = helpers.export(world, required_countersignatures=0).package_path
    audrey = Caller(world, "audrey")
    own = audrey.verify(path).json()
    assert (own["mac_checked"], own["mac_valid"], own["verdict"]) == (True, True, "VALID")
    wrong = audrey.verify(path, signing_secret="other").json()
    assert (wrong["mac_checked"], wrong["mac_valid"], wrong["verdict"]) == (True, False, "INVALID")
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = b"rotated"
    rotated = audrey.verify(path).json()
    assert (rotated["mac_valid"], rotated["verdict"]) == (False, "VALID")


def uploads(found: Package, **changes: bytes | None) -> dict[str, Any]:
    suffixes = {
        "package": ".zip",
        "sig": ".zip.sig",
        "signature": ".signature.json",
        "countersign": ".countersign.json",
    }
    raw = {name: helpers.file(found, suffix).read_bytes() for name, suffix in suffixes.items()}
    given = {name: data for name, data in {**raw, **changes}.items() if data is not None}
    return {name: SimpleUploadedFile(f"{name}.bin", data) for name, data in given.items()}


@pytest.mark.parametrize("large", [False, True])
def test_upload(world: World, package: Package, settings: Any, large: bool) -> None:
    helpers.countersign(world, package)
    if large:
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    audrey = Caller(world, "audrey")
    told = audrey.upload(VERIFY, uploads(package) | {"require_countersign": "true"}).json()
    assert (told["verdict"], told["countersign_count"]) == ("VALID", 1), told
    assert told["package_sha256"] == package.package_sha256
    stamp = SimpleUploadedFile("package.tsr", b"no timestamp")
    told = audrey.upload(VERIFY, uploads(package) | {"timestamp": stamp}).json()
    assert (told["verdict"], told["timestamp_checked"]) == ("VALID", False)
    assert "The timestamp beside the package was not checked" in told["message"]
    sig = b"AAAA\n"
    assert audrey.upload(VERIFY, uploads(package, sig=sig)).json()["verdict"] == "INVALID"
    assert audrey.upload(VERIFY, uploads(package, sig=None)).json()["verdict"] == "INVALID"
    assert audrey.upload(VERIFY, uploads(package, package=b"")).json()["verdict"] == "INVALID"
    unsigned = audrey.upload(VERIFY, uploads(package, sig=None, signature=None)).json()
    codes = {issue["code"] for issue in unsigned["issues"]}
    assert unsigned["verdict"] == "INVALID"
    assert {"signature_missing", "lines_not_checked"} <= codes


def test_uploads_are_limited(world: World, package: Package, settings: Any) -> None:
    helpers.countersign(world, package)
    audrey = Caller(world, "audrey")
    big = b"x" * ((1 << 20) + 1)
    problem(audrey.upload(VERIFY, uploads(package, signature=big)), 413)
    settings.EVIDENCE_UPLOAD_MAX_BYTES = 1000
    problem(audrey.upload(VERIFY, uploads(package)), 413)


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "package"), ({"package": "text"}, "package"), ({"more": "x"}, "more")],
)
def test_uploads_that_are_none(world: World, body: dict[str, Any], field: str) -> None:
    refused = problem(Caller(world, "audrey").upload(VERIFY, body), 400)
    assert field in fields(refused)


def test_malformed_multipart(world: World) -> None:
    audrey = Caller(world, "audrey")
    response = audrey.http.post(
        VERIFY, data=b"--x\r\nbroken", content_type="multipart/form-data", headers=audrey.headers
    )
    problem(response, 400)


def test_another_media_type(world: World) -> None:
    audrey = Caller(world, "audrey")
    response = audrey.http.post(
        VERIFY, data=b"<x/>", content_type="application/xml", headers=audrey.headers
    )
    problem(response, 415)
