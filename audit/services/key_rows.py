"""Rows of signing keys and the locks under which the service's own ones change."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from access.models import Person
from audit.events import Actor, EventType
from audit.models import KeyStatus, SigningKey
from audit.services import boxes, trail
from sealing.errors import Conflict
from sealing.keys import ED25519
from sealing.signers.local import LocalSigner

CHECKPOINT, COUNTERSIGN = "checkpoint", "countersign"
_CHECKPOINT_NAME = "Strongroom checkpoints"
# Any numbers that nothing else in this database takes. Whoever needs both takes that of the
# signers first.
_SIGNER_LOCK = 7_405_002
_SERVICE_KEYS_LOCK = 7_405_001


class KeyNotActive(Conflict):
    """The key was retired or compromised, so it signs nothing any more."""

    code = "key_not_active"


def lock_signing() -> None:
    """Until the transaction ends nobody else signs a checkpoint; sealing goes on."""
    _lock(_SIGNER_LOCK)


def lock_service_keys() -> None:
    """Makes changes of the service's keys queue until the transaction ends."""
    _lock(_SERVICE_KEYS_LOCK)


def active_service_key(purpose: str) -> SigningKey | None:
    """The service's key that signs for ``purpose`` now."""
    return SigningKey.objects.filter(
        person=None, status=KeyStatus.ACTIVE, purposes__contains=[purpose]
    ).first()


def create(
    signer: LocalSigner,
    *,
    actor: Actor,
    name: str,
    purposes: list[str],
    person: Person | None = None,
    box: tuple[bytes, bytes] | None = None,
    not_before: datetime | None = None,
) -> SigningKey:
    """Adds an active key, and records it.

    Args:
        box: the private half, encrypted, and its salt; None where it is kept elsewhere.
        not_before: from when it signs, if not from now on.
    """
    private_box, salt = box or (None, None)
    key = SigningKey.objects.create(
        key_id=signer.key_id,
        name=name,
        person=person,
        purposes=purposes,
        algorithm=signer.algorithm,
        public_key_pem=signer.public_key_pem,
        private_box=private_box,
        salt=salt,
        not_before=not_before or timezone.now(),
    )
    data = {"name": name, "purposes": purposes, "algorithm": signer.algorithm}
    trail.record(EventType.AUDIT_KEY_CREATED, actor=actor, obj=("key", key.key_id), data=data)
    return key


def retire(actor: Actor, key: SigningKey, *, at: datetime | None = None) -> None:
    """Ends an active key, and records it.

    Raises:
        KeyNotActive: it is out of use already.
    """
    retired = SigningKey.objects.filter(pk=key.pk, status=KeyStatus.ACTIVE).update(
        status=KeyStatus.RETIRED, not_after=at or timezone.now()
    )
    if not retired:
        raise KeyNotActive("The key is out of use already.")
    trail.record(
        EventType.AUDIT_KEY_RETIRED,
        actor=actor,
        obj=("key", key.key_id),
        data={"name": key.name, "purposes": key.purposes},
    )


def create_checkpoint_key(actor: Actor, *, not_before: datetime | None = None) -> SigningKey:
    """Adds a key that signs checkpoints, and records it."""
    signer = LocalSigner.generate(ED25519)
    return create(
        signer,
        actor=actor,
        name=_CHECKPOINT_NAME,
        purposes=[CHECKPOINT],
        box=boxes.closed(signer, None),
        not_before=not_before,
    )


def create_person_key(
    actor: Actor, person: Person, signer: LocalSigner, box: tuple[bytes, bytes]
) -> SigningKey:
    """Adds a person's key, and records it."""
    return create(
        signer,
        actor=actor,
        name=person.display_name,
        purposes=[COUNTERSIGN],
        person=person,
        box=box,
    )


def end_of_signing(key: SigningKey) -> datetime:
    """Now, or when it last signed: hosts' clocks differ a little."""
    now = timezone.now()
    last = key.checkpoints.order_by("-id").values_list("signed_at", flat=True).first()
    return max(now, last + timedelta(microseconds=1)) if last else now


def _lock(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
