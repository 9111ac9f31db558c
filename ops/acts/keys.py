"""Signing keys: created, rotated, retired and reported by two people.

A person's own key is made by that person, who gives the password when the approved act is carried
out; nobody else ever can. Everything else is carried out by the last approval.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from access.models import Person
from access.roles import Action
from audit.events import Actor
from audit.models import KeyStatus, SigningKey
from audit.services import keys
from ops.acts import params as read
from ops.approvable import Approvable, register
from sealing.errors import Invalid, NotFound
from sealing.times import format_time, parse_rfc3339, parse_time

CREATE, ROTATE, ROTATE_CHECKPOINT = "key.create", "key.rotate", "key.rotate_checkpoint"
RETIRE, COMPROMISE = "key.retire", "key.compromise"
_PASSWORD = "password"  # noqa: S105 - the name of it
_ANOTHER = "A new one, made when it is carried out"
_NEVER_DELETED = "Keys are never deleted. One that is out of use still verifies what it signed."
_FORGOTTEN = "If your password changes, the key can't be opened any more: rotate it then."


def connect() -> None:
    """Registers the acts; called once, at start-up."""
    for act in (*_own_key_acts(), *_any_key_acts()):
        register(act)


def _own_key_acts() -> tuple[Approvable, ...]:
    return (
        Approvable(
            name=CREATE,
            label="Create a signing key",
            propose=Action.MANAGE_OWN_KEY,
            approve=Action.APPROVE_KEYS,
            validate=_validate_own,
            check=_ensure_none,
            anywhere=True,
            client_of=_client_of_person,
            subject=_key_of_person,
            describe=_describe_person,
            changes=_new_key,
            execute=_create,
            precondition=_only_ones_own,
            needs=(_PASSWORD,),
            consequences=(
                "The person can countersign packages with it.",
                "It is kept here, locked with the person's password: nobody else can use it.",
            ),
            irreversible=(_NEVER_DELETED, _FORGOTTEN),
        ),
        Approvable(
            name=ROTATE,
            label="Rotate a signing key",
            propose=Action.MANAGE_OWN_KEY,
            approve=Action.APPROVE_KEYS,
            validate=_validate_own,
            check=_ensure_one,
            anywhere=True,
            client_of=_client_of_person,
            subject=_key_of_person,
            describe=_describe_person,
            changes=_new_key,
            execute=_rotate,
            precondition=_only_ones_own,
            needs=(_PASSWORD,),
            consequences=(
                "A new key takes the place of the old one, locked with the person's password.",
                "The old key is retired; what it signed still verifies.",
            ),
            irreversible=("The old key can't be used again.", _NEVER_DELETED, _FORGOTTEN),
        ),
    )


def _any_key_acts() -> tuple[Approvable, ...]:
    return (
        Approvable(
            name=ROTATE_CHECKPOINT,
            label="Rotate the checkpoint key",
            propose=Action.MANAGE_KEYS,
            approve=Action.APPROVE_KEYS,
            validate=_validate_nothing,
            client_of=_platform,
            subject=_checkpoint_key,
            describe=_describe_checkpoint_key,
            changes=_new_checkpoint_key,
            execute=_rotate_checkpoint_key,
            consequences=(
                "The old key is retired and a new one signs the next checkpoint.",
                "What the old key signed still verifies.",
                "Verifiers need the new list of public keys: hand it out again.",
            ),
            irreversible=("The old key can't be used again.",),
        ),
        Approvable(
            name=RETIRE,
            label="Retire a signing key",
            propose=Action.MANAGE_KEYS,
            approve=Action.APPROVE_KEYS,
            validate=_validate_retire,
            check=_ensure_retirable,
            client_of=_client_of_key,
            subject=_key_as_it_is,
            describe=_describe_key,
            changes=_retired,
            execute=_retire,
            consequences=("What it signed until then still verifies.",),
            irreversible=("It can't be used again: a new key is needed to go on signing.",),
        ),
        Approvable(
            name=COMPROMISE,
            label="Mark a signing key as compromised",
            propose=Action.MANAGE_KEYS,
            approve=Action.APPROVE_KEYS,
            validate=_validate_compromise,
            check=_ensure_not_marked,
            client_of=_client_of_key,
            subject=_key_as_it_is,
            describe=_describe_compromise,
            changes=_compromised,
            execute=_mark_compromised,
            consequences=(
                "Its signatures count only where a trusted timestamp proves them to be older.",
                "Packages that it countersigned may need another countersignature.",
                "In the place of a checkpoint key another one is made at once.",
            ),
            irreversible=("The mark stays for ever.",),
        ),
    )


# --- one's own --------------------------------------------------------------------------------


def _person(params: Mapping[str, Any]) -> Person:
    person = Person.objects.filter(pk=params["person"]).first()
    if person is None:
        raise NotFound("There is no such person.", field="person")
    return person


def _validate_own(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "person")
    return {"person": str(read.person_id(params, "person"))}


def _ensure_none(params: Mapping[str, Any]) -> None:
    if keys.active_key_of(_person(params)) is not None:
        raise keys.KeyExists("There is an active signing key: rotate it instead.")


def _ensure_one(params: Mapping[str, Any]) -> None:
    if keys.active_key_of(_person(params)) is None:
        raise keys.KeyNotActive("There is no active signing key: create one.")


def _only_ones_own(actor: Actor, params: Mapping[str, Any]) -> None:
    if actor.person_id != params["person"]:
        raise keys.NotOwnKey("A signing key is made by the person whose key it is.")


def _client_of_person(params: Mapping[str, Any]) -> str | None:
    return keys.client_of(_person(params))


def _key_of_person(params: Mapping[str, Any]) -> dict[str, Any]:
    key = keys.active_key_of(_person(params))
    return {"active_key": key.key_id if key else None}


def _describe_person(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [("Person", _person(params).display_name), ("Algorithm", keys.PERSONS)]


def _new_key(params: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    key = keys.active_key_of(_person(params))
    return [("Key in use", key.key_id if key else "None", _ANOTHER)]


def _create(actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    key = keys.create_person_key(actor=actor, person=_person(params), password=secrets[_PASSWORD])
    return {"key_id": key.key_id}


def _rotate(actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    key = keys.rotate_person_key(actor=actor, person=_person(params), password=secrets[_PASSWORD])
    return {"key_id": key.key_id}


# --- the checkpoint key -----------------------------------------------------------------------


def _validate_nothing(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params)
    return {}


def _platform(params: Mapping[str, Any]) -> None:
    return None


def _active_checkpoint_key() -> SigningKey | None:
    return SigningKey.objects.filter(
        person=None, purposes=[keys.CHECKPOINT], status=KeyStatus.ACTIVE
    ).first()


def _checkpoint_key(params: Mapping[str, Any]) -> dict[str, Any]:
    key = _active_checkpoint_key()
    return {"active_key": key.key_id if key else None}


def _describe_checkpoint_key(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    key = _active_checkpoint_key()
    return [("In use since", key and key.not_before)]


def _new_checkpoint_key(params: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    key = _active_checkpoint_key()
    return [("Key in use", key.key_id if key else "None", _ANOTHER)]


def _rotate_checkpoint_key(
    actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]
) -> dict[str, Any]:
    return {"key_id": keys.rotate_checkpoint_key(actor=actor).key_id}


# --- any key ----------------------------------------------------------------------------------


def _key(params: Mapping[str, Any]) -> SigningKey:
    return keys.by_id(read.text(params, "key_id"))


def _validate_retire(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "key_id")
    return {"key_id": read.text(params, "key_id")}


def _ensure_retirable(params: Mapping[str, Any]) -> None:
    keys.ensure_retirable(_key(params))


def _validate_compromise(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "key_id", "compromised_at")
    try:
        since = parse_rfc3339(read.text(params, "compromised_at"))
    except Invalid as error:
        raise Invalid(error.message, field="compromised_at") from error
    if since > timezone.now():
        raise Invalid("A key can't be compromised in the future.", field="compromised_at")
    return {"key_id": read.text(params, "key_id"), "compromised_at": format_time(since)}


def _ensure_not_marked(params: Mapping[str, Any]) -> None:
    if _key(params).status == KeyStatus.COMPROMISED:
        raise keys.KeyNotActive("The key is marked as compromised already.")


def _client_of_key(params: Mapping[str, Any]) -> str | None:
    return keys.client_of(_key(params).person)


def _key_as_it_is(params: Mapping[str, Any]) -> dict[str, Any]:
    key = _key(params)
    return {"status": key.status, "not_after": key.not_after and format_time(key.not_after)}


def _describe_key(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    key = _key(params)
    return [
        ("Key", key.key_id),
        ("Whose", key.person.display_name if key.person else key.name),
        ("Purposes", ", ".join(key.purposes)),
        ("In use from", key.not_before),
        ("In use until", key.not_after),
    ]


def _describe_compromise(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [*_describe_key(params), ("Compromised from", parse_time(params["compromised_at"]))]


def _retired(params: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [("State", _key(params).get_status_display(), KeyStatus.RETIRED.label)]


def _compromised(params: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [("State", _key(params).get_status_display(), KeyStatus.COMPROMISED.label)]


def _retire(actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    return {"key_id": keys.retire_key(actor=actor, key=_key(params)).key_id}


def _mark_compromised(
    actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]
) -> dict[str, Any]:
    since = parse_time(params["compromised_at"])
    keys.mark_compromised(actor=actor, key=_key(params), compromised_at=since)
    return {"key_id": params["key_id"]}
