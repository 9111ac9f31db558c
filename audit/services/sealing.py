"""The sealer: drains the outbox into the log, one batch and one transaction at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from django.db import DataError, IntegrityError, connection, transaction

from audit.columns import Row
from audit.events import Actor, EventType
from audit.services import loghead, reading, trail
from audit.services.appending import append
from audit.services.loghead import Head
from sealing.digests import sha256_tag
from sealing.errors import IntegrityFailure, Invalid, Unavailable

BATCH_ROWS = 5_000
BATCH_BYTES = 16 << 20
# The oldest rows, and no more of them than fit into memory; always at least one.
_TAKE = """
    SELECT id, event FROM (
        SELECT id, event,
               sum(octet_length(event)) OVER (ORDER BY id) - octet_length(event) AS before
        FROM (
            SELECT id, event FROM audit_pendingevent
            WHERE set_aside_at IS NULL AND id <= %s ORDER BY id LIMIT %s
        ) AS oldest
    ) AS measured
    WHERE before < %s ORDER BY id
"""
# The outbox is emptied all the time, so what the planner knows of it is out of date: left to
# itself it sorts all that waits, for every batch, where walking along the key gives the order.
_ALONG_THE_KEY = "SET LOCAL enable_sort = off"
_IS_STALE = """
    SELECT EXISTS (
        SELECT FROM audit_pendingevent
        WHERE set_aside_at IS NULL AND created_at < clock_timestamp() - interval '1 second'
    )
"""
# A row refused for one of these is at fault itself; any other refusal stops the sealer.
_ROW_FAULTS = ("audit_events_id_", "audit_events_columns_match")
_ACTOR = Actor.system("sealer")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a call of `seal_pending` did.

    Attributes:
        count: events that were given their place.
        set_aside: rows that could not be sealed.
        size: how many events the log has now; None if nothing was waiting.
        last_id: the newest row of the outbox that was dealt with; None if nothing was waiting.
    """

    count: int = 0
    set_aside: int = 0
    size: int | None = None
    last_id: int | None = None


class Waiting(NamedTuple):
    """A row of the outbox: its number, and the text in it."""

    id: int
    text: str


class Refused(NamedTuple):
    """A row of the outbox that can't be sealed, and why."""

    id: int
    reason: str


_Append = Callable[[Head, Sequence[Waiting]], tuple[Head, list[Refused]]]


def seal_pending(*, limit: int | None = None) -> Sealed:
    """Seals what waits in the outbox. Safe to call at any time and from anywhere.

    Everything that was committed before the call is sealed when it returns, unless ``limit`` is
    given. Several callers wait for one another.

    Args:
        limit: stop after this many rows.

    Raises:
        ClockRefused: the clocks can't be trusted now. HeadMismatch, OriginMismatch: the log is not
            the one that it was; nothing is sealed.
        RuntimeError: a transaction is open, which would hold the log's lock until it ends.
    """
    # What is recorded meanwhile is left to the next call, or a busy system would never return.
    newest = _newest_waiting()
    total = Sealed()
    while newest is not None:
        done = total.count + total.set_aside
        wanted = BATCH_ROWS if limit is None else min(BATCH_ROWS, limit - done)
        if wanted <= 0:
            break
        batch = _seal_batch(newest, wanted)
        if batch.last_id is None:
            break
        total = Sealed(
            total.count + batch.count,
            total.set_aside + batch.set_aside,
            batch.size,
            batch.last_id,
        )
        if batch.last_id >= newest:
            break
    return total


