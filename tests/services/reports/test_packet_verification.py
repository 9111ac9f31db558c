"""Packets as they are made, signed and countersigned here, verified from files and records."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from audit.services import keys
from reports.formats.verification import PacketFilesGiven
from reports.models import Packet
from reports.services import verification, writing
from reports.services.errors import PacketNotFound, RequestRefused
from sealing.errors import Forbidden
from sealing.results import Verdict
from tests.factories import World
from tests.services.reports import packing
from tests.tools import require_tool

pytestmark = pytest.mark.django_db


@pytest.fixture
def packet(world: World, local_vault: Path, rendered_here: None) -> Packet:
    return packing.make(world)


def uploaded(packet: Packet) -> PacketFilesGiven:
    """What somebody has who took every file."""
    raw = packing.working_files(packet)
    return PacketFilesGiven(
        json=raw[".json"],
        json_sig=raw[".json.sig"],
        pdf=raw[".pdf"],
        pdf_sig=raw[".pdf.sig"],
        countersigned=raw.get(".countersigned.pdf"),
        countersigned_sig=raw.get(".countersigned.pdf.sig"),
    )


def test_a_packet_from_its_making_to_its_countersignature(world: World, packet: Packet) -> None:
    actor = world.actor("audrey")
    before = verification.verify_stored(actor=actor, name=packet.name)
    assert before.verdict is Verdict.INVALID
    assert {issue.code for issue in before.issues} == {"countersignature_missing"}
    assert before.awaits_countersignature

    packing.countersign(world, packet)
    after = verification.verify_stored(actor=actor, name=packet.name)
    assert after.verdict is Verdict.VALID, after.issues
    assert after.countersigner is not None
    assert after.countersigner.person == str(world.person("oscar").pk)

    sent = verification.verify_upload(actor=actor, files=uploaded(packet))
    assert sent.verdict is Verdict.VALID, sent.issues
    assert sent.pdf_sha256 == packet.countersignature.pdf_sha256

    require_tool("pdfsig")
    path = writing.file_of(packet, f"{packet.name}.countersigned.pdf")
    told = subprocess.run(["pdfsig", path], capture_output=True, text=True, check=False).stdout
    assert told.count("Signature is Valid.") == 2
    assert "Total document signed" in told.partition("Signature #2")[2]

    merged = world.person("oscar")
    merged.merged_into = packet.maker
    merged.save(update_fields=["merged_into"])
    one = verification.check(packet)
    assert {issue.code for issue in one.issues} == {"countersigner_is_maker"}


def test_what_lies_there_is_not_what_was_recorded(world: World, packet: Packet) -> None:
    path = writing.file_of(packet, f"{packet.name}.pdf")
    raw = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(raw + b"\n")
    codes = {issue.code for issue in verification.check(packet).issues}
    assert {"record_digest_differs", "pdf_not_covered", "signature_invalid"} <= codes
    path.unlink()
    assert "packet_file_missing" in {issue.code for issue in verification.check(packet).issues}
    extra = writing.file_of(packet, f"{packet.name}.countersigned.pdf")
    extra.write_bytes(raw)
    assert "record_missing" in {issue.code for issue in verification.check(packet).issues}


def test_a_key_that_was_compromised_since(world: World, packet: Packet) -> None:
    packet.signing_key.refresh_from_db()
    keys.mark_compromised(
        actor=world.actor("alice"),
        key=packet.signing_key,
        compromised_at=timezone.now() - timedelta(microseconds=1),
    )
    codes = {issue.code for issue in verification.check(packet).issues}
    assert "key_compromised" in codes


def test_whom_it_answers(world: World, packet: Packet) -> None:
    with pytest.raises(PacketNotFound):
        verification.verify_stored(actor=world.actor("audrey"), name="SOC2_Evidence_no_such")
    with pytest.raises(PacketNotFound):
        verification.verify_stored(actor=world.actor("ben"), name=packet.name)
    with pytest.raises(RequestRefused, match="at least one file"):
        verification.verify_upload(actor=world.actor("audrey"), files=PacketFilesGiven())


def test_verifying_needs_a_role(world: World) -> None:
    with pytest.raises(Forbidden):
        verification.verify_upload(
            actor=world.actor("nobody"), files=PacketFilesGiven(json=b"{}\n")
        )
