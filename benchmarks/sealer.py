"""Draining the outbox, beside a plain COPY of as many rows from Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.installation import data_of

EVENTS = 20_000
Row = tuple[str, Callable[[], float], Callable[[], float], str]


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    yield (
        "drain the outbox: number, chain, canonical check, COPY; limit: COPY of canonical events",
        copy_plain,
        drain,
        "≥ 0.45",
    )


def copy_plain() -> float:
    """The limit: canonical bytes of each event, unchained, into an unindexed table."""
    from django.db import connections

    from sealing.canonical import dumps

    with connections["default"].cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE bench_copy (id bigint PRIMARY KEY, event text)")
        start = time.perf_counter()
        with cursor.copy("COPY bench_copy FROM STDIN") as copy:
            block = []
            for number in range(EVENTS):
                text = dumps(data_of(number)).decode().replace("\\", "\\\\")
                block.append(f"{number}\t{text}\n")
                if len(block) == 1000:
                    copy.write("".join(block))
                    block = []
            copy.write("".join(block))
        spent = time.perf_counter() - start
        cursor.execute("DROP TABLE bench_copy")
    return EVENTS / spent


def drain() -> float:
    """Ours: what `seal_pending` does with a backlog."""
    from django.db import transaction

    from audit.events import Actor, EventType
    from audit.services import sealing, trail

    actor = Actor.system("bench")
    with transaction.atomic():
        for number in range(EVENTS):
            trail.record(EventType.ACCESS_USER_CREATED, actor=actor, data=data_of(number))
    start = time.perf_counter()
    sealed = 0
    while sealed < EVENTS:
        sealed += sealing.seal_pending().count
    return sealed / (time.perf_counter() - start)
