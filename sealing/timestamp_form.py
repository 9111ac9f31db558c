"""The one form of a timestamp that counts (RFC 3161 §2.4.2, RFC 5652 §5).

The signature in a token does not cover every byte of the authority's answer. Whatever it leaves
open is held to one form here: otherwise somebody could change a kept answer without being noticed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from sealing import der
from sealing.errors import Invalid

_GRANTED = bytes.fromhex("3003020100")
_CONTEXT_0 = 0xA0
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")
_CERTIFICATE_V1 = bytes.fromhex("060b2a864886f70d010910020c")
_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_SHA256 = bytes.fromhex("0609608648016503040201")
_HASHES = {
    _SHA256: "sha256",
    bytes.fromhex("0609608648016503040202"): "sha384",
    bytes.fromhex("0609608648016503040203"): "sha512",
}
_RSA = bytes.fromhex("06092a864886f70d010101")
_WITH_RSA = {
    bytes.fromhex("06092a864886f70d01010b"): "sha256",
    bytes.fromhex("06092a864886f70d01010c"): "sha384",
    bytes.fromhex("06092a864886f70d01010d"): "sha512",
}
_WITH_ECDSA = {
    bytes.fromhex("06082a8648ce3d040302"): "sha256",
    bytes.fromhex("06082a8648ce3d040303"): "sha384",
    bytes.fromhex("06082a8648ce3d040304"): "sha512",
}
_NULL = bytes.fromhex("0500")
_ONE, _THREE = bytes.fromhex("020101"), bytes.fromhex("020103")

# What cryptography raises, some of it only when a field is looked at.
UNREADABLE = (
    ValueError,
    IndexError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class TimestampRefused(Invalid):
    """The answer of the authority is not a timestamp of the form that counts here."""

    code = "timestamp_invalid"


@dataclass(frozen=True, slots=True)
class TimestampForm:
    """The parts of an answer whose form the signature leaves open.

    Attributes:
        certificates: those that the token carries.
        signer: the issuer and serial number of the signer's certificate.
        attributes: what is signed beside the digest.
    """

    certificates: tuple[x509.Certificate, ...]
    signer: der.Element
    attributes: der.Element

    @classmethod
    def of(cls, token: bytes) -> TimestampForm:
        """Takes an answer apart. Raises TimestampRefused."""
        try:
            whole = der.element(token)
            if [item.raw for item in whole.children()[:1]] != [_GRANTED]:
                raise TimestampRefused("The authority did not simply grant the request.")
            _, content = whole.expect(der.SEQUENCE, der.SEQUENCE)
            kind, wrapped = content.expect(der.OID, _CONTEXT_0)
            (signed,) = wrapped.expect(der.SEQUENCE)
            # No revocation lists, and nothing after the signer.
            version, hashes, inner, certificates, signers = signed.expect(
                der.INTEGER, der.SET, der.SEQUENCE, _CONTEXT_0, der.SET
            )
            (signer,) = signers.expect(der.SEQUENCE)
            # A last element here would be unsigned attributes.
            number, who, hashed, attributes, algorithm, _ = signer.expect(
                der.INTEGER, der.SEQUENCE, der.SEQUENCE, _CONTEXT_0, der.SEQUENCE, der.OCTET_STRING
            )
            (named,) = hashes.expect(der.SEQUENCE)
            fixed = [kind.raw, version.raw, number.raw, named.raw, inner.children()[0].raw]
            expected = [_SIGNED_DATA, _THREE, _ONE, hashed.raw, _TST_INFO]
            if fixed != expected or not _algorithms_agree(hashed, algorithm):
                raise TimestampRefused("The token is not signed in a form that counts here.")
            found = tuple(
                x509.load_der_x509_certificate(item.raw) for item in certificates.children()
            )
            return cls(found, who, attributes)
        except (Invalid, *UNREADABLE) as error:
            if isinstance(error, TimestampRefused):
                raise
            raise TimestampRefused(f"Not a timestamp: {error}") from error

    def signer_certificate(self) -> x509.Certificate:
        """The certificate of the key that signed: the one named, and bound by its digest."""
        issuer, serial = self.signer.expect(der.SEQUENCE, der.INTEGER)
        for certificate in self.certificates:
            if (
                certificate.issuer.public_bytes() == issuer.raw
                and certificate.serial_number == int.from_bytes(serial.body, "big", signed=True)
            ):
                self._check_bound(certificate)
                return certificate
        raise TimestampRefused("The token lacks the certificate of its signer.")

    def check_chain(self, leaf: x509.Certificate, trusted: list[x509.Certificate]) -> None:
        """Raises TimestampRefused if the token carries a certificate that leads nowhere."""
        unused = [item for item in self.certificates if item != leaf]
        if len(unused) != len(self.certificates) - 1:
            raise TimestampRefused("The token carries a certificate twice.")
        last: x509.Certificate | None = leaf
        while last is not None and unused:
            issuers = unused + trusted
            last = next((item for item in issuers if item != last and _issued(last, item)), None)
            if last in unused:
                unused.remove(last)
            elif last is not None and _issued(last, last):
                break
        if unused:
            raise TimestampRefused("The token carries certificates beside its chain.")

    def _check_bound(self, certificate: x509.Certificate) -> None:
        """The signing-certificate attribute (RFC 5035 §3, RFC 2634 §5.4) names this one first."""
        raw = certificate.public_bytes(Encoding.DER)
        for attribute in self.attributes.children():
            kind, values = attribute.expect(der.OID, der.SET)
            if kind.raw not in (_CERTIFICATE_V1, _CERTIFICATE_V2):
                continue
            (value,) = values.expect(der.SEQUENCE)
            name, wanted = _certificate_digest(value, is_v2=kind.raw == _CERTIFICATE_V2)
            if hashlib.new(name, raw, usedforsecurity=False).digest() == wanted:
                return
            break
        raise TimestampRefused("The token does not say which certificate signed it.")


def _certificate_digest(value: der.Element, *, is_v2: bool) -> tuple[str, bytes]:
    """Algorithm and digest of the first certificate that the attribute names."""
    first = value.children()[0].children()[0]
    parts = first.children()
    name = "sha256" if is_v2 else "sha1"
    if is_v2 and parts[0].tag == der.SEQUENCE:
        name = _HASHES.get(parts[0].children()[0].raw, "")
        parts = parts[1:]
    if not name or parts[0].tag != der.OCTET_STRING:
        raise TimestampRefused("The token names its certificate in an unknown way.")
    return name, parts[0].body


def _algorithms_agree(hashed: der.Element, algorithm: der.Element) -> bool:
    kind, *parameters = hashed.children()
    name = _HASHES.get(kind.raw)
    if name is None or [item.raw for item in parameters] not in ([], [_NULL]):
        return False
    kind, *parameters = algorithm.children()
    given = [item.raw for item in parameters]
    if kind.raw == _RSA or _WITH_RSA.get(kind.raw) == name:
        return given == [_NULL]
    return _WITH_ECDSA.get(kind.raw) == name and not given


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
