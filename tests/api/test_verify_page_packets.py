"""Packets on the public page: the verdict on its files, and choices that do not do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser

from access import tokens
from audit.services import keys
from evidence import public
from reports.formats.verification import PacketFilesGiven
from tests.api.test_verify_page import send
from tests.cli.packets import SUFFIXES
from tests.factories import World
from tests.unit.reports import making

pytestmark = pytest.mark.django_db
VERIFY = "/compliance/evidence/verify"


@pytest.fixture(autouse=True)
def trusted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of packets made in memory are those of this installation."""
    monkeypatch.setattr(keys, "signers", making.signers)


def files(given: PacketFilesGiven, extra: Mapping[str, bytes] = {}) -> Any:
    """What somebody drops on the page."""
    raw = {
        f"{making.NAME}{suffix}": getattr(given, field)
        for field, suffix in SUFFIXES.items()
        if getattr(given, field) is not None
    }
    return [SimpleUploadedFile(name, data) for name, data in {**raw, **extra}.items()]


def test_a_whole_packet() -> None:
    made = making.make()
    text = send(files(made.files))
    assert "<span>VALID</span>" in text
    for known in (
        making.NAME, "clinic-001", "officer", "reviewed and approved", "The countersigned PDF",
        "nothing but the second signature came after the first",
        "Not checked", "that takes the whole log", "What a packet says of itself",
    ):  # fmt: skip
        assert known in text, known
    assert "Some files were not sent" not in text


def test_a_pdf_alone() -> None:
    text = send(files(PacketFilesGiven(countersigned=making.make().countersigned)))
    assert "<span>VALID</span>" in text
    assert "The JSON packet: it was not given" in text


def test_what_was_not_sent_is_named() -> None:
    made = making.make()
    text = send(files(made.with_(json_sig=None, countersigned=None, countersigned_sig=None)))
    assert "<span>INVALID</span>" in text
    assert "Some files were not sent" in text
    assert "<li>The signature over the JSON packet</li>" in text
    assert "<li>The countersigned PDF</li>" in text


def test_a_changed_pdf() -> None:
    made = making.make()
    text = send(files(made.with_(countersigned=made.countersigned + b"\n")))
    assert "<span>INVALID</span>" in text and "pdf_not_covered" in text


def test_a_renamed_download() -> None:
    made = making.make()
    given = [
        SimpleUploadedFile("Packet (2).pdf", made.countersigned),
        SimpleUploadedFile("Packet.pdf (1).sig", making.sig(made.countersigned)),
    ]
    text = send(given)
    assert "<span>VALID</span>" in text


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.zip", "b.pdf"], "a.zip and b.pdf are not of one kind."),
        (["a.pdf", "a.zip.sig"], "are not of one kind."),
        (["a.pdf", "b.pdf"], "Two files are each the pdf: a.pdf and b.pdf."),
        (["other.json"], "There is no package among the files"),
    ],
    ids=["package and packet", "packet and sidecar", "two PDFs", "no packet's name"],
)
def test_choices_that_do_not_do(names: list[str], words: str) -> None:
    text = send([SimpleUploadedFile(name, b"x") for name in names], 400)
    assert words in text
    assert 'class="verdict' not in text


def test_a_signature_that_is_too_large() -> None:
    made = making.make()
    big = making.sig(b"x") * 4000
    assert "1 MiB" in send(files(made.with_(pdf_sig=big)), 413)


def test_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "WAIT_SECONDS", 0.01)
    with public._turn:
        text = send(files(making.make().files), 503)
    assert "Another package is being verified" in text
    assert "<span>VALID</span>" in send(files(making.make().files))


def test_the_door_for_packages_names_the_one_for_packets(world: World) -> None:
    token = tokens.issue(world.user("audrey")).access
    response = Browser().post(
        VERIFY,
        {"package": SimpleUploadedFile(f"{making.NAME}.pdf", making.make().pdf)},
        headers={"authorization": f"Bearer {token}"},
    )
    assert response.status_code == 400
    assert "/api/compliance/packets/verify" in response.content.decode()
    assert "not_a_package" in response.content.decode()
