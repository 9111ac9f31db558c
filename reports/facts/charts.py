"""The charts of a packet: how the counts of facts are spread over the period."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from reports.facts import events, registry
from reports.facts.base import NO_DATA, Fact, Scope
from reports.facts.records import values_of

# A longer period is shown by calendar months.
_MOST_WEEKS = 27
_RUNS = """
SELECT to_char({bin} AT TIME ZONE 'UTC', 'YYYY-MM-DD'), count(*) FROM ops_run
WHERE finished_at >= %(start)s AND finished_at < %(until)s AND status = %(status)s
  AND (%(client)s::text IS NULL OR client_id = %(client)s)
GROUP BY 1
"""
_OUTCOMES = (
    ("approved", "approvals.approved"),
    ("carried out", "approvals.used"),
    ("failed", "approvals.failed"),
    ("rejected", "approvals.rejected"),
    ("withdrawn", "approvals.withdrawn"),
    ("expired", "approvals.expired"),
    ("void", "approvals.voided"),
)


def of(scope: Scope, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The document's charts. Where there is no data there is no chart."""
    step = step_of(scope)
    found = [
        _events("events", "Events", "events.recorded", scope, facts, step),
        _events("sign_ins_failed", "Sign-ins that failed", "sign_ins.failed", scope, facts, step),
        _events("denied", "Refusals", "events.denied", scope, facts, step),
        _runs("runs_succeeded", "Runs that succeeded", "runs.succeeded", "SUCCESS", scope, facts),
        _runs("runs_failed", "Runs that failed", "runs.failed", "FAILED", scope, facts),
        _outcomes(facts),
    ]
    return [chart for chart in found if chart is not None]


def step_of(scope: Scope) -> str:
    """The stretches by which the period is shown: ``week`` or ``month``."""
    return "week" if scope.end - scope.start <= timedelta(weeks=_MOST_WEEKS) else "month"


def labels(scope: Scope, step: str) -> list[str]:
    """The first days of the stretches of a period, in order."""
    found, moment = [], scope.start.astimezone(UTC)
    while moment < scope.end:
        found.append(f"{moment:%Y-%m-%d}")
        moment = moment + timedelta(days=7) if step == "week" else _next_month(moment)
    return found


def _next_month(moment: datetime) -> datetime:
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def _events(
    name: str, title: str, of_fact: str, scope: Scope, facts: dict[str, Any], step: str
) -> dict[str, Any] | None:
    fact = registry.get(of_fact)
    if facts[of_fact]["value"] == NO_DATA or fact.population is None:
        return None
    return _chart(name, title, fact, events.per_step(scope, fact.population, step), scope, facts)


def _runs(
    name: str, title: str, of_fact: str, status: str, scope: Scope, facts: dict[str, Any]
) -> dict[str, Any]:
    step = step_of(scope)
    with connection.cursor() as cursor:
        cursor.execute(
            _RUNS.format(bin=events.bin_of(step, "finished_at", "%(start)s")),
            values_of(scope) | {"status": status},
        )
        found = dict(cursor.fetchall())
    return _chart(name, title, registry.get(of_fact), found, scope, facts)


def _chart(
    name: str,
    title: str,
    fact: Fact,
    found: dict[str, int],
    scope: Scope,
    facts: dict[str, Any],
) -> dict[str, Any]:
    step = step_of(scope)
    return {
        "id": name,
        "title": f"{title} per {step}",
        "unit": fact.unit,
        "series": _series((label, found.get(label, 0)) for label in labels(scope, step)),
        "source": facts[fact.name]["source"],
    }


def _outcomes(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "approvals",
        "title": "Approvals by outcome",
        "unit": "approvals",
        "series": _series((label, facts[name]["value"]) for label, name in _OUTCOMES),
        "source": facts["approvals.requested"]["source"],
    }


def _series(found: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"label": label, "value": value} for label, value in found]
