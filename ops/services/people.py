"""People, clients, grants and API keys: every change of who may do what, with its event.

What takes two people (grants of much power, clients that an officer wants) is asked for through
`ops.services.proposals`, and called here by the act that was approved, in the asker's name.
"""

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
from ops.services import jobs, officers
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


class NotOwnAccount(Forbidden):
    """The account would be another person's, or the password is not the actor's."""

    code = "not_own_account"


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
    policy.require(actor.account, Action.REQUEST_CLIENTS)
    client = valid_client(client_id=client_id, name=name, redaction_pointers=redaction_pointers)
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


def valid_client(*, client_id: str, name: str, redaction_pointers: Sequence[str]) -> Client:
    """A client that could be created, not stored yet. Raises Invalid."""
    client = Client(id=client_id, name=name, redaction_pointers=list(redaction_pointers))
    _clean(client)
    return client


def create_person_account(
    *,
    actor: Actor,
    username: str,
    display_name: str,
    password: str,
    email: str = "",
) -> User:
    """Creates an account of a human who has none yet, and the person.

    Another account of somebody is made by himself (`create_own_account`): whoever sets its first
    password could act in his name.

    Raises:
        Invalid: a field is not valid, the password too weak. AlreadyThere. Forbidden.
    """
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    with transaction.atomic():
        return _create_person_account(actor, username, display_name, password, email)


def create_own_account(*, actor: Actor, username: str, password: str) -> User:
    """Creates another account of the actor's person, when somebody has approved it.

    Args:
        password: the actor's, asked again; the new account begins with it, so that nobody else
            ever knows one that opens it.

    Raises:
        NotOwnAccount: the actor is no person, or it is not his password. Invalid. AlreadyThere.
    """
    trail.ensure_enabled()
    account = actor.account
    if account is None or account.person is None or not account.is_active:
        raise NotOwnAccount("Another account is made by the person whose it is.")
    if not account.check_password(password):
        raise NotOwnAccount("That is not your password.", field="password")
    user = User(username=username, is_staff=True, person=account.person)
    with transaction.atomic():
        return _save_account(actor, user, password)


def valid_username(username: str) -> str:
    """The name as it would be stored. Raises Invalid."""
    try:
        User._meta.get_field("username").run_validators(username)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="username") from error
    if not username:
        raise Invalid("A name is needed.", field="username")
    return username


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
    """Closes an account: it can't sign in any more. Accounts are never deleted.

    Raises:
        OwnGrant. LastOfficer: the last officer would be gone with it. Forbidden.
    """
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    ensure_not_oneself(actor, user)
    held = Grant.objects.filter(user=user, group__name=Role.OFFICER, revoked_at=None)
    clients = list(held.values_list("client_id", flat=True))
    with transaction.atomic(), officers.kept(clients):
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
    ensure_not_oneself(actor, user)
    with transaction.atomic():
        return _grant(actor, user, role, client)


def is_privileged(role: Role, client: Client | None) -> bool:
    """Whether a grant gives so much power that two people have to want it."""
    return client is None or role in (Role.ADMIN, Role.OFFICER)


def ensure_grantable(*, user: User, role: Role, client: Client | None) -> None:
    """Raises RolesConflict, Invalid or AlreadyThere where there can be no such grant."""
    if policy.roles_conflict(policy.roles_of_person(user.person_id) | {role}):
        raise RolesConflict(
            "One person can't be both administrator and compliance officer: the one proposes"
            " what the other approves."
        )
    if user.is_service != (role == Role.AUTOMATION):
        raise Invalid("The role automation is for service accounts, and only it.", field="role")
    if not user.is_active:
        raise Invalid("The account is deactivated.", field="username")
    held = Grant.objects.filter(user=user, group__name=role, client=client, revoked_at=None)
    if held.exists():
        raise AlreadyThere(f"{_words(role, client)} exists already.", field="role")


def ensure_not_oneself(actor: Actor, user: User) -> None:
    """Raises OwnGrant where the account is the actor's, or another of the same person."""
    account = actor.account
    if account is not None and (
        account.pk == user.pk
        or (
            user.person_id is not None
            and policy.root_person(account.person_id) == policy.root_person(user.person_id)
        )
    ):
        raise OwnGrant("You can't change your own rights: ask another administrator.")


def revoke_grant(*, actor: Actor, grant: Grant) -> None:
    """Ends a grant; the row stays, with the time.

    Raises:
        OwnGrant. LastOfficer: the last officer would be gone with it. Forbidden.
    """
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    ensure_not_oneself(actor, grant.user)
    clients = [grant.client_id] if grant.group.name == Role.OFFICER else []
    with transaction.atomic(), officers.kept(clients):
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
    """Makes the first two people, an administrator and an officer, the keys and the jobs.

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
            )
            _grant(actor, user, role, None)
            made.append(user)
        keys.ensure_service_keys(actor=actor)
        jobs.ensure_builtin_jobs()
    return made[0], made[1]


def _create_person_account(
    actor: Actor,
    username: str,
    display_name: str,
    password: str,
    email: str,
) -> User:
    person = Person(display_name=display_name)
    _save(person, "display_name", display_name)
    user = User(username=username, email=email, is_staff=True, person=person)
    return _save_account(actor, user, password)


def _save_account(actor: Actor, user: User, password: str) -> User:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from error
    user.set_password(password)
    _save(user, "username", user.username)
    trail.record(
        EventType.ACCESS_USER_CREATED,
        actor=actor,
        obj=("account", user.username),
        data={"person": str(user.person_id), "service": False},
    )
    return user


def _grant(actor: Actor, user: User, role: Role, client: Client | None) -> Grant:
    # The lock makes two grants to one person follow each other, so that neither overlooks the
    # other when the roles are compared.
    same = policy.people_of(user.person_id)
    list(Person.objects.select_for_update().filter(pk__in=same).order_by("pk"))
    ensure_grantable(user=user, role=role, client=client)
    group = Group.objects.get(name=role)
    made = Grant(user=user, group=group, client=client, granted_by=actor.account)
    _save(made, "role", _words(role, client))
    trail.record(
        EventType.ACCESS_GRANT_CREATED,
        actor=actor,
        client=client,
        obj=("account", user.username),
        data={"role": str(role)},
    )
    return made


def _words(role: Role, client: Client | None) -> str:
    return f"{role} for {client.pk if client else 'all clients'}"


def _clean(instance: Any) -> None:
    try:
        instance.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        fields = tuple((name, " ".join(msgs)) for name, msgs in error.message_dict.items())
        raise Invalid("Some fields are not valid.", errors=fields) from error


def _save(instance: Any, field: str, value: str) -> None:
    _clean(instance)
    try:
        with transaction.atomic():
            instance.save(force_insert=True)
    except IntegrityError as error:
        raise AlreadyThere(f"{value} exists already.", field=field) from error
