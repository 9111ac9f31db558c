"""A Django save with its event in the same transaction, beside the save alone; eight writers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.installation import data_of

WRITERS, SECONDS = 8, 2.0
Row = tuple[str, Callable[[], float], Callable[[], float], str]


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    from access.models import Person

    people = [Person.objects.create(display_name=f"Writer {n}") for n in range(WRITERS)]
    yield (
        f"save + trail.record in one transaction, {WRITERS} writers; limit: the save alone",
        lambda: saves_a_second(people, with_event=False),
        lambda: saves_a_second(people, with_event=True),
        "≥ 0.70",
    )


def saves_a_second(people: list, *, with_event: bool) -> float:
    """Saves a second of all writers together, each in a transaction of its own."""
    from django.db import connection, transaction

    from audit.events import Actor, EventType
    from audit.services import trail

    counts = [0] * len(people)
    barrier = threading.Barrier(len(people))
    actor = Actor.system("bench")

    def work(index: int) -> None:
        person = people[index]
        barrier.wait()
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            counts[index] += 1
            person.display_name = f"Writer {index} {counts[index]}"
            with transaction.atomic():
                person.save()
                if with_event:
                    trail.record(
                        EventType.ACCESS_USER_CREATED,
                        actor=actor,
                        obj=("account", str(index)),
                        data=data_of(counts[index]),
                    )
        connection.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(people))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS
