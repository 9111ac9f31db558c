"""What anybody may have: the certificate of the key that signs packets."""

from __future__ import annotations

from audit.services import keys
from reports.models import Certificate
from reports.services import certificates
from sealing.errors import NotFound


class CertificateNotIssued(NotFound):
    """The key has no certificate yet."""

    code = "certificate_not_issued"


def chain() -> str:
    """The certificates of the key that signs packets, in PEM: its own first, then its issuers'.

    Nothing is issued by asking for it.

    Raises:
        CertificateNotIssued: there is none before the first packet.
        KeyMissing, CertificateRefused: as `certificates.service_chain`.
    """
    key_id = keys.signer_for(certificates.PURPOSE).key_id
    found = certificates.configured(key_id)
    if not found:
        own = Certificate.objects.filter(key__key_id=key_id, issuer__key_id=key_id).first()
        if own is None:
            raise CertificateNotIssued(
                "The key that signs packets has no certificate yet: the first packet brings it."
            )
        found = (own.pem,)
    return "".join(pem if pem.endswith("\n") else f"{pem}\n" for pem in found)
