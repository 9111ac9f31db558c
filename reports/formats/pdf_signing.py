"""Signs PDFs as docs/formats.md §10 says: PAdES, by incremental updates that change nothing else.

Both signature fields exist before the first signature is made, so that the second one only fills
the field that is waiting for it. Bytes in, bytes out: no clock, no randomness, no I/O but what the
caller's timestamper does.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final

from asn1crypto import cms, pem, tsp, x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import (
    FieldMDPAction,
    FieldMDPSpec,
    MDPPerm,
    SigFieldSpec,
    SigSeedSubFilter,
    append_signature_field,
)
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1, ISO32002
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.signers.pdf_cms import Signer as CmsSigner
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from reports.formats.pdf_errors import CertificateRefused, KeyUnsuitable, PdfRefused
from sealing.keys import ECDSA_P256, RSA_SHA256
from sealing.signers.base import Signer

__all__ = [
    "COUNTERSIGNER",
    "FIELDS",
    "SERVICE",
    "SIGNING_ERRORS",
    "CertificateRefused",
    "KeyUnsuitable",
    "PdfRefused",
    "Timestamper",
    "prepare",
    "sign",
]

SERVICE: Final = "Service"
COUNTERSIGNER: Final = "Countersigner"
FIELDS: Final = (SERVICE, COUNTERSIGNER)

_MECHANISMS: Final = {RSA_SHA256: "sha256_rsa", ECDSA_P256: "sha256_ecdsa"}
# Room for a signature, its attributes, and a token of an authority with its certificates.
_OVERHEAD_BYTES: Final = 2_048
_TOKEN_BYTES: Final = 16_384
# The longest signature there is, for estimates: nobody asks the key for them.
_DRY_SIGNATURE_BYTES: Final = 1_024

SIGNING_ERRORS: Final = (CertificateRefused, KeyUnsuitable, PdfRefused)

# Given the SHA-256 of a signature, the DER of an authority's answer (a TimeStampResp).
Timestamper = Callable[[bytes], bytes]


def prepare(pdf: bytes) -> bytes:
    """The PDF with both empty signature fields: invisible ones, named by the first page.

    The first signature will allow nothing but the filling of the second field; the second allows
    nothing at all.

    Raises:
        PdfRefused: it can't be read, or it has a form already.
    """
    try:
        writer = _Update(BytesIO(pdf), strict=True)
        if "/AcroForm" in writer.root:
            raise PdfRefused("The PDF has a form already.")
        if writer.prev.has_xref_stream:
            raise PdfRefused("The PDF's cross-reference table is not a plain one.")
        # What the signatures use is declared here, so that neither changes the catalog for it.
        writer.ensure_output_version((2, 0))
        writer.register_extension(ESIC_EXTENSION_1)
        writer.register_extension(ISO32002)
        for spec in _FIELD_SPECS:
            append_signature_field(writer, spec)
        return _written(writer)
    except (PdfError, ValueError) as error:
        raise PdfRefused(f"Not a PDF that can be signed: {error}") from error


def sign(
    pdf: bytes,
    field: str,
    signer: Signer,
    chain: Sequence[str],
    signed_at: datetime,
    reason: str,
    timestamper: Timestamper | None = None,
) -> bytes:
    """The PDF with one of its fields signed; the bytes given stay as they are, at its beginning.

    The same input gives the same bytes where the algorithm does (RSA, without a timestamper).

    Args:
        pdf: as `prepare` gives it, or signed in the other field.
        field: `SERVICE` or `COUNTERSIGNER`.
        signer: RSA or ECDSA; its key is that of the first certificate.
        chain: certificates in PEM, the signer's first, then each one's issuer.
        signed_at: the time that the signature states, to the second.
        reason: what the signature means.
        timestamper: asks an authority for a timestamp over the signature (PAdES B-T).

    Raises:
        KeyUnsuitable: an Ed25519 key. CertificateRefused. PdfRefused: it can't be read, or the
        field is missing or filled. Whatever ``timestamper`` raises.
    """
    cms_signer = _CmsSigner(signer, _certificates(chain, signer))
    names = cms_signer.signing_cert.subject.native  # type: ignore[union-attr]
    metadata = PdfSignatureMetadata(
        field_name=field,
        md_algorithm="sha256",
        reason=reason,
        name=names.get("common_name", signer.key_id),
        certify=field == SERVICE,
        docmdp_permissions=MDPPerm.FILL_FORMS if field == SERVICE else MDPPerm.NO_CHANGES,
        subfilter=SigSeedSubFilter.PADES,
    )
    stamper = None if timestamper is None else _Stamper(timestamper)
    try:
        writer = _Update(BytesIO(pdf), strict=True)
        pdf_signer = PdfSigner(metadata, cms_signer, timestamper=stamper)
        session = pdf_signer.init_signing_session(writer, existing_fields_only=True)
        session.system_time = signed_at.astimezone(UTC).replace(microsecond=0)
        reserved = 2 * (cms_signer.size_bytes + (_TOKEN_BYTES if timestamper else 0))
        document = session.prepare_tbs_document(None, bytes_reserved=reserved)
        output = BytesIO()
        prepared, _ = document.digest_tbs_document(output=output)
        attributes = PdfCMSSignedAttributes(signing_time=session.system_time)
        asyncio.run(document.perform_signature(prepared.document_digest, attributes))
    except (PdfError, SigningError, ValueError) as error:
        raise PdfRefused(f"The PDF can't be signed in the field {field}: {error}") from error
    return output.getvalue()


class _Update(IncrementalPdfFileWriter):
    """An update that changes what it is told to: no dates, no producer, no random id."""

    @classmethod
    def _handle_id(cls, prev: PdfFileReader) -> generic.ArrayObject:
        prev.stream.seek(0)
        digest = hashlib.sha256(prev.stream.read()).digest()
        first = prev.trailer["/ID"][0] if "/ID" in prev.trailer else digest[:16]
        original = getattr(first, "original_bytes", first)
        return generic.ArrayObject(
            [generic.ByteStringObject(original), generic.ByteStringObject(digest[16:])]
        )

    def _update_meta(self) -> None:
        """Nothing: the document's own dates are those of its facts."""


