"""Who may do what: the one place that decides. A superuser bypasses none of it.

Three questions are asked here. ``can`` and ``require`` are about one thing of one client,
``visible`` about the rows of a list, ``scope`` about whether there is anything at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, Q, QuerySet

from access.models import Client, Grant, User
from access.roles import EXCLUSIVE, MATRIX, OWN_ONLY, Action, Role
from sealing.errors import Forbidden, NotFound

M = TypeVar("M", bound=Model)
# Cycles can't occur: a trigger refuses them.
_SAME_HUMAN = """
    WITH RECURSIVE same (id) AS (
        SELECT access_person_root(%s)
        UNION
        SELECT person.id FROM access_person person JOIN same ON person.merged_into_id = same.id
    )
    SELECT id FROM same
"""


class OutOfScope(NotFound):
    """It belongs to a client that the actor may not see: as if it were not there."""

    code = "not_found"


@dataclass(frozen=True, slots=True)
class Scope:
    """The clients for which somebody may do something."""

    all_clients: bool
    client_ids: frozenset[str]

    def __bool__(self) -> bool:
        return self.all_clients or bool(self.client_ids)

    def covers(self, client_id: str | None) -> bool:
        """Whether it includes this client, or the platform (None)."""
        return self.all_clients or (client_id is not None and client_id in self.client_ids)


def scope(user: Any, action: Action = Action.VIEW) -> Scope:
    """For which clients ``user`` may do ``action``, as the grants are now.

    Clients for which the account may do it to its own things only are included: it says where
    there may be something, ``visible`` and ``can`` say what.
    """
    return _scope_of(_grants(user), MATRIX[action])


def can(
    user: Any, action: Action, client: Client | str | None = None, *, own: bool = False
) -> bool:
    """Whether ``user`` may do ``action`` to a thing of a client.

    Args:
        client: whose thing it is; None is the platform, which needs a grant for all clients.
        own: it is the account's own, such as a run that it started; some roles see nothing else.
    """
    roles = MATRIX[action] if own else MATRIX[action] - OWN_ONLY.get(action, frozenset())
    return _scope_of(_grants(user), roles).covers(_id_of(client))


def require(
    user: Any, action: Action, client: Client | str | None = None, *, own: bool = False
) -> None:
    """Lets pass whoever may; the arguments are those of ``can``.

    Raises:
        OutOfScope: the actor holds no role for that client at all.
        Forbidden: he does, but it does not allow this.
    """
    if can(user, action, client, own=own):
        return
    client_id = _id_of(client)
    if client_id is not None and not scope(user, Action.VIEW).covers(client_id):
        raise OutOfScope("There is nothing here that you may see.")
    raise Forbidden("Your roles do not allow this.")


def visible(
    queryset: QuerySet[M],
    user: Any,
    *,
    field: str = "client_id",
    action: Action = Action.VIEW,
    own: Q | None = None,
) -> QuerySet[M]:
    """The rows to which ``user`` may do ``action``.

    Args:
        field: the column with the client's id; rows without one need a grant for all clients.
        own: which rows are the account's own. Without it those who may see only their own see
            none.
    """
    grants = _grants(user)
    limited = OWN_ONLY.get(action, frozenset())
    full = _scope_of(grants, MATRIX[action] - limited)
    if full.all_clients:
        return queryset
    wanted = Q(**{f"{field}__in": full.client_ids})
    theirs = _scope_of(grants, limited)
    if own is not None and theirs:
        wanted |= own if theirs.all_clients else own & Q(**{f"{field}__in": theirs.client_ids})
    return queryset.filter(wanted)


def roles_of(user: Any) -> frozenset[Role]:
    """The roles that an account holds for any client."""
    return frozenset(role for role, _ in _grants(user))


def root_person(person_id: Any) -> uuid.UUID | None:
    """Who a person is found to be: the one that others were merged into, or himself.

    Two people are two only if these differ.
    """
    if person_id is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_person_root(%s)", [str(person_id)])
        found: uuid.UUID = cursor.fetchone()[0]
    return found


def people_of(person_id: Any) -> frozenset[uuid.UUID]:
    """All persons that are found to be one human with this one, itself included."""
    if person_id is None:
        return frozenset()
    with connection.cursor() as cursor:
        cursor.execute(_SAME_HUMAN, [str(person_id)])
        return frozenset(row[0] for row in cursor.fetchall())


def roles_of_person(person_id: Any) -> frozenset[Role]:
    """The roles that all accounts of a human hold together, inactive accounts too."""
    if person_id is None:
        return frozenset()
    names = Grant.objects.filter(user__person_id__in=people_of(person_id), revoked_at=None)
    return frozenset(Role(name) for name in names.values_list("group__name", flat=True))


def scope_of_person(person_id: Any, action: Action) -> Scope:
    """For which clients all accounts of a human together may do ``action``."""
    rows = Grant.objects.filter(user__person_id__in=people_of(person_id), revoked_at=None)
    grants = rows.filter(group__name__in=MATRIX[action])
    return _scope_of(
        ((Role(name), client) for name, client in grants.values_list("group__name", "client_id")),
        MATRIX[action],
    )


def people_who_may(action: Action, client: Client | str | None = None) -> frozenset[uuid.UUID]:
    """The humans who may do ``action`` for a client by an active account, as root persons."""
    wanted = Q(client=None) if client is None else Q(client=None) | Q(client_id=_id_of(client))
    roles = MATRIX[action] - OWN_ONLY.get(action, frozenset())
    persons = Grant.objects.filter(
        wanted,
        revoked_at=None,
        group__name__in=roles,
        user__is_active=True,
        user__person__isnull=False,
    ).values_list("user__person_id", flat=True)
    found = (root_person(person_id) for person_id in set(persons))
    return frozenset(person_id for person_id in found if person_id is not None)


def roles_conflict(roles: Iterable[Role]) -> bool:
    """Whether one person holding all of these could approve his own requests."""
    return frozenset(roles) >= EXCLUSIVE


def _id_of(client: Client | str | None) -> str | None:
    return client.pk if isinstance(client, Client) else client


def _scope_of(grants: Iterable[tuple[Role, str | None]], roles: frozenset[Role]) -> Scope:
    clients = {client_id for role, client_id in grants if role in roles}
    return Scope(None in clients, frozenset(found for found in clients if found is not None))


def _grants(user: Any) -> list[tuple[Role, str | None]]:
    if not isinstance(user, User) or not user.is_active:
        return []
    rows = Grant.objects.filter(user_id=user.pk, revoked_at=None, group__name__in=list(Role))
    return [(Role(name), client) for name, client in rows.values_list("group__name", "client_id")]
