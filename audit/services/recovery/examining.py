"""Looks at an archive before anything is restored from it: what holds, and how far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from audit import storage
from audit.folder import File, Folder
from audit.formats.report import ArchiveReport
from audit.services.recovery.loading import opened
from audit.sources import Source, SourceUnreachable, open_source
from audit.verifying import CouldNotCheck, verify_archive
from sealing import canonical, files
from sealing.digests import sha256_tag
from sealing.errors import IntegrityFailure, Invalid, StrongroomError, Unavailable
from sealing.keys import Signers
from sealing.results import Verdict
from sealing.stores.opening import SCHEME
from sealing.times import parse_time

# What is being done, how far it is, and how far it will go where that is known.
Progress = Callable[[str, int, int | None], None]
REPORT = "report.json"


class SourceNotChecked(Unavailable):
    """The archive could not be checked, so nothing is taken from it."""

    code = "source_not_checked"


class SourceInvalid(IntegrityFailure):
    """The archive does not hold; the message names the first bad event and its file."""

    code = "source_invalid"


@dataclass(frozen=True, slots=True)
class Examined:
    """An archive that was verified.

    Attributes:
        source: where it is.
        folder: its files.
        report: what the verification found.
        end: how many events can be restored: all, or those that a good checkpoint vouches for.
    """

    source: Source
    folder: Folder
    report: ArchiveReport
    end: int

    @property
    def holds(self) -> bool:
        """Whether all of it is valid."""
        return self.report.report.verdict is Verdict.VALID

    @property
    def size(self) -> int:
        """How many events the archive has by its names, good or not."""
        return max(self.folder.size, self.report.size)

    @property
    def segments(self) -> list[File]:
        """The segments from which events are to be restored, in order."""
        return [
            f for f in self.folder.segments if f.range_ is not None and f.range_.first < self.end
        ]

    def signed_until(self, signers: Signers) -> datetime | None:
        """When the newest checkpoints were signed: the last of segments and of heartbeats."""
        notes = self.folder.checkpoints
        last = [file for file in notes if not file.is_heartbeat][-1:]
        last += [file for file in notes if file.is_heartbeat][-1:]
        found = [opened(self.source.read(file) or b"", signers) for file in last]
        return max((parse_time(item[0].time) for item in found if item is not None), default=None)

    def refusal(self) -> SourceInvalid | SourceNotChecked:
        """Why it is not taken whole."""
        message = f"{self.source.location} does not verify: {self.report.message}"
        if self.report.report.verdict is Verdict.INVALID:
            return SourceInvalid(f"{message} The first {self.end} events hold.")
        return SourceNotChecked(f"{message} It can't be said whether it holds.")


def examine(location: str, signers: Signers, *, progress: Progress | None = None) -> Examined:
    """Verifies an archive from its first event on.

    Args:
        location: a folder, or ``s3://bucket/prefix``.
        signers: whose checkpoints count; from elsewhere than the archive.

    Raises:
        SourceNotChecked: it can't be reached, or there is nothing to check.
        Invalid: its segments are not named by their numbers.
    """
    source = _opened(location)

    def told(done: int, total: int | None) -> None:
        if progress is not None:
            progress("verified", done, total)

    try:
        report = verify_archive(source, signers, progress=told)
        folder = source.scan()
    except (CouldNotCheck, SourceUnreachable) as error:
        raise SourceNotChecked(f"{location} could not be checked: {error}") from error
    if any(file.range_ is None for file in folder.segments):
        raise Invalid("The segments are not named by their numbers.", field="from")
    if report.report.verdict is Verdict.VALID:
        return Examined(source, folder, report, report.size)
    return Examined(source, folder, report, _vouched(source, folder, report, signers))


def is_configured_archive(location: str) -> bool:
    """Whether that place is the archive of this installation, or a folder around it."""
    ours = storage.location()
    if location.startswith(SCHEME) or ours.startswith(SCHEME):
        return location.rstrip("/") == ours.rstrip("/")
    return Path(ours).resolve().is_relative_to(Path(location).resolve())


def keep_apart(examined: Examined, folder: Path) -> int:
    """Copies what was not restored into a folder, as it is, with a report of why.

    Everything is copied that concerns events from `Examined.end` on, and the file in which the
    first fault is. Equal files that are there already count as copied, so that it can be repeated.

    Returns:
        How many files were copied.

    Raises:
        AlreadyExists: another file is there. OSError: the folder can't be written.
    """
    store, entries = storage.open_location(_root(examined.source.location)), []
    for file in _apart(examined):
        entry: dict[str, object] = {"name": file.where, "version_id": file.version_id}
        try:
            data = store.read(file.where, version_id=file.version_id)
        except (StrongroomError, OSError) as error:
            entry["unreadable"] = str(error)
        else:
            path = files.safe_join(folder, file.where)
            files.write_new(path, data, mode=0o440, adopt_identical=True)
            entry |= {"sha256": sha256_tag(data), "size_bytes": len(data)}
        entries.append(entry)
    report = {
        "source": examined.source.location,
        "restored_through": examined.end - 1,
        "first_bad_seq": examined.report.first_bad_seq,
        "first_bad_file": examined.report.first_bad_file,
        "findings": [finding.as_dict() for finding in examined.report.report.issues],
        "files": entries,
    }
    files.write_new(folder / REPORT, canonical.document(report), mode=0o440, adopt_identical=True)
    return len(entries)


def _apart(examined: Examined) -> list[File]:
    found = examined.folder
    every = [*found.segments, *found.frontiers, *found.checkpoints, *found.tokens]
    bad = examined.report.first_bad_file or ""
    return [
        file
        for file in every
        if file.where == bad.partition(" ")[0]
        or (file.range_ is not None and file.range_.last >= examined.end)
    ]


def _opened(location: str) -> Source:
    if not location.startswith(SCHEME) and not Path(location).is_dir():
        raise SourceNotChecked(f"There is no folder {location}.")
    return open_source(location, storage.s3_options())


def _root(location: str) -> str:
    return location if location.startswith(SCHEME) else str(Path(location).absolute())


def _vouched(source: Source, folder: Folder, report: ArchiveReport, signers: Signers) -> int:
    """The end of the last segment before the first fault that has a signed checkpoint."""
    limit = report.size if report.first_bad_seq is None else report.first_bad_seq
    notes = {file.stem: file for file in folder.checkpoints}
    for segment in reversed(folder.segments):
        if segment.range_ is None or segment.range_.last + 1 > min(limit, report.size):
            continue
        raw = source.read(notes[segment.stem]) if segment.stem in notes else None
        found = opened(raw, signers) if raw is not None else None
        if found is not None and found[0].size == segment.range_.last + 1:
            return found[0].size
    return 0
