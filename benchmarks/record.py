"""A Django save with its event in the same transaction, beside the save alone and the peers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from benchmarks.events import data_of
from benchmarks.installation import CLUSTER, leave_connections, renew
from benchmarks.peers.environment import measure
from benchmarks.running import Row, Step, by_writers

WRITERS, SECONDS, TURNS = 8, 0.8, 9
MANY_WRITERS, OTHER_WORK_SECONDS = 24, 0.005
AUDITLOG = "django-auditlog"
_METHOD = (
    "Writers are processes with a connection each. All do the same kind of save for"
    f" {SECONDS} s, then all the next kind, by turns; every save is an UPDATE of seven columns in"
    " `atomic()`, and ours records an event of about 600 bytes in it. Nothing seals meanwhile: the"
    " row asks what recording costs the one who records."
)


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    yield Row(
        f"save + trail.record in one transaction, {WRITERS} writers; limit: the save alone",
        wanted="≥ 0.70",
        together=lambda: by_turns(_turns(WRITERS, 0.0)),
        others=_peers,
        method=_METHOD + " The peers save the same row in an environment of their own, right after"
        " ours and in the same turns among themselves; each is set against the save alone there.",
    )
    yield Row(
        f"the same as a multiple of {AUDITLOG}, {WRITERS} writers",
        wanted="≥ 2.0",
        together=_multiples,
        method=f"The ratio of the row above, divided by {AUDITLOG}'s, turn by turn.",
    )
    yield Row(
        f"save + trail.record, {MANY_WRITERS} writers with 5 ms of other work in each transaction",
        wanted="≥ 0.85",
        together=lambda: by_turns(_turns(MANY_WRITERS, OTHER_WORK_SECONDS)),
        method="As above; the other work is a sleep between the event and the commit. The writers"
        f" together need about {MANY_WRITERS} times their own CPU time in each 5 ms, so that the"
        " row holds only where there are cores to spare.",
    )


def by_turns(found: Mapping[str, Sequence[float]]) -> list[dict[str, float]]:
    """Name to a figure for each turn, as one mapping for each turn."""
    return [dict(zip(found, turn, strict=True)) for turn in zip(*found.values(), strict=True)]


@cache
def _turns(writers: int, other_work_seconds: float) -> Mapping[str, Sequence[float]]:
    leave_connections()
    makers = {
        "limit": _saver(with_event=False, other_work_seconds=other_work_seconds),
        "": _saver(with_event=True, other_work_seconds=other_work_seconds),
    }
    found = by_writers(makers, writers=writers, seconds=SECONDS, rounds=TURNS)
    _empty_outbox()
    return found


@cache
def _peers_turns() -> Mapping[str, Sequence[float]]:
    renew("bench_peers")
    return measure(str(CLUSTER), "postgres", "bench_peers", WRITERS, SECONDS, TURNS)


def _peers() -> dict[str, list[float]]:
    """Each peer's ratio to the save alone in its environment, turn by turn."""
    found = _peers_turns()
    return {
        name: [a / b for a, b in zip(figures, found["limit"], strict=True)]
        for name, figures in found.items()
        if name != "limit"
    }


def _multiples() -> list[dict[str, float]]:
    ours = by_turns(_turns(WRITERS, 0.0))
    theirs = _peers()[AUDITLOG]
    return [
        {"": turn[""] / turn["limit"] / other} for turn, other in zip(ours, theirs, strict=True)
    ]


def _saver(*, with_event: bool, other_work_seconds: float) -> Callable[[int], Step]:
    from django.db import transaction

    from audit.events import Actor, EventType
    from audit.services import trail
    from benchmarks.saving.models import Plain

    actor = Actor.system("bench")

    def make(index: int) -> Step:
        row = Plain.objects.create(code=f"INC-{index}", status="open", owner="x", note="n" * 200)
        numbers = iter(range(1 << 60))

        def step() -> None:
            number = next(numbers)
            row.change(number)
            with transaction.atomic():
                row.save()
                if with_event:
                    trail.record(
                        EventType.ACCESS_USER_CREATED,
                        actor=actor,
                        obj=("incident", row.code),
                        data=data_of(number),
                    )
                if other_work_seconds:
                    time.sleep(other_work_seconds)

        return step

    return make


def _empty_outbox() -> None:
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        cursor.execute("TRUNCATE audit_pendingevent")
    connections["owner"].close()
