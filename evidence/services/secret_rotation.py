"""Rotation of COMPLIANCE_EVIDENCE_SIGNING_SECRET, the shared secret of older times.

Nothing is signed anew: a mac stands beside the service's signature and proves nothing by itself.
What is rotated is the setting; here the new secret is looked at, counted, and recorded by its
fingerprint.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from audit.events import Actor, EventType
from audit.models import AuditEvent
from audit.services import sealing, trail
from evidence.formats import names, signature
from evidence.models import Package, PackageStatus
from evidence.services.locating import file_of
from sealing.errors import Invalid, NotFound, TooLarge
from sealing.files import read_regular
from sealing.signers.hmac import mac_matches

MIN_BYTES: Final = 32
_MIN_DIFFERENT: Final = 10
_MAX_SIGNATURE_BYTES: Final = 1 << 20
_LABEL: Final = b"strongroom/signing-secret/v1"
_BATCH: Final = 500
# A secret that has another use is known in another place.
_OTHER_SECRETS: Final = (
    "SECRET_KEY", "COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN", "METRICS_TOKEN",
    "EVIDENCE_PKCS11_PIN",
)  # fmt: skip


class SecretRefused(Invalid):
    """The shared secret is none that should be used."""

    code = "signing_secret_refused"


@dataclass(frozen=True, slots=True)
class Rotated:
    """What was found when the secret was looked at.

    Attributes:
        fingerprint: of the present secret; tells nothing of it.
        former: the fingerprint that was recorded last; None if there was none.
        is_new: whether that changed, and was recorded now.
        present, of_former, without: signed packages by their mac: of the present secret, of
            another one, with none at all.
        unread: packages whose signature file could not be read.
    """

    fingerprint: str
    former: str | None
    is_new: bool
    present: int
    of_former: int
    without: int
    unread: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def rotate(*, actor: Actor) -> Rotated:
    """Looks at the secret that is configured now, and records it if it is a new one.

    Raises:
        SecretRefused: there is none, it is short or plain, or it is used for something else.
    """
    trail.ensure_enabled()
    secret = settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET
    check(secret)
    found, former = fingerprint(secret), _recorded()
    counts = _count(secret)
    rotated = Rotated(found, former, found != former, *counts)
    if rotated.is_new:
        with transaction.atomic():
            trail.record(EventType.EVIDENCE_SECRET_ROTATED, actor=actor, data=rotated.as_dict())
    return rotated


def check(secret: bytes) -> None:
    """Raises SecretRefused unless the secret can serve; the error never repeats it."""
    if not secret:
        raise SecretRefused("COMPLIANCE_EVIDENCE_SIGNING_SECRET is not set.")
    if len(secret) < MIN_BYTES or len(set(secret)) < _MIN_DIFFERENT:
        raise SecretRefused(
            f"COMPLIANCE_EVIDENCE_SIGNING_SECRET needs {MIN_BYTES} random characters or more, such"
            " as `openssl rand -base64 48` gives."
        )
    for name in _OTHER_SECRETS:
        if hmac.compare_digest(secret, str(getattr(settings, name)).encode()):
            raise SecretRefused(f"COMPLIANCE_EVIDENCE_SIGNING_SECRET must not be {name}.")


def fingerprint(secret: bytes) -> str:
    """32 hex digits by which a secret is told from others."""
    return hmac.new(secret, _LABEL, hashlib.sha256).hexdigest()[:32]


def _recorded() -> str | None:
    """The fingerprint of the last rotation, by the log."""
    sealing.seal_pending()
    kind = EventType.EVIDENCE_SECRET_ROTATED
    last = AuditEvent.objects.filter(type=kind).order_by("-seq").first()
    return None if last is None else json.loads(last.event)["data"]["fingerprint"]


def _count(secret: bytes) -> tuple[int, int, int, int]:
    present = of_former = without = unread = 0
    signed = Package.objects.filter(status=PackageStatus.COMPLETE, required_signatures__gt=0)
    for package in signed.order_by("pk").iterator(chunk_size=_BATCH):
        try:
            path = file_of(package.name, names.SIGNATURE_SUFFIX)
            found = signature.parse(read_regular(path, _MAX_SIGNATURE_BYTES))
        except (NotFound, Invalid, TooLarge):
            unread += 1
            continue
        if found.mac is None:
            without += 1
        elif mac_matches(
            found.mac, secret, found.digest, found.signer, found.signing_key_id, found.signed_at
        ):
            present += 1
        else:
            of_former += 1
    return present, of_former, without, unread
