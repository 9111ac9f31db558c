"""Timestamps within a PDF's signatures, and what they tell once a key was compromised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reports.formats import pdf_signing
from reports.formats.packet_report import PacketReport
from reports.formats.verification import PacketFilesGiven, verify_packet
from sealing import digests, timestamps
from sealing.keys import TrustedKey
from sealing.results import Verdict
from sealing.times import format_time
from tests.servers.tsa import Authority, make_ca
from tests.unit.reports import making
from tests.unit.reports.making import trusted


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa"))


def stamped(authority: Authority, at: datetime = making.MADE, of: str | None = None) -> bytes:
    """A PDF whose first signature has a timestamp."""
    return making.first(
        making.plain_pdf(of or digests.sha256_tag(making.make().json)),
        at=at,
        timestamper=lambda digest: authority.stamp(timestamps.request_bytes(digest, 7)),
    )


@pytest.fixture(scope="module")
def packet(authority: Authority) -> PacketFilesGiven:
    first = stamped(authority)
    return making.make().with_(
        pdf=first,
        pdf_sig=making.sig(first),
        countersigned=making.second(first),
        countersigned_sig=None,
    )


def codes(report: PacketReport) -> set[str]:
    return {issue.code for issue in report.issues}


def compromised(since: datetime) -> TrustedKey:
    return trusted(
        "service",
        "packet",
        status="compromised",
        not_after=format_time(since),
        compromised_at=format_time(since),
    )


def test_it_is_checked_where_an_authority_is_named(
    packet: PacketFilesGiven, authority: Authority
) -> None:
    report = verify_packet(packet, making.signers(), tsa_certificates=authority.certificates)
    assert report.verdict is Verdict.VALID, report.issues
    assert report.as_dict()["timestamp_valid"]
    unnamed = verify_packet(packet, making.signers(), tsa_certificates=None)
    assert unnamed.verdict is Verdict.VALID
    assert "timestamp_not_checked" in {note.code for note in unnamed.notes}
    assert not unnamed.as_dict()["timestamp_checked"]


def test_one_of_an_authority_that_is_not_trusted(packet: PacketFilesGiven) -> None:
    assert codes(
        verify_packet(packet, making.signers(), tsa_certificates=make_ca("Stranger").pem)
    ) == {"timestamp_invalid"}


def test_a_key_that_was_compromised_later(packet: PacketFilesGiven, authority: Authority) -> None:
    entry = compromised(datetime.now(UTC) + timedelta(days=1))
    report = verify_packet(packet, making.signers(entry), tsa_certificates=authority.certificates)
    assert report.verdict is Verdict.VALID, report.issues
    unsure = verify_packet(packet, making.signers(entry), tsa_certificates=None)
    assert unsure.verdict is Verdict.INCONCLUSIVE
    assert codes(unsure) == {"timestamp_needed"}


def test_a_key_that_was_compromised_before(packet: PacketFilesGiven, authority: Authority) -> None:
    entry = compromised(datetime.now(UTC) - timedelta(days=1))
    assert "key_compromised" in codes(
        verify_packet(packet, making.signers(entry), tsa_certificates=authority.certificates)
    )


def test_a_timestamp_older_than_the_signature(authority: Authority) -> None:
    later = datetime.now(UTC) + timedelta(days=2)
    pdf = stamped(authority, at=later, of="sha256:" + "a" * 64)
    report = verify_packet(
        PacketFilesGiven(pdf=pdf), making.signers(), tsa_certificates=authority.certificates
    )
    assert "timestamp_before_signature" in codes(report)


def test_an_answer_that_can_not_be_read() -> None:
    with pytest.raises(pdf_signing.PdfRefused):
        making.first(making.plain_pdf("sha256:" + "a" * 64), timestamper=lambda digest: b"no")
