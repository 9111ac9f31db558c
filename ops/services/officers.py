"""That there is always an officer: no administrator alone takes the last one away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.contrib.auth.models import Group

from access import policy
from access.roles import Action, Role
from sealing.errors import Conflict


class LastOfficer(Conflict):
    """Nobody could approve any more what administrators ask for."""

    code = "last_officer"


@contextmanager
def kept(clients: Sequence[str | None]) -> Iterator[None]:
    """Refuses a change, made in the open transaction, that takes the last officer away.

    Without officers administrators decide for one another; one of them alone must not bring that
    about. The lock makes such changes follow each other, so that no two take the last two away.

    Args:
        clients: for whom there may be an officer less; None is the platform.

    Raises:
        LastOfficer: for one of these no human would be left who approves.
    """
    if not clients:
        yield
        return
    Group.objects.select_for_update(no_key=True).get(name=Role.OFFICER)
    had = [one for one in clients if policy.people_who_may(Action.APPROVE_GRANTS, one)]
    yield
    for client_id in had:
        if not policy.people_who_may(Action.APPROVE_GRANTS, client_id):
            raise LastOfficer(
                "Nobody else is officer here: grant the role to a successor first, which this"
                " officer approves."
            )
