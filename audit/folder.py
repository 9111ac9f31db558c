"""Finds the files of an archive by their names, and unpacks its lines (docs/formats.md §3)."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from audit.formats.segment import (
    CHECKPOINT_SUFFIX,
    FRONTIER_SUFFIX,
    SUFFIXES,
    TIMESTAMP_SUFFIX,
    Range,
    day_of,
    range_of,
)
from sealing.results import Finding

BUFFER_BYTES: Final = 256 << 10
# Four times what an event may have.
MAX_LINE_BYTES: Final = 1 << 20
# A segment is of 1 MiB and one event at most.
MAX_SEGMENT_BYTES: Final = 2 << 20
_GZIP: Final = 31
# Folders beside those of the days, in which files are named otherwise.
HEARTBEAT: Final = "heartbeat"
VERIFICATIONS: Final = "verifications"
_NEWLINE: Final = re.compile(b"\n").search


class FileDamaged(Exception):
    """A file can be read, but what is in it can't be what was written."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of an archive, with what its path promises.

    Attributes:
        where: the path below the archive's root.
        range_: the numbers in its name; None if it is not named so.
        day: the day of its folder, as YYYY-MM-DD.
        version_id: the version that is verified, where the store keeps versions.
        size_bytes: its size, where the listing tells.
    """

    where: str
    range_: Range | None = None
    day: str | None = None
    version_id: str | None = None
    size_bytes: int | None = None

    @property
    def stem(self) -> str:
        """The path below the root without extensions: what belongs together shares it."""
        folder, _, name = self.where.rpartition("/")
        if HEARTBEAT in folder.split("/"):
            # These names have a fraction of a second in them.
            return f"{folder}/{name.partition('.checkpoint')[0]}"
        return f"{folder}/{name.partition('.')[0]}"

    @property
    def is_heartbeat(self) -> bool:
        """Whether it is a checkpoint that belongs to no segment (or a token of one)."""
        return self.range_ is None and HEARTBEAT in self.where.split("/")[:-1]


@dataclass(slots=True)
class Folder:
    """The files of an archive, and what is odd about them."""

    segments: list[File] = field(default_factory=list)
    checkpoints: list[File] = field(default_factory=list)
    frontiers: list[File] = field(default_factory=list)
    tokens: list[File] = field(default_factory=list)
    notices: list[Finding] = field(default_factory=list)
    _odd: list[File] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many events the archive has, by its names."""
        ends = (file.range_.last + 1 for file in self.segments if file.range_ is not None)
        return max(ends, default=0)

    def add(self, file: File) -> None:
        """Takes a file to where it belongs; what is not of an archive is left out."""
        folder, _, name = file.where.rpartition("/")
        if VERIFICATIONS in folder.split("/"):
            return
        kinds = {
            CHECKPOINT_SUFFIX: self.checkpoints,
            FRONTIER_SUFFIX: self.frontiers,
            TIMESTAMP_SUFFIX: self.tokens,
        }
        found = next((kind for suffix, kind in kinds.items() if name.endswith(suffix)), None)
        if name.endswith(SUFFIXES):
            found = self.segments
        if found is None:
            if file.day is not None:
                self._odd.append(file)
        else:
            found.append(file)

    def finish(self) -> Folder:
        """Puts the files in order, when all of them were added.

        Segments are in the order of their numbers; those that are not named by numbers follow in
        the order of their paths, numbers in them compared as numbers. But where segments are named
        by numbers and lie in folders of days, another file there is none of them, whatever its
        extension: whoever may add a file must not thereby be able to make the log invalid.
        """
        if any(file.range_ is not None and file.day is not None for file in self.segments):
            odd = [file for file in self.segments if file.range_ is None and file.day is not None]
            self.segments = [file for file in self.segments if file not in odd]
            self._odd += odd
        for file in self._odd:
            message = f"{file.where} is not named as a file of the archive is; it was left out."
            self.notices.append(Finding("odd_name", None, message, file.where))
        self._odd.clear()
        for files in (self.segments, self.checkpoints, self.frontiers, self.tokens):
            files.sort(key=_order)
        return self


