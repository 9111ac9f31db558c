"""Boxes of signing keys, closed anew under the present key-encryption key.

The service's own boxes are closed anew by `manage.py rewrap_keys`. A person's box is locked by the
password too, which nobody else has: it is closed anew when the person next gives it to sign.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from audit.events import Actor, EventType
from audit.models import SigningKey
from audit.services import boxes, trail
from audit.services.boxes import KeyMissing
from sealing.signers.local import LocalSigner
from sealing.wrapping.local import fingerprint

UNMARKED = "unknown"


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What came of closing the service's boxes anew.

    Attributes:
        key_ids: of the keys whose boxes were closed anew.
        unopened: of those that no key-encryption key at hand opens.
        of_people: people's boxes that a former key closed, by its fingerprint.
    """

    key_ids: tuple[str, ...]
    unopened: tuple[str, ...]
    of_people: dict[str, int]


def rewrap_service_keys(*, actor: Actor) -> Rewrapped:
    """Closes the service's boxes under the present key-encryption key, those of retired keys too.

    Asking twice does no harm.
    """
    trail.ensure_enabled()
    present = fingerprint(settings.KEY_ENCRYPTION_KEY)
    done, unopened, of_people = [], [], Counter[str]()
    for key in SigningKey.objects.filter(private_box__isnull=False).order_by("pk"):
        mark = boxes.closed_by(bytes(key.private_box or b""))
        if mark == present:
            continue
        if key.person_id is not None:
            of_people[mark or UNMARKED] += 1
            continue
        try:
            opened = boxes.opened_box(key, None)
        except KeyMissing:
            unopened.append(key.key_id)
            continue
        if close_anew(actor=actor, key=key, signer=opened.signer, password=None):
            done.append(key.key_id)
    return Rewrapped(tuple(done), tuple(unopened), dict(of_people))


def close_anew(*, actor: Actor, key: SigningKey, signer: LocalSigner, password: str | None) -> bool:
    """Puts a new box in the place of a key's; returns whether nobody else was faster."""
    before = bytes(key.private_box or b"")
    box, salt = boxes.closed(signer, password)
    with transaction.atomic():
        changed = SigningKey.objects.filter(pk=key.pk, private_box=before).update(
            private_box=box, salt=salt
        )
        if changed:
            trail.record(
                EventType.EVIDENCE_KEY_REWRAPPED,
                actor=actor,
                obj=("key", key.key_id),
                data={
                    "name": key.name,
                    "closed_by": boxes.closed_by(box),
                    "closed_by_before": boxes.closed_by(before),
                },
            )
    return bool(changed)
