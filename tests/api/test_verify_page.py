"""The public page: a verdict for whoever has files, and nothing that stays behind."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client as Browser

from evidence import public
from evidence.models import Package
from evidence.services import checking
from sealing import digests
from tests.factories import World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db
PAGE = "/verify/"
SIDECARS = (".zip.sig", ".signature.json", ".countersign.json")


@pytest.fixture
def package(world: World) -> Package:
    helpers.some_events()
    found = helpers.export(world, note="Quarterly review")
    helpers.countersign(world, found)
    return found


def files(package: Package, *suffixes: str, changes: Mapping[str, bytes | None] = {}) -> Any:
    """The package and its sidecars by name, with some replaced or left out."""
    raw: dict[str, bytes | None] = {
        f"{package.bundle_id}{suffix}": helpers.file(package, suffix).read_bytes()
        for suffix in suffixes or (".zip", *SIDECARS)
    }
    raw |= {f"{package.bundle_id}{suffix}": data for suffix, data in changes.items()}
    return [SimpleUploadedFile(name, data) for name, data in raw.items() if data is not None]


def send(given: Any, status: int = 200, browser: Browser | None = None) -> str:
    """The answer to these files, without places where words may be broken."""
    response = (browser or Browser()).post(PAGE, {"files": given})
    assert response.status_code == status, response.content.decode()
    text: str = response.content.decode()
    return text.replace("<wbr>", "")


# --- verdicts -------------------------------------------------------------------------------------


def test_the_page_is_open_to_everybody() -> None:
    response = Browser().get(PAGE)
    text = response.content.decode()
    assert response.status_code == 200
    assert "strongroom.test/audit" in text
    assert 'enctype="multipart/form-data"' in text
    assert response["Cache-Control"] == "no-store"
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "sessionid" not in response.cookies


def test_valid(package: Package) -> None:
    text = send(files(package))
    assert "<span>VALID</span>" in text
    for known in (
        package.package_sha256,
        package.bundle_id,
        "clinic-001",
        "Quarterly review",
        "The signed statement is genuine.",
        "reviewed and approved",
        "Not checked",
        "none was sent, or none could be checked",
        "Whether anything was left out",
    ):
        assert known in text, known
    assert "Some files were not sent" not in text


@pytest.mark.parametrize("suffix", SIDECARS)
def test_a_missing_file_is_named(package: Package, suffix: str) -> None:
    text = send(files(package, changes={suffix: None}))
    assert "<span>INVALID</span>" in text
    assert "Some files were not sent" in text


def test_one_changed_byte(package: Package) -> None:
    raw = bytearray(helpers.file(package).read_bytes())
    raw[len(raw) // 2] ^= 1
    text = send(files(package, changes={".zip": bytes(raw)}))
    assert "<span>INVALID</span>" in text
    assert "none of this may be relied upon" in text or "What the package says" not in text


@pytest.mark.parametrize("data", [b"", b"PK", b"%PDF-1.7 not a package"], ids=["no", "cut", "pdf"])
def test_what_is_damaged_gets_its_verdict(package: Package, data: bytes) -> None:
    assert "<span>INVALID</span>" in send(files(package, changes={".zip": data}))


def test_the_lines_of_what_nobody_signed_are_not_read(package: Package) -> None:
    text = send(files(package, ".zip", ".countersign.json"))
    assert "<span>INVALID</span>" in text
    assert "The package needs a signature, and has none." in text
    assert "The log lines and their proof were not looked at" in text
    assert "The service’s signature over the bytes" in text.split("Some files were not sent")[1]
    assert "none of this may be relied upon" in text


def test_a_timestamp_that_nobody_can_check_is_told(package: Package) -> None:
    text = send(files(package, changes={".tsr": b"no token"}))
    assert "<span>VALID</span>" in text
    assert "The timestamp beside the package was not checked" in text


def test_a_cut_package(package: Package) -> None:
    raw = helpers.file(package).read_bytes()
    assert "<span>INVALID</span>" in send(files(package, changes={".zip": raw[:-10]}))


def test_names_as_browsers_and_vaults_make_them(package: Package) -> None:
    def named(suffix: str, name: str) -> SimpleUploadedFile:
        return SimpleUploadedFile(name, helpers.file(package, suffix).read_bytes())

    given = [
        named(".zip", f"{package.bundle_id} (1).zip"),
        named(".zip.sig", f"{package.bundle_id}.zip (1).sig"),
        named(".signature.json", f"{package.bundle_id}.signature (2).json"),
        SimpleUploadedFile(f"{package.bundle_id}.countersign-0001.json", b"an earlier state"),
        named(".countersign.json", f"{package.bundle_id}.countersign-0002.json"),
        SimpleUploadedFile(f"{package.bundle_id}.worm-lock-0001.json", b"{}"),
    ]
    text = send(given)
    assert "<span>VALID</span>" in text
    ignored = text.split("Not looked at")[1].split("</dl>")[0]
    assert "countersign-0001.json" in ignored
    assert "worm-lock-0001.json" in ignored


def test_what_files_are_called_can_not_inject(package: Package) -> None:
    extra = SimpleUploadedFile("<script>alert(1)</script>.txt", b"x")
    text = send([*files(package), extra])
    assert "<script>alert" not in text


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "No file was chosen."),
        (["report.txt"], "There is no package among the files"),
        (["a.zip.sig", "a.signature.json"], "There is no package among the files"),
        (["a.zip.enc"], "an encrypted copy from a vault"),
        (["a.zip", "b.zip"], "Two files are each the package: a.zip and b.zip."),
    ],
    ids=["none", "other", "sidecars", "encrypted", "two"],
)
def test_choices_that_do_not_do(names: list[str], words: str) -> None:
    text = send([SimpleUploadedFile(name, b"x") for name in names], 400)
    assert words in text
    assert "this says nothing about the package" in text
    assert 'class="verdict' not in text


def test_a_sidecar_that_is_too_large(package: Package) -> None:
    big = b"x" * ((1 << 20) + 1)
    assert "1 MiB" in send(files(package, changes={".zip.sig": big}), 413)


def test_too_large_altogether_is_refused_before_it_is_read(
    package: Package, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EVIDENCE_UPLOAD_MAX_BYTES = 2000

    def not_read(*args: Any) -> None:
        raise AssertionError("the body was read")

    monkeypatch.setattr(public, "NamelessUploadHandler", not_read)
    assert "2 KiB together" in send(files(package), 413)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x", 400),
        (b"no boundary", "multipart/form-data", 400),
        (b"files=x", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 400),
    ],
    ids=["cut", "boundary", "form", "json"],
)
def test_bodies_that_are_no_files(body: bytes, kind: str, status: int) -> None:
    response = Browser().post(PAGE, body, content_type=kind)
    assert response.status_code == status
    assert "this says nothing about the package" in response.content.decode()


def test_other_methods() -> None:
    assert Browser().put(PAGE).status_code == 405
    assert Browser().delete(PAGE).status_code == 405


def test_it_needs_the_form_s_token(package: Package) -> None:
    browser = Browser(enforce_csrf_checks=True)
    assert browser.post(PAGE, {"files": files(package)}).status_code == 403
    token = browser.get(PAGE).context["csrf_token"]
    given = {"files": files(package), "csrfmiddlewaretoken": str(token)}
    response = browser.post(PAGE, given)
    assert response.status_code == 200
    assert b"<span>VALID</span>" in response.content


def test_one_address_may_ask_so_often_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public.VerifyThrottle, "rate", "3/min")
    for _ in range(3):
        send([], 400)
    response = Browser().post(PAGE, {"files": []})
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 60
    assert "Too many packages were sent from your address" in response.content.decode()
    assert Browser(REMOTE_ADDR="192.0.2.7").post(PAGE, {"files": []}).status_code == 400
    assert Browser().get(PAGE).status_code == 200


def test_one_package_at_a_time(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "WAIT_SECONDS", 0.01)
    given = files(package)
    with public._turn:
        response = Browser().post(PAGE, {"files": given})
    assert (response.status_code, response["Retry-After"]) == (503, "30")
    assert "this says nothing about the package" in response.content.decode()
    assert "<span>VALID</span>" in send(files(package))


def test_a_read_only_installation_verifies(package: Package, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    assert "<span>VALID</span>" in send(files(package))


# --- nothing stays --------------------------------------------------------------------------------


def rows() -> dict[str, int]:
    """How many rows each table has."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        counts = {}
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            counts[table] = cursor.fetchone()[0]
    return counts


