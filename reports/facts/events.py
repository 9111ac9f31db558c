"""Facts that count events of the log, and the numbers of those events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection

from audit.events import RECORDER
from reports.facts.base import Events, Fact, Measured, Population, Reach, Scope

_FETCH_ROWS = 10_000


def counted(
    name: str,
    label: str,
    *types: str,
    unit: str = "events",
    reach: Reach = Reach.CLIENT,
    outcomes: tuple[str, ...] = (),
    own: bool = True,
    where: str = "",
) -> Fact:
    """A fact that is the number of events of a population."""
    population = Population(tuple(types), outcomes, own, where)

    def measure(scope: Scope) -> Measured:
        found = count(scope, population)
        return Measured(found.count, found)

    return Fact(name, label, unit, reach, measure, population)


def count(scope: Scope, population: Population) -> Events:
    """How many events a population has, and where in the log they lie."""
    condition, values = condition_of(scope, [population])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), min(seq), max(seq) FROM audit_events WHERE {condition}",  # noqa: S608
            values,
        )
        return Events(*cursor.fetchone())


def numbers(scope: Scope, populations: Sequence[Population]) -> Iterator[int]:
    """The numbers of the events that belong to any of the populations, ascending."""
    condition, values = condition_of(scope, populations)
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            f"SELECT seq FROM audit_events WHERE {condition} ORDER BY seq",  # noqa: S608
            values,
        )
        while rows := cursor.fetchmany(_FETCH_ROWS):
            for (seq,) in rows:
                yield seq


def per_step(scope: Scope, population: Population, step: str) -> dict[str, int]:
    """How many events fall into each stretch of the period, by the stretch's first day.

    Args:
        step: ``week``, seven days from the period's start on; or ``month``, of the calendar.
    """
    condition, values = condition_of(scope, [population])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT to_char({bin_of(step, 'occurred_at', '%s')} AT TIME ZONE 'UTC',"  # noqa: S608
            f" 'YYYY-MM-DD'), count(*) FROM audit_events WHERE {condition} GROUP BY 1",
            [scope.start, *values],
        )
        return dict(cursor.fetchall())


def bin_of(step: str, column: str, start: str) -> str:
    """SQL for the first moment of the stretch in which a column's time lies."""
    if step == "week":
        return f"date_bin('7 days', {column}, {start})"
    return f"greatest(date_trunc('month', {column}, 'UTC'), {start})"


def condition_of(scope: Scope, populations: Sequence[Population]) -> tuple[str, list[Any]]:
    """The condition of a query over `audit_events`, and the values that belong into it."""
    parts = ["occurred_at >= %s", "occurred_at < %s", "seq < %s"]
    values: list[Any] = [scope.start, scope.end, scope.tree_size]
    if scope.client_id is not None:
        parts.append("client_id = %s")
        values.append(scope.client_id)
    either = []
    for population in populations:
        condition, more = _of(population)
        either.append(condition)
        values.extend(more)
    if len(either) == 1:
        # As one of its types it can be found by the index over types and times.
        parts.append(either[0])
    else:
        parts.append("(" + (" OR ".join(either) or "FALSE") + ")")
    return " AND ".join(parts), values


def _of(population: Population) -> tuple[str, list[Any]]:
    parts: list[str] = []
    values: list[Any] = []
    if population.types:
        parts.append("type = ANY(%s)")
        values.append(list(population.types))
    if population.outcomes:
        parts.append("outcome = ANY(%s)")
        values.append(list(population.outcomes))
    if population.own:
        parts.append("recorder = %s")
        values.append(RECORDER)
    if population.where:
        parts.append(f"({population.where})")
    return "(" + (" AND ".join(parts) or "TRUE") + ")", values
