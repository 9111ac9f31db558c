"""`POST /api/compliance/packets/verify`: by name, and of files that are sent along."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser

from access.api.parsers import BodyTooLarge
from audit.models import AuditEvent
from evidence.formats.fields import MAX_SIDECAR_BYTES
from reports.api import uploads
from reports.models import Packet
from tests.api.evidence import Caller, fields, problem
from tests.api.packets import PACKETS, VERIFY, file, packing, plan, stored
from tests.factories import World

pytestmark = pytest.mark.django_db
FLAGS = {f"{part}_{what}"
         for part in ("signature", "document", "proofs", "pdf", "countersign", "timestamp")
         for what in ("checked", "valid")}  # fmt: skip


@pytest.fixture
def packet(world: World) -> Packet:
    return stored(world)


@pytest.fixture
def audrey(world: World) -> Caller:
    return Caller(world, "audrey")


def sent(packet: Packet, *suffixes: str) -> dict[str, Any]:
    """Files of the packet, as a form has them."""
    names = {".json": "json", ".json.sig": "json_sig", ".pdf": "pdf", ".pdf.sig": "pdf_sig"}
    return {
        names[suffix]: SimpleUploadedFile(
            f"{packet.name}{suffix}", file(packet, suffix).read_bytes()
        )
        for suffix in suffixes
    }


def codes(told: dict[str, Any]) -> set[str]:
    return {issue["code"] for issue in told["issues"]}


# --- by name --------------------------------------------------------------------------------------


def test_what_is_stored_is_looked_at(audrey: Caller, packet: Packet) -> None:
    """These short files are signed, but no packet; `test_packets_whole` verifies a whole one."""
    answer = audrey.post(VERIFY, {"packet": packet.name})
    told = answer.json()
    assert (answer.status_code, told["verdict"]) == (200, "INVALID")
    assert told.keys() >= FLAGS
    assert told["json_sha256"] == packet.json_sha256
    # The log tells nothing of them either.
    assert codes(told) == {"packet_document_refused", "pdf_refused", "record_event_missing"}
    file(packet, ".json.sig").write_bytes(file(packet, ".pdf.sig").read_bytes())
    told = audrey.post(VERIFY, {"packet": packet.name}).json()
    assert (told["signature_checked"], told["signature_valid"]) == (True, False)
    assert {"signature_invalid", "record_digest_differs"} <= codes(told)
    file(packet, ".json").unlink()
    assert "packet_file_missing" in codes(audrey.post(VERIFY, {"packet": packet.name}).json())


def test_one_that_is_being_made(audrey: Caller, world: World) -> None:
    begun = plan("clinic-001", packing.JANUARY.start, packing.JANUARY.end)
    told = audrey.post(VERIFY, {"packet": begun.name}).json()
    assert told["verdict"] == "INCONCLUSIVE"
    assert "packet_unfinished" in codes(told)


@pytest.mark.parametrize("who", ["ben", "omar", "nobody", "svc-clinic-001"])
def test_whose_it_is_not(world: World, packet: Packet, who: str) -> None:
    problem(Caller(world, who).post(VERIFY, {"packet": packet.name}), 404)


@pytest.mark.parametrize(
    "name", ["../clinic-002/x", "/etc/passwd", "SOC2_Evidence_clinic-001_2026-01-01_2026-01-30"]
)
def test_no_such_packet(audrey: Caller, packet: Packet, name: str) -> None:
    problem(audrey.post(VERIFY, {"packet": name}), 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "packet"),
        ({"packet": ""}, "packet"),
        ({"packet": 1}, "packet"),
        ({"packet": "x" * 161}, "packet"),
        ({"packet": "x", "require_countersign": "no"}, "require_countersign"),
        ({"packet": "x", "path": "y"}, "path"),
    ],
)
def test_what_is_refused_names_the_field(audrey: Caller, body: Any, field: str) -> None:
    assert fields(problem(audrey.post(VERIFY, body), 400)) == {field}


# --- of files -------------------------------------------------------------------------------------


def test_files_are_verified_and_forgotten(audrey: Caller, packet: Packet) -> None:
    events = AuditEvent.objects.count()
    answer = audrey.upload(VERIFY, sent(packet, ".json", ".json.sig", ".pdf", ".pdf.sig"))
    told = answer.json()
    assert (answer.status_code, told["verdict"]) == (200, "INVALID")
    assert codes(told) == {"packet_document_refused", "pdf_refused"}
    assert (told["json_sha256"], told["pdf_sha256"]) == (packet.json_sha256, packet.pdf_sha256)
    assert AuditEvent.objects.count() == events


def test_a_signature_that_is_missing_is_missed(audrey: Caller, packet: Packet) -> None:
    told = audrey.upload(VERIFY, sent(packet, ".json")).json()
    assert told["verdict"] == "INVALID"
    assert "signature_missing" in codes(told)


def test_strangers_files_are_not_looked_into(audrey: Caller) -> None:
    given = {"json": SimpleUploadedFile("x.json", b"{" * 1000), "json_sig": sig(b"AAAA\n")}
    told = audrey.upload(VERIFY, given).json()
    assert told["verdict"] == "INVALID"
    assert codes(told) == {"signature_invalid", "document_not_checked"}
    assert (told["signature_valid"], told["document_valid"], told["proofs_checked"]) == (
        False, False, False,
    )  # fmt: skip


def sig(raw: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("x.sig", raw)


def test_nothing_to_verify(audrey: Caller) -> None:
    assert fields(problem(audrey.upload(VERIFY, {"require_countersign": "true"}), 400)) == {"json"}
    assert fields(problem(audrey.upload(VERIFY, {"zip": sig(b"x")}), 400)) == {"zip"}
    assert fields(problem(audrey.upload(VERIFY, {"json": "text"}), 400)) == {"json"}


def test_who_may_not_have_files_verified(world: World, packet: Packet) -> None:
    problem(Caller(world, "nobody").upload(VERIFY, sent(packet, ".json")), 403)
    problem(Browser().post(VERIFY, sent(packet, ".json")), 401)
    assert Caller(world, "omar").upload(VERIFY, sent(packet, ".json")).status_code == 200


def test_what_is_too_large(audrey: Caller, packet: Packet, settings: Any) -> None:
    large = {
        "json": SimpleUploadedFile("x", b"{}"),
        "json_sig": sig(b"A" * (MAX_SIDECAR_BYTES + 1)),
    }
    body = problem(audrey.upload(VERIFY, large), 413, BodyTooLarge.code)
    assert fields(body) == {"json_sig"}
    settings.EVIDENCE_UPLOAD_MAX_BYTES = 500
    problem(audrey.upload(VERIFY, sent(packet, ".json", ".json.sig")), 413, BodyTooLarge.code)


def test_every_file_of_a_packet_has_a_field(world: World) -> None:
    from dataclasses import fields as members

    from reports.api.bodies import PacketUploadBody
    from reports.formats.verification import PacketFilesGiven

    given = {member.name for member in members(PacketFilesGiven)}
    assert given == set(uploads._LIMITS)
    assert given == set(PacketUploadBody().fields) - {"require_countersign"}


def test_the_address_is_no_packet(audrey: Caller) -> None:
    problem(audrey.get(VERIFY), 405)
    problem(audrey.get(f"{PACKETS}/verify/files/x"), 404)
