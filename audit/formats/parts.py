"""Neighbouring stretches of one log, each verified on its own, joined to one verdict.

A stretch that does not begin the log begins at a signed checkpoint and its frontier. Joining
requires that the stretch before it ended with exactly that tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from audit.formats.report import ArchiveReport, SegmentEnd
from audit.formats.state import State
from sealing.digests import tag
from sealing.merkle import Frontier
from sealing.results import Finding, Report

ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Tree:
    """The log at one place: what a stretch begins with, or ends with."""

    size: int
    head: bytes
    frontier: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        return Frontier(self.size, self.frontier).root()


@dataclass(frozen=True, slots=True)
class Part:
    """What was found in one stretch.

    Attributes:
        begin: where it began; None if there was no signed place to begin at.
        end: the tree after the last event that holds.
        stopped: whether reading stopped before the stretch's end.
        findings: what failed or was not possible.
        notices: what is worth knowing and changes nothing.
        bad: where trust ends, as number and file, for each thing that failed.
        vouched: the largest size at which a signed checkpoint agrees; 0 if none does.
        checkpoints: how many signed checkpoints agree; ``checkpoints_at_start`` of them with what
            came before, which the stretch before counted too.
        ends: the segments that hold.
        note: the signed checkpoint of the end's size.
        ids: of a strict verification, the events' ids one after another, 16 bytes each.
    """

    start: int
    begin: Tree | None
    end: Tree
    stopped: bool
    findings: tuple[Finding, ...]
    notices: tuple[Finding, ...]
    bad: tuple[tuple[int, str], ...]
    vouched: int
    checkpoints: int
    checkpoints_at_start: int
    ends: tuple[SegmentEnd, ...]
    note: bytes | None
    ids: bytes = b""


def join(origin: str, parts: Sequence[Part], notices: Sequence[Finding] = ()) -> ArchiveReport:
    """One verdict over stretches that follow one another.

    Args:
        origin: the log's name.
        parts: at least one, in order.
        notices: more of them.
    """
    findings = [finding for part in parts for finding in part.findings]
    bad = [place for part in parts for place in part.bad]
    for problem, place in (*_links(parts), *_repeated(parts)):
        findings.append(problem)
        bad.append(place)
    counted_twice = sum(part.checkpoints_at_start for part in parts[1:])
    start, last = parts[0].start, _last_that_counts(parts)
    vouched = max(part.vouched for part in parts)
    stopped = any(part.stopped or part.begin is None for part in parts)
    if not stopped and not any(finding.ok is False for finding in findings):
        findings.append(_conclusion(start, last.end.size, vouched))
    seq, where = min(bad, default=(None, None))
    report = Report(tuple(findings))
    ends = tuple(end for part in parts[: parts.index(last) + 1] for end in part.ends)
    return ArchiveReport(
        report=report,
        first_seq=start,
        size=max(last.end.size, start),
        root=tag(last.end.root),
        head=tag(last.end.head),
        checkpoints=sum(part.checkpoints for part in parts) - counted_twice,
        first_bad_seq=seq,
        first_bad_file=where,
        segments=len(ends),
        notices=(*notices, *(notice for part in parts for notice in part.notices)),
        ends=ends,
        state=_state(origin, last) if all(finding.ok for finding in findings) else None,
    )


def _conclusion(start: int, size: int, vouched: int) -> Finding:
    if size == start:
        return Finding("nothing_to_check", None, "There is nothing to check.")
    if vouched < size:
        message = f"No signed checkpoint vouches for the events from {max(vouched, start)} on."
        return Finding("not_signed", None, message)
    message = f"{size - start} events hold, up to a signed checkpoint."
    return Finding("log_verified", True, message)


def _last_that_counts(parts: Sequence[Part]) -> Part:
    """The part at which the log stopped holding, or the last one."""
    for number, part in enumerate(parts):
        if part.begin is None:
            return parts[max(0, number - 1)]
        if part.stopped:
            return part
    return parts[-1]


def _links(parts: Sequence[Part]) -> list[tuple[Finding, tuple[int, str]]]:
    found = []
    for one, other in pairwise(parts):
        if one.stopped or other.begin is None or one.end == other.begin:
            continue
        where = other.ends[0].where if other.ends else "the segment behind it"
        message = f"What comes before event {other.start} does not lead to it."
        place = (min(one.end.size, other.start), where)
        found.append((Finding("parts_not_linked", False, message, where), place))
    return found


def _repeated(parts: Sequence[Part]) -> list[tuple[Finding, tuple[int, str]]]:
    """The first id that two stretches share; within a stretch it was looked for already."""
    if len(parts) == 1 or not any(part.ids for part in parts):
        return []
    seen: set[bytes] = set()
    for part in parts:
        ids = [part.ids[at : at + ID_BYTES] for at in range(0, len(part.ids), ID_BYTES)]
        for number, event_id in enumerate(ids, start=part.start):
            if event_id in seen:
                where = next((end.where for end in part.ends if end.size > number), "the log")
                message = "An event of this id is there already."
                finding = Finding("event_repeated", False, message, f"{where}, event {number}")
                return [(finding, (number, where))]
        seen.update(ids)
    return []


def _state(origin: str, last: Part) -> State | None:
    if last.note is None:
        return None
    tree = last.end
    note = last.note.decode("utf-8")
    return State(origin, tree.size, tree.root, tree.head, tree.frontier, note)