def scan(root: Path) -> Folder:
    """Finds the files below a folder, or one file of lines and those beside it of the same name."""
    only = None
    if root.is_file():
        only, root = root.name.partition(".")[0], root.parent
    found = Folder()
    above = root.absolute().as_posix()
    for folder, folders, names in os.walk(root):
        inside = [name for name in folders if not name.startswith(".")]
        folders[:] = [] if only is not None else sorted(inside)
        below = Path(folder).relative_to(root).as_posix()
        for name in names:
            if name.startswith(".") or (only is not None and name.partition(".")[0] != only):
                continue
            where = name if below == "." else f"{below}/{name}"
            found.add(File(where, range_of(name), day_of(f"{above}/{where}")))
    return found.finish()


@contextmanager
def lines_of(packed: IO[bytes]) -> Iterator[IO[bytes]]:
    """The lines of a gzip file, for iteration in bounded memory.

    Args:
        packed: an unbuffered binary file.

    Raises:
        OSError: while reading: it can't be read.
        FileDamaged: while reading: it is not valid gzip, or has a line longer than any log line.
    """
    with io.BufferedReader(_Unpacked(packed), BUFFER_BYTES) as lines:
        yield lines


@contextmanager
def open_lines(path: Path) -> Iterator[IO[bytes]]:
    """The lines of a local file, unpacked if its name ends with ``.gz``; see `lines_of`.

    Raises:
        OSError: it can't be read or is no regular file.
    """
    if not path.is_file():
        raise OSError(f"{path.name} is not a regular file")
    if path.suffix == ".gz":
        with open(path, "rb", buffering=0) as packed, lines_of(packed) as lines:
            yield lines
    else:
        with io.BufferedReader(_Plain(path), BUFFER_BYTES) as plain:
            yield plain


class _Limit:
    """Refuses too many bytes without a newline, so that lines are of a bounded length."""

    def __init__(self) -> None:
        self._since_newline = 0

    def check(self, buffer: Any, count: int) -> int:
        """Takes note of what was read, and gives its length back. Raises FileDamaged."""
        has_newline = _NEWLINE(buffer, 0, count) is not None
        self._since_newline = 0 if has_newline else self._since_newline + count
        if self._since_newline > MAX_LINE_BYTES:
            raise FileDamaged("It has a line longer than any log line.")
        return count


class _Plain(io.FileIO):
    """A file, read as fast as without us."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._limit = _Limit()

    def readinto(self, buffer: Any) -> int:
        return self._limit.check(buffer, super().readinto(buffer) or 0)


class _Unpacked(io.RawIOBase):
    """What a gzip file unpacks to."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._source, self._errors = _unpacker(packed)
        self._limit = _Limit()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count = int(self._source.readinto(buffer))
        except self._errors as error:
            raise FileDamaged(f"It can't be unpacked: {error}.") from error
        return self._limit.check(buffer, count)


def unpack(packed: bytes) -> bytes | None:
    """A small gzip file unpacked at once, with the interpreter's lock released.

    Returns:
        None if it is larger than a segment ever is, or anything but one whole gzip member: then
        `lines_of` has to look.
    """
    zlib_like, errors = _zlib()
    try:
        reader = zlib_like.decompressobj(_GZIP)
        data = bytes(reader.decompress(packed, MAX_SEGMENT_BYTES))
    except errors:
        return None
    return data if reader.eof and not reader.unused_data else None


def _zlib() -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        isal_zlib: Any = importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib, (zlib.error,)
    return isal_zlib, (isal_zlib.error,)


def _unpacker(source: Any) -> tuple[Any, tuple[type[Exception], ...]]:
    """A reader of gzip, and what it raises for what is none."""
    errors: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error, EOFError)
    try:
        # Several times as fast as the standard library; an extra, so it may not be there.
        igzip: Any = importlib.import_module("isal.igzip")
        isal_zlib: Any = importlib.import_module("isal.isal_zlib")
    except ImportError:
        return gzip.GzipFile(fileobj=source), errors
    return igzip.IGzipFile(fileobj=source), (*errors, isal_zlib.error)


def _order(file: File) -> tuple[Any, ...]:
    if file.range_ is not None:
        return (0, file.range_.first, file.range_.last, file.where)
    parts = re.split(r"([0-9]+)", file.where)
    return (1, *[(int(part), "") if part.isdecimal() else (0, part) for part in parts])
