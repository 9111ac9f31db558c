"""How things are measured: rows, interleaved rounds, and writers that are processes."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.peers.environment import PeersMissing

ROUNDS = 5
Measure = Callable[[], float]
Step = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """A row of the table: measured by ``limit`` and ``ours``, or by ``together``.

    Attributes:
        name: the work, and the limit that it is measured by.
        limit: what could be reached at best, in units a second; None if ``ours`` is the figure.
        ours: what we reach, in the same unit.
        wanted: ``≥ 0.70``, ``< 50`` or the like.
        peers: other people's way of the same work, in the unit of the limit.
        together: measures everything in turns of its own: one mapping a turn, of ``limit``, the
            peers' names, and the empty name for ours.
        others: peers that are measured elsewhere, by name: their ratios, one a turn.
        unit: what the figure is, if it is not a ratio.
        rounds: how often everything is measured.
        method: how it is measured, a paragraph for people.
    """

    name: str
    limit: Measure | None = None
    ours: Measure | None = None
    wanted: str = "≥ 1.0"
    peers: Mapping[str, Measure] = field(default_factory=dict)
    together: Callable[[], Sequence[Mapping[str, float]]] | None = None
    others: Callable[[], Mapping[str, Sequence[float]]] | None = None
    unit: str = ""
    rounds: int = ROUNDS
    method: str = ""


@dataclass(frozen=True)
class Result:
    """What was measured for a row.

    Attributes:
        row: the row.
        figures: ours, one a round: ratios to the limit, or absolute ones.
        peers: the peers' ratios to the limit, medians.
        missing: why there are no peers, where there should be some.
    """

    row: Row
    figures: Sequence[float]
    peers: Mapping[str, float] = field(default_factory=dict)
    missing: str = ""

    @property
    def median(self) -> float:
        """The figure that counts; not a number where nothing could be measured."""
        return statistics.median(self.figures) if self.figures else float("nan")

    @property
    def is_reached(self) -> bool:
        """Whether the median is as wanted."""
        sign, number = self.row.wanted.split()[:2]
        bound = float(number.replace(",", ""))
        compare = {"≥": self.median >= bound, "≤": self.median <= bound, "<": self.median < bound}
        return compare[sign]


def measured(row: Row) -> Result:
    """Measures a row in interleaved rounds, each in another order."""
    try:
        turns = row.together() if row.together else [_round(row, n) for n in range(row.rounds)]
    except PeersMissing as error:
        return Result(row, [], missing=str(error))
    found = {
        name: [turn[name] / turn.get("limit", 1.0) for turn in turns]
        for name in turns[0]
        if name != "limit"
    }
    ours, missing = found.pop(""), ""
    if row.others:
        try:
            found |= {name: list(ratios) for name, ratios in row.others().items()}
        except PeersMissing as error:
            missing = str(error)
    peers = {name: statistics.median(ratios) for name, ratios in found.items()}
    return Result(row, ours, peers, missing)


def _round(row: Row, number: int) -> dict[str, float]:
    if row.ours is None:
        raise ValueError(f"The row {row.name!r} has nothing to measure.")
    measures = {"": row.ours, **row.peers}
    if row.limit is not None:
        measures["limit"] = row.limit
    return {name: measures[name]() for name in _rotated(list(measures), number)}


def by_writers(
    makers: Mapping[str, Callable[[int], Step]], *, writers: int, seconds: float, rounds: int
) -> dict[str, list[float]]:
    """Steps a second of writers that are processes, for several kinds of work by turns.

    All writers do the same kind at the same time, for ``seconds``, then the next kind; so a
    disturbance from outside touches all kinds alike.

    Args:
        makers: name to a function that, in the writer of that number, makes the step to repeat.
        writers: how many processes.
        seconds: how long one turn of one kind takes.
        rounds: how many turns each kind has.

    Returns:
        Name to the sum over all writers, one figure a round.
    """
    context = multiprocessing.get_context("fork")
    queue, barrier = context.SimpleQueue(), context.Barrier(writers)
    schedule = [name for number in range(rounds) for name in _rotated(list(makers), number)]

    def write(index: int) -> None:
        counts: list[float] = []
        try:
            steps = {name: make(index) for name, make in makers.items()}
            for step in steps.values():
                for _ in range(5):  # statements are prepared, caches warm
                    step()
            for name in schedule:
                barrier.wait(120)
                counts.append(_steps_in(seconds, steps[name]))
        finally:
            if len(counts) < len(schedule):
                barrier.abort()
            queue.put(counts)

    processes = [context.Process(target=write, args=(n,), daemon=True) for n in range(writers)]
    for process in processes:
        process.start()
    counts = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    if any(len(mine) < len(schedule) for mine in counts):
        raise SystemExit("a writer failed")
    found: dict[str, list[float]] = {name: [] for name in makers}
    for turn, name in enumerate(schedule):
        found[name].append(sum(mine[turn] for mine in counts))
    return found


def _rotated(names: list[str], by: int) -> list[str]:
    at = by % len(names)
    return names[at:] + names[:at]


def _steps_in(seconds: float, step: Step) -> float:
    count, start = 0, time.perf_counter()
    end = start + seconds
    while time.perf_counter() < end:
        step()
        count += 1
    return count / (time.perf_counter() - start)
