"""Artefacts on the desk: list, page with its custody, upload and download."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from audit.events import EventType
from audit.services import holds, sealing
from evidence.models import Artifact
from evidence.services.vault import locks
from tests.admin.test_evidence_admin import browser, page, without_breaks
from tests.api.artifacts import RAW, keep
from tests.factories import World
from tests.services.evidence import deposits, helpers
from tests.services.evidence.vaults import local_vault  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_vault")]
LIST = "/admin/evidence/artifact/"
UPLOAD = f"{LIST}upload/"


def address(artifact: Artifact, act: str = "change") -> str:
    return f"{LIST}{artifact.pk}/{act}/"


def form(**changes: Any) -> dict[str, Any]:
    return {
        "file": SimpleUploadedFile("groups.csv", RAW, content_type="text/csv"),
        "title": "Groups",
        "client_id": "clinic-001",
        "control": "SOC2:CC6.1",
        "month": "days",
        "first_day": "2026-01-01",
        "last_day": "2026-01-31",
        **changes,
    }


# --- looking ----------------------------------------------------------------------------------


def test_list(world: World) -> None:
    empty = page(world, "audrey", LIST)
    assert "Evidence that lives elsewhere" in empty
    artifact = keep(world)
    text = page(world, "audrey", LIST)
    assert artifact.title in text and artifact.sha256[7:19] in text
    assert "CC6.1" in text and "Clinic-001" in text
    assert "Upload an artefact" not in text
    assert "Upload an artefact" in page(world, "olivia", LIST)
    assert artifact.title not in page(world, "ben", LIST)
    assert artifact.title not in page(world, "omar", LIST)
    assert artifact.title in page(world, "audrey", f"{LIST}?control=CC6.1")
    assert artifact.title not in page(world, "audrey", f"{LIST}?control=CC6.2")
    assert artifact.title not in page(world, "audrey", f"{LIST}?control=nonsense")


def test_the_navigation_leads_there(world: World) -> None:
    assert f'href="{LIST}"' in page(world, "audrey", "/admin/")


def test_a_page_tells_the_custody(world: World) -> None:
    artifact = keep(world)
    browser(world, "audrey").post(address(artifact, "download"), {})
    holds.place(actor=world.actor("olivia"), case_id="case 7", reason="Asked for")
    locks.apply_holds(actor=world.actor("olivia"))
    sealing.seal_pending()
    text = page(world, "audrey", address(artifact))
    for words in (
        artifact.sha256[7:],
        "Received",
        "Deposited in the local vault",
        artifact.deposit.folder,
        "Lock changed, state 2",
        "as long as a legal hold is on it: case 7",
        "Downloaded groups.csv",
        "Okta export",
    ):
        assert words in text, words


def test_hostile_words_are_only_words(world: World) -> None:
    script = "<script>alert(1)</script>"
    artifact = keep(world, title=script, origin=script, note=script, file_name=f"{script}.html")
    for text in (page(world, "audrey", LIST), page(world, "audrey", address(artifact))):
        assert script not in text
        assert "&lt;script&gt;" in text


@pytest.mark.parametrize("username", ["ben", "omar"])
def test_others_find_nothing(world: World, username: str) -> None:
    artifact = keep(world)
    page(world, username, address(artifact), 404)
    page(world, username, address(artifact, "download"), 404)
    page(world, "olivia", f"{LIST}{uuid.uuid4()}/change/", 404)


# --- uploading --------------------------------------------------------------------------------


def test_uploading(world: World) -> None:
    text = page(world, "omar", UPLOAD)
    assert 'enctype="multipart/form-data"' in text
    assert "Up to 64 MiB" in text
    response = browser(world, "omar").post(UPLOAD, form(origin="Okta", note="Monthly"))
    artifact = Artifact.objects.get()
    assert response.status_code == 302 and response["Location"] == address(artifact)
    assert (artifact.control_id, artifact.client_id, artifact.account.username) == (
        "CC6.1", "clinic-001", "omar",
    )  # fmt: skip
    assert f"{artifact.period_start:%Y-%m-%d} {artifact.period_end:%Y-%m-%d}" == (
        "2026-01-01 2026-02-01"
    )
    assert deposits.path(artifact.deposit, "groups.csv").read_bytes() == RAW
    assert helpers.events_of(EventType.EVIDENCE_ARTIFACT_RECEIVED, str(artifact.pk))
    assert artifact.title in page(world, "omar", address(artifact))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file": ""}, "This field is required"),
        ({"file": SimpleUploadedFile("a", b"")}, "The file is empty"),
        ({"title": ""}, "This field is required"),
        ({"title": "bell\x07"}, "Control characters are not accepted"),
        ({"control": "SOC2:CC99"}, "not one of the available choices"),
        ({"client_id": "clinic-002"}, "not one of the available choices"),
        ({"client_id": ""}, "not"),
        ({"last_day": "2025-01-01"}, "The end lies after the start"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_is_refused_is_said(world: World, change: dict[str, Any], words: str) -> None:
    response = browser(world, "omar").post(UPLOAD, form(**change))
    assert response.status_code in (400, 403)
    assert words in without_breaks(response)
    assert not Artifact.objects.exists()


def test_too_large(world: World, settings: Any) -> None:
    settings.EVIDENCE_ARTIFACT_MAX_BYTES = 10
    response = browser(world, "olivia").post(UPLOAD, form())
    assert response.status_code == 413
    assert "The file has more than 10 bytes" in without_breaks(response)


def test_without_a_vault(world: World, settings: Any) -> None:
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    assert "There is no vault to keep it in" in page(world, "olivia", UPLOAD, 409)
    assert "Upload an artefact" not in page(world, "olivia", LIST)


@pytest.mark.parametrize(("username", "status"), [("audrey", 403), ("nobody", 403), ("root", 403)])
def test_who_may_not_upload(world: World, username: str, status: int) -> None:
    assert browser(world, username).post(UPLOAD, form()).status_code == status
    assert not Artifact.objects.exists()


# --- taking -----------------------------------------------------------------------------------


def test_downloading(world: World) -> None:
    artifact = keep(world, media_type="text/html", file_name="page.html")
    text = page(world, "audrey", address(artifact, "download"))
    assert artifact.sha256[7:] in text
    response = browser(world, "audrey").post(address(artifact, "download"), {})
    assert b"".join(response.streaming_content) == RAW
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == 'attachment; filename="page.html"'
    assert response["X-Content-Type-Options"] == "nosniff"
    (event,) = helpers.events_of(EventType.EVIDENCE_ARTIFACT_DOWNLOADED, str(artifact.pk))
    assert event["actor"]["id"] == "user:audrey"


def test_an_operator_takes_not_even_his_own(world: World) -> None:
    artifact = keep(world, username="omar")
    assert "Download" not in page(world, "omar", address(artifact))
    assert browser(world, "omar").post(address(artifact, "download"), {}).status_code == 403
