"""Cuts the log into segments: neighbours, sealed on one UTC day, of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from audit import selectors
from audit.formats.log import TIME_BYTES
from audit.formats.segment import Range
from sealing.digests import sha256_tag

SEGMENT_EVENTS = 2_000
SEGMENT_BYTES = 1 << 20
_SEALED_AT = b'"sealed_at":"'


class Cut(NamedTuple):
    """Lines that lie in one file.

    Attributes:
        first_seq, last_seq: their numbers, both inclusive.
        day: the UTC day on which they were sealed, YYYY-MM-DD.
        lines: without their newlines.
        is_full: whether another line would not have fitted, or one of another day follows.
    """

    first_seq: int
    last_seq: int
    day: str
    lines: list[bytes]
    is_full: bool

    @property
    def stem(self) -> str:
        """The name of its files below the archive's root, without an extension."""
        return f"{self.day.replace('-', '/')}/{Range(self.first_seq, self.last_seq).stem}"

    @property
    def raw(self) -> bytes:
        """The bytes of the segment, not packed."""
        return b"".join(line + b"\n" for line in self.lines)

    @property
    def raw_sha256(self) -> str:
        """The digest of `raw`."""
        return sha256_tag(self.raw)

    @property
    def newest_at(self) -> str:
        """When its last line was sealed."""
        return _sealed_at(self.lines[-1])

    @property
    def oldest_at(self) -> str:
        """When its first line was sealed."""
        return _sealed_at(self.lines[0])


def cuts(start_seq: int, end_seq: int) -> Iterator[Cut]:
    """The segments of the events from ``start_seq`` up to, not including, ``end_seq``.

    Each is read by a query of its own, so that nothing is held while it is written somewhere.

    Raises:
        StoredLineInvalid: a stored event does not give its hash.
    """
    while start_seq < end_seq:
        cut = _next(start_seq, end_seq)
        if cut is None:
            return
        yield cut
        start_seq = cut.last_seq + 1


def recut(first_seq: int, last_seq: int) -> Cut:
    """The segment of exactly these numbers, as it was cut before."""
    lines = [line for _, line in selectors.all_lines(start_seq=first_seq, end_seq=last_seq + 1)]
    return Cut(first_seq, last_seq, _sealed_at(lines[0])[:10] if lines else "", lines, True)


def _next(start_seq: int, end_seq: int) -> Cut | None:
    lines: list[bytes] = []
    day, total, is_full = "", 0, False
    # One more than fits, to see whether something follows.
    until = min(end_seq, start_seq + SEGMENT_EVENTS + 1)
    for _, line in selectors.all_lines(start_seq=start_seq, end_seq=until):
        sealed_on = _sealed_at(line)[:10]
        over = len(lines) == SEGMENT_EVENTS or total + len(line) >= SEGMENT_BYTES
        if lines and (over or sealed_on != day):
            is_full = True
            break
        day = sealed_on
        lines.append(line)
        total += len(line) + 1
    if not lines:
        return None
    return Cut(start_seq, start_seq + len(lines) - 1, day, lines, is_full)


def _sealed_at(line: bytes) -> str:
    """When a stored line was sealed; the member has a fixed length."""
    at = line.index(_SEALED_AT) + len(_SEALED_AT)
    return line[at : at + TIME_BYTES].decode("ascii")
