"""People, clients, grants and API keys: every change of who may do what, with its event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from access import apikeys, policy
from access.models import ApiKey, Client, Grant, Person, User
from access.roles import Action, Role
from audit.events import Actor, EventType
from audit.services import keys, trail
from sealing.errors import Conflict, Forbidden, Invalid


class AlreadyThere(Conflict):
    """Something of that name exists already."""

    code = "already_exists"


class RolesConflict(Conflict):
    """One person may not be both administrator and compliance officer."""

    code = "roles_conflict"


class OwnGrant(Forbidden):
    """Nobody changes his own rights."""

    code = "own_grant"


class AlreadyBootstrapped(Conflict):
    """The first two people exist."""

    code = "already_bootstrapped"


def create_client(
    *, actor: Actor, client_id: str, name: str, redaction_pointers: Sequence[str] = ()
) -> Client:
    """Creates a client.

    Args:
        client_id: a slug of at most 64 characters; it names folders and can't be changed.
        redaction_pointers: JSON pointers into events that ingest removes before hashing.

    Raises:
        Invalid: a field is not valid. AlreadyThere: the id is taken. Forbidden.
    """
    policy.require(actor.account, Action.MANAGE_CLIENTS)
    client = Client(id=client_id, name=name, redaction_pointers=list(redaction_pointers))
    with transaction.atomic():
        _save(client, "client_id", client_id)
        trail.record(
            EventType.ACCESS_CLIENT_CREATED,
            actor=actor,
            client=client,
            obj=("client", client.id),
            data={"redaction_pointers": client.redaction_pointers},
        )
    return client


def create_person_account(
    *,
    actor: Actor,
    username: str,
    display_name: str,
    password: str,
    email: str = "",
    person: Person | None = None,
) -> User:
    """Creates an account of a human, and the person unless ``person`` says whose account it is.

    Raises:
        Invalid: a field is not valid, the password too weak. AlreadyThere. Forbidden.
    """
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    with transaction.atomic():
        return _create_person_account(actor, username, display_name, password, email, person)


def create_service_account(*, actor: Actor, username: str) -> User:
    """Creates an account without a person or a password; it acts by API keys only."""
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    user = User(username=username, is_service=True)
    user.set_unusable_password()
    with transaction.atomic():
        _save(user, "username", username)
        trail.record(
            EventType.ACCESS_USER_CREATED,
            actor=actor,
            obj=("account", username),
            data={"service": True},
        )
    return user


def deactivate_account(*, actor: Actor, user: User) -> None:
    """Closes an account: it can't sign in any more. Accounts are never deleted."""
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    _not_oneself(actor, user)
    with transaction.atomic():
        if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
            trail.record(
                EventType.ACCESS_USER_DEACTIVATED, actor=actor, obj=("account", user.username)
            )


def grant(*, actor: Actor, user: User, role: Role, client: Client | None) -> Grant:
    """Gives ``user`` a role for one client, or with None for all clients.

    Raises:
        OwnGrant: it is the actor's own person. RolesConflict: the person would hold both
        admin and compliance-officer. AlreadyThere. Forbidden.
    """
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    _not_oneself(actor, user)
    with transaction.atomic():
        return _grant(actor, user, role, client)


def revoke_grant(*, actor: Actor, grant: Grant) -> None:
    """Ends a grant; the row stays, with the time."""
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    _not_oneself(actor, grant.user)
    with transaction.atomic():
        ended = Grant.objects.filter(pk=grant.pk, revoked_at=None).update(revoked_at=timezone.now())
        if ended:
            trail.record(
                EventType.ACCESS_GRANT_REVOKED,
                actor=actor,
                client=grant.client_id,
                obj=("account", grant.user.username),
                data={"role": grant.group.name},
            )


def issue_api_key(*, actor: Actor, user: User, label: str) -> tuple[ApiKey, str]:
    """Makes an API key for a service account.

    Returns:
        The stored key (a hash) and the raw key, which is shown once and can't be read again.

    Raises:
        Invalid: the account belongs to a human. Forbidden.
    """
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    if not user.is_service:
        raise Invalid("API keys are for service accounts; people sign in.", field="user")
    with transaction.atomic():
        key, raw = apikeys.create(user=user, label=label, created_by=actor.account)
        trail.record(
            EventType.ACCESS_APIKEY_CREATED,
            actor=actor,
            obj=("account", user.username),
            data={"prefix": key.prefix, "label": label},
        )
    return key, raw


