"""Signing keys: made, registered, opened, retired. Never deleted."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from access import policy
from access.models import Person
from access.roles import Action
from audit.events import Actor, EventType
from audit.models import KeyStatus, SigningKey
from audit.services import boxes, trail
from audit.services.boxes import KeyMissing, WrongPassword
from sealing.errors import Conflict, Forbidden, Invalid, NotFound
from sealing.keys import ED25519, Signers, TrustedKey
from sealing.signers.base import Signer
from sealing.signers.local import LocalSigner
from sealing.times import format_time

__all__ = [
    "KeyExists",
    "KeyMissing",
    "KeyNotActive",
    "NotOwnKey",
    "Signer",
    "WrongPassword",
    "active_key_of",
    "create_person_key",
    "ensure_service_keys",
    "mark_compromised",
    "person_signer",
    "public_pem",
    "retire_key",
    "signer_for",
    "signers",
]

CHECKPOINT, COUNTERSIGN = "checkpoint", "countersign"
ARTEFACTS = ("package", "packet")
_NAMES = {CHECKPOINT: "Strongroom checkpoints", ARTEFACTS[0]: "Strongroom artefacts"}
# Any number that nothing else in this database takes: it makes changes of service keys queue.
_SERVICE_KEYS_LOCK = 7_405_001


class KeyExists(Conflict):
    """The person has an active key already."""

    code = "key_exists"


class KeyNotActive(Conflict):
    """The key was retired or compromised, so it signs nothing any more."""

    code = "key_not_active"


class NotOwnKey(Forbidden):
    """The key, or the person, is another one than the actor's."""

    code = "not_own_key"


def ensure_service_keys(*, actor: Actor) -> None:
    """Makes the checkpoint key where there is none, and registers the configured artefact key.

    A configured key that differs from the registered one is a rotation: the old one is retired.

    Raises:
        KeyNotActive: SIGNING_PRIVATE_KEY is a key that was retired or compromised.
    """
    with transaction.atomic():
        _lock_service_keys()
        if _active_service_key(CHECKPOINT) is None:
            signer = LocalSigner.generate(ED25519)
            name = _NAMES[CHECKPOINT]
            _create(
                signer,
                actor=actor,
                name=name,
                purposes=[CHECKPOINT],
                box=boxes.closed(signer, None),
            )
        _register_artefact_key(actor)


def create_person_key(
    *, actor: Actor, person: Person, password: str, algorithm: str = ED25519
) -> SigningKey:
    """Makes the key with which a person countersigns, encrypted under the account's password.

    Raises:
        NotOwnKey: ``person`` is not the actor's. WrongPassword. Forbidden: no role that signs.
        KeyExists: there is an active one; retire it first.
    """
    trail.ensure_enabled()
    account = actor.account
    if account is None or account.person_id is None or account.person_id != person.pk:
        raise NotOwnKey("A signing key is made by the person whose key it is.")
    if not policy.scope(account, Action.MANAGE_OWN_KEY):
        raise Forbidden("Your roles do not sign, so they need no key.")
    if not account.check_password(password):
        raise WrongPassword("That is not your password.", field="password")
    if active_key_of(person) is not None:
        raise KeyExists("You have an active signing key: retire it first.")
    signer = LocalSigner.generate(algorithm)
    box = boxes.closed(signer, password)
    try:
        with transaction.atomic():
            return _create(
                signer,
                actor=actor,
                name=person.display_name,
                purposes=[COUNTERSIGN],
                person=person,
                box=box,
            )
    except IntegrityError as error:  # another request of the same person was faster
        raise KeyExists("You have an active signing key: retire it first.") from error


def retire_key(*, actor: Actor, key: SigningKey) -> SigningKey:
    """Takes the actor's own key out of use; it still verifies what it signed until now.

    Raises:
        NotOwnKey. KeyNotActive: it is out of use already.
    """
    _require_own(actor, key)
    with transaction.atomic():
        _retire(actor, key)
    key.refresh_from_db()
    return key


def mark_compromised(*, actor: Actor, key: SigningKey, compromised_at: datetime) -> SigningKey:
    """Marks the actor's own key as compromised; its signatures count no more.

    Args:
        compromised_at: from when somebody else may have had it, at the latest now.

    Raises:
        NotOwnKey. Invalid: the time lies in the future. KeyNotActive: it is marked already.
    """
    _require_own(actor, key)
    now = timezone.now()
    if compromised_at > now:
        raise Invalid("A key can't be compromised in the future.", field="compromised_at")
    with transaction.atomic():
        changed = (
            SigningKey.objects.filter(pk=key.pk)
            .exclude(status=KeyStatus.COMPROMISED)
            .update(
                status=KeyStatus.COMPROMISED,
                compromised_at=compromised_at,
                not_after=key.not_after or now,
            )
        )
        if not changed:
            raise KeyNotActive("The key is marked as compromised already.")
        trail.record(
            EventType.AUDIT_KEY_COMPROMISED,
            actor=actor,
            obj=("key", key.key_id),
            data={"name": key.name, "compromised_at": format_time(compromised_at)},
        )
    key.refresh_from_db()
    return key


