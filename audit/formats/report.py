"""What a verification of a log found, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.formats.state import State
from sealing.results import Finding, Report, Verdict


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """A segment that holds: its name, the size of the log behind it, its newest event's time."""

    where: str
    size: int
    sealed_at: str


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """The outcome of a verification.

    Attributes:
        report: check by check.
        first_seq: the number of the first event that was asked for.
        size: the size of the log up to the last event that holds.
        root, head: those of the log at that size; no root where the profile has no tree.
        checkpoints: how many signed checkpoints the log agrees with.
        first_bad_seq, first_bad_file: where trust ends; None if nothing failed. Where a checkpoint
            failed it is the first event that no good one before it vouches for.
        segments: how many segments hold.
        lock_mismatches: how many objects are not locked as they should be, where that was asked.
        notices: what is worth knowing and does not change the verdict.
        ends: the segments that hold, in order.
        state: what to remember of the log; None unless it is valid up to there.
    """

    report: Report
    first_seq: int
    size: int
    root: str | None
    head: str
    checkpoints: int
    first_bad_seq: int | None
    first_bad_file: str | None
    segments: int = 0
    lock_mismatches: int = 0
    notices: tuple[Finding, ...] = ()
    ends: tuple[SegmentEnd, ...] = ()
    state: State | None = None

    @property
    def checked_events(self) -> int:
        """How many events hold."""
        return self.size - self.first_seq

    @property
    def message(self) -> str:
        """One sentence for a reader in a hurry."""
        if self.first_bad_seq is not None:
            return f"The first bad event is {self.first_bad_seq}, in {self.first_bad_file}."
        findings = self.report.issues or self.report.findings
        return findings[0].message if findings else "There is nothing to check."

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ok": self.report.verdict is Verdict.VALID,
            "verdict": str(self.report.verdict),
            "checked_events": self.checked_events,
            "first_seq": self.first_seq,
            "size": self.size,
            "root": self.root,
            "head": self.head,
            "segments": self.segments,
            "checkpoints": self.checkpoints,
            "lock_mismatches": self.lock_mismatches,
            "first_bad_seq": self.first_bad_seq,
            "first_bad_file": self.first_bad_file,
            "issues": [finding.as_dict() for finding in self.report.issues],
            "notices": [finding.as_dict() for finding in self.notices],
            "message": self.message,
        }
