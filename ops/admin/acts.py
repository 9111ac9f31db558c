"""What can be done about clients, accounts, grants and API keys, alone or by asking for it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from access import policy
from access.admin import components
from access.admin.acts import Decision, Done, ObjectAction, ResultPage
from access.models import ApiKey, Client, Grant, Person, User
from access.roles import Action
from audit.events import Actor
from ops.acts import clients as client_acts
from ops.acts import people as people_acts
from ops.acts import people_merge
from ops.admin import asking, forms
from ops.models import Approval
from ops.services import people, proposals

RECORDED = "That you did it is recorded in the audit trail."


def _page(obj: Any) -> str:
    name = f"{obj._meta.app_label}_{obj._meta.model_name}_change"
    return reverse(f"admin:{name}", args=[obj.pk])


# --- clients ----------------------------------------------------------------------------------


def describe_new_client(request: HttpRequest, obj: None) -> Decision:
    """What a new client means."""
    if not policy.can(request.user, Action.MANAGE_CLIENTS):
        return asking.decision(client_acts.CREATE, "Ask for the client")
    return Decision(
        act="Create the client",
        consequences=("People can be granted roles for it, and events recorded.", RECORDED),
        irreversible=("Its id can't be changed, nor can the client be deleted.",),
    )


def client_hindrance(request: HttpRequest, obj: None) -> str | None:
    """Why the account can't create one, nor ask for it."""
    if policy.can(request.user, Action.REQUEST_CLIENTS):
        return None
    return "Clients are asked for by those who act for all clients."