def signer_for(purpose: str) -> Signer:
    """The service's signer: ``checkpoint``, or ``package`` and ``packet``.

    Raises:
        KeyMissing: there is no such key yet, or the configured one is not registered.
    """
    if purpose == CHECKPOINT:
        key = _active_service_key(CHECKPOINT)
        if key is None:
            raise KeyMissing("There is no checkpoint key: run `manage.py bootstrap` first.")
        return boxes.opened(key, None)
    if purpose not in ARTEFACTS:
        raise Invalid("The service signs checkpoints, packages and packets.", field="purpose")
    signer = _configured(settings.SIGNING_PRIVATE_KEY)
    key = _active_service_key(purpose)
    if key is None or key.key_id != signer.key_id:
        raise KeyMissing(
            "SIGNING_PRIVATE_KEY is not registered: `manage.py bootstrap` registers the first"
            " one, a restart of the worker every later one."
        )
    return signer


@lru_cache(maxsize=1)
def _configured(pem: str) -> LocalSigner:
    """The configured key: reading an RSA key checks it, which takes longer than signing with it.

    It is in memory as a setting anyway; people's keys are never kept.
    """
    return LocalSigner.from_pem(pem)


def person_signer(key: SigningKey, password: str) -> Signer:
    """The signer of a person's key.

    Raises:
        WrongPassword: it does not open the key. KeyNotActive: the key is out of use.
    """
    if not key.is_active:
        raise KeyNotActive("This signing key is out of use.")
    if key.person_id is None:
        raise NotOwnKey("This is not a person's key.")
    return boxes.opened(key, password)


def active_key_of(person: Person) -> SigningKey | None:
    """The person's key that signs now, if there is one."""
    return SigningKey.objects.filter(person=person, status=KeyStatus.ACTIVE).first()


def public_pem(key_id: str | None = None) -> str:
    """The public key of that id, or the one that signs artefacts now.

    Raises:
        NotFound: there is no such key.
    """
    if key_id is None:
        key = _active_service_key(ARTEFACTS[0])
    else:
        key = SigningKey.objects.filter(key_id=key_id).first()
    if key is None:
        raise NotFound("There is no such key.")
    return key.public_key_pem


def signers() -> Signers:
    """Every key that counts or counted, as the signers file lists them."""
    found = SigningKey.objects.order_by("id")
    return Signers(settings.AUDIT_ORIGIN, tuple(_trusted(key) for key in found))


def _trusted(key: SigningKey) -> TrustedKey:
    return TrustedKey(
        signer_kid=key.key_id,
        name=key.name,
        person=str(key.person_id) if key.person_id else None,
        purposes=tuple(key.purposes),
        algorithm=key.algorithm,
        public_key_pem=key.public_key_pem,
        status=key.status,
        not_before=format_time(key.not_before),
        not_after=format_time(key.not_after) if key.not_after else None,
        compromised_at=format_time(key.compromised_at) if key.compromised_at else None,
    )


def _register_artefact_key(actor: Actor) -> None:
    signer = _configured(settings.SIGNING_PRIVATE_KEY)
    known = SigningKey.objects.filter(key_id=signer.key_id).first()
    if known is not None:
        if not known.is_active:
            raise KeyNotActive("SIGNING_PRIVATE_KEY is a key that was taken out of use.")
        return
    before = _active_service_key(ARTEFACTS[0])
    if before is not None:
        _retire(actor, before)
    _create(signer, actor=actor, name=_NAMES[ARTEFACTS[0]], purposes=list(ARTEFACTS))


def _active_service_key(purpose: str) -> SigningKey | None:
    return SigningKey.objects.filter(
        person=None, status=KeyStatus.ACTIVE, purposes__contains=[purpose]
    ).first()


def _create(
    signer: LocalSigner,
    *,
    actor: Actor,
    name: str,
    purposes: list[str],
    person: Person | None = None,
    box: tuple[bytes, bytes] | None = None,
) -> SigningKey:
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
        not_before=timezone.now(),
    )
    data = {"name": name, "purposes": purposes, "algorithm": signer.algorithm}
    trail.record(EventType.AUDIT_KEY_CREATED, actor=actor, obj=("key", key.key_id), data=data)
    return key


def _retire(actor: Actor, key: SigningKey) -> None:
    retired = SigningKey.objects.filter(pk=key.pk, status=KeyStatus.ACTIVE).update(
        status=KeyStatus.RETIRED, not_after=timezone.now()
    )
    if not retired:
        raise KeyNotActive("The key is out of use already.")
    trail.record(
        EventType.AUDIT_KEY_RETIRED,
        actor=actor,
        obj=("key", key.key_id),
        data={"name": key.name, "purposes": key.purposes},
    )


def _require_own(actor: Actor, key: SigningKey) -> None:
    account = actor.account
    if account is None or account.person_id is None or account.person_id != key.person_id:
        raise NotOwnKey("Only the person whose key it is may do this alone.")
    if not policy.scope(account, Action.MANAGE_OWN_KEY):
        raise Forbidden("Your roles do not manage signing keys.")


def _lock_service_keys() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_SERVICE_KEYS_LOCK])
