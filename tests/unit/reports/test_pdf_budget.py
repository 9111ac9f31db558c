"""How much of a stranger's PDF is read before anybody vouches for it."""

from __future__ import annotations

import time

import pytest

from reports.formats import pdf_budget, pdf_reading
from reports.formats.check_keys import signer_of
from reports.formats.pdf_budget import Metered, PdfTooComplex
from reports.formats.verification import PacketFilesGiven, verify_packet
from sealing.keys import TrustedKey
from sealing.results import Verdict
from tests.unit.reports import making

SIZE = 4_000_000
FORM = b"/AcroForm << /Fields [] >>"
FIELD = b"<< /T (%s) /FT /Sig /Subtype /Widget /Rect [0 0 0 0] %s>>"


def built(*objects: bytes) -> bytes:
    """A PDF of these objects: the catalog, the information, and others."""
    pdf, places = bytearray(b"%PDF-1.7\n"), []
    for number, raw in enumerate(objects, 1):
        places.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, raw)
    end = len(pdf)
    pdf += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    pdf += b"".join(b"%010d 00000 n \n" % place for place in places)
    pdf += b"trailer\n<< /Size %d /Root 1 0 R /Info 2 0 R /ID [<00><00>] >>\n" % (len(places) + 1)
    return bytes(pdf + b"startxref\n%d\n%%%%EOF\n" % end)


def catalog(held: bytes) -> bytes:
    return built(b"<< /Type /Catalog /X %s %s >>" % (held, FORM), b"<< /Subject (x) >>")


HOSTILE = {
    "numbers": catalog(b"[" + b"1 " * (SIZE // 2) + b"]"),
    "arrays": catalog(b"[" + b"[]" * (SIZE // 2) + b"]"),
    "names": catalog(b"[" + b"/a" * (SIZE // 2) + b"]"),
    "a text": catalog(b"(" + b"a" * SIZE + b")"),
    "space": catalog(b" " * SIZE + b"1"),
    "fields": built(
        b"<< /Type /Catalog /AcroForm << /Fields [%s] >> >>" % (b"3 0 R " * (SIZE // 6)),
        b"<< /Subject (x) >>",
        b"<< /T (a) >>",
    ),
    "a signature": built(
        b"<< /Type /Catalog /AcroForm << /Fields [3 0 R 4 0 R] /SigFlags 3 >> >>",
        b"<< /Subject (x) >>",
        FIELD % (b"Service", b"/V 5 0 R "),
        FIELD % (b"Countersigner", b""),
        b"<< /Type /Sig /Contents <" + b"00" * (SIZE // 2) + b"> >>",
    ),
}


@pytest.mark.parametrize("pdf", HOSTILE.values(), ids=HOSTILE.keys())
def test_large_objects_are_refused_before_they_cost_much(pdf: bytes) -> None:
    began = time.process_time()
    report = verify_packet(PacketFilesGiven(pdf=pdf), making.signers())
    assert time.process_time() - began < 3
    assert {issue.code for issue in report.issues} == {"pdf_too_complex"}
    assert report.verdict is Verdict.INVALID


def test_what_is_read_twice_counts_twice() -> None:
    stream = Metered(b"0123456789", 25)
    for _ in range(2):
        stream.seek(0)
        assert stream.read() == b"0123456789"
    stream.seek(0)
    with pytest.raises(PdfTooComplex):
        stream.read()
    stream.allow(5)
    for _ in range(5):
        assert stream.read(1) == b""  # at its end, where a reader may turn in a circle
    with pytest.raises(PdfTooComplex):
        stream.read(1)


def test_packets_stay_far_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_reading, "OBJECTS_BYTES", pdf_budget.OBJECTS_BYTES // 8)
    assert pdf_reading.read(making.make().countersigned).countersigner is not None


def test_a_sig_file_is_tried_with_keys_for_packets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    verify_digest = TrustedKey.verify_digest

    def counted(key: TrustedKey, signature: bytes, digest: bytes) -> bool:
        asked.append(key.name)
        return verify_digest(key, signature, digest)

    def not_hashed_again(key: TrustedKey, signature: bytes, message: bytes) -> bool:
        raise AssertionError(key.name)

    monkeypatch.setattr(TrustedKey, "verify_digest", counted)
    monkeypatch.setattr(TrustedKey, "verify", not_hashed_again)
    raw, signers = b"a file", making.signers()
    assert signer_of(signers, raw, making.key("officer").sign(raw)) is None
    found = signer_of(signers, raw, making.key("service").sign(raw))
    assert found is not None and found.name == "service"
    assert asked == ["service", "service"]
