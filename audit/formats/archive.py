"""Verifies an archive of log segments with its checkpoints and frontiers (docs/formats.md §3).

It is given bytes and lines and does no I/O. What it has not seen signed it does not call valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from audit.formats import checkpoint as checkpoints
from audit.formats.log import LogVerifier, day_of_line
from audit.formats.report import ArchiveReport
from audit.formats.segment import Range, parse_frontier
from sealing.digests import tag
from sealing.errors import Invalid
from sealing.keys import Signers
from sealing.merkle import Frontier
from sealing.results import Finding, Report


@dataclass(frozen=True, slots=True)
class _Signed:
    size: int
    root: bytes
    head: bytes
    where: str
    remembered: bool


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
        self._checkpoints: list[_Signed] = []
        self._passed = 0
        self._base: tuple[Frontier, bytes] | None = None
        self._log: LogVerifier | None = None
        self._findings: list[Finding] = []
        self._bad: list[tuple[int, str]] = []
        # Failed checkpoints whose place is known only once it is known which others hold.
        self._unsigned: list[tuple[int, str]] = []
        self._vouched: list[int] = []
        # Whether reading stopped before the end, so that the end says nothing.
        self._stopped = False

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
        self._checkpoints.append(
            _Signed(checkpoint.size, checkpoint.root, checkpoint.head, where, remembered)
        )

    def begin(self) -> bool:
        """Whether there is a place to begin: the genesis hash, or a signed frontier at `start`."""
        self._checkpoints.sort(key=lambda signed: signed.size)
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

    def finish(self, archive_size: int = 0) -> ArchiveReport:
        """The result.

        Args:
            archive_size: how many events the archive has by its names, where not all were read.
        """
        log = self._log or LogVerifier(self._signers.origin)
        if self._log is not None:
            self._check_ends(log, max(archive_size, log.size))
        bad = self._bad + [
            (max((size for size in self._vouched if size < end), default=self._start), where)
            for end, where in self._unsigned
        ]
        seq, where = min(bad, default=(None, None))
        return ArchiveReport(
            report=Report(tuple(self._findings)),
            first_seq=self._start,
            size=max(log.size, self._start),
            root=tag(log.frontier.root()),
            head=tag(log.head),
            checkpoints=len(self._vouched),
            first_bad_seq=seq,
            first_bad_file=where,
        )

    def _check_ends(self, log: LogVerifier, archive_size: int) -> None:
        if not self._stopped:
            for signed in self._checkpoints:
                if signed.size > log.size:
                    self._check_beyond(signed, log.size, archive_size)
        for signed in self._checkpoints:
            if signed.remembered and signed.size < self._start:
                message = "The remembered checkpoint lies before what was read."
                self._findings.append(
                    Finding("checkpoint_not_reached", None, message, signed.where)
                )
        if self._stopped or any(finding.ok is False for finding in self._findings):
            return
        vouched = max(self._vouched, default=0)
        if log.size == self._start:
            self._findings.append(Finding("nothing_to_check", None, "There is nothing to check."))
        elif vouched < log.size:
            message = f"No signed checkpoint vouches for the events from {vouched} on."
            self._findings.append(Finding("not_signed", None, message))
        else:
            message = f"{log.size - self._start} events hold, up to a signed checkpoint."
            self._findings.append(Finding("log_verified", True, message))

    def _check_beyond(self, signed: _Signed, size: int, archive_size: int) -> None:
        if signed.size > archive_size:
            message = f"The checkpoint is of {signed.size} events; the log ends at {archive_size}."
            self._fail("log_cut", message, archive_size, signed.where)
        elif signed.remembered:
            message = f"The remembered checkpoint is of {signed.size} events; {size} were read."
            self._findings.append(Finding("checkpoint_not_reached", None, message, signed.where))

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
        root = log.frontier.root()
        for signed in self._checkpoints[self._passed :]:
            if signed.size > log.size:
                break
            if signed.size < log.size:
                continue
            if (signed.root, signed.head) == (root, log.head):
                self._vouched.append(log.size)
            else:
                message = f"The log is not the one that was signed at {log.size} events."
                finding = Finding("checkpoint_mismatch", False, message)
                self._fail_checkpoint([finding], signed.where, signed.size)

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
