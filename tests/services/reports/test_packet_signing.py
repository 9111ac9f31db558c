"""The installation's signature in PDFs, with a timestamp where there is an authority."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.formats import pdf_reading
from reports.formats.verification import PacketFilesGiven
from reports.models import Packet
from reports.services import signing, verification
from reports.services.errors import SigningKeyChanged
from sealing import digests, timestamps
from tests.factories import World
from tests.servers.tsa import Answer, Authority
from tests.services.reports.packing import JANUARY
from tests.services.reports.plans import plan
from tests.unit.reports import making

pytestmark = pytest.mark.django_db
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def packet(world: World) -> Packet:
    return plan("clinic-001", JANUARY.start, JANUARY.end)


def unsigned(packet: Packet) -> bytes:
    return making.plain_pdf(DIGEST, name=packet.name)


def codes(pdf: bytes) -> set[str]:
    report = verification.check_files(PacketFilesGiven(pdf=pdf))
    assert "pdf_unchanged" in {finding.code for finding in report.findings}
    return {item.code for item in (*report.issues, *report.notes)}


def test_a_retry_gives_the_same_bytes(packet: Packet) -> None:
    signed = signing.sign_pdf(unsigned(packet), packet)
    assert signing.sign_pdf(unsigned(packet), packet) == signed
    assert packet.timestamp_status == "DISABLED"
    found = pdf_reading.read(signed).service
    assert found.signed_at == packet.generated_at.replace(microsecond=0)
    assert found.cms.answer is None
    assert codes(signed) == {
        "countersignature_missing", "json_not_given", "sig_not_given",
    }  # fmt: skip


def test_another_key_than_planned(packet: Packet) -> None:
    packet.signing_key.key_id = "sha256:" + "0" * 64
    with pytest.raises(SigningKeyChanged):
        signing.sign_pdf(unsigned(packet), packet)


def test_a_sig_file_is_one_line(packet: Packet) -> None:
    line = signing.sig_line(b"x")
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert line == signing.sig_line(b"x")


# --- timestamps -----------------------------------------------------------------------------------


@pytest.fixture
def authority(settings: Any, tmp_path: Path) -> Iterator[Authority]:
    """A real one, on this host."""
    found = Authority(tmp_path / "tsa")
    settings.TSA_CERTIFICATES = found.certificates.decode()
    with found.serving():
        settings.TSA_URL = found.url
        yield found


def test_the_signature_carries_a_timestamp(packet: Packet, authority: Authority) -> None:
    signed = signing.sign_pdf(unsigned(packet), packet)
    assert (packet.timestamp_status, authority.asked) == ("OK", 1)
    cms = pdf_reading.read(signed).service.cms
    assert cms.answer is not None
    digest = digests.sha256(cms.signature)
    assert timestamps.check_token(cms.answer, digest, authority.certificates).ok
    assert authority.openssl_verifies(cms.answer, digest, authority.certificates)
    report = verification.check_files(PacketFilesGiven(pdf=signed))
    assert "timestamp_valid" in {finding.code for finding in report.findings}
    both = making.second(signed)
    assert pdf_reading.read(both).service.cms.answer == cms.answer


@pytest.mark.parametrize("fault", ["status", "nothing", "no certificates"])
def test_an_authority_that_fails_holds_nothing_up(
    packet: Packet, authority: Authority, settings: Any, fault: str
) -> None:
    if fault == "no certificates":
        settings.TSA_CERTIFICATES = ""
    else:
        authority.instead = lambda query: Answer(status=500 if fault == "status" else 200)
    signed = signing.sign_pdf(unsigned(packet), packet)
    assert packet.timestamp_status.startswith("FAILED: ")
    assert authority.asked == (0 if fault == "no certificates" else 1)
    assert pdf_reading.read(signed).service.cms.answer is None
    settings.TSA_URL = ""
    assert signing.sign_pdf(unsigned(packet), packet) == signed
