"""Recording: one INSERT into the outbox, in the transaction of the change that it tells of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from access.models import Client
from audit.events import RECORDER, Actor, EventType
from audit.formats import event as formats
from audit.ids import uuid7
from sealing.errors import Unavailable
from sealing.times import format_time


class AuditDisabled(Unavailable):
    """Nothing can be recorded, so nothing may be changed."""

    code = "audit_disabled"


def is_enabled() -> bool:
    """Whether events are recorded; if not, the installation is read-only."""
    return bool(settings.AUDIT_ENABLED)


def ensure_enabled() -> None:
    """Raises AuditDisabled where nothing can be recorded; for doors, before any work is done."""
    if not is_enabled():
        raise AuditDisabled(
            "AUDIT_ENABLED is false: the installation is read-only, since nothing could be"
            " recorded. Nothing was changed."
        )


def record(
    event_type: EventType,
    *,
    actor: Actor,
    client: Client | str | None = None,
    obj: tuple[str, str] | None = None,
    outcome: str = "success",
    data: Any = None,
    occurred_at: datetime | None = None,
) -> str:
    """Records an event together with the change that the open transaction makes.

    It takes no lock: the sealer gives the event its number and place in the chain later.

    Args:
        event_type: what happened.
        actor: who did it.
        client: the client (or its id) that it concerns; None for the platform.
        obj: kind and id of what it was done to.
        outcome: ``success``, ``failure`` or ``denied``.
        data: anything JSON, without secrets: it can't be erased.
        occurred_at: when it happened, if not now.

    Returns:
        The event's id.

    Raises:
        AuditDisabled: AUDIT_ENABLED is false. EventRefused: a field can't be recorded.
        RuntimeError: no transaction is open, so that event and change could part.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("trail.record() belongs into the transaction of the change")
    ensure_enabled()
    event_id = uuid7()
    raw = formats.build(
        id=event_id,
        type=EventType(event_type).value,
        occurred_at=format_time(occurred_at or datetime.now(UTC)),
        actor=actor.as_event_actor(),
        recorder=RECORDER,
        client_id=client.pk if isinstance(client, Client) else client,
        object={"type": obj[0], "id": obj[1]} if obj is not None else None,
        outcome=outcome,
        request_id=actor.request_id,
        source=actor.as_event_source(),
        data=data,
        redacted=[],
    )
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO audit_pendingevent (event) VALUES (%s)", [raw.decode("utf-8")])
    return event_id


def record_alone(
    event_type: EventType,
    *,
    actor: Actor,
    client: Client | str | None = None,
    obj: tuple[str, str] | None = None,
    outcome: str = "success",
    data: Any = None,
    occurred_at: datetime | None = None,
) -> str:
    """Records an event in a transaction of its own, for attempts that were denied or failed.

    Call it when the attempt's own transaction is over, or it rolls back with it.

    Returns:
        The event's id.
    """
    with transaction.atomic():
        return record(
            event_type,
            actor=actor,
            client=client,
            obj=obj,
            outcome=outcome,
            data=data,
            occurred_at=occurred_at,
        )
