"""Two persons who were found to be one human: from then on they count as one, everywhere."""

from __future__ import annotations

from django.db import transaction

from access import policy
from access.models import Person
from access.roles import Action
from audit.events import Actor, EventType
from audit.services import trail
from ops.services.people import RolesConflict
from sealing.errors import Conflict, Invalid


class OneHuman(Conflict):
    """The two are known to be one human already."""

    code = "one_human"


def ensure_mergeable(*, person: Person, into: Person) -> None:
    """Refuses what `merge_people` would refuse.

    Raises:
        OneHuman. RolesConflict: together they hold roles that no one person may hold.
    """
    if policy.root_person(person.pk) == policy.root_person(into.pk):
        raise OneHuman("These two are known to be one person already.")
    roles = policy.roles_of_person(person.pk) | policy.roles_of_person(into.pk)
    if policy.roles_conflict(roles):
        raise RolesConflict(
            "Together the two would be both administrator and compliance officer: one of these"
            " roles has to be revoked first."
        )


def merge_people(*, actor: Actor, person: Person, into: Person, reason: str) -> Person:
    """Makes ``person``, and whoever was merged into it before, the same human as ``into``.

    Accounts stay with the person that they were made for, so that what was recorded stays true;
    whoever counts people counts the two as one from now on. It can't be taken back.

    Returns:
        The person that both are now counted as.

    Raises:
        Forbidden. Invalid: no reason was given. OneHuman. RolesConflict.
    """
    trail.ensure_enabled()
    policy.require(actor.account, Action.MANAGE_PEOPLE)
    if not reason.strip():
        raise Invalid("Say how it was found out; it is recorded.", field="reason")
    with transaction.atomic():
        # Held against grants to either, whose roles are compared below.
        both = policy.people_of(person.pk) | policy.people_of(into.pk)
        list(Person.objects.select_for_update().filter(pk__in=both).order_by("pk"))
        ensure_mergeable(person=person, into=into)
        gone, kept = _counted_as(person), _counted_as(into)
        gone.merged_into = kept
        gone.save(update_fields=["merged_into"])
        trail.record(
            EventType.ACCESS_PEOPLE_MERGED,
            actor=actor,
            obj=("person", str(gone.pk)),
            data={"into": str(kept.pk), "reason": reason},
        )
    return kept


def _counted_as(person: Person) -> Person:
    return Person.objects.get(pk=str(policy.root_person(person.pk)))
