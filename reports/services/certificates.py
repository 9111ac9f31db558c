"""Certificates over the keys that sign PDFs: issued once, kept, and recorded.

The installation's key vouches for itself and for its officers' keys. A certificate from elsewhere
may take the place of its own (SIGNING_CERTIFICATE); officers' are issued by its own all the same,
since one from elsewhere may not issue any.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit.events import Actor, EventType
from audit.models import SigningKey
from audit.services import keys, trail
from reports.formats import certificates
from reports.formats.certificates import Subject, Validity
from reports.formats.pdf_errors import CertificateRefused, KeyUnsuitable
from reports.models import Certificate
from sealing.errors import Conflict
from sealing.keys import ED25519
from sealing.signers.base import Signer
from sealing.times import format_time

PURPOSE = "packet"
# Longer than any packet is kept, so that readers show it as valid for as long as there is one.
VALID_FOR = timedelta(days=3_653)
MAX_PEM_BYTES = 1 << 18
_OFFICER = "Compliance officer"
_SERIAL_BITS = 159


class CertificateEnded(Conflict):
    """The key's certificate is no longer valid, or not yet: it signs no PDF now."""

    code = "certificate_ended"


def service_chain(*, actor: Actor) -> tuple[str, ...]:
    """The certificates of the key that signs packets, in PEM: its own first, then its issuers'.

    What SIGNING_CERTIFICATE names; else one that the installation issues for itself, once.

    Raises:
        KeyMissing: the key is not registered. CertificateRefused: what SIGNING_CERTIFICATE names
        can't be read or is about another key. CertificateEnded.
    """
    signer = keys.signer_for(PURPOSE)
    chain = configured(signer.key_id)
    if chain:
        _ensure_valid(chain[0])
        return chain
    return (_own(actor, signer),)


def person_chain(*, actor: Actor, key: SigningKey) -> tuple[str, ...]:
    """The certificates of an officer's key, in PEM: its own, then the installation's.

    Raises:
        KeyUnsuitable: an Ed25519 key, which readers of PDFs do not understand. NotOwnKey: it is
        not a person's. KeyNotActive. KeyMissing. CertificateEnded.
    """
    ensure_suitable(key)
    if key.person_id is None:
        raise keys.NotOwnKey("This is not a person's key.")
    if not key.is_active:
        raise keys.KeyNotActive("This signing key is out of use.")
    signer = keys.signer_for(PURPOSE)
    own = _own(actor, signer)
    issuer = _row(signer.key_id)
    with transaction.atomic():
        _lock(key)
        found = Certificate.objects.filter(key=key, issuer=issuer).first()
        if found is None:
            until = certificates.validity_of(own).not_after
            pem = certificates.issue_person(
                signer, _service(issuer), _officer(key), _validity(key, until), _serial()
            )
            found = _kept(actor, key, issuer, pem)
    _ensure_valid(found.pem)
    return (found.pem, own)


def ensure_suitable(key: SigningKey) -> None:
    """Raises KeyUnsuitable for a key whose signatures readers of PDFs do not understand."""
    if key.algorithm == ED25519:
        raise KeyUnsuitable(
            "Readers of PDFs do not understand Ed25519 signatures, so your signing key can't"
            " countersign packets. Rotate it: the new one will be of a kind that they understand.",
            field="signing_key_id",
        )


def configured(key_id: str) -> tuple[str, ...]:
    """The chain that SIGNING_CERTIFICATE names; empty where it is not set.

    Args:
        key_id: of the key that it has to be about.

    Raises:
        CertificateRefused: it can't be read, or it is about another key.
    """
    if not settings.SIGNING_CERTIFICATE:
        return ()
    chain = _parsed(_text(settings.SIGNING_CERTIFICATE))
    if certificates.key_id_of(chain[0]) != key_id:
        raise CertificateRefused(
            "SIGNING_CERTIFICATE is not the certificate of SIGNING_PRIVATE_KEY: the first one in"
            " the file is about another key."
        )
    return chain


def _text(setting: str) -> str:
    """The PEM itself, or what is in the file that it names."""
    if setting.startswith("-----BEGIN"):
        return setting
    try:
        with Path(setting).open("rb") as file:
            raw = file.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        raise CertificateRefused(
            f"The file that SIGNING_CERTIFICATE names can't be read: {error.strerror}."
        ) from error
    if len(raw) > MAX_PEM_BYTES:
        raise CertificateRefused("The file that SIGNING_CERTIFICATE names is too large.")
    return raw.decode("ascii", "replace")


@lru_cache(maxsize=4)
def _parsed(text: str) -> tuple[str, ...]:
    return certificates.load_chain(text)


def _own(actor: Actor, signer: Signer) -> str:
    """The certificate that the installation issued for its key; issued now where there is none."""
    key = _row(signer.key_id)
    with transaction.atomic():
        _lock(key)
        found = Certificate.objects.filter(key=key, issuer=key).first()
        if found is None:
            validity = _validity(key, timezone.now() + VALID_FOR)
            pem = certificates.issue_service(signer, _service(key), validity, _serial())
            found = _kept(actor, key, key, pem)
    _ensure_valid(found.pem)
    return found.pem


def _kept(actor: Actor, key: SigningKey, issuer: SigningKey, pem: str) -> Certificate:
    validity = certificates.validity_of(pem)
    found = Certificate.objects.create(
        key=key,
        issuer=issuer,
        pem=pem,
        sha256=certificates.fingerprint(pem),
        not_before=validity.not_before,
        not_after=validity.not_after,
    )
    trail.record(
        EventType.REPORTS_CERTIFICATE_ISSUED,
        actor=actor,
        obj=("key", key.key_id),
        data={
            "certificate": found.sha256,
            "issuer": issuer.key_id,
            "not_before": format_time(found.not_before),
            "not_after": format_time(found.not_after),
        },
    )
    return found


def _lock(key: SigningKey) -> None:
    """Whoever else wants to issue a certificate for this key waits until the transaction ends."""
    SigningKey.objects.select_for_update(no_key=True).get(pk=key.pk)


def _row(key_id: str) -> SigningKey:
    return SigningKey.objects.get(key_id=key_id)


def _service(key: SigningKey) -> Subject:
    return Subject(key.name, settings.AUDIT_ORIGIN, key.public_key_pem)


def _officer(key: SigningKey) -> Subject:
    return Subject(key.name, _OFFICER, key.public_key_pem)


def _validity(key: SigningKey, until: datetime) -> Validity:
    return Validity(key.not_before.replace(microsecond=0), until.replace(microsecond=0))


def _serial() -> int:
    return secrets.randbits(_SERIAL_BITS) | 1


def _ensure_valid(pem: str) -> None:
    validity = certificates.validity_of(pem)
    if not validity.not_before <= timezone.now() <= validity.not_after:
        raise CertificateEnded(
            f"The signing key's certificate is valid from {validity.not_before:%Y-%m-%d} until"
            f" {validity.not_after:%Y-%m-%d}. Rotate the key, or configure another certificate."
        )