def listing(folder: Path) -> set[tuple[str, int, int]]:
    """Every file below a folder, with its size and time."""
    return {(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "officer"])
def test_nothing_is_stored_or_logged(
    world: World,
    package: Package,
    settings: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    signed_in: bool,
) -> None:
    browser = Browser()
    if signed_in:
        browser.force_login(world.user("oscar"))
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "uploads")
    (tmp_path / "uploads").mkdir()
    # The package is a foreign one: its digest is known to nobody here.
    raw = helpers.file(package).read_bytes().replace(b"strongroom", b"strongro0m", 1)
    name = "what-nobody-should-keep.zip"
    caplog.set_level(logging.DEBUG)
    before = rows(), listing(tmp_path)
    for given in ([SimpleUploadedFile(name, raw)], [SimpleUploadedFile(f"{name}.txt", raw)]):
        response = browser.post(PAGE, {"files": given})
        assert response.status_code in (200, 400)
        response.wsgi_request.close()
    assert (rows(), listing(tmp_path)) == before
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "what-nobody-should-keep" not in logged
    assert digests.sha256_tag(raw).partition(":")[2] not in logged


def test_a_large_package_lies_in_a_file_without_a_name(
    package: Package, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evidence.public_files.IN_MEMORY_BYTES", 100)
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "uploads")
    (tmp_path / "uploads").mkdir()
    seen: list[Any] = []
    check = checking.check_bytes

    def looked_at(data: Any, **rest: Any) -> Any:
        seen.append((type(data).__name__, list((tmp_path / "uploads").iterdir())))
        return check(data, **rest)

    monkeypatch.setattr(checking, "check_bytes", looked_at)
    assert "<span>VALID</span>" in send(files(package))
    assert seen == [("mmap", [])]
