"""Draining the outbox, beside a plain COPY of as many rows from Python."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.installation import data_of

EVENTS = 20_000
Row = tuple[str, Callable[[], float], Callable[[], float], str]
_numbers = itertools.count()


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_copy")
        cursor.execute(
            "CREATE TABLE bench_copy (id bigint PRIMARY KEY, type text, actor text, event text)"
        )
        cursor.execute(f"GRANT INSERT ON bench_copy TO {_role()}")
    yield (
        "drain the outbox: check, number, chain, COPY; limit: encode as canonical JSON and COPY",
        copy_plain,
        drain,
        "≥ 0.45",
    )


def _role() -> str:
    from django.db import connections

    return str(connections["default"].settings_dict["USER"])


def _event(number: int) -> dict[str, Any]:
    return {
        "id": f"00000000-0000-7000-8000-{number:012x}",
        "type": "ops.bench.measured",
        "occurred_at": "2026-01-01T00:00:00.000000Z",
        "actor": {"id": f"user:operator-{number % 2000}"},
        "recorder": "strongroom",
        "client_id": None,
        "object": None,
        "outcome": "success",
        "request_id": None,
        "source": None,
        "data": data_of(number),
        "redacted": [],
    }


def copy_plain() -> float:
    """The limit: durable, unchained, one index."""
    from django.db import connections, transaction

    from sealing.canonical import dumps

    events = [_event(next(_numbers)) for _ in range(EVENTS)]
    start = time.perf_counter()
    with (
        transaction.atomic(),
        connections["default"].cursor() as cursor,
        cursor.copy("COPY bench_copy FROM STDIN") as copy,
    ):
        for at in range(0, EVENTS, 1000):
            copy.write(
                "".join(
                    "{}\t{}\t{}\t{}\n".format(
                        int(event["id"][-12:], 16),
                        event["type"],
                        event["actor"]["id"],
                        dumps(event).decode().replace("\\", "\\\\"),
                    )
                    for event in events[at : at + 1000]
                )
            )
    return EVENTS / (time.perf_counter() - start)


def drain() -> float:
    """Ours: what `seal_pending` does with a backlog."""
    from django.db import transaction

    from audit.events import Actor, EventType
    from audit.services import sealing, trail

    actor = Actor.system("bench")
    with transaction.atomic():
        for _ in range(EVENTS):
            trail.record(EventType.ACCESS_USER_CREATED, actor=actor, data=data_of(next(_numbers)))
    start = time.perf_counter()
    sealed = 0
    while sealed < EVENTS:
        sealed += sealing.seal_pending().count
    return sealed / (time.perf_counter() - start)
