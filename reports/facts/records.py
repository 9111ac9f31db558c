"""Facts that count stored rows other than events: one query each, which gives the rows' ids."""

from __future__ import annotations

from typing import Any

from django.db import connection

from audit.events import RECORDER
from reports.facts.base import NOTHING, Fact, Measured, Reach, Records, Scope


def rows(
    name: str,
    label: str,
    object_type: str,
    sql: str,
    *,
    unit: str,
    reach: Reach = Reach.CLIENT,
    is_state: bool = False,
    is_nothing_without: bool = False,
    **more: Any,
) -> Fact:
    """A fact that is the number of rows of a query over ids.

    Args:
        sql: the query; `values_of` says which names it may use, and ``more`` are further ones.
        is_state: it tells of the end of the period.
        is_nothing_without: no row means that nothing is stored, not that nothing happened.
    """

    def measure(scope: Scope) -> Measured:
        found = found_by(object_type, sql, scope, **more)
        if is_nothing_without and not found.ids:
            return NOTHING
        return Measured(len(found.ids), found, scope.until if is_state else None)

    return Fact(name, label, unit, reach, measure)


def found_by(object_type: str, sql: str, scope: Scope, **more: Any) -> Records:
    """The rows whose ids a query gives."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values_of(scope) | more)
        return Records.of(object_type, (row[0] for row in cursor.fetchall()))


def values_of(scope: Scope) -> dict[str, Any]:
    """What the queries of facts may refer to."""
    return {
        "client": scope.client_id,
        "start": scope.start,
        "end": scope.end,
        "until": scope.until,
        "now": scope.generated_at or scope.end,
        "size": scope.tree_size,
        "recorder": RECORDER,
    }
