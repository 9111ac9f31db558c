"""The signature inside a PDF's signature field: a CMS structure of exactly one form (RFC 5652).

The signature covers neither its own frame nor the certificates beside its own, so that whoever
changed them would change the file unnoticed. What it leaves open is held to one form here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from reports.formats.certificates import check_issued
from reports.formats.pdf_errors import UNREADABLE_CERTIFICATE, CertificateRefused, PdfRefused
from sealing import der, keys
from sealing.errors import Invalid
from sealing.keys import ECDSA_P256, RSA_SHA256, PublicKey
from sealing.timestamp_form import TimestampForm

_CONTEXT_0, _CONTEXT_1 = 0xA0, 0xA1
_SIGNED_DATA: Final = bytes.fromhex("06092a864886f70d010702")
_DATA: Final = bytes.fromhex("300b06092a864886f70d010701")
_ONE: Final = bytes.fromhex("020101")
_SHA256: Final = bytes.fromhex("300d06096086480165030402010500")
_CONTENT_TYPE: Final = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST: Final = bytes.fromhex("06092a864886f70d010904")
_CERTIFICATE_V2: Final = bytes.fromhex("060b2a864886f70d010910022f")
_TOKEN: Final = bytes.fromhex("060b2a864886f70d010910020e")
_ATTRIBUTES: Final = {_CONTENT_TYPE, _MESSAGE_DIGEST, _CERTIFICATE_V2}
_ALGORITHMS: Final = {
    bytes.fromhex("300d06092a864886f70d01010b0500"): RSA_SHA256,
    bytes.fromhex("300a06082a8648ce3d040302"): ECDSA_P256,
}
_GRANTED: Final = bytes.fromhex("3003020100")


@dataclass(frozen=True, slots=True)
class CmsSignature:
    """What a signature consists of.

    Attributes:
        key_id: of the key that the signer's certificate is about.
        algorithm: one of `sealing.keys.ALGORITHMS`, the key's own.
        public_key_pem: the key, as the certificate has it.
        subject: whom the certificate names (RFC 4514); nobody vouches for it but its issuer.
        message_digest: the digest that is signed.
        signed: the bytes that the signature is over.
        signature: the signature.
        answer: a timestamp over it as an authority's whole answer; None where there is none.
    """

    key_id: str
    algorithm: str
    public_key_pem: str
    subject: str
    message_digest: bytes
    signed: bytes
    signature: bytes
    answer: bytes | None


def read(raw: bytes) -> CmsSignature:
    """Takes a structure apart. Whether the signature holds, and counts, is not looked at.

    Raises:
        PdfRefused: it is not of the one form.
    """
    try:
        return _read(raw)
    except (Invalid, *UNREADABLE_CERTIFICATE) as error:
        if isinstance(error, PdfRefused):
            raise
        raise _refused(str(error)) from error


def _read(raw: bytes) -> CmsSignature:
    kind, wrapped = der.element(raw).expect(der.OID, _CONTEXT_0)
    (content,) = wrapped.expect(der.SEQUENCE)
    version, hashes, inner, certificates, signers = content.expect(
        der.INTEGER, der.SET, der.SEQUENCE, _CONTEXT_0, der.SET
    )
    (hashed_with,) = hashes.expect(der.SEQUENCE)
    (signer,) = signers.expect(der.SEQUENCE)
    parts = signer.children()
    number, who, hashed, attributes, algorithm, signature, *unsigned = parts
    tags = (der.INTEGER, der.SEQUENCE, der.SEQUENCE, _CONTEXT_0, der.SEQUENCE, der.OCTET_STRING)
    fixed = [kind.raw, version.raw, number.raw, hashed_with.raw, hashed.raw, inner.raw]
    if (
        tuple(item.tag for item in parts[:6]) != tags
        or fixed != [_SIGNED_DATA, _ONE, _ONE, _SHA256, _SHA256, _DATA]
        or algorithm.raw not in _ALGORITHMS
    ):
        raise _refused("it is not signed in a form that counts here")
    signed = der.encode(der.SET, attributes.body)
    leaf = _signer_certificate(certificates, who, attributes)
    public = leaf.public_key()
    if not isinstance(public, PublicKey) or keys.algorithm_of(public) != _ALGORITHMS[algorithm.raw]:
        raise _refused("its certificate is about a key of another kind")
    public_pem = keys.public_pem(public)
    return CmsSignature(
        key_id=keys.key_id(public_pem),
        algorithm=_ALGORITHMS[algorithm.raw],
        public_key_pem=public_pem,
        subject=leaf.subject.rfc4514_string(),
        message_digest=_message_digest(attributes),
        signed=signed,
        signature=signature.body,
        answer=_answer(unsigned),
    )


def _signer_certificate(
    certificates: der.Element, who: der.Element, attributes: der.Element
) -> x509.Certificate:
    """The certificate that the signature names and binds; the others must be its issuers."""
    found = tuple(x509.load_der_x509_certificate(item.raw) for item in certificates.children())
    leaf = TimestampForm(found, who, attributes).signer_certificate()
    rest = [item for item in found if item != leaf]
    if len(rest) != len(found) - 1:
        raise _refused("it carries a certificate twice")
    last = leaf
    while rest:
        issuer = next((item for item in rest if _has_issued(item, last)), None)
        if issuer is None:
            raise _refused("it carries certificates beside its chain")
        rest.remove(issuer)
        last = issuer
    # Nothing covers the last one but its own signature.
    if last != leaf and not _has_issued(last, last):
        raise _refused("its chain of certificates does not end with a root")
    return leaf


def _has_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        check_issued(certificate, issuer)
    except CertificateRefused:
        return False
    return True


def _message_digest(attributes: der.Element) -> bytes:
    """The digest that is signed; attributes are those that PAdES asks for, each once."""
    found: dict[bytes, der.Element] = {}
    for attribute in attributes.children():
        name, values = attribute.expect(der.OID, der.SET)
        if name.raw in found:
            raise _refused("it has an attribute twice")
        found[name.raw] = values
    if set(found) != _ATTRIBUTES:
        raise _refused("its attributes are not those that count here")
    if found[_CONTENT_TYPE].body != _DATA[2:]:
        raise _refused("it is not over data")
    (digest,) = found[_MESSAGE_DIGEST].expect(der.OCTET_STRING)
    if len(digest.body) != hashlib.sha256().digest_size:
        raise _refused("its digest is not a SHA-256")
    return digest.body


def _answer(unsigned: list[der.Element]) -> bytes | None:
    if not unsigned:
        return None
    if [item.tag for item in unsigned] != [_CONTEXT_1]:
        raise _refused("something follows the signature")
    (attribute,) = unsigned[0].expect(der.SEQUENCE)
    name, values = attribute.expect(der.OID, der.SET)
    (token,) = values.expect(der.SEQUENCE)
    if name.raw != _TOKEN:
        raise _refused("what follows the signature is not a timestamp")
    # An authority's whole answer, as `sealing.timestamps` reads it.
    return der.encode(der.SEQUENCE, _GRANTED, token.raw)


def _refused(why: str) -> PdfRefused:
    return PdfRefused(f"A signature in the PDF can't be read: {why.rstrip('.')}.")
