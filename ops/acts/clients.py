"""Clients that an officer asks for, and an administrator approves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from access.models import Client
from access.roles import Action
from audit.events import Actor
from ops.acts import params as read
from ops.approvable import Approvable, register
from ops.services import people
from sealing.errors import Invalid

CREATE = "client.create"


def connect() -> None:
    """Registers the act; called once, at start-up."""
    register(
        Approvable(
            name=CREATE,
            label="Create a client",
            propose=Action.REQUEST_CLIENTS,
            approve=Action.MANAGE_CLIENTS,
            validate=_validate,
            check=_ensure_free,
            client_of=_platform,
            subject=_is_there,
            describe=_describe,
            execute=_create,
            consequences=("Events and packages can belong to it from then on.",),
            irreversible=("Its id can't be changed, and it can't be deleted.",),
        )
    )


def _platform(params: Mapping[str, Any]) -> None:
    return None


def _validate(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "client_id", "name", "redaction_pointers")
    pointers = params["redaction_pointers"]
    if not isinstance(pointers, list):
        raise Invalid("A list of JSON pointers is expected.", field="redaction_pointers")
    client_id, name = read.text(params, "client_id"), read.text(params, "name")
    client = people.valid_client(client_id=client_id, name=name, redaction_pointers=pointers)
    return {
        "client_id": client.pk,
        "name": client.name,
        "redaction_pointers": client.redaction_pointers,
    }


def _ensure_free(params: Mapping[str, Any]) -> None:
    if _is_there(params)["is_there"]:
        raise people.AlreadyThere(f"{params['client_id']} exists already.", field="client_id")


def _is_there(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"is_there": Client.objects.filter(pk=params["client_id"]).exists()}


def _describe(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("Id", params["client_id"]),
        ("Name", params["name"]),
        ("Removed from events", ", ".join(params["redaction_pointers"]) or "Nothing"),
    ]


def _create(actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    client = people.create_client(
        actor=actor,
        client_id=params["client_id"],
        name=params["name"],
        redaction_pointers=params["redaction_pointers"],
    )
    return {"client_id": client.pk}
