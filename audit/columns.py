"""The columns of `audit_events`: derived from the event's bytes, and held to them."""

from __future__ import annotations

from typing import Any, NamedTuple

# Migration 0002 makes this the CHECK of the table, and verification asks it again of every row,
# in case somebody dropped the CHECK. Sealed rows depend on it: a change is a new constant.
MATCHES_SQL = """
    event::jsonb @> jsonb_build_object(
        'id', id::text,
        'type', type,
        'occurred_at',
        to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'actor', jsonb_build_object('id', actor_id),
        'recorder', recorder,
        'client_id', client_id,
        'object',
        CASE WHEN object_type IS NULL AND object_id IS NULL THEN 'null'::jsonb
             ELSE jsonb_build_object('type', object_type, 'id', object_id) END,
        'outcome', outcome
    )
"""


class Row(NamedTuple):
    """An event that is ready to be given its place: its bytes, and its columns."""

    raw: bytes
    id: str
    type: str
    occurred_at: str
    actor_id: str
    recorder: str
    client_id: str | None
    object_type: str | None
    object_id: str | None
    outcome: str


def row_of(raw: bytes, event: dict[str, Any]) -> Row:
    """The row of an event that was validated; ``event`` is what ``raw`` says."""
    concerned = event["object"]
    return Row(
        raw,
        event["id"],
        event["type"],
        event["occurred_at"],
        event["actor"]["id"],
        event["recorder"],
        event["client_id"],
        concerned["type"] if concerned else None,
        concerned["id"] if concerned else None,
        event["outcome"],
    )
