"""Small things that the tests of the trail share."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from audit.events import Actor, EventType
from audit.formats import event as formats
from audit.ids import uuid7
from audit.services import sealing, trail


def record(
    count: int = 1,
    *,
    client: str | None = "clinic-001",
    kind: EventType = EventType.ACCESS_LOGOUT,
    **options: Any,
) -> list[str]:
    """Records events and returns their ids; nothing is sealed yet."""
    options.setdefault("actor", Actor.system("test"))
    with transaction.atomic():
        return [trail.record(kind, client=client, data={"n": n}, **options) for n in range(count)]


def seal(count: int = 1, **options: Any) -> list[str]:
    """Records and seals events; returns their ids."""
    ids = record(count, **options)
    sealing.seal_pending()
    return ids


def event_bytes(**changes: Any) -> bytes:
    """The bytes of a valid event of ours, with some fields changed."""
    fields: dict[str, Any] = {
        "id": uuid7(),
        "type": "access.logout",
        "occurred_at": "2026-01-02T03:04:05.000006Z",
        "actor": {"id": "service:test"},
        "recorder": "strongroom",
        "client_id": "clinic-001",
        "object": {"type": "account", "id": "alice"},
        "outcome": "success",
        "data": {"n": 1},
    }
    return formats.build(**(fields | changes))


def force(text: str | bytes) -> int:
    """Puts a text into the outbox past our code; returns its number there."""
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO audit_pendingevent (event) VALUES (%s) RETURNING id", [text])
        return int(cursor.fetchone()[0])


def sent_event(**changes: Any) -> dict[str, Any]:
    """An event as a service account sends it."""
    return {
        "id": uuid7(),
        "type": "clinic.backup.finished",
        "occurred_at": "2026-01-02T03:04:05Z",
        "actor": {"id": "service:backup"},
        "object": {"type": "backup", "id": "B-1"},
        "outcome": "success",
        "data": {"bytes": 10},
    } | changes
