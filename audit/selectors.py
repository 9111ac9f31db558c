"""Reading the log: lines for export, one event, who may see what, and how the log stands."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from access import policy
from access.roles import Action
from audit import standing
from audit.events import Actor
from audit.formats import event as formats
from audit.models import AuditEvent, Checkpoint, Storage, VerificationRun
from audit.services import loghead
from audit.services.waiting import waiting_events
from sealing.errors import IntegrityFailure, NotFound
from sealing.times import format_time

Line = tuple[int, bytes]
_STORED = """
    SELECT seq, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           prev_hash, hash, event FROM audit_events
"""
_FETCH_ROWS = 2_000
_FIRST_ROWS, _FETCH_CHARACTERS = 16, 4 << 20


class StoredLineInvalid(IntegrityFailure):
    """A stored event does not give the hash that is stored with it."""

    code = "stored_line_invalid"


@dataclass(frozen=True, slots=True)
class LogStatus:
    """How the log stands; ``last_verification`` is that of the database."""

    origin: str
    size: int
    head: bytes
    last_sealed_at: datetime | None
    unsealed: int
    oldest_unsealed_at: datetime | None
    set_aside: int
    last_checkpoint: Checkpoint | None
    last_verification: VerificationRun | None


def status() -> LogStatus:
    """How the log stands, from a few indexed queries."""
    head, waiting = loghead.current(), waiting_events()
    return LogStatus(
        origin=head.origin,
        size=head.size,
        head=head.hash,
        last_sealed_at=head.last_sealed_at,
        unsealed=waiting.pending,
        oldest_unsealed_at=waiting.oldest_at,
        set_aside=waiting.set_aside,
        last_checkpoint=Checkpoint.objects.order_by("-id").first(),
        last_verification=standing.last_verification(Storage.DATABASE),
    )


def visible_events(user: Any) -> QuerySet[AuditEvent]:
    """The events that an account may see.

    Those of its clients for whoever may take a client's evidence away; operators and service
    accounts see what they did or submitted themselves. Events of the platform need a grant for
    all clients.
    """
    every, own = policy.scope(user, Action.DOWNLOAD), policy.scope(user, Action.VIEW)
    if every.all_clients:
        return AuditEvent.objects.all()
    allowed = Q(client_id__in=every.client_ids)
    if own:
        me = Actor.of(user).id
        mine = Q(actor_id=me) | Q(recorder=me)
        allowed |= mine if own.all_clients else mine & Q(client_id__in=own.client_ids)
    return AuditEvent.objects.filter(allowed)


def get_event(user: Any, event_id: str | uuid.UUID) -> AuditEvent:
    """The event of that id, if ``user`` may see it.

    Raises:
        NotFound: there is none, or it is another client's.
    """
    try:
        wanted = event_id if isinstance(event_id, uuid.UUID) else uuid.UUID(event_id)
    except ValueError:
        wanted = None
    event = visible_events(user).filter(id=wanted).first() if wanted else None
    if event is None:
        raise NotFound("There is no such event that you may see.")
    return event


def line_of(event: AuditEvent) -> bytes:
    """The log line of an event, without its newline.

    Raises:
        StoredLineInvalid: it does not give the hash that is stored.
    """
    return _checked_line(
        event.seq,
        format_time(event.created_at),
        bytes(event.prev_hash),
        bytes(event.hash),
        event.event,
    )


def event_lines(
    *,
    client_id: str | None,
    start: datetime,
    end: datetime,
    types: Collection[str] | None = None,
) -> Iterator[Line]:
    """Numbers and lines of a client's events that occurred in [start, end), by number.

    Args:
        client_id: the client; None for events of the platform itself.
        start, end: the period.
        types: only these types.

    Raises:
        StoredLineInvalid: a stored event does not give its hash.
    """
    conditions = ["occurred_at >= %s", "occurred_at < %s"]
    values: list[Any] = [start, end]
    if client_id is None:
        conditions.append("client_id IS NULL")
    else:
        conditions.append("client_id = %s")
        values.append(client_id)
    if types is not None:
        conditions.append("type = ANY(%s)")
        values.append(list(types))
    for stored in _rows(" AND ".join(conditions), values):
        yield stored[0], _checked_line(*stored)


def all_lines(*, start_seq: int = 0, end_seq: int) -> Iterator[Line]:
    """Numbers and lines of the whole log from ``start_seq`` up to, not including, ``end_seq``.

    Raises:
        StoredLineInvalid: a stored event does not give its hash.
    """
    for stored in _rows("seq >= %s AND seq < %s", [start_seq, end_seq]):
        yield stored[0], _checked_line(*stored)


def lines_at(seqs: Collection[int]) -> Iterator[Line]:
    """Numbers and lines of the events with these numbers, by number.

    Raises:
        StoredLineInvalid: a stored event does not give its hash.
    """
    for stored in _rows("seq = ANY(%s)", [list(seqs)]):
        yield stored[0], _checked_line(*stored)


def stored_lines(*, start_seq: int, end_seq: int) -> Iterator[bytes]:
    """The lines as they are stored, right or wrong: for the verifier."""
    for seq, sealed_at, prev_hash, stored_hash, text in _rows(
        "seq >= %s AND seq < %s", [start_seq, end_seq]
    ):
        line, digest = formats.line(seq, sealed_at, prev_hash, text.encode("utf-8"))
        if digest != stored_hash:
            claimed = stored_hash.hex().encode("ascii")
            line = b'%b,"hash":"sha256:%b"}' % (formats.leaf_part(line), claimed)
        yield line


def _rows(condition: str, values: list[Any]) -> Iterator[tuple[int, str, bytes, bytes, str]]:
    # The condition is one of those written above; what comes from outside is in the values.
    with connection.chunked_cursor() as cursor:
        cursor.execute(f"{_STORED} WHERE {condition} ORDER BY seq", values)
        count = _FIRST_ROWS
        while rows := cursor.fetchmany(count):
            characters = 0
            for seq, sealed_at, prev_hash, stored_hash, text in rows:
                characters += len(text)
                yield seq, sealed_at, bytes(prev_hash), bytes(stored_hash), text
            # Events have up to 256 KiB: as many as fit into a few MiB, going by those just read.
            count = min(_FETCH_ROWS, max(1, _FETCH_CHARACTERS * len(rows) // max(1, characters)))


def _checked_line(
    seq: int, sealed_at: str, prev_hash: bytes, stored_hash: bytes, text: str
) -> bytes:
    line, digest = formats.line(seq, sealed_at, prev_hash, text.encode("utf-8"))
    if digest != stored_hash:
        raise StoredLineInvalid(
            f"Event {seq} does not give the hash that is stored with it: verify the log."
        )
    return line
