"""Who acted, by name: rows hold the actor's id, people know each other by their names."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.safestring import SafeString

from access.admin import components
from access.models import User

_PERSON = "user:"


def shown(actor_id: str) -> SafeString:
    """One actor, on a page about one thing."""
    return all_shown([actor_id]).get(actor_id, components.NOTHING)


def all_shown(actor_ids: Iterable[str]) -> dict[str, SafeString]:
    """Actors as they are shown, by their ids, from one look-up.

    People by name and account; parts of Strongroom and accounts that are not known by their id.
    """
    wanted = {actor_id for actor_id in actor_ids if actor_id}
    names = [actor_id.removeprefix(_PERSON) for actor_id in wanted if actor_id.startswith(_PERSON)]
    people = User.objects.filter(username__in=names).select_related("person") if names else ()
    found = {f"{_PERSON}{user.username}": components.person(user) for user in people}
    return {actor_id: found.get(actor_id) or components.identifier(actor_id) for actor_id in wanted}
