"""Finds and reads the files of an archive in a local folder (docs/formats.md §3)."""

from __future__ import annotations

import gzip
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
    Range,
    day_of,
    range_of,
)

BUFFER_BYTES: Final = 1 << 20


class FileDamaged(Exception):
    """A file can be read, but what is in it can't be what was written."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of an archive, with what its path promises."""

    path: Path
    where: str
    range_: Range | None
    day: str | None

    @property
    def stem(self) -> str:
        """The path below the folder without extensions: what belongs together shares it."""
        folder, _, name = self.where.rpartition("/")
        return f"{folder}/{name.partition('.')[0]}"


@dataclass(slots=True)
class Folder:
    """The files of an archive."""

    segments: list[File] = field(default_factory=list)
    checkpoints: list[File] = field(default_factory=list)
    frontiers: list[File] = field(default_factory=list)


def scan(root: Path) -> Folder:
    """Finds the files below a folder, or one file of lines and those beside it of the same name.

    Segments are in the order of their numbers; files that are not named by numbers follow in the
    order of their paths, numbers in them compared as numbers.
    """
    only = None
    if root.is_file():
        only, root = root.name.partition(".")[0], root.parent
    found = Folder()
    kinds = {CHECKPOINT_SUFFIX: found.checkpoints, FRONTIER_SUFFIX: found.frontiers}
    for folder, folders, names in os.walk(root):
        folders[:] = [] if only is not None else sorted(folders)
        for name in names:
            if name.startswith(".") or (only is not None and name.partition(".")[0] != only):
                continue
            path = Path(folder, name)
            kind = found.segments if name.endswith(SUFFIXES) else kinds.get(path.suffix)
            if kind is not None:
                where = path.relative_to(root).as_posix()
                day = day_of(path.absolute().as_posix())
                kind.append(File(path, where, range_of(name), day))
    for files in (found.segments, found.checkpoints, found.frontiers):
        files.sort(key=_order)
    return found


@contextmanager
def open_lines(path: Path) -> Iterator[IO[bytes]]:
    """A file of lines, unpacked if it is packed, for iteration in bounded memory.

    Raises:
        OSError: it can't be read or is no regular file.
        FileDamaged: while reading: it is not valid gzip, or has a line longer than any log line.
    """
    if not path.is_file():
        raise OSError(f"{path.name} is not a regular file")
    with open(path, "rb", buffering=0) as raw:
        source: Any = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        with io.BufferedReader(_Guarded(source), BUFFER_BYTES) as lines:
            yield lines


class _Guarded(io.RawIOBase):
    """Passes bytes on, and refuses a whole buffer of them without a newline.

    Lines are then at most two buffers long, however a file was made, and iterating over a
    buffered reader stays as fast as it is.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._since_newline = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count = int(self._source.readinto(buffer))
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise FileDamaged(f"It can't be unpacked: {error}.") from error
        has_newline = re.search(b"\n", buffer[:count]) is not None
        self._since_newline = 0 if has_newline else self._since_newline + count
        if self._since_newline > BUFFER_BYTES:
            raise FileDamaged("It has a line longer than any log line.")
        return count


def _order(file: File) -> tuple[Any, ...]:
    if file.range_ is not None:
        return (0, file.range_.first, file.range_.last, file.where)
    parts = re.split(r"([0-9]+)", file.where)
    return (1, *[(int(part), "") if part.isdecimal() else (0, part) for part in parts])