def do_new_client(request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
    """Creates it, or asks an administrator to."""
    made = proposals.create_client(actor=Actor.of_request(request), **data)
    if isinstance(made, Approval):
        return asking.requested(made)
    return Done(message=f"Created the client {made.name} ({made.pk}).", url=_page(made))


# --- accounts ---------------------------------------------------------------------------------


def describe_new_person(request: HttpRequest, obj: None) -> Decision:
    """What a new account means."""
    return Decision(
        act="Create the account",
        consequences=(
            "The account can sign in, and may do nothing until it has a grant.",
            RECORDED,
        ),
        irreversible=(
            "Whose account it is can't be changed: two signatures count as two people's by that."
            " Who has an account already asks for another himself.",
        ),
    )


def do_new_person(request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
    """Creates it."""
    user = people.create_person_account(actor=Actor.of_request(request), **data)
    return Done(message=f"Created the account {user.username}.", url=_page(user))


def describe_another(request: HttpRequest, obj: None) -> Decision:
    """What another account of one's own means."""
    return asking.decision(people_acts.ANOTHER, "Ask for another account of mine")


def do_another(request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
    """Asks for it."""
    return asking.requested(proposals.another_account(actor=Actor.of_request(request), **data))


def describe_new_service(request: HttpRequest, obj: None) -> Decision:
    """What a new service account means."""
    return Decision(
        act="Create the service account",
        consequences=(
            "It acts by API keys only, and needs a grant of the role automation.",
            RECORDED,
        ),
    )


def do_new_service(request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
    """Creates it."""
    user = people.create_service_account(actor=Actor.of_request(request), **data)
    return Done(message=f"Created the service account {user.username}.", url=_page(user))


def describe_deactivate(request: HttpRequest, obj: User) -> Decision:
    """What closing an account means."""
    return Decision(
        act=f"Deactivate {obj.username}",
        danger=True,
        consequences=("It can't sign in any more, and its tokens and keys stop working.", RECORDED),
    )


def active_hindrance(request: HttpRequest, obj: User) -> str | None:
    """Why nothing can be done with an account."""
    return None if obj.is_active else "The account is deactivated."


def do_deactivate(request: HttpRequest, obj: User, data: dict[str, Any]) -> str:
    """Closes it."""
    people.deactivate_account(actor=Actor.of_request(request), user=obj)
    return f"Deactivated {obj.username}."


# --- persons ----------------------------------------------------------------------------------


def describe_merge(request: HttpRequest, obj: Person) -> Decision:
    """What it means that two are one."""
    return asking.decision(
        people_merge.MERGE,
        f"Ask to treat {obj.display_name} and another person as one",
        facts=(("Person", components.person(obj)), ("Accounts", _accounts(obj))),
        danger=True,
    )


def merge_hindrance(request: HttpRequest, obj: Person) -> str | None:
    """Why it is not asked for here."""
    if obj.merged_into is not None:
        return f"It counts as {obj.merged_into.display_name} already."
    return None


def do_merge(request: HttpRequest, obj: Person, data: dict[str, Any]) -> Done:
    """Asks for it."""
    return asking.requested(
        proposals.merge_people(actor=Actor.of_request(request), person=obj, **data)
    )


def _accounts(person: Person) -> str:
    return ", ".join(sorted(account.username for account in person.accounts.all())) or "None"


# --- grants -----------------------------------------------------------------------------------


def describe_grant(request: HttpRequest, obj: User) -> Decision:
    """What a grant means."""
    return Decision(
        act=f"Grant {obj.username} a role",
        consequences=(
            "It counts from the next request on.",
            "The roles admin and compliance-officer, and every role for all clients, take two"
            " people: they are asked for, and count once an officer has approved.",
            RECORDED,
        ),
        facts=(("Account", obj.username), ("Person", obj.person or "a service")),
    )


def do_grant(request: HttpRequest, obj: User, data: dict[str, Any]) -> str | Done:
    """Gives it, or asks for it where it gives much power."""
    client = Client.objects.get(pk=data["client_id"]) if data["client_id"] else None
    made = proposals.grant(
        actor=Actor.of_request(request),
        user=obj,
        role=data["role"],
        client=client,
        reason=data["reason"],
    )
    if isinstance(made, Approval):
        return asking.requested(made)
    return f"Granted {obj.username}: {made}."


def describe_revoke(request: HttpRequest, obj: Grant) -> Decision:
    """What ending a grant means."""
    return Decision(
        act=f"Revoke {obj} from {obj.user.username}",
        danger=True,
        consequences=("It stops counting at once. The record of it stays.", RECORDED),
    )


def grant_hindrance(request: HttpRequest, obj: Grant) -> str | None:
    """Why a grant can't be ended."""
    return "The grant has ended already." if obj.revoked_at else None


def do_revoke(request: HttpRequest, obj: Grant, data: dict[str, Any]) -> str:
    """Ends it."""
    people.revoke_grant(actor=Actor.of_request(request), grant=obj)
    return f"Revoked {obj} from {obj.user.username}."


# --- API keys ---------------------------------------------------------------------------------


def describe_new_key(request: HttpRequest, obj: User) -> Decision:
    """What a new API key means."""
    return Decision(
        act=f"Make an API key for {obj.username}",
        consequences=("The key is shown once, on the next page; only its hash is kept.", RECORDED),
    )


def service_hindrance(request: HttpRequest, obj: User) -> str | None:
    """Why an account gets no API key."""
    if not obj.is_service:
        return "API keys are for service accounts; people sign in."
    return active_hindrance(request, obj)


def do_new_key(request: HttpRequest, obj: User, data: dict[str, Any]) -> ResultPage:
    """Makes it and shows it."""
    key, raw = people.issue_api_key(actor=Actor.of_request(request), user=obj, label=data["label"])
    return ResultPage(
        template="admin/api_key.html",
        context={"title": f"API key for {obj.username}", "key": key, "raw": raw},
    )


def describe_revoke_key(request: HttpRequest, obj: ApiKey) -> Decision:
    """What ending an API key means."""
    return Decision(
        act=f"Revoke the API key {obj.prefix}",
        danger=True,
        consequences=("Requests with it are refused at once.", RECORDED),
        irreversible=("A revoked key can't be used again: make a new one.",),
    )


def key_hindrance(request: HttpRequest, obj: ApiKey) -> str | None:
    """Why a key can't be ended."""
    return "The key is revoked already." if obj.revoked_at else None


def do_revoke_key(request: HttpRequest, obj: ApiKey, data: dict[str, Any]) -> str:
    """Ends it."""
    people.revoke_api_key(actor=Actor.of_request(request), key=obj)
    return f"Revoked the API key {obj.prefix}."


NEW_CLIENT = ObjectAction(
    "new",
    "New client",
    Action.REQUEST_CLIENTS,
    forms.NewClientForm,
    handler=do_new_client,
    describe=describe_new_client,
    hindrance=client_hindrance,
    primary=True,
)
NEW_PERSON = ObjectAction(
    "new-person",
    "New person’s account",
    Action.MANAGE_PEOPLE,
    forms.NewPersonForm,
    handler=do_new_person,
    describe=describe_new_person,
    primary=True,
)
ANOTHER = ObjectAction(
    "another",
    "Another account of mine",
    Action.VIEW_PEOPLE,
    forms.AnotherAccountForm,
    handler=do_another,
    describe=describe_another,
)
NEW_SERVICE = ObjectAction(
    "new-service",
    "New service account",
    Action.MANAGE_PEOPLE,
    forms.NewServiceForm,
    handler=do_new_service,
    describe=describe_new_service,
)
GRANT = ObjectAction(
    "grant",
    "Grant a role",
    Action.MANAGE_PEOPLE,
    forms.GrantForm,
    handler=do_grant,
    describe=describe_grant,
    hindrance=active_hindrance,
    primary=True,
)
DEACTIVATE = ObjectAction(
    "deactivate",
    "Deactivate",
    Action.MANAGE_PEOPLE,
    handler=do_deactivate,
    describe=describe_deactivate,
    hindrance=active_hindrance,
)
NEW_KEY = ObjectAction(
    "api-key",
    "Make an API key",
    Action.MANAGE_PEOPLE,
    forms.ApiKeyForm,
    handler=do_new_key,
    describe=describe_new_key,
    hindrance=service_hindrance,
)
MERGE = ObjectAction(
    "merge",
    "Is the same as …",
    Action.MANAGE_PEOPLE,
    forms.MergeForm,
    handler=do_merge,
    describe=describe_merge,
    hindrance=merge_hindrance,
)
REVOKE = ObjectAction(
    "revoke",
    "Revoke",
    Action.MANAGE_PEOPLE,
    handler=do_revoke,
    describe=describe_revoke,
    hindrance=grant_hindrance,
)
REVOKE_KEY = ObjectAction(
    "revoke",
    "Revoke",
    Action.MANAGE_PEOPLE,
    handler=do_revoke_key,
    describe=describe_revoke_key,
    hindrance=key_hindrance,
)
