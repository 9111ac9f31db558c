"""Enters the keys of a signers file into an installation that lost its own."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from access.models import Person
from audit.models import KeyStatus, SigningKey
from sealing.errors import IntegrityFailure, Invalid
from sealing.keys import Signers, TrustedKey
from sealing.signers.local import LocalSigner
from sealing.times import parse_time

# What a key of an installation may be for (migration 0001).
_PURPOSES = (["checkpoint"], ["package", "packet"], ["countersign"])


class OriginDiffers(Invalid):
    """The signers file is of another log than AUDIT_ORIGIN names."""

    code = "origin_differs"


def check_origin(signers: Signers) -> None:
    """Raises OriginDiffers unless the signers are those of this installation's log."""
    if signers.origin != settings.AUDIT_ORIGIN:
        raise OriginDiffers(
            f"The signers file is of the log {signers.origin}; AUDIT_ORIGIN is"
            f" {settings.AUDIT_ORIGIN or 'not set'}.",
            field="signers",
        )


def enter(signers: Signers, *, signed_until: datetime | None = None) -> tuple[str, ...]:
    """Enters what is not known yet; what is known stays as it is.

    A service's key that is active in the file, but whose private part is not here, can never sign
    again and would stand in the way of its successor: it is entered as retired now, which leaves
    all that it signed valid. The key of a person who is not in this installation is left out.

    Args:
        signed_until: the newest signature that there is, should that host's clock have been ahead
            of this one's: nothing is entered as retired before that.

    Returns:
        What was left out or entered otherwise than the file says, a sentence each.

    Raises:
        OriginDiffers. IntegrityFailure: a key of that id is known with another public key.
    """
    check_origin(signers)
    told = []
    for key in signers.keys:
        known = SigningKey.objects.filter(key_id=key.signer_kid).first()
        if known is None:
            told += _enter(key, max(timezone.now(), signed_until or timezone.now()))
        elif known.public_key_pem != key.public_key_pem:
            raise IntegrityFailure(f"The key {key.signer_kid} is known here as another one.")
    return tuple(told)


def _enter(key: TrustedKey, now: datetime) -> list[str]:
    told = []
    if list(key.purposes) not in _PURPOSES:
        return [f"The key {key.name} ({key.signer_kid[:19]}) is for purposes that none has here."]
    if key.person is not None and not _is_here(key.person):
        return [f"The key {key.name} ({key.signer_kid[:19]}) is of a person who is not here."]
    status, not_after = KeyStatus(key.status), _moment(key.not_after)
    if status == KeyStatus.ACTIVE and key.person is None and not _is_configured(key):
        status, not_after = KeyStatus.RETIRED, now
        told.append(
            f"The key {key.name} ({key.signer_kid[:19]}) is retired as of now: its private part"
            " is not here. What it signed stays valid; the worker makes its successor."
        )
    elif status == KeyStatus.ACTIVE and _has_active(key):
        status, not_after = KeyStatus.RETIRED, now
        told.append(f"The key {key.name} ({key.signer_kid[:19]}) is retired: another is active.")
    if status == KeyStatus.COMPROMISED:
        not_after = not_after or _moment(key.compromised_at)
    SigningKey.objects.create(
        key_id=key.signer_kid,
        name=key.name,
        person_id=key.person,
        purposes=list(key.purposes),
        algorithm=key.algorithm,
        public_key_pem=key.public_key_pem,
        status=status,
        not_before=parse_time(key.not_before),
        not_after=not_after if status != KeyStatus.ACTIVE else None,
        compromised_at=_moment(key.compromised_at),
    )
    return told


def _is_here(person: str) -> bool:
    try:
        return Person.objects.filter(pk=uuid.UUID(person)).exists()
    except ValueError:
        return False


def _is_configured(key: TrustedKey) -> bool:
    """Whether the settings hold the private part, as they do for the key of artefacts."""
    try:
        return LocalSigner.from_pem(settings.SIGNING_PRIVATE_KEY).key_id == key.signer_kid
    except Invalid:
        return False


def _has_active(key: TrustedKey) -> bool:
    active = SigningKey.objects.filter(status=KeyStatus.ACTIVE)
    if key.person is not None:
        return active.filter(person_id=key.person).exists()
    return active.filter(person=None, purposes=list(key.purposes)).exists()


def _moment(text: str | None) -> datetime | None:
    return parse_time(text) if text is not None else None