def revoke_api_key(*, actor: Actor, key: ApiKey) -> None:
    """Ends an API key at once."""
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    with transaction.atomic():
        ended = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
        if ended:
            trail.record(
                EventType.ACCESS_APIKEY_REVOKED,
                actor=actor,
                obj=("account", key.user.username),
                data={"prefix": key.prefix},
            )


def bootstrap(*, admin: dict[str, str], officer: dict[str, str]) -> tuple[User, User]:
    """Makes the first two people, an administrator and a compliance officer, and the keys.

    Two, because one person alone could approve his own requests from the first day on.

    Args:
        admin, officer: ``username``, ``display_name``, ``password`` and, if known, ``email``.

    Raises:
        AlreadyBootstrapped: somebody holds a grant. Invalid: a field is not valid.
    """
    actor = Actor.system("bootstrap")
    with transaction.atomic():
        Group.objects.select_for_update().get(name=Role.ADMIN)
        if Grant.objects.exists():
            raise AlreadyBootstrapped(
                "This installation has people already: an administrator creates the others."
            )
        if admin["username"] == officer["username"]:
            raise Invalid("The two accounts must differ.", field="officer.username")
        made = []
        for account, role in ((admin, Role.ADMIN), (officer, Role.OFFICER)):
            user = _create_person_account(
                actor,
                account["username"],
                account["display_name"],
                account["password"],
                account.get("email", ""),
                None,
            )
            _grant(actor, user, role, None)
            made.append(user)
        keys.ensure_service_keys(actor=actor)
    return made[0], made[1]


def _create_person_account(
    actor: Actor,
    username: str,
    display_name: str,
    password: str,
    email: str,
    person: Person | None,
) -> User:
    user = User(username=username, email=email, is_staff=True)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from error
    if person is None:
        person = Person(display_name=display_name)
        _save(person, "display_name", display_name)
    user.person = person
    user.set_password(password)
    _save(user, "username", username)
    trail.record(
        EventType.ACCESS_USER_CREATED,
        actor=actor,
        obj=("account", username),
        data={"person": str(person.pk), "service": False},
    )
    return user


def _grant(actor: Actor, user: User, role: Role, client: Client | None) -> Grant:
    # The lock makes two grants to one person follow each other, so that neither overlooks the
    # other when the roles are compared.
    if user.person_id is not None:
        Person.objects.select_for_update().get(pk=user.person_id)
    if policy.roles_conflict(policy.roles_of_person(user.person_id) | {role}):
        raise RolesConflict(
            "One person can't be both administrator and compliance officer: the one proposes"
            " what the other approves."
        )
    if user.is_service != (role == Role.AUTOMATION):
        raise Invalid("The role automation is for service accounts, and only it.", field="role")
    group = Group.objects.get(name=role)
    made = Grant(user=user, group=group, client=client, granted_by=actor.account)
    _save(made, "role", f"{role} for {client.pk if client else 'all clients'}")
    trail.record(
        EventType.ACCESS_GRANT_CREATED,
        actor=actor,
        client=client,
        obj=("account", user.username),
        data={"role": str(role)},
    )
    return made


def _not_oneself(actor: Actor, user: User) -> None:
    account = actor.account
    if account is not None and (
        account.pk == user.pk
        or (user.person_id is not None and account.person_id == user.person_id)
    ):
        raise OwnGrant("You can't change your own rights: ask another administrator.")


def _save(instance: Any, field: str, value: str) -> None:
    try:
        instance.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        fields = tuple((name, " ".join(msgs)) for name, msgs in error.message_dict.items())
        raise Invalid("Some fields are not valid.", errors=fields) from error
    try:
        with transaction.atomic():
            instance.save(force_insert=True)
    except IntegrityError as error:
        raise AlreadyThere(f"{value} exists already.", field=field) from error
