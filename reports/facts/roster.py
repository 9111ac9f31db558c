"""The accounts of a scope as they were at its end, told from rows and from events.

Rows say when an account and its grants were made and when grants were revoked. When an account was
deactivated, when it signed in, and which second factors it had, is told by the events. An account
that was deactivated by an event that the packet's log does not hold, since it came after the plan,
was active for the packet, whatever its row says by now.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from access.roles import Role
from audit.events import RECORDER, EventType
from reports.facts.base import Scope

DORMANT_AFTER = timedelta(days=90)
PRIVILEGED = (Role.ADMIN, Role.OFFICER)
SIGN_INS = (EventType.ACCESS_LOGIN_SUCCEEDED, EventType.ACCESS_TOKEN_ISSUED)
# Kinds of factors that one signs in with; recovery codes only stand in for them.
FACTORS = ("totp", "webauthn")

_ROSTER = """
WITH ended AS (
    SELECT object_id AS username, min(occurred_at) AS at FROM audit_events
    WHERE type = %(deactivated)s AND recorder = %(recorder)s AND object_type = 'account'
      AND seq < %(size)s
    GROUP BY object_id
), later AS (
    SELECT object_id AS username FROM audit_events
    WHERE type = %(deactivated)s AND recorder = %(recorder)s AND object_type = 'account'
      AND seq >= %(size)s
    UNION
    SELECT event::jsonb #>> '{object,id}' FROM audit_pendingevent
    WHERE event::jsonb ->> 'type' = %(deactivated)s AND event::jsonb ->> 'recorder' = %(recorder)s
      AND event::jsonb #>> '{object,type}' = 'account' AND set_aside_at IS NULL
), signed_in AS (
    SELECT object_id AS username, max(occurred_at) AS at FROM audit_events
    WHERE type = ANY(%(sign_ins)s) AND recorder = %(recorder)s AND object_type = 'account'
      AND outcome = 'success' AND seq < %(size)s
      AND occurred_at >= %(awake_since)s AND occurred_at < %(until)s
    GROUP BY object_id
), factor AS (
    SELECT DISTINCT username FROM (
        SELECT object_id AS username FROM audit_events
        WHERE type = ANY(%(factor_events)s) AND recorder = %(recorder)s
          AND object_type = 'account' AND seq < %(size)s AND occurred_at < %(until)s
          AND event::jsonb #>> '{data,kind}' = ANY(%(factors)s)
        GROUP BY object_id, event::jsonb #>> '{data,kind}'
        HAVING count(*) FILTER (WHERE type = %(factor_added)s)
             > count(*) FILTER (WHERE type <> %(factor_added)s)
    ) kinds
), held AS (
    SELECT held.user_id,
           bool_or(held.at_end) AS at_end,
           bool_or(held.at_end AND held.role = ANY(%(privileged)s)) AS privileged,
           string_agg(held.role || coalesce(' (' || held.client_id || ')', ''), ', '
                      ORDER BY held.role, held.client_id) FILTER (WHERE held.at_end) AS roles
    FROM (
        SELECT g.user_id, role.name AS role, g.client_id,
               (g.revoked_at IS NULL OR g.revoked_at >= %(until)s) AS at_end
        FROM access_grant g JOIN auth_group role ON role.id = g.group_id
        WHERE g.created_at < %(until)s AND (g.revoked_at IS NULL OR g.revoked_at >= %(start)s)
          AND (%(client)s::text IS NULL OR g.client_id IS NULL OR g.client_id = %(client)s)
    ) held
    GROUP BY held.user_id
), account AS (
    SELECT u.id, u.username, u.is_service, u.date_joined,
           access_person_root(u.person_id) AS person,
           ended.at AS ended_at, signed_in.at AS signed_in_at,
           factor.username IS NOT NULL AS factor,
           u.date_joined < %(until)s AND CASE WHEN ended.at IS NOT NULL THEN ended.at >= %(until)s
                                              ELSE u.is_active OR later.username IS NOT NULL
                                         END AS active
    FROM access_user u
    LEFT JOIN ended USING (username)
    LEFT JOIN later USING (username)
    LEFT JOIN signed_in USING (username)
    LEFT JOIN factor USING (username)
), known AS (
    SELECT account.*,
           min(date_joined) OVER (PARTITION BY person) AS person_since,
           bool_or(active) OVER (PARTITION BY person) AS person_active
    FROM account
)
SELECT known.id, known.username, known.person, coalesce(person.display_name, ''), known.is_service,
       known.date_joined, known.ended_at, known.active, known.signed_in_at, known.factor,
       CASE WHEN %(client)s::text IS NULL THEN TRUE ELSE held.at_end END,
       coalesce(held.privileged, FALSE), coalesce(held.roles, ''),
       known.person_since, known.person_active
FROM known
LEFT JOIN held ON held.user_id = known.id
LEFT JOIN access_person person ON person.id = known.person
WHERE known.date_joined < %(until)s
  AND (%(client)s::text IS NULL OR held.user_id IS NOT NULL)
ORDER BY known.username COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class Account:
    """One account as it was at the end of a scope.

    Attributes:
        person: the human as found by now, those merged into one being one; None for services.
        ended_at: when it was deactivated, if the log says so, be that after the end.
        is_active: whether it could sign in at the end.
        signed_in_at: its last sign-in within `DORMANT_AFTER` before the end.
        has_factor: whether it had a second factor, recovery codes aside.
        is_held: whether it held a grant of the scope at the end; always so for the platform.
        is_privileged: whether it held a grant of one of the `PRIVILEGED` roles at the end.
        person_since: when the first account of the human was made.
        is_person_active: whether any account of the human was active at the end.
    """

    id: int
    username: str
    person: uuid.UUID | None
    name: str
    is_service: bool
    joined_at: datetime
    ended_at: datetime | None
    is_active: bool
    signed_in_at: datetime | None
    has_factor: bool
    is_held: bool
    is_privileged: bool
    roles: str
    person_since: datetime
    is_person_active: bool

    @property
    def counts_at_end(self) -> bool:
        """Whether it was active, with a grant of the scope, at the end."""
        return self.is_active and self.is_held

    def is_dormant(self, until: datetime) -> bool:
        """Whether a person's account of some age was active and had not signed in for long."""
        is_old = self.joined_at < until - DORMANT_AFTER
        return self.counts_at_end and not self.is_service and is_old and self.signed_in_at is None


def accounts(scope: Scope) -> list[Account]:
    """The accounts of a scope that there were by its end, by name.

    For a client these are the accounts that held a grant for it, or for all clients, at any moment
    of the period; for the platform, all accounts.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ROSTER, _values(scope))
        return [Account(*row) for row in cursor.fetchall()]


def _values(scope: Scope) -> dict[str, Any]:
    return {
        "client": scope.client_id,
        "start": scope.start,
        "until": scope.until,
        "size": scope.tree_size,
        "awake_since": scope.until - DORMANT_AFTER,
        "recorder": RECORDER,
        "deactivated": str(EventType.ACCESS_USER_DEACTIVATED),
        "sign_ins": [str(kind) for kind in SIGN_INS],
        "factor_added": str(EventType.ACCESS_FACTOR_ADDED),
        "factor_events": [
            str(EventType.ACCESS_FACTOR_ADDED),
            str(EventType.ACCESS_FACTOR_REMOVED),
        ],
        "factors": list(FACTORS),
        "privileged": [str(role) for role in PRIVILEGED],
    }
