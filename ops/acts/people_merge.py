"""Merging two persons who are one human: proposed by an administrator, approved by an officer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from access import policy
from access.models import Grant, Person, User
from access.roles import Action
from audit.events import Actor
from ops.acts import params as read
from ops.approvable import Approvable, register
from ops.services import merging
from sealing.errors import Invalid, NotFound

MERGE = "people.merge"


def connect() -> None:
    """Registers the act; called once, at start-up."""
    register(
        Approvable(
            name=MERGE,
            label="Treat two persons as one",
            propose=Action.MANAGE_PEOPLE,
            approve=Action.APPROVE_GRANTS,
            validate=_validate,
            check=_ensure_mergeable,
            # Whoever could stand in is who asks, or a colleague of his.
            stand_in=False,
            client_of=_platform,
            subject=_as_they_are,
            describe=_describe,
            execute=_merge,
            concerns=_both,
            consequences=(
                "The accounts of the two count as one person's: they can't approve or"
                " countersign each other's work any more.",
                "What was approved earlier and not carried out yet is counted anew.",
            ),
            irreversible=("Two persons who were merged can't be separated again.",),
        )
    )


def _person(params: Mapping[str, Any], name: str) -> Person:
    found = Person.objects.filter(pk=params[name]).first()
    if found is None:
        raise NotFound("There is no such person.", field=name)
    return found


def _validate(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "person", "into", "reason")
    person, into = read.person_id(params, "person"), read.person_id(params, "into")
    if not read.text(params, "reason").strip():
        raise Invalid("Say how it was found out; it is recorded.", field="reason")
    return {"person": str(person), "into": str(into), "reason": params["reason"].strip()}


def _ensure_mergeable(params: Mapping[str, Any]) -> None:
    merging.ensure_mergeable(person=_person(params, "person"), into=_person(params, "into"))


def _platform(params: Mapping[str, Any]) -> str | None:
    return None


def _both(params: Mapping[str, Any]) -> Collection[Any]:
    return (params["person"], params["into"])


def _as_they_are(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _human(_person(params, name)) for name in ("person", "into")}


def _human(person: Person) -> dict[str, Any]:
    people = policy.people_of(person.pk)
    grants = Grant.objects.filter(user__person_id__in=people, revoked_at=None)
    return {
        "counted_as": str(policy.root_person(person.pk)),
        "accounts": _accounts(person),
        "grants": sorted({str(grant) for grant in grants.select_related("group")}),
    }


def _accounts(person: Person) -> list[str]:
    theirs = User.objects.filter(person_id__in=policy.people_of(person.pk))
    return sorted(theirs.values_list("username", flat=True))


def _describe(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    person, into = _person(params, "person"), _person(params, "into")
    return [
        ("Person", person.display_name),
        ("Its accounts", ", ".join(_accounts(person)) or "None"),
        ("Is the same human as", into.display_name),
        ("Whose accounts are", ", ".join(_accounts(into)) or "None"),
        ("How it was found out", params["reason"]),
    ]


def _merge(actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    kept = merging.merge_people(
        actor=actor,
        person=_person(params, "person"),
        into=_person(params, "into"),
        reason=params["reason"],
    )
    return {"counted_as": str(kept.pk)}
