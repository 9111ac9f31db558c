"""How the benchmarks reckon; what they measure is no matter for tests."""

from __future__ import annotations

import itertools
import os

import pytest

from benchmarks import results
from benchmarks.events import canonical, recorded_event
from benchmarks.peers.environment import PeersMissing
from benchmarks.running import Result, Row, by_writers, measured
from sealing import canonical as strict


def counting(*figures: float):  # type: ignore[no-untyped-def]
    return itertools.cycle(figures).__next__


def no_peers() -> dict[str, list[float]]:
    raise PeersMissing("no network")


def test_ours_and_the_peers_are_set_against_the_limit_of_their_round() -> None:
    row = Row(
        "work",
        limit=counting(10.0, 20.0),
        ours=counting(5.0, 20.0),
        wanted="≥ 0.70",
        peers={"peer": counting(1.0, 2.0)},
        rounds=2,
    )
    result = measured(row)
    assert list(result.figures) == [0.5, 1.0]
    assert (result.median, result.is_reached) == (0.75, True)
    assert result.peers == {"peer": 0.1}


def test_rows_that_measure_their_turns_themselves() -> None:
    turns = [{"limit": 10.0, "": 9.0, "peer": 4.0}, {"limit": 10.0, "": 7.0, "peer": 2.0}]
    row = Row("work", together=lambda: turns, others=lambda: {"other": [0.2, 0.4]})
    result = measured(row)
    assert list(result.figures) == [0.9, 0.7]
    assert result.peers == {"peer": pytest.approx(0.3), "other": pytest.approx(0.3)}


def test_a_row_may_be_a_tuple_of_four() -> None:
    assert measured(Row("work", lambda: 4.0, lambda: 1.0, "≥ 0.55")).is_reached is False


@pytest.mark.parametrize(
    ("wanted", "figure", "is_reached"),
    [
        ("≥ 0.70", 0.7, True),
        ("≥ 0.70", 0.69, False),
        ("≤ 100 ms", 100.0, True),
        ("≤ 100 ms", 100.1, False),
        ("< 50 ms", 50.0, False),
        ("≥ 40,000", 39_999.0, False),
    ],
)
def test_what_is_reached(wanted: str, figure: float, is_reached: bool) -> None:
    assert Result(Row("work", wanted=wanted), [figure]).is_reached is is_reached


def test_missing_peers_are_named_as_not_measured() -> None:
    with_peers = measured(Row("a", lambda: 2.0, lambda: 1.0, "≥ 0.4", others=no_peers))
    without = measured(Row("b", together=no_peers, wanted="≥ 2.0"))  # type: ignore[arg-type]
    assert (with_peers.is_reached, without.is_reached) == (True, False)
    text = results.document([with_peers, without], 1.0, "18")
    assert "| a | 0.50 | 0.50 | 0.50 | ≥ 0.4 | yes | not measured: no network |" in text
    assert "| b | not measured | – | – | ≥ 2.0 | not measured: no network |" in text
    assert "1 of 2 rows are not reached" in text


def test_writers_are_processes_that_take_turns() -> None:
    parent = os.getpid()

    def make(index: int):  # type: ignore[no-untyped-def]
        assert os.getpid() != parent
        return lambda: None

    found = by_writers({"a": make, "b": make}, writers=2, seconds=0.01, rounds=3)
    assert {name: len(figures) for name, figures in found.items()} == {"a": 3, "b": 3}
    assert all(figure > 0 for figures in found.values() for figure in figures)


def test_a_writer_that_fails_ends_the_measurement() -> None:
    def make(index: int):  # type: ignore[no-untyped-def]
        raise LookupError

    with pytest.raises(SystemExit, match="writer"):
        by_writers({"a": make}, writers=2, seconds=0.01, rounds=1)


def test_the_limit_encodes_what_we_encode() -> None:
    event = recorded_event(7, "00000000-0000-7000-8000-000000000000")
    assert canonical(event).encode() == strict.dumps(event)
