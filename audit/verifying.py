"""Verifies an archive, wherever it lies: reads it and asks `audit.formats.archive` about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from audit import locks as lock_checks
from audit import parallel, stamps
from audit.folder import File, FileDamaged
from audit.formats.parts import join
from audit.formats.pbpk import PbpkVerifier
from audit.formats.report import ArchiveReport
from audit.formats.state import State
from audit.locks import LockPolicy
from audit.samples import Sample, compare
from audit.sources import Source, SourceUnreachable, StoreSource
from audit.stretches import stretch_of, verify_stretch
from audit.windows import CouldNotCheck, Window, choose
from sealing.keys import Signers
from sealing.results import Finding, Report, Verdict

__all__ = [
    "CouldNotCheck",
    "LockPolicy",
    "Progress",
    "Sample",
    "Window",
    "verify_archive",
    "verify_pbpk",
]

# How many events were read, and of how many, where the names tell.
Progress = Callable[[int, int | None], None]
EVERYTHING = Window()


def verify_archive(
    source: Source,
    signers: Signers,
    *,
    window: Window = EVERYTHING,
    strict: bool = False,
    locks: LockPolicy | None = None,
    remembered: bytes | None = None,
    state: State | None = None,
    certificates: bytes | None = None,
    sample: Sample | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> ArchiveReport:
    """Verifies the segments of an archive with their checkpoints and frontiers.

    Args:
        source: where it lies.
        signers: the log's name and whose checkpoints count.
        window: what of it; without one all.
        strict: also parse every event.
        locks: also check that every object is locked so.
        remembered: a signed checkpoint that the caller kept, which the log must contain.
        state: what the caller remembers of an earlier run; the log must still be that one.
        certificates: PEM of the timestamp authorities to trust; without them tokens are listed as
            not checked.
        sample: segments to compare with a database.
        jobs: how many processes verify at once.
        progress: called now and then.

    Returns:
        What was found. Its ``state`` is what to remember, if the log is valid and ``state`` was
        compared with it.

    Raises:
        CouldNotCheck: nothing is there, or not what the window asks for, or it can't be reached.
    """
    if locks is not None and not isinstance(source, StoreSource):
        raise CouldNotCheck("objects are locked in S3; a folder has no locks that prove anything.")
    try:
        found = source.scan()
    except SourceUnreachable as error:
        raise CouldNotCheck(str(error)) from error
    chosen = choose(source, found, window)
    whole = stretch_of(source, signers, chosen, found.size, strict=strict)
    whole = replace(whole, remembered=remembered, state=state)
    stretches = parallel.split(source, whole, jobs)
    if len(stretches) > 1:
        parts = parallel.verify_each(source, stretches, jobs, progress)
    else:
        parts = [verify_stretch(source, whole, progress)]
    report = join(signers.origin, parts, chosen.folder.notices)
    held: list[Finding] = []
    if locks is not None and isinstance(source, StoreSource):
        held = lock_checks.check(source, chosen.folder, report.ends, locks)
    stamped, listed = stamps.check(source, chosen.folder, certificates)
    sampled: list[Finding] = []
    if sample is not None:
        sampled = compare(source, chosen.folder.segments, report.ends, sample)
    done = Report((*report.report.findings, *held, *stamped, *sampled))
    compared = not any(notice.code == "state_not_reached" for notice in report.notices)
    return replace(
        report,
        report=done,
        lock_mismatches=sum(finding.ok is False for finding in held),
        notices=(*report.notices, *listed),
        state=report.state if done.verdict is Verdict.VALID and compared else None,
    )


def verify_pbpk(source: Source) -> ArchiveReport:
    """Verifies a log of pbpk-mcp, from its first event. Raises CouldNotCheck."""
    try:
        found = source.scan()
    except SourceUnreachable as error:
        raise CouldNotCheck(str(error)) from error
    if not found.segments:
        raise CouldNotCheck(f"there is nothing to check in {source.location}: no file of lines.")
    verifier = PbpkVerifier()
    findings: list[Finding] = []
    bad_file, whole = None, 0
    for file in found.segments:
        problem = _pbpk_problem(source, file, verifier)
        if problem is not None:
            findings.append(problem)
            bad_file = file.where if problem.ok is False else None
            break
        whole += 1
    if not findings and verifier.size:
        message = f"{verifier.size} events are chained. The profile has no signatures to check."
        findings.append(Finding("log_verified", True, message))
    return ArchiveReport(
        report=Report(tuple(findings)),
        first_seq=0,
        size=verifier.size,
        root=None,
        head=verifier.head,
        checkpoints=0,
        first_bad_seq=verifier.size if bad_file is not None else None,
        first_bad_file=bad_file,
        segments=whole,
        notices=tuple(found.notices),
    )


def _pbpk_problem(source: Source, file: File, verifier: PbpkVerifier) -> Finding | None:
    try:
        with source.open_lines(file) as lines:
            if verifier.feed(lines) or verifier.fault is None:
                return None
            fault = verifier.fault
            where = f"{file.where}, event {verifier.size}"
            return Finding(fault.code, False, fault.message, where)
    except FileDamaged as error:
        return Finding("file_damaged", False, str(error), f"{file.where}, event {verifier.size}")
    except OSError as error:
        return Finding("unreadable", None, str(error), file.where)
