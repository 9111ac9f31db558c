"""Writes the log to a folder in the layout of the archive (docs/formats.md §3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from audit import selectors
from audit.formats import event as formats
from audit.services import checkpoints, proofs
from sealing import files
from sealing.digests import b64
from sealing.errors import Conflict

PREFIX = "audit"
SEGMENT_EVENTS = 2_000
SEGMENT_BYTES = 1 << 20


class FolderNotEmpty(Conflict):
    """The folder for an export holds something already."""

    code = "folder_not_empty"


class Segment(NamedTuple):
    """Lines that lie in one file: neighbours, sealed on the same UTC day."""

    first_seq: int
    last_seq: int
    day: str
    lines: list[bytes]

    @property
    def stem(self) -> str:
        """Where its files lie below the folder, without an extension."""
        day = self.day.replace("-", "/")
        return f"{PREFIX}/{day}/{self.first_seq:016d}-{self.last_seq:016d}"


def export_log(folder: Path) -> int:
    """Writes every sealed event below ``folder``, each segment with its checkpoint and frontier.

    Args:
        folder: where to; missing or empty, since segments of two exports do not fit together.

    Returns:
        How many events there are now.

    Raises:
        FolderNotEmpty. StoredLineInvalid: the log does not hold.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FolderNotEmpty(f"{folder} is not empty.")
    size = checkpoints.issue().size
    for segment in _segments(size):
        _write(folder, segment)
    return size


def _write(folder: Path, segment: Segment) -> None:
    size = segment.last_seq + 1
    checkpoint = checkpoints.at_size(size)
    hashes = proofs.frontier(size).hashes
    contents = {
        ".jsonl": b"".join(line + b"\n" for line in segment.lines),
        ".frontier": "".join(f"{b64(item)}\n" for item in hashes).encode("ascii"),
        # Last, so that a checkpoint never lies beside lines that are not there yet.
        ".checkpoint": checkpoint.note.encode("utf-8"),
    }
    for extension, data in contents.items():
        path = files.safe_join(folder, segment.stem + extension)
        files.write_new(path, data)


def _segments(size: int) -> Iterator[Segment]:
    """Cuts the log at UTC days, and at so many events or bytes."""
    lines: list[bytes] = []
    first_seq, day, total = 0, "", 0
    for seq, line in selectors.all_lines(end_seq=size):
        sealed_on = formats.parse_line(line).sealed_at[:10]
        full = len(lines) == SEGMENT_EVENTS or total + len(line) > SEGMENT_BYTES
        if lines and (full or sealed_on != day):
            yield Segment(first_seq, seq - 1, day, lines)
            lines = []
        if not lines:
            first_seq, day, total = seq, sealed_on, 0
        lines.append(line)
        total += len(line) + 1
    if lines:
        yield Segment(first_seq, first_seq + len(lines) - 1, day, lines)
