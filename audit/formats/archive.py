"""Verifies an archive of log segments with its checkpoints and frontiers (docs/formats.md §3).

It is given bytes and lines and does no I/O. What it has not seen signed it does not call valid.
One `ArchiveVerifier` takes one stretch of the log; `audit.formats.parts` joins several.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from audit.formats import checkpoint as checkpoints
from audit.formats.log import LogVerifier, day_of_line
from audit.formats.parts import Part, Tree, join
from audit.formats.report import ArchiveReport, SegmentEnd
from audit.formats.segment import Range, parse_frontier
from audit.formats.state import State
from sealing.errors import Invalid
from sealing.keys import Signers
from sealing.merkle import Frontier
from sealing.results import Finding


@dataclass(slots=True)
class _Known:
    """A tree that the log must agree with: signed in the archive, or remembered by the caller."""

    size: int
    root: bytes
    head: bytes
    where: str
    # The signed note; None for a state, which does not vouch for anything.
    note: bytes | None
    # A remembered checkpoint must be reached; a remembered state need not be, in a window.
    remembered: bool = False
    # How many checkpoints say this: heartbeats often repeat one another, or a segment's.
    times: int = 1


class ArchiveVerifier:
    """Takes checkpoints first, then segments in order, then says what it found.

    Args:
        signers: the log's name and the keys whose checkpoints count.
        start: the number of the first event; from 1 on, a signed checkpoint of that size and its
            frontier must be among what `add_checkpoint` is given.
        strict: also parse every event (see `LogVerifier`).
    """

    def __init__(self, signers: Signers, *, start: int = 0, strict: bool = False) -> None:
        self._signers = signers
        self._start = start
        self._strict = strict
        self._known: dict[tuple[object, ...], _Known] = {}
        # The same, by size, once the segments begin.
        self._checkpoints: list[_Known] = []
        self._agreed = 0
        self._agreed_at_start = 0
        self._passed = 0
        self._base: tuple[Frontier, bytes] | None = None
        self._log: LogVerifier | None = None
        self._findings: list[Finding] = []
        self._notices: list[Finding] = []
        self._ends: list[SegmentEnd] = []
        self._note: bytes | None = None
        self._bad: list[tuple[int, str]] = []
        # Failed checkpoints whose place is known only once it is known which others hold.
        self._unsigned: list[tuple[int, str]] = []
        self._vouched: list[int] = []
        # Whether reading stopped before the end, so that the end says nothing.
        self._stopped = False

    @property
    def size(self) -> int:
        """The size of the log up to the last event that holds."""
        return self._log.size if self._log is not None else 0

    def add_checkpoint(
        self,
        raw: bytes,
        *,
        where: str,
        frontier: bytes | None = None,
        size: int | None = None,
        remembered: bool = False,
    ) -> None:
        """Takes a checkpoint; what is wrong with it alone is found at once.

        Args:
            raw: the signed note.
            where: its name, for findings.
            frontier: the frontier file beside it.
            size: the size that its name promises.
            remembered: the caller's own, which the log must reach.
        """
        checkpoint, findings = checkpoints.open_note(raw, self._signers)
        failed = [finding for finding in findings if not finding.ok]
        if checkpoint is None or failed:
            self._fail_checkpoint(failed, where, size if checkpoint is None else checkpoint.size)
            return
        if size is not None and checkpoint.size != size:
            message = f"The checkpoint is of {checkpoint.size} events; its name says {size}."
            finding = Finding("checkpoint_misnamed", False, message)
            self._fail_checkpoint([finding], where, min(size, checkpoint.size))
            return
        if frontier is not None and not self._take_frontier(frontier, checkpoint):
            finding = Finding("frontier_foreign", False, "The frontier is not of the signed tree.")
            self._fail_checkpoint([finding], f"{where} (.frontier)", checkpoint.size)
        self._know(
            _Known(checkpoint.size, checkpoint.root, checkpoint.head, where, raw, remembered)
        )

    def remember(self, state: State, *, where: str) -> None:
        """Takes what the caller remembers of an earlier run, which the log must still be."""
        if state.origin != self._signers.origin:
            message = f"What is remembered is the log {state.origin}, not {self._signers.origin}."
            self._findings.append(Finding("state_origin", None, message, where))
            return
        self._know(_Known(state.size, state.root, state.head, where, None, True))

    def begin(self) -> bool:
        """Whether there is a place to begin: the genesis hash, or a signed frontier at `start`."""
        self._checkpoints = sorted(self._known.values(), key=lambda known: known.size)
        if self._start == 0:
            self._log = LogVerifier(self._signers.origin, strict=self._strict)
        elif self._base is not None:
            frontier, head = self._base
            self._log = LogVerifier(
                self._signers.origin, start=frontier, head=head, strict=self._strict
            )
        else:
            message = f"There is no signed checkpoint with its frontier at {self._start} events."
            self._findings.append(Finding("base_missing", None, message))
            return False
        self._compare()
        self._agreed_at_start = self._agreed
        return True

    def segment(
        self, lines: Iterable[bytes], *, where: str, range_: Range | None, day: str | None
    ) -> bool:
        """Takes the lines of the next segment. Returns whether it holds; if not, it is the last.

        Args:
            lines: with their newlines.
            where: the file's name, for findings.
            range_: the numbers that its name promises.
            day: the day that its folder promises.
        """
        self._stopped = True
        log = self._running()
        if range_ is not None and range_.first != log.size:
            message = f"The segment begins at {range_.first} where {log.size} belongs."
            return self._fail("segment_out_of_order", message, min(log.size, range_.first), where)
        rest = iter(lines)
        first = next(rest, b"")
        if not self._feed(chain([first] if first else [], rest)):
            return self._explain(where)
        if not log.terminated:
            message = "The last line is cut short."
            return self._fail("line_malformed", message, log.size - 1, where)
        if range_ is not None and log.size != range_.last + 1:
            message = f"The segment ends before {log.size}; its name says {range_.last}."
            return self._fail("segment_cut", message, min(log.size, range_.last + 1), where)
        if day is not None and first and {day_of_line(first), log.sealed_at[:10]} != {day}:
            message = "The segment has lines that were sealed on another day than its folder's."
            first_seq = range_.first if range_ is not None else log.size - 1
            return self._fail("segment_misplaced", message, first_seq, where)
        self._stopped = False
        self._ends.append(SegmentEnd(where, log.size, log.sealed_at))
        return True

    def missing(self, range_: Range, where: str) -> None:
        """Takes note that a segment's other files are there, and it is not."""
        message = f"The segment {range_.stem} is missing."
        self._fail("segment_missing", message, range_.first, where)

    def damaged(self, where: str, why: str) -> None:
        """Takes note of a segment in which lines can't be told apart; it is the last."""
        self._stopped = True
        self._fail("file_damaged", why, self._running().size, where)

    def unreadable(self, where: str, why: str, *, is_segment: bool = False) -> None:
        """Takes note of something that could not be read, so that not everything was checked.

        After a segment that can't be read no other is taken.
        """
        self._stopped = self._stopped or is_segment
        self._findings.append(Finding("unreadable", None, why, where))

    def part(self, archive_size: int = 0, *, is_last: bool = True) -> Part:
        """What was found, to be joined with what was found elsewhere in the log.

        Args:
            archive_size: how many events the archive has by its names, where not all were read.
            is_last: whether no other stretch follows, so that a checkpoint beyond it is missed.
        """
        log = self._log or LogVerifier(self._signers.origin)
        if self._log is not None and is_last:
            self._check_beyond(log.size, max(archive_size, log.size))
        self._check_before()
        bad = self._bad + [
            (max((size for size in self._vouched if size < end), default=self._start), where)
            for end, where in self._unsigned
        ]
        begin = None
        if self._log is not None:
            frontier, head = self._base or (Frontier(), LogVerifier(self._signers.origin).head)
            begin = Tree(self._start, head, frontier.hashes)
        return Part(
            start=self._start,
            begin=begin,
            end=Tree(log.size, log.head, log.frontier.hashes),
            stopped=self._stopped,
            findings=tuple(self._findings),
            notices=tuple(self._notices),
            bad=tuple(bad),
            vouched=max(self._vouched, default=0),
            checkpoints=self._agreed,
            checkpoints_at_start=self._agreed_at_start,
            ends=tuple(self._ends),
            note=self._note if self._vouched and self._vouched[-1] == log.size else None,
            ids=bytes(log.ids),
        )

    def finish(self, archive_size: int = 0) -> ArchiveReport:
        """The result, where this was the whole of it; ``archive_size`` as for `part`."""
        return join(self._signers.origin, [self.part(archive_size)])

    def _check_before(self) -> None:
        for known in self._checkpoints:
            if known.remembered and known.size < self._start:
                self._not_reached(known, f"what was read begins at {self._start}")

    def _check_beyond(self, size: int, archive_size: int) -> None:
        beyond = [known for known in self._checkpoints if known.size > size]
        for known in beyond if not self._stopped else []:
            if known.size > archive_size:
                what = "checkpoint is" if known.note is not None else "remembered state is"
                message = f"The {what} of {known.size} events; the log ends at {archive_size}."
                self._fail("log_cut", message, archive_size, known.where)
            elif known.remembered:
                self._not_reached(known, f"{size} were read")

    def _not_reached(self, known: _Known, why: str) -> None:
        if known.note is None:
            message = f"The state is of {known.size} events; {why}: it was not compared."
            self._notices.append(Finding("state_not_reached", None, message, known.where))
        else:
            message = f"The remembered checkpoint is of {known.size} events; {why}."
            self._findings.append(Finding("checkpoint_not_reached", None, message, known.where))

    def _know(self, known: _Known) -> None:
        key = (known.size, known.root, known.head, known.note is None, known.remembered)
        if key in self._known:
            self._known[key].times += 1
        else:
            self._known[key] = known

    def _take_frontier(self, raw: bytes, checkpoint: checkpoints.Checkpoint) -> bool:
        try:
            frontier = parse_frontier(raw, checkpoint.size)
        except Invalid:
            return False
        if frontier.root() != checkpoint.root:
            return False
        if checkpoint.size == self._start:
            self._base = (frontier, checkpoint.head)
        return True

    def _feed(self, lines: Iterator[bytes]) -> bool:
        log = self._running()
        while log.fault is None:
            stop = self._next_stop(log.size)
            log.feed(lines if stop is None else islice(lines, stop - log.size))
            if log.size != stop:
                break
            self._compare()
        return log.fault is None

    def _next_stop(self, size: int) -> int | None:
        while self._passed < len(self._checkpoints):
            if self._checkpoints[self._passed].size > size:
                return self._checkpoints[self._passed].size
            self._passed += 1
        return None

    def _compare(self) -> None:
        log = self._running()
        here = []
        for index in range(self._passed, len(self._checkpoints)):
            if self._checkpoints[index].size > log.size:
                break
            if self._checkpoints[index].size == log.size:
                here.append(self._checkpoints[index])
        root = log.frontier.root() if here else b""
        for known in here:
            if (known.root, known.head) != (root, log.head):
                what = "signed" if known.note is not None else "remembered"
                message = f"The log is not the one that was {what} at {known.size} events."
                finding = Finding("checkpoint_mismatch", False, message)
                self._fail_checkpoint([finding], known.where, known.size)
            elif known.note is not None:
                self._agreed += known.times
                self._vouched.append(log.size)
                self._note = known.note

    def _fail_checkpoint(self, findings: list[Finding], where: str, size: int | None) -> None:
        self._findings += [
            Finding(finding.code, False, finding.message, where) for finding in findings
        ]
        self._unsigned.append((size or 0, where))

    def _fail(self, code: str, message: str, seq: int, where: str) -> bool:
        self._findings.append(Finding(code, False, message, f"{where}, event {seq}"))
        self._bad.append((seq, where))
        return False

    def _explain(self, where: str) -> bool:
        fault = self._running().fault
        if fault is None:
            return True
        return self._fail(fault.code, fault.message, fault.seq, where)

    def _running(self) -> LogVerifier:
        if self._log is None:
            raise RuntimeError("begin() comes before the segments")
        return self._log
