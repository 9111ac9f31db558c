"""Signing PDFs: what is added, what stays, and what is refused."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from reports.formats import certificates, pdf_reading, pdf_signing
from reports.formats.certificates import Subject, Validity
from reports.formats.pdf_errors import CertificateRefused, KeyUnsuitable, PdfRefused
from sealing.keys import ED25519, RSA_SHA256
from sealing.signers.local import LocalSigner
from tests.tools import require_tool
from tests.unit.reports import making
from tests.unit.reports.making import MADE, SIGNED

PLAIN = making.plain_pdf("sha256:" + "a" * 64)


def test_every_step_only_adds() -> None:
    prepared = pdf_signing.prepare(PLAIN)
    once = making.first(PLAIN)
    twice = making.second(once)
    assert prepared.startswith(PLAIN)
    assert once.startswith(prepared)
    assert twice.startswith(once)


def test_the_services_signature_is_the_same_for_the_same_input() -> None:
    assert making.first(PLAIN) == making.first(PLAIN)


def test_what_was_signed_can_be_read_again() -> None:
    both = making.second(making.first(PLAIN))
    found = pdf_reading.read(both)
    assert found.json_sha256 == "sha256:" + "a" * 64
    assert found.packet_id == making.NAME
    assert found.service.signed_at == MADE.replace(microsecond=0)
    assert found.service.cms.key_id == making.key("service").key_id
    assert found.service.reason == f"Made packet {making.NAME}"
    assert found.countersigner is not None
    assert found.countersigner.signed_at == SIGNED
    assert found.countersigner.cms.key_id == making.key("officer").key_id
    assert found.countersigner.covers == len(both)


def test_pyhanko_calls_both_signatures_valid_and_the_last_one_whole() -> None:
    both = making.second(making.first(PLAIN))
    reader = PdfFileReader(BytesIO(both), strict=True)
    root = reader.embedded_signatures[0].signer_cert
    context = ValidationContext(trust_roots=[root], moment=SIGNED, best_signature_time=SIGNED)
    first, second = (validate_pdf_signature(one, context) for one in reader.embedded_signatures)
    for status in (first, second):
        assert status.intact and status.valid and status.trusted
        assert status.bottom_line, status.pretty_print_details()
    assert first.coverage == SignatureCoverageLevel.ENTIRE_REVISION
    assert second.coverage == SignatureCoverageLevel.ENTIRE_FILE
    assert isinstance(first.diff_result, DiffResult)
    assert first.diff_result.modification_level == ModificationLevel.FORM_FILLING
    assert first.diff_result.changed_form_fields == {"Countersigner"}


def test_pdfsig_calls_both_valid_and_the_last_one_whole(tmp_path: Path) -> None:
    for name in ("pdfsig", "certutil"):
        require_tool(name)
    (tmp_path / "both.pdf").write_bytes(making.second(making.first(PLAIN)))
    (tmp_path / "ca.pem").write_text(making.chain("service")[0])
    for line in (
        "certutil -N -d sql:nss --empty-password",
        "certutil -A -d sql:nss -n strongroom -t C,C,C -i ca.pem",
    ):
        (tmp_path / "nss").mkdir(exist_ok=True)
        subprocess.run(line.split(), cwd=tmp_path, check=True, capture_output=True)
    told = subprocess.run(
        ["pdfsig", "-nssdir", "sql:nss", "both.pdf"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert told.count("Signature is Valid.") == 2
    assert told.count("Certificate is Trusted.") == 2
    second = told.partition("Signature #2")[2]
    assert "Total document signed" in second
    assert "Signature Type: ETSI.CAdES.detached" in second


def test_an_officers_rsa_key_signs_too() -> None:
    both = making.second(making.first(PLAIN), "service-like")
    found = pdf_reading.read(both).countersigner
    assert found is not None and found.cms.algorithm == RSA_SHA256


def test_an_ed25519_key_is_refused_by_name() -> None:
    signer = LocalSigner.generate(ED25519)
    with pytest.raises(KeyUnsuitable, match="rotate your signing key"):
        pdf_signing.sign(
            making.first(PLAIN), "Countersigner", signer, making.chain("officer"), SIGNED, "x"
        )


def test_a_certificate_of_another_key() -> None:
    with pytest.raises(CertificateRefused, match="another key"):
        making.second(making.first(PLAIN), certificates=making.chain("maker"))


def test_a_field_is_signed_once() -> None:
    once = making.first(PLAIN)
    with pytest.raises(PdfRefused, match="Service"):
        pdf_signing.sign(once, "Service", making.key("service"), making.chain("service"), MADE, "x")
    with pytest.raises(PdfRefused, match="Other"):
        pdf_signing.sign(once, "Other", making.key("service"), making.chain("service"), MADE, "x")


@pytest.mark.parametrize("raw", [b"", b"%PDF-1.7", b"x" * 100, PLAIN[:-40]])
def test_what_is_no_pdf_is_not_prepared(raw: bytes) -> None:
    with pytest.raises(PdfRefused):
        pdf_signing.prepare(raw)


def test_a_form_is_not_prepared_twice() -> None:
    with pytest.raises(PdfRefused, match="form already"):
        pdf_signing.prepare(pdf_signing.prepare(PLAIN))


# --- certificates ---------------------------------------------------------------------------------


def test_openssl_accepts_the_chain(tmp_path: Path) -> None:
    leaf, root = making.chain("officer", said="Ürsula Officer")
    (tmp_path / "leaf.pem").write_text(leaf)
    (tmp_path / "root.pem").write_text(root)
    told = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "leaf.pem"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.stdout == "leaf.pem: OK\n", told.stderr


def test_what_a_certificate_says() -> None:
    leaf, root = making.chain("officer")
    assert certificates.key_id_of(leaf) == making.key("officer").key_id
    assert certificates.validity_of(root) == making.VALID
    assert certificates.load_chain(leaf + root) == (leaf, root)
    for chain in (leaf + leaf, root + leaf, ""):
        with pytest.raises(CertificateRefused):
            certificates.load_chain(chain)


def test_dates_after_2049_and_long_names() -> None:
    until = datetime(2060, 1, 1, tzinfo=UTC)
    subject = Subject("n" * 200, "u" * 200, making.key("service").public_key_pem)
    pem = certificates.issue_service(
        making.key("service"), subject, Validity(making.VALID.not_before, until), 1
    )
    assert certificates.validity_of(pem).not_after == until
