"""Signing keys: made, registered, opened, rotated, retired. Never deleted.

Changing a key takes two people: it is asked for through `ops`, and what changes keys here is called
by the act that was approved (`ops.acts.keys`), in the name of whoever asked for it.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from access import policy
from access.models import Person
from access.roles import Action
from audit.events import Actor, EventType
from audit.models import KeyStatus, SigningKey
from audit.services import boxes, key_rows, rewrapping, trail
from audit.services.boxes import KeyMissing, WrongPassword
from audit.services.key_rows import CHECKPOINT, KeyNotActive
from sealing.errors import Conflict, Forbidden, Invalid, NotFound
from sealing.keys import ECDSA_P256, Signers, TrustedKey
from sealing.signers.base import Signer
from sealing.signers.local import LocalSigner
from sealing.times import format_time

__all__ = [
    "ARTEFACTS",
    "CHECKPOINT",
    "KeyExists",
    "KeyMissing",
    "KeyNeeded",
    "KeyNotActive",
    "NotOwnKey",
    "Signer",
    "WrongPassword",
    "active_key_of",
    "by_id",
    "client_of",
    "create_person_key",
    "ensure_retirable",
    "ensure_service_keys",
    "listed",
    "mark_compromised",
    "person_signer",
    "public_pem",
    "retire_key",
    "rotate_checkpoint_key",
    "rotate_person_key",
    "signer_for",
    "signers",
]

ARTEFACTS = ("package", "packet")
# What readers of PDFs understand: people sign in packets too, beside packages.
PERSONS = ECDSA_P256
_ARTEFACTS_NAME = "Strongroom artefacts"


class KeyExists(Conflict):
    """The person has an active key already."""

    code = "key_exists"


class KeyNeeded(Conflict):
    """Without this key nothing could be signed any more: another one takes its place."""

    code = "key_needed"


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
        key_rows.lock_service_keys()
        if key_rows.active_service_key(CHECKPOINT) is None:
            key_rows.create_checkpoint_key(actor)
        _register_artefact_key(actor)


def client_of(person: Person | None) -> str | None:
    """The client whose people look after a person's key; None for the platform.

    The platform's look after the service's keys, those of whoever signs for all clients or for
    several, and those of people who sign for nobody any more: the people of one client decide
    nothing about a signature that counts for another.
    """
    if person is None:
        return None
    scope = policy.scope_of_person(person.pk, Action.MANAGE_OWN_KEY)
    if scope.all_clients or len(scope.client_ids) != 1:
        return None
    (client_id,) = scope.client_ids
    return client_id


def create_person_key(
    *, actor: Actor, person: Person, password: str, algorithm: str = PERSONS
) -> SigningKey:
    """Makes the key with which a person countersigns, encrypted under the account's password.

    Raises:
        NotOwnKey: ``person`` is not the actor's. WrongPassword. Forbidden: no role that signs.
        KeyExists: there is an active one; rotate it instead.
    """
    _require_owner(actor, person, password)
    if active_key_of(person) is not None:
        raise KeyExists("You have an active signing key: rotate it instead.")
    signer = LocalSigner.generate(algorithm)
    box = boxes.closed(signer, password)
    try:
        with transaction.atomic():
            return key_rows.create_person_key(actor, person, signer, box)
    except IntegrityError as error:  # another request of the same person was faster
        raise KeyExists("You have an active signing key: rotate it instead.") from error


def rotate_person_key(
    *, actor: Actor, person: Person, password: str, algorithm: str = PERSONS
) -> SigningKey:
    """Puts a new key in the place of the person's own one, which is retired.

    The password opens the account and locks the new key; the old one is not opened, so a key whose
    password was forgotten can be rotated too.

    Raises:
        As `create_person_key`. KeyNotActive: there is no key to take the place of.
    """
    _require_owner(actor, person, password)
    signer = LocalSigner.generate(algorithm)
    box = boxes.closed(signer, password)
    with transaction.atomic():
        old = SigningKey.objects.select_for_update().filter(person=person, status=KeyStatus.ACTIVE)
        key = old.first()
        if key is None:
            raise KeyNotActive("You have no active signing key: create one.")
        key_rows.retire(actor, key)
        return key_rows.create_person_key(actor, person, signer, box)


def rotate_checkpoint_key(*, actor: Actor) -> SigningKey:
    """Retires the key that signs checkpoints and makes another, which signs from then on.

    Signers wait meanwhile, so that no checkpoint is signed by the old key after its end or by the
    new one before its beginning. What the old key signed verifies as before.

    Raises:
        Forbidden. KeyMissing: there is no checkpoint key yet.
    """
    trail.ensure_enabled()
    policy.require(actor.account, Action.MANAGE_KEYS)
    with transaction.atomic():
        key_rows.lock_signing()
        key_rows.lock_service_keys()
        old = key_rows.active_service_key(CHECKPOINT)
        if old is None:
            raise KeyMissing("There is no checkpoint key: run `manage.py bootstrap` first.")
        ended = key_rows.end_of_signing(old)
        key_rows.retire(actor, old, at=ended)
        return key_rows.create_checkpoint_key(actor, not_before=ended)


def retire_key(*, actor: Actor, key: SigningKey) -> SigningKey:
    """Takes a key out of use; it still verifies what it signed until now.

    Raises:
        Forbidden. KeyNotActive: it is out of use already. KeyNeeded: it signs checkpoints.
    """
    _require_keeper(actor, key)
    ensure_retirable(key)
    with transaction.atomic():
        key_rows.retire(actor, key)
    key.refresh_from_db()
    return key


def ensure_retirable(key: SigningKey) -> None:
    """Raises KeyNotActive or KeyNeeded where a key can't be retired."""
    if not key.is_active:
        raise KeyNotActive("The key is out of use already.")
    if CHECKPOINT in key.purposes:
        raise KeyNeeded("Without a checkpoint key nothing can be signed: rotate it instead.")


