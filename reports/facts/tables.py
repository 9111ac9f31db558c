"""Tables of the records behind the figures, each up to a number of rows that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection

from audit.events import EventType
from reports.facts import roster
from reports.facts.base import Events, Population, Records, Scope, Source
from reports.facts.events import condition_of, count
from reports.facts.records import values_of

MAX_ROWS: Final = 1_000
MAX_CELL: Final = 2_000
_GRANT_CHANGES: Final = Population((EventType.ACCESS_GRANT_CREATED, EventType.ACCESS_GRANT_REVOKED))
_REFUSALS: Final = Population(outcomes=("denied", "failure"))
_RUNS = """
SELECT id, finished_at, job_type, triggered_by, attempts, error_code, error_message FROM ops_run
WHERE finished_at >= %(start)s AND finished_at < %(until)s AND status = 'FAILED'
  AND (%(client)s::text IS NULL OR client_id = %(client)s)
ORDER BY finished_at, id
"""
# What became of a request is told as far as it was known by then.
_APPROVALS = """
SELECT approval.id, approval.created_at, approval.action, account.username, approval.reason,
       CASE WHEN approval.state = 'failed' AND approval.executed_at >= %(now)s
                 AND approval.closed_at < %(now)s THEN 'used'
            WHEN approval.closed_at < %(now)s THEN approval.state
            WHEN approval.state IN ('pending', 'approved') THEN approval.state
            ELSE 'open' END,
       coalesce((SELECT string_agg(decider.username || CASE WHEN decision.approves
                                   THEN ' (approved)' ELSE ' (rejected)' END, ', '
                                   ORDER BY decision.decided_at, decision.id)
                 FROM ops_approvaldecision decision
                 JOIN access_user decider ON decider.id = decision.account_id
                 WHERE decision.approval_id = approval.id AND decision.decided_at < %(now)s), '')
FROM ops_approval approval JOIN access_user account ON account.id = approval.requester_account_id
WHERE approval.created_at >= %(start)s AND approval.created_at < %(until)s
  AND (%(client)s::text IS NULL OR approval.client_id = %(client)s)
ORDER BY approval.created_at, approval.id
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key, what stands above it, and how wide it is beside the others."""

    key: str
    title: str
    weight: int


@dataclass(frozen=True, slots=True)
class Table:
    """One annex.

    Attributes:
        rows: the first `MAX_ROWS` rows, as texts.
        total: how many rows there are.
        source: the records that it lists.
    """

    id: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    total: int
    source: Source

    def as_dict(self) -> dict[str, Any]:
        """As the document has it."""
        return {
            "id": self.id,
            "title": self.title,
            "columns": [
                {"key": item.key, "title": item.title, "weight": item.weight}
                for item in self.columns
            ],
            "rows": [[_cell(value) for value in row] for row in self.rows],
            "total": self.total,
            "isTruncated": self.total > len(self.rows),
            "source": self.source.as_dict(f"annex.{self.id}"),
        }


def tables(scope: Scope) -> Iterator[Table]:
    """The annexes of a packet, in their order."""
    yield _accounts(scope)
    yield _of_events(
        scope,
        "grants_changed",
        "Grants made and revoked",
        _GRANT_CHANGES,
        Column("role", "Role", 4),
        "event::jsonb #>> '{data,role}'",
    )
    yield _of_events(
        scope,
        "denied_and_failed",
        "Events that tell of a refusal or a failure",
        _REFUSALS,
        Column("code", "Code", 4),
        "event::jsonb #>> '{data,code}'",
    )
    yield _of_rows(
        scope,
        "failed_runs",
        "Runs that failed",
        "run",
        _RUNS,
        [
            Column("run", "Run", 5),
            Column("at", "Ended", 5),
            Column("type", "Type", 4),
            Column("by", "Started by", 4),
            Column("attempts", "Attempts", 2),
            Column("code", "Code", 4),
            Column("message", "Message", 8),
        ],
    )
    yield _of_rows(
        scope,
        "approvals",
        "Approvals asked for",
        "approval",
        _APPROVALS,
        [
            Column("approval", "Approval", 5),
            Column("at", "Asked for", 5),
            Column("action", "Act", 4),
            Column("requester", "By", 3),
            Column("reason", "Reason", 7),
            Column("state", "State", 3),
            Column("decisions", "Decisions", 5),
        ],
    )


def _accounts(scope: Scope) -> Table:
    found = roster.accounts(scope)
    cells: list[tuple[Column, Callable[[roster.Account], Any]]] = [
        (Column("account", "Account", 4), lambda item: item.username),
        (Column("person", "Person", 5), lambda item: item.name),
        (Column("state", "State", 3), lambda item: _state(item, scope)),
        (Column("made", "Made", 5), lambda item: item.joined_at),
        (Column("roles", "Roles at the end", 6), lambda item: item.roles),
        (Column("factor", "Second factor", 3), lambda item: "yes" if item.has_factor else "no"),
        (Column("signed_in", "Last sign-in in 90 days", 5), lambda item: item.signed_in_at),
    ]
    return Table(
        "accounts",
        "Accounts at the end of the period",
        [column for column, _ in cells],
        [[tell(item) for _, tell in cells] for item in found[:MAX_ROWS]],
        len(found),
        Records.of("account", (item.id for item in found)),
    )


def _state(found: roster.Account, scope: Scope) -> str:
    if not found.is_active:
        return "deactivated"
    return "dormant" if found.is_dormant(scope.until) else "active"


def _of_events(
    scope: Scope, name: str, title: str, population: Population, last: Column, detail: str
) -> Table:
    condition, values = condition_of(scope, [population])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq, occurred_at, type, actor_id, object_id, client_id, outcome,"  # noqa: S608
            f" {detail} FROM audit_events WHERE {condition} ORDER BY seq LIMIT {MAX_ROWS}",
            values,
        )
        rows = cursor.fetchall()
    found: Events = count(scope, population)
    columns = [
        Column("seq", "Number", 2),
        Column("at", "Occurred", 5),
        Column("type", "Type", 5),
        Column("actor", "By", 4),
        Column("object", "Object", 4),
        Column("client", "Client", 3),
        Column("outcome", "Outcome", 2),
        last,
    ]
    return Table(name, title, columns, rows, found.count, found)


def _of_rows(
    scope: Scope, name: str, title: str, object_type: str, sql: str, columns: list[Column]
) -> Table:
    with connection.cursor() as cursor:
        cursor.execute(sql, values_of(scope))
        rows = cursor.fetchall()
    source = Records.of(object_type, _first(rows))
    return Table(name, title, columns, rows[:MAX_ROWS], len(rows), source)


def _first(rows: Iterable[Sequence[Any]]) -> Iterator[Any]:
    for row in rows:
        yield row[0]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    text = str(value)
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"
