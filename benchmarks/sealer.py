"""Draining the outbox beside a plain COPY of as many rows, and how long an event waits for it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path

from audit.ids import uuid7
from benchmarks import copying
from benchmarks.events import canonical, data_of, recorded_event
from benchmarks.installation import leave_connections
from benchmarks.running import Row, by_writers

WRITERS, LIVE_SECONDS = 8, 4.0


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    copying.make_table()
    yield Row(
        "drain the outbox: check, number, chain, COPY; limit: COPY of the same rows from Python",
        limit=copying.copy_plain,
        ours=drain,
        wanted="≥ 0.45",
        peers={
            "chained INSERTs of 500 rows": copying.insert_rows,
            "chained INSERT of each row": copying.insert_each,
        },
        method=f"{copying.EVENTS:,} events lie in the outbox; `seal_pending` takes them in batches,"
        " parses each and proves it canonical, checks every field, numbers, hashes and chains it,"
        " writes it with COPY under the table's CHECK, extends the tree, removes it from the"
        " outbox and commits. The limit copies as many rows from Python objects, encoded as"
        " canonical JSON by the standard library, in one transaction into a table of the same"
        " columns and indexes, without CHECKs, triggers, chain and tree.",
    )
    yield Row(
        f"time to seal, p99, while {WRITERS} writers record as fast as they can",
        ours=time_to_seal,
        wanted="≤ 100 ms",
        unit="ms",
        rounds=3,
        method=f"{WRITERS} processes save and record without a pause for {LIVE_SECONDS:.0f} s,"
        " while one process seals as the worker does (20 ms between rounds while busy, at most"
        " 2,000 events a round). From the moment an event was recorded, before its commit, until"
        " the sealer's transaction that holds it has committed.",
    )


def drain() -> float:
    """Ours: what `seal_pending` does with a backlog."""
    from django.db import connection, transaction

    from audit.services import sealing

    count = copying.EVENTS
    with (
        transaction.atomic(),
        connection.cursor() as cursor,
        cursor.copy("COPY audit_pendingevent (event) FROM STDIN") as copy,
    ):
        for _ in range(count):
            copy.write_row([canonical(recorded_event(next(copying.numbers), uuid7()))])
    start = time.perf_counter()
    sealed = 0
    while sealed < count:
        sealed += sealing.seal_pending().count
    return sealed / (time.perf_counter() - start)


def time_to_seal() -> float:
    """The 99th percentile in milliseconds."""
    leave_connections()
    context = multiprocessing.get_context("fork")
    stop, queue = context.Event(), context.SimpleQueue()
    sealer = context.Process(target=_seal_until, args=(stop, queue), daemon=True)
    sealer.start()
    by_writers({"": _recorder}, writers=WRITERS, seconds=LIVE_SECONDS, rounds=1)
    stop.set()
    waits: list[float] = sorted(queue.get())
    sealer.join()
    return waits[int(len(waits) * 0.99)]


def _seal_until(stop: multiprocessing.synchronize.Event, queue: object) -> None:
    """The worker's loop, and what it knows of how long each event waited."""
    from audit.services import loghead, sealing
    from ops.worker import BUSY_SECONDS, IDLE_SECONDS, ROUND_EVENTS

    waits: list[float] = []
    size = loghead.current().size
    while True:
        sealed = sealing.seal_pending(limit=ROUND_EVENTS)
        if sealed.count and sealed.size is not None:
            waits += _waits(size, sealed.size, time.time())
            size = sealed.size
        elif stop.is_set():
            break
        if sealed.count < ROUND_EVENTS:
            time.sleep(BUSY_SECONDS if sealed.count else IDLE_SECONDS)
    queue.put(waits)  # type: ignore[attr-defined]


def _waits(first: int, end: int, now: float) -> list[float]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1000 * (%s - extract(epoch FROM occurred_at)) FROM audit_events"
            " WHERE seq >= %s AND seq < %s",
            [now, first, end],
        )
        return [float(wait) for (wait,) in cursor.fetchall()]


def _recorder(index: int):  # type: ignore[no-untyped-def]
    from django.db import transaction

    from audit.events import Actor, EventType
    from audit.services import trail
    from benchmarks.saving.models import Plain

    actor = Actor.system("bench")
    row = Plain.objects.create(code=f"INC-{index}", status="open", owner="x", note="n" * 200)
    numbers = iter(range(1 << 60))

    def step() -> None:
        number = next(numbers)
        row.change(number)
        with transaction.atomic():
            row.save()
            trail.record(EventType.ACCESS_USER_CREATED, actor=actor, data=data_of(number))

    return step
