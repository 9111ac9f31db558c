"""Which people can decide on a request, so that whoever asks knows whom to turn to."""

from __future__ import annotations

from access import policy
from access.models import Person
from access.roles import Action
from ops import approvable
from ops.models import Approval
from ops.services import approval_rules as rules


def people_for(approval: Approval) -> list[Person]:
    """The people who can decide on it and have not done so, by name.

    Administrators are among them where too few others could decide, as `approval_rules` has it.
    """
    act = approvable.get(approval.action)
    able = policy.people_who_may(act.approve, approval.client_id)
    if rules.is_short(act, approval):
        able |= policy.people_who_may(Action.MANAGE_PEOPLE, approval.client_id)
    decided = {
        policy.root_person(person_id)
        for person_id in approval.decisions.values_list("person_id", flat=True)
    }
    left = able - rules.excluded(act, approval) - decided
    return list(Person.objects.filter(pk__in=left).order_by("display_name", "pk"))


def in_words(approval: Approval) -> str:
    """A sentence that says who can decide."""
    names = [person.display_name for person in people_for(approval)]
    if not names:
        return "Nobody can decide on it now: an administrator has to grant somebody a role first."
    if len(names) == 1:
        return f"{names[0]} can decide on it."
    return f"{', '.join(names[:-1])} or {names[-1]} can decide on it."
