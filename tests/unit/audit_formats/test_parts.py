"""Stretches of one log, verified apart and joined: nothing may be lost between them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.formats.archive import ArchiveVerifier
from audit.formats.parts import Part, Tree, join
from audit.formats.report import ArchiveReport
from audit.formats.segment import Range, frontier_document
from sealing.results import Verdict
from tests.unit.audit_formats import logs

LOG = logs.log_of(12)
FORK = logs.Log(lines=LOG.lines[:3], hashes=LOG.hashes[:3])
for _number in range(3, 12):
    FORK.add(logs.event_bytes(_number, actor={"id": "user:mallory"}))


def part_of(first: int, end: int, log: logs.Log = LOG, *, is_last: bool) -> Part:
    """What is found in the events from ``first`` up to, not including, ``end``."""
    verifier = ArchiveVerifier(logs.signers_of(), start=first)
    for size in {first, end} - {0}:
        frontier = frontier_document(log.frontier(size))
        note = log.checkpoint(size)
        verifier.add_checkpoint(note, where=f"{size}.checkpoint", frontier=frontier, size=size)
    assert verifier.begin()
    lines = [line + b"\n" for line in log.lines[first:end]]
    assert verifier.segment(lines, where=f"{first}.jsonl", range_=Range(first, end - 1), day=None)
    return verifier.part(is_last=is_last)


def joined(*parts: Part) -> ArchiveReport:
    return join(logs.ORIGIN, parts)


@given(st.sets(st.integers(1, 11)))
@settings(max_examples=30, deadline=None)
def test_wherever_it_is_cut_the_whole_is_the_same(cuts: set[int]) -> None:
    places = [0, *sorted(cuts), 12]
    pairs = list(pairwise(places))
    report = joined(*[part_of(*pair, is_last=pair[1] == 12) for pair in pairs])
    assert report.report.verdict is Verdict.VALID
    assert (report.first_seq, report.size, report.segments) == (0, 12, len(pairs))
    assert report.checkpoints == len(pairs)
    assert report.root == f"sha256:{LOG.frontier(12).root().hex()}"
    assert report.state is not None
    assert report.state.checkpoint.encode() == LOG.checkpoint(12)


def test_stretches_of_two_logs_do_not_join() -> None:
    # Both histories were signed by the key, and each stretch holds.
    one, other = part_of(0, 6, is_last=False), part_of(6, 12, FORK, is_last=True)
    assert joined(one).report.verdict is Verdict.VALID
    report = joined(one, other)
    assert report.report.verdict is Verdict.INVALID
    assert [finding.code for finding in report.report.issues] == ["parts_not_linked"]
    assert (report.first_bad_seq, report.first_bad_file) == (6, "6.jsonl")
    assert report.state is None


@pytest.mark.parametrize("change", ["size", "head", "frontier"])
def test_an_end_that_is_not_the_next_beginning(change: str) -> None:
    one, other = part_of(0, 6, is_last=False), part_of(6, 12, is_last=True)
    assert other.begin is not None
    wrong = {
        "size": Tree(5, one.end.head, LOG.frontier(5).hashes),
        "head": replace(one.end, head=LOG.hashes[4]),
        "frontier": replace(one.end, frontier=FORK.frontier(6).hashes),
    }[change]
    report = joined(replace(one, end=wrong), other)
    assert report.report.verdict is Verdict.INVALID
    assert report.first_bad_seq == (5 if change == "size" else 6)


def test_a_stretch_that_was_not_begun_leaves_the_whole_unchecked() -> None:
    one = part_of(0, 6, is_last=False)
    verifier = ArchiveVerifier(logs.signers_of(), start=6)
    assert not verifier.begin()
    report = joined(one, verifier.part())
    assert report.report.verdict is Verdict.INCONCLUSIVE
    assert [finding.code for finding in report.report.issues] == ["base_missing"]
    assert report.size == 6


def test_ids_are_compared_across_stretches() -> None:
    one, other = part_of(0, 6, is_last=False), part_of(6, 12, is_last=True)
    ids = [bytes([number]) * 16 for number in range(12)]
    marked = replace(one, ids=b"".join(ids[:6])), replace(other, ids=b"".join(ids[6:]))
    assert joined(*marked).report.verdict is Verdict.VALID
    ids[9] = ids[2]
    again = replace(one, ids=b"".join(ids[:6])), replace(other, ids=b"".join(ids[6:]))
    report = joined(*again)
    assert report.report.verdict is Verdict.INVALID
    assert (report.first_bad_seq, report.first_bad_file) == (9, "6.jsonl")
