"""Chooses which segments of an archive a verification is about."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from audit.folder import File, FileDamaged, Folder
from audit.formats.event import HASH_SUFFIX_BYTES, parse_line
from audit.sources import Source
from sealing.errors import Invalid
from sealing.merkle import leaf_hash
from sealing.times import format_time


class CouldNotCheck(Exception):
    """The verification could not begin; the message says why."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is asked for; each bound narrows it further.

    Attributes:
        start, end: UTC days, YYYY-MM-DD, both inclusive.
        since: from the segment on that holds the first event sealed at or after that time.
        limit: the newest so many events, rounded up to whole segments.
    """

    start: str | None = None
    end: str | None = None
    since: datetime | None = None
    limit: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self == Window()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files of a window.

    Attributes:
        base: the number of its first event.
        folder: its files; checkpoint and frontier of ``base`` are among them.
        reaches_end: whether the archive's last segment is among them.
    """

    base: int
    folder: Folder
    reaches_end: bool


def choose(source: Source, found: Folder, window: Window) -> Chosen:
    """The part of an archive that a window asks for.

    Raises:
        CouldNotCheck: nothing lies in the window, or its bounds can't be told.
    """
    if not found.segments:
        raise CouldNotCheck(f"there is nothing to check in {source.location}: no file of lines.")
    if window.is_whole:
        return Chosen(0, found, True)
    needs_days = window.start is not None or window.end is not None
    if any(file.range_ is None or (needs_days and file.day is None) for file in found.segments):
        raise CouldNotCheck("a window needs segments that lie in folders by day.")
    segments = [file for file in found.segments if _within(file, window)]
    if segments and window.since is not None:
        segments = segments[_first_since(source, found, segments, window.since) :]
    if segments and window.limit is not None:
        wanted = _end(segments[-1]) - window.limit
        segments = [file for file in segments if _end(file) > wanted]
    if not segments:
        raise CouldNotCheck("there is nothing to check: no segment lies in the window.")
    base = _base(found, segments, window)
    folder = Folder(segments=segments, notices=found.notices)
    folder.checkpoints = _beside(found.checkpoints, segments, base, window)
    folder.frontiers = _beside(found.frontiers, segments, base, window)
    folder.tokens = _beside(found.tokens, segments, base, window)
    return Chosen(base, folder, segments[-1] == found.segments[-1])


def _base(found: Folder, segments: list[File], window: Window) -> int:
    """The number at which a window begins.

    The first days of an archive have nothing before them. Where a day is named, what lies beside
    a segment says that the segment belongs here, even if it is missing.
    """
    first = _first(segments[0])
    if window.since is not None or window.limit is not None:
        return 0 if segments[0] == found.segments[0] else first
    if window.start is None:
        return 0
    beside = (file for file in (*found.checkpoints, *found.frontiers) if file.range_ is not None)
    return min([first, *[_first(file) for file in beside if _within(file, window)]])


def _within(file: File, window: Window) -> bool:
    day = file.day or ""
    return (window.start or "") <= day <= (window.end or "9999-12-31")


def _beside(files: list[File], segments: list[File], base: int, window: Window) -> list[File]:
    """Those of the segments' numbers and of the number before them, and heartbeats of their days.

    What is beside a segment that is missing from the window belongs to it too.
    """
    first_day, until = segments[0].day or "", _end(segments[-1])
    chosen = []
    for file in files:
        if file.range_ is None:
            inside = first_day <= (file.day or "") <= (window.end or "9999-12-31")
        elif window.end is None:
            inside = file.range_.last + 1 >= base
        else:
            inside = base <= file.range_.last + 1 <= until or (
                file.range_.first >= base and _within(file, window)
            )
        if inside:
            chosen.append(file)
    return chosen


def _first_since(source: Source, found: Folder, segments: list[File], since: datetime) -> int:
    """The index of the segment with the first event sealed at or after ``since``.

    Times do not go backwards in a log, so it is found by halving. That rests on lines that were
    not verified yet, so what decides is checked again: the last event before the chosen segment
    is the one that the segment links to, and was sealed earlier. Otherwise one begins earlier.
    """
    wanted = format_time(since)
    ends = lru_cache(maxsize=None)(lambda file: _ends_of(source, file))
    index = bisect_left(segments, wanted, key=lambda file: _sealed_at(ends(file).last))
    while 0 < index < len(segments):
        before, following = ends(segments[index - 1]).last, ends(segments[index]).first
        if _sealed_at(before) < wanted and _hash(before) == _link(following):
            break
        index -= 1
    return index


class _Ends(NamedTuple):
    first: bytes
    last: bytes


def _ends_of(source: Source, file: File) -> _Ends:
    """First and last line of a segment, without newlines."""
    try:
        with source.open_lines(file) as lines:
            first = last = next(iter(lines), b"")
            for line in lines:
                last = line
    except (OSError, FileDamaged) as error:
        raise CouldNotCheck(f"{file.where} can't be read: {error}") from error
    return _Ends(first.rstrip(b"\n"), last.rstrip(b"\n"))


def _sealed_at(line: bytes) -> str:
    """When a line was sealed; for rubbish the latest of times, so that it is looked into."""
    try:
        return parse_line(line).sealed_at
    except Invalid:
        return "9999"


def _hash(line: bytes) -> bytes:
    return leaf_hash(line[:-HASH_SUFFIX_BYTES])


def _link(line: bytes) -> bytes | None:
    try:
        return parse_line(line).prev_hash
    except Invalid:
        return None


def _first(file: File) -> int:
    return file.range_.first if file.range_ is not None else 0


def _end(file: File) -> int:
    return file.range_.last + 1 if file.range_ is not None else 0