def mark_compromised(*, actor: Actor, key: SigningKey, compromised_at: datetime) -> SigningKey:
    """Marks a key as compromised; what it signed counts only where it is proven to be older.

    In the place of a checkpoint key that was in use another one is made at once.

    Args:
        compromised_at: from when somebody else may have had it, at the latest now.

    Raises:
        Forbidden. Invalid: the time lies in the future. KeyNotActive: it is marked already.
    """
    _require_keeper(actor, key)
    if compromised_at > timezone.now():
        raise Invalid("A key can't be compromised in the future.", field="compromised_at")
    with transaction.atomic():
        if CHECKPOINT in key.purposes:
            key_rows.lock_signing()
            key_rows.lock_service_keys()
        current = SigningKey.objects.select_for_update().get(pk=key.pk)
        if current.status == KeyStatus.COMPROMISED:
            raise KeyNotActive("The key is marked as compromised already.")
        was_active, ended = current.is_active, current.not_after or key_rows.end_of_signing(current)
        SigningKey.objects.filter(pk=key.pk).update(
            status=KeyStatus.COMPROMISED, compromised_at=compromised_at, not_after=ended
        )
        trail.record(
            EventType.AUDIT_KEY_COMPROMISED,
            actor=actor,
            obj=("key", key.key_id),
            data={"name": key.name, "compromised_at": format_time(compromised_at)},
        )
        if was_active and CHECKPOINT in key.purposes:
            key_rows.create_checkpoint_key(actor, not_before=ended)
    key.refresh_from_db()
    return key


def signer_for(purpose: str) -> Signer:
    """The service's signer: ``checkpoint``, or ``package`` and ``packet``.

    Raises:
        KeyMissing: there is no such key yet, or the configured one is not registered.
    """
    if purpose == CHECKPOINT:
        key = key_rows.active_service_key(CHECKPOINT)
        if key is None:
            raise KeyMissing("There is no checkpoint key: run `manage.py bootstrap` first.")
        return boxes.opened(key, None)
    if purpose not in ARTEFACTS:
        raise Invalid("The service signs checkpoints, packages and packets.", field="purpose")
    signer = _configured(settings.SIGNING_PRIVATE_KEY)
    key = key_rows.active_service_key(purpose)
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
    """The signer of a person's key. A box that a former key-encryption key closed is closed anew.

    Raises:
        WrongPassword: it does not open the key. KeyNotActive: the key is out of use.
    """
    if not key.is_active:
        raise KeyNotActive("This signing key is out of use.")
    if key.person_id is None:
        raise NotOwnKey("This is not a person's key.")
    opened = boxes.opened_box(key, password)
    if not opened.is_current:
        actor = Actor.system("key-encryption")
        rewrapping.close_anew(actor=actor, key=key, signer=opened.signer, password=password)
    return opened.signer


def active_key_of(person: Person) -> SigningKey | None:
    """The person's key that signs now, if there is one."""
    return SigningKey.objects.filter(person=person, status=KeyStatus.ACTIVE).first()


def public_pem(key_id: str | None = None) -> str:
    """The public key of that id, or the one that signs artefacts now.

    Raises:
        NotFound: there is no such key.
    """
    if key_id is not None:
        return by_id(key_id).public_key_pem
    key = key_rows.active_service_key(ARTEFACTS[0])
    if key is None:
        raise NotFound("There is no such key.")
    return key.public_key_pem


def listed(*, actor: Actor, status: str | None = None) -> QuerySet[SigningKey]:
    """The keys, for a list; only those of a status if one is asked for.

    Raises:
        Forbidden: the actor has nothing to do with keys. Invalid: there is no such status.
    """
    if not policy.scope(actor.account, Action.VIEW_KEYS):
        raise Forbidden("Your roles do not allow this.")
    if status is None:
        return SigningKey.objects.all()
    if status not in KeyStatus.values:
        raise Invalid(f"One of {', '.join(KeyStatus.values)}.", field="status")
    return SigningKey.objects.filter(status=status)


def by_id(key_id: str) -> SigningKey:
    """The key of that id. Raises NotFound."""
    key = SigningKey.objects.filter(key_id=key_id).first()
    if key is None:
        raise NotFound("There is no such key.", field="key_id")
    return key


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
    before = key_rows.active_service_key(ARTEFACTS[0])
    if before is not None:
        key_rows.retire(actor, before)
    key_rows.create(signer, actor=actor, name=_ARTEFACTS_NAME, purposes=list(ARTEFACTS))


def _require_owner(actor: Actor, person: Person, password: str) -> None:
    trail.ensure_enabled()
    account = actor.account
    if account is None or account.person_id is None or account.person_id != person.pk:
        raise NotOwnKey("A signing key is made by the person whose key it is.")
    if not policy.scope(account, Action.MANAGE_OWN_KEY):
        raise Forbidden("Your roles do not sign, so they need no key.")
    if not account.check_password(password):
        raise WrongPassword("That is not your password.", field="password")


def _require_keeper(actor: Actor, key: SigningKey) -> None:
    trail.ensure_enabled()
    policy.require(actor.account, Action.MANAGE_KEYS, client_of(key.person))
