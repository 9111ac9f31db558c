"""Grants of much power, and further accounts of people who have one.

A grant is proposed by an administrator and approved by an officer. Another account is asked for by
the person whose account it is to be: who makes accounts could act as somebody else otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from access.models import Client, Grant, Person, User
from access.roles import Action, Role
from audit.events import Actor
from ops.acts import params as read
from ops.approvable import Approvable, register
from ops.services import people
from sealing.errors import Invalid, NotFound

GRANT, ANOTHER = "grant.create", "account.another"
_PASSWORD = "password"  # noqa: S105 - the name of it


def connect() -> None:
    """Registers the acts; called once, at start-up."""
    register(_another_account())
    register(
        Approvable(
            name=GRANT,
            label="Grant a role",
            propose=Action.MANAGE_PEOPLE,
            approve=Action.APPROVE_GRANTS,
            validate=_validate,
            check=_ensure_grantable,
            client_of=_client_of,
            subject=_rights_as_they_are,
            describe=_describe,
            changes=_changes,
            execute=_grant,
            precondition=_not_to_oneself,
            concerns=_who_gets_it,
            consequences=("It counts from the next request on.",),
        )
    )


def _account(params: Mapping[str, Any]) -> User:
    found = User.objects.select_related("person").filter(username=read.text(params, "username"))
    user = found.first()
    if user is None:
        raise NotFound("There is no such account.", field="username")
    return user


def _client(params: Mapping[str, Any]) -> Client | None:
    if params["client_id"] is None:
        return None
    client = Client.objects.filter(pk=read.text(params, "client_id"), is_active=True).first()
    if client is None:
        raise NotFound("There is no such client.", field="client_id")
    return client


def _validate(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "username", "role", "client_id")
    if read.text(params, "role") not in set(Role):
        raise Invalid("There is no such role.", field="role")
    if params["client_id"] is not None:
        read.text(params, "client_id")
    return {
        "username": read.text(params, "username"),
        "role": params["role"],
        "client_id": params["client_id"],
    }


def _ensure_grantable(params: Mapping[str, Any]) -> None:
    user, client = _account(params), _client(params)
    people.ensure_grantable(user=user, role=Role(params["role"]), client=client)


def _client_of(params: Mapping[str, Any]) -> str | None:
    client_id: str | None = params["client_id"]
    return client_id


def _rights_as_they_are(params: Mapping[str, Any]) -> dict[str, Any]:
    user = _account(params)
    return {
        "person": str(user.person_id) if user.person_id else None,
        "is_active": user.is_active,
        "grants": _grants_of(user),
    }


def _grants_of(user: User) -> list[str]:
    """What the account, or all accounts of its person, may do now."""
    theirs = Grant.objects.filter(revoked_at=None).select_related("group", "user")
    if user.person_id is None:
        found = theirs.filter(user=user)
    else:
        found = theirs.filter(user__person_id=user.person_id)
    return sorted({str(grant) for grant in found})


def _describe(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    user, client = _account(params), _client(params)
    return [
        ("Account", user.username),
        ("Person", user.person.display_name if user.person else "A service"),
        ("Role", params["role"]),
        ("For", client.name if client else "All clients"),
    ]


def _changes(params: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    now = _grants_of(_account(params))
    then = sorted({*now, f"{params['role']} for {params['client_id'] or 'all clients'}"})
    return [("Roles", ", ".join(now) or "None", ", ".join(then))]


def _not_to_oneself(actor: Actor, params: Mapping[str, Any]) -> None:
    people.ensure_not_oneself(actor, _account(params))


def _who_gets_it(params: Mapping[str, Any]) -> list[Any]:
    user = _account(params)
    return [user.person_id] if user.person_id else []


def _grant(actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    made = people.grant(
        actor=actor, user=_account(params), role=Role(params["role"]), client=_client(params)
    )
    return {"grant_id": made.pk}


# --- another account of one's own ---------------------------------------------------------------


def _another_account() -> Approvable:
    return Approvable(
        name=ANOTHER,
        label="Create another account of one’s own",
        propose=Action.VIEW,
        approve=Action.MANAGE_PEOPLE,
        validate=_validate_another,
        check=_ensure_name_is_free,
        client_of=_platform,
        subject=_accounts_as_they_are,
        describe=_describe_another,
        execute=_create_another,
        precondition=_only_ones_own,
        anywhere=True,
        needs=(_PASSWORD,),
        consequences=(
            "The person has one account more. Whatever its roles, it counts as the same person.",
            "It may do nothing until it has a grant, and begins with the password of the account"
            " by which it was asked for.",
        ),
        irreversible=("Whose account it is can't be changed.",),
    )


def _validate_another(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "person", "username")
    username = people.valid_username(read.text(params, "username"))
    return {"person": str(read.person_id(params, "person")), "username": username}


def _ensure_name_is_free(params: Mapping[str, Any]) -> None:
    if User.objects.filter(username=params["username"]).exists():
        raise people.AlreadyThere(f"{params['username']} exists already.", field="username")


def _platform(params: Mapping[str, Any]) -> None:
    return None


def _only_ones_own(actor: Actor, params: Mapping[str, Any]) -> None:
    if actor.person_id != params["person"]:
        raise people.NotOwnAccount("Another account is asked for by the person whose it is to be.")


def _accounts_as_they_are(params: Mapping[str, Any]) -> dict[str, Any]:
    theirs = User.objects.filter(person_id=params["person"])
    return {"accounts": sorted(theirs.values_list("username", flat=True))}


def _describe_another(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    person = Person.objects.filter(pk=params["person"]).first()
    there = ", ".join(_accounts_as_they_are(params)["accounts"])
    return [
        ("New account", params["username"]),
        ("Of", person.display_name if person else None),
        ("Who has", there or "None"),
    ]


def _create_another(
    actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]
) -> dict[str, Any]:
    made = people.create_own_account(
        actor=actor, username=params["username"], password=secrets[_PASSWORD]
    )
    return {"username": made.username}
