"""The limit of everything that adds events in bulk, and other ways of adding them.

A table of the same columns and indexes as `audit_events`, without its CHECKs and triggers. Into it
go the same rows: canonical JSON by the standard library, in COPY's text form, in one transaction,
with constant hashes. That is what remains if nothing is checked, chained, counted or deduplicated.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from audit.ids import uuid7
from benchmarks.events import canonical, recorded_event

EVENTS = 20_000
COLUMNS = (
    "seq, id, created_at, prev_hash, hash, type, occurred_at, actor_id, recorder, client_id,"
    " object_type, object_id, outcome, event"
)
_TABLE = "bench_copy"
_NOW, _NOTHING = "2026-01-02T03:04:05.000000Z", bytes(32)
_BATCH = 500
numbers = itertools.count()


def make_table() -> None:
    """Makes the limit's table, empty."""
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {_TABLE}")
        cursor.execute(
            f"CREATE TABLE {_TABLE} (LIKE audit_events INCLUDING DEFAULTS INCLUDING INDEXES)"
        )
        cursor.execute(f"GRANT ALL ON {_TABLE} TO PUBLIC")


def copy_plain() -> float:
    """The limit, in events a second."""
    return _timed(_copy, EVENTS)


def insert_rows() -> float:
    """A peer: chained under a lock, in INSERTs of 500 rows."""
    return _timed(_insert_rows, EVENTS // 4)


def insert_each() -> float:
    """A peer: chained under a lock, one INSERT each, 500 in a transaction."""
    return _timed(_insert_each, EVENTS // 8)


def bulk_create() -> float:
    """A peer: Django's bulk_create by 500, unchained."""
    return _timed(_bulk_create, EVENTS // 4)


def _timed(work: Callable[[Sequence[dict[str, Any]]], None], count: int) -> float:
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        cursor.execute(f"TRUNCATE {_TABLE}")
    events = [recorded_event(next(numbers), uuid7()) for _ in range(count)]
    start = time.perf_counter()
    work(events)
    return count / (time.perf_counter() - start)


def _copy(events: Sequence[dict[str, Any]]) -> None:
    from django.db import connection, transaction

    zero = _NOTHING.hex()
    with (
        transaction.atomic(),
        connection.cursor() as cursor,
        cursor.copy(f"COPY {_TABLE} ({COLUMNS}) FROM STDIN") as copy,
    ):
        for at in range(0, len(events), 1000):
            copy.write(
                "".join(
                    [
                        f"{at + place}\t{event['id']}\t{_NOW}\t\\\\x{zero}\t\\\\x{zero}"
                        f"\t{event['type']}\t{event['occurred_at']}\t{event['actor']['id']}"
                        f"\t{event['recorder']}\t{event['client_id']}\t{event['object']['type']}"
                        f"\t{event['object']['id']}\t{event['outcome']}"
                        f"\t{canonical(event).replace(chr(92), chr(92) * 2)}\n"
                        for place, event in enumerate(events[at : at + 1000])
                    ]
                )
            )


def _chained(events: Sequence[dict[str, Any]], first: int) -> list[tuple[Any, ...]]:
    rows, before = [], _NOTHING
    for place, event in enumerate(events):
        text = canonical(event)
        digest = hashlib.sha256(before + text.encode()).digest()
        rows.append(_columns(first + place, event, text, before, digest))
        before = digest
    return rows


def _columns(
    seq: int, event: dict[str, Any], text: str, before: bytes, digest: bytes
) -> tuple[Any, ...]:
    return (
        seq,
        event["id"],
        _NOW,
        before,
        digest,
        event["type"],
        event["occurred_at"],
        event["actor"]["id"],
        event["recorder"],
        event["client_id"],
        event["object"]["type"],
        event["object"]["id"],
        event["outcome"],
        text,
    )


def _insert_rows(events: Sequence[dict[str, Any]]) -> None:
    from django.db import connection, transaction

    one = f"({', '.join(['%s'] * len(COLUMNS.split(',')))})"
    for at in range(0, len(events), _BATCH):
        with transaction.atomic(), connection.cursor() as cursor:
            rows = _chained(events[at : at + _BATCH], at)
            cursor.execute(
                f"INSERT INTO {_TABLE} ({COLUMNS}) VALUES {', '.join([one] * len(rows))}",
                [value for row in rows for value in row],
            )


def _insert_each(events: Sequence[dict[str, Any]]) -> None:
    from django.db import connection, transaction

    one = ", ".join(["%s"] * len(COLUMNS.split(",")))
    for at in range(0, len(events), _BATCH):
        with transaction.atomic(), connection.cursor() as cursor:
            for row in _chained(events[at : at + _BATCH], at):
                cursor.execute(f"INSERT INTO {_TABLE} ({COLUMNS}) VALUES ({one})", row)


def _bulk_create(events: Sequence[dict[str, Any]]) -> None:
    from benchmarks.saving.models import Copied

    names = [name.strip() for name in COLUMNS.split(",")]
    Copied.objects.bulk_create(
        [
            Copied(
                **dict(
                    zip(
                        names,
                        _columns(place, event, canonical(event), _NOTHING, _NOTHING),
                        strict=True,
                    )
                )
            )
            for place, event in enumerate(events)
        ],
        batch_size=_BATCH,
    )