def catch_up() -> None:
    """Seals if an event has been waiting for more than a second; for readers.

    What can't be sealed now is left to the worker, which alarms: reading goes on without it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_IS_STALE)
        is_stale = cursor.fetchone()[0]
    if is_stale:
        try:
            seal_pending()
        except (Unavailable, IntegrityFailure) as error:
            log.warning("a reader could not seal", code=error.code, reason=error.message)


def _newest_waiting() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM audit_pendingevent WHERE set_aside_at IS NULL")
        newest: int | None = cursor.fetchone()[0]
    return newest


def _seal_batch(newest: int, wanted: int) -> Sealed:
    try:
        return _seal_batch_by(_append_all, newest, wanted)
    except (IntegrityError, DataError) as error:
        if not _is_row_fault(error):
            raise
    # A row is at fault. Which one is found at leisure, in savepoints that the others do without.
    return _seal_batch_by(_append_or_refuse, newest, wanted)


def _seal_batch_by(append_rows: _Append, newest: int, wanted: int) -> Sealed:
    with transaction.atomic(durable=True):
        head = loghead.locked()
        waiting = _take(newest, wanted)
        if not waiting:
            return Sealed()
        after, refused = append_rows(head, waiting)
        _remove(waiting, keep={item.id for item in refused})
        _set_aside(refused)
    return Sealed(after.size - head.size, len(refused), after.size, waiting[-1].id)


def _take(newest: int, wanted: int) -> list[Waiting]:
    with connection.cursor() as cursor:
        cursor.execute(_ALONG_THE_KEY)
        cursor.execute(_TAKE, [newest, wanted, BATCH_BYTES])
        return list(map(Waiting._make, cursor.fetchall()))


def _append_all(head: Head, waiting: Sequence[Waiting]) -> tuple[Head, list[Refused]]:
    refused: list[Refused] = []
    return append(head, _readable(waiting, refused)), refused


def _append_or_refuse(head: Head, waiting: Sequence[Waiting]) -> tuple[Head, list[Refused]]:
    """Appends what can be read; where the table refuses a row, halves until that one is alone."""
    refused: list[Refused] = []
    try:
        with transaction.atomic():
            return append(head, _readable(waiting, refused)), refused
    except (IntegrityError, DataError) as error:
        if not _is_row_fault(error):
            raise
        if len(waiting) == 1:
            return head, [Refused(waiting[0].id, _reason(error))]
    middle = len(waiting) // 2
    head, refused = _append_or_refuse(head, waiting[:middle])
    head, more = _append_or_refuse(head, waiting[middle:])
    return head, refused + more


def _readable(waiting: Sequence[Waiting], refused: list[Refused]) -> Iterator[Row]:
    """The rows of what waits; what can't be read goes to ``refused`` instead."""
    for row_id, text in waiting:
        try:
            yield reading.read(text)
        except Invalid as error:
            place = f"{error.field}: " if error.field else ""
            refused.append(Refused(row_id, _printable(f"{place}{error.message}")))


def _is_row_fault(error: IntegrityError | DataError) -> bool:
    if isinstance(error, DataError):
        return True
    return _constraint(error).startswith(_ROW_FAULTS)


def _constraint(error: Exception) -> str:
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) or ""


def _reason(error: Exception) -> str:
    if _constraint(error).startswith("audit_events_id_"):
        return "id: An event of this id is in the log already."
    diagnosis = getattr(error.__cause__, "diag", None)
    return _printable(getattr(diagnosis, "message_primary", None) or error.__class__.__name__)


def _printable(reason: str) -> str:
    # It may quote what was stored, and that may be anything.
    return "".join(c if c.isprintable() else "?" for c in reason[:500])


def _remove(waiting: Sequence[Waiting], keep: set[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM audit_pendingevent WHERE id = ANY(%s)",
            [[item.id for item in waiting if item.id not in keep]],
        )


def _set_aside(refused: Sequence[Refused]) -> None:
    """Keeps the rows out of the way, with the reason; alarms, and records that it did so."""
    for row_id, reason in refused:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audit_pendingevent SET set_aside_at = clock_timestamp(),"
                " set_aside_reason = %s WHERE id = %s RETURNING event",
                [reason, row_id],
            )
            digest = sha256_tag(cursor.fetchone()[0].encode("utf-8"))
        log.error("recorded event set aside", pending_id=row_id, reason=reason, digest=digest)
        if trail.is_enabled():
            trail.record(
                EventType.AUDIT_EVENT_SET_ASIDE,
                actor=_ACTOR,
                obj=("pending-event", str(row_id)),
                outcome="failure",
                # Never the text itself: nobody knows what it holds.
                data={"reason": reason, "digest": digest},
            )
