"""X.509 certificates over the keys that sign PDFs (docs/formats.md §10).

They tell readers of PDFs who signed. Whether a signature counts is for the signers file to say: a
certificate of ours gives a key no right that it has not got there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from asn1crypto import pem as armour
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from reports.formats.pdf_errors import UNREADABLE_CERTIFICATE, CertificateRefused
from sealing import keys
from sealing.digests import sha256_tag
from sealing.keys import RSA_SHA256
from sealing.signers.base import Signer

ORGANISATION: Final = "Strongroom"
_ALGORITHMS: Final = {RSA_SHA256: "sha256_rsa", keys.ECDSA_P256: "sha256_ecdsa"}
# X.520: the longest name that a certificate may give.
MAX_NAME: Final = 64
_SIGNS: Final = frozenset({"digital_signature", "non_repudiation"})


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is about.

    Attributes:
        name: of the key's holder, for people.
        unit: what the holder is; with the log's origin for the installation's own.
        public_key_pem: the key.
    """

    name: str
    unit: str
    public_key_pem: str

    @property
    def key_id(self) -> str:
        """The id of the key."""
        return keys.key_id(self.public_key_pem)


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when, whole seconds."""

    not_before: datetime
    not_after: datetime


def issue_service(signer: Signer, subject: Subject, validity: Validity, serial: int) -> str:
    """The installation's certificate in PEM, signed by its own key.

    It may issue certificates for people's keys, and those issue none (path length 0).

    Args:
        signer: whose key it is about, and who signs it.
        serial: positive, at most 159 bits.
    """
    usage = _SIGNS | {"key_cert_sign"}
    constraints = {"ca": True, "path_len_constraint": 0}
    return _issued(signer, subject, subject, validity, serial, usage, constraints)


def issue_person(
    signer: Signer, issuer: Subject, subject: Subject, validity: Validity, serial: int
) -> str:
    """A person's certificate in PEM, signed by the installation's key.

    Args:
        signer: the installation's key.
        issuer: as it stands in the installation's certificate.
        subject: the person.
        validity: within that of the installation's certificate.
        serial: positive, at most 159 bits.
    """
    return _issued(signer, issuer, subject, validity, serial, _SIGNS, {"ca": False})


def load(pem: str) -> x509.Certificate:
    """A certificate in PEM. Raises CertificateRefused."""
    try:
        return x509.load_pem_x509_certificate(pem.encode("ascii"))
    except UNREADABLE_CERTIFICATE as error:
        raise CertificateRefused("Not a certificate in PEM.") from error


def load_chain(text: str) -> tuple[str, ...]:
    """The certificates of a PEM file, each as PEM by itself: the signer's first, then its issuers.

    Raises:
        CertificateRefused: it holds none, one can't be read, one was not issued by the next, or
        the last of several is not a root.
    """
    try:
        found = x509.load_pem_x509_certificates(text.encode("ascii"))
    except UNREADABLE_CERTIFICATE as error:
        raise CertificateRefused("Not a list of certificates in PEM.") from error
    for one, issuer in itertools.pairwise(found):
        check_issued(one, issuer)
    if len(found) > 1:
        check_issued(found[-1], found[-1])
    return tuple(_pem(item) for item in found)


def check_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Raises CertificateRefused unless ``issuer`` issued ``certificate``."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except UNREADABLE_CERTIFICATE as error:
        raise CertificateRefused("A certificate was not issued by the one after it.") from error


def key_id_of(pem: str) -> str:
    """The id of the key that a certificate is about. Raises CertificateRefused, KeyRefused."""
    public = load(pem).public_key()
    if not isinstance(public, keys.PublicKey):
        raise CertificateRefused("The certificate is about a key of another kind.")
    return keys.key_id(keys.public_pem(public))


def fingerprint(pem: str) -> str:
    """`sha256:` and the SHA-256 of the certificate in DER."""
    return sha256_tag(_der(pem))


def validity_of(pem: str) -> Validity:
    """From when until when a certificate is valid."""
    certificate = load(pem)
    return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _issued(
    signer: Signer,
    issuer: Subject,
    subject: Subject,
    validity: Validity,
    serial: int,
    usage: frozenset[str],
    constraints: dict[str, Any],
) -> str:
    algorithm = {"algorithm": _ALGORITHMS[signer.algorithm]}
    public = asn1.PublicKeyInfo.load(armour.unarmor(subject.public_key_pem.encode("ascii"))[2])
    issuing = asn1.PublicKeyInfo.load(armour.unarmor(issuer.public_key_pem.encode("ascii"))[2])
    body = asn1.TbsCertificate(
        {
            "version": "v3",
            "serial_number": serial,
            "signature": algorithm,
            "issuer": _name(issuer),
            "validity": {
                "not_before": _time(validity.not_before),
                "not_after": _time(validity.not_after),
            },
            "subject": _name(subject),
            "subject_public_key_info": public,
            "extensions": [
                _extension("basic_constraints", constraints, critical=True),
                _extension("key_usage", set(usage), critical=True),
                _extension("key_identifier", public.sha1),
                _extension("authority_key_identifier", {"key_identifier": issuing.sha1}),
            ],
        }
    )
    certificate = asn1.Certificate(
        {
            "tbs_certificate": body,
            "signature_algorithm": algorithm,
            "signature_value": signer.sign(body.dump()),
        }
    )
    return str(armour.armor("CERTIFICATE", certificate.dump()), "ascii")


def _extension(name: str, value: Any, *, critical: bool = False) -> dict[str, Any]:
    return {"extn_id": name, "critical": critical, "extn_value": value}


def _name(subject: Subject) -> asn1.Name:
    # Two people of one name have two keys: the serial number tells them apart.
    return asn1.Name.build(
        {
            "organization_name": ORGANISATION,
            "organizational_unit_name": subject.unit[:MAX_NAME],
            "common_name": subject.name[:MAX_NAME],
            "serial_number": subject.key_id.removeprefix("sha256:"),
        }
    )


def _time(moment: datetime) -> asn1.Time:
    whole = moment.astimezone(UTC).replace(microsecond=0)
    # RFC 5280 §4.1.2.5: two digits for the year up to 2049.
    name = "utc_time" if whole.year < 2050 else "general_time"
    return asn1.Time(name=name, value=whole)


def _der(pem: str) -> bytes:
    return bytes(armour.unarmor(pem.encode("ascii"))[2])


def _pem(certificate: x509.Certificate) -> str:
    der = certificate.public_bytes(Encoding.DER)
    return str(armour.armor("CERTIFICATE", der), "ascii")