class _CmsSigner(CmsSigner):
    """Lets our signer sign what pyHanko puts together."""

    def __init__(self, signer: Signer, certificates: Sequence[x509.Certificate]) -> None:
        registry = SimpleCertificateStore()
        registry.register_multiple(certificates[1:])
        super().__init__(
            signing_cert=certificates[0],
            cert_registry=registry,
            signature_mechanism=cms.SignedDigestAlgorithm(
                {"algorithm": _MECHANISMS[signer.algorithm]}
            ),
        )
        self._signer = signer
        self.size_bytes = _OVERHEAD_BYTES + sum(len(item.dump()) for item in certificates)

    async def async_sign_raw(
        self, data: bytes, digest_algorithm: str, dry_run: bool = False
    ) -> bytes:
        """The signature over ``data``, hashed with SHA-256."""
        return bytes(_DRY_SIGNATURE_BYTES) if dry_run else self._signer.sign(data)


class _Stamper(TimeStamper):
    """Gives the answers of the caller's timestamper to pyHanko."""

    def __init__(self, ask: Timestamper) -> None:
        super().__init__()
        self._ask = ask

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:
        """The token over a SHA-256 digest."""
        answer = tsp.TimeStampResp.load(self._ask(message_digest), strict=True)
        return answer["time_stamp_token"]


def _field(name: str, told: str, lock: FieldMDPSpec, permitted: MDPPerm) -> SigFieldSpec:
    return SigFieldSpec(
        sig_field_name=name,
        readable_field_name=told,
        field_mdp_spec=lock,
        doc_mdp_update_value=permitted,
    )


_FIELD_SPECS: Final = (
    _field(
        SERVICE,
        "Signature of the installation",
        FieldMDPSpec(FieldMDPAction.EXCLUDE, [COUNTERSIGNER]),
        MDPPerm.FILL_FORMS,
    ),
    _field(
        COUNTERSIGNER,
        "Signature of the officer who countersigns",
        FieldMDPSpec(FieldMDPAction.ALL),
        MDPPerm.NO_CHANGES,
    ),
)


def _certificates(chain: Sequence[str], signer: Signer) -> list[x509.Certificate]:
    if signer.algorithm not in _MECHANISMS:
        raise KeyUnsuitable(
            "Readers of PDFs do not understand Ed25519 signatures: rotate your signing key, and"
            " the new one will be of a kind that they do."
        )
    try:
        found = [x509.Certificate.load(pem.unarmor(item.encode("ascii"))[2]) for item in chain]
        subject_key = found[0].public_key.dump()
    except (ValueError, IndexError) as error:
        raise CertificateRefused("The chain of certificates can't be read.") from error
    if subject_key != pem.unarmor(signer.public_key_pem.encode("ascii"))[2]:
        raise CertificateRefused("The certificate is that of another key.")
    return found


def _written(writer: IncrementalPdfFileWriter) -> bytes:
    output = BytesIO()
    writer.write(output)
    return output.getvalue()
