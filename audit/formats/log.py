"""Verifies log lines as they stream by: numbers, links, hashes, times, and the tree.

The hash is computed over the raw bytes of the line, which is cut at a fixed distance from its end;
nothing is parsed or encoded again unless `strict` asks for it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from audit.formats.event import HASH_SUFFIX_BYTES, genesis_hash, parse, parse_line
from sealing.errors import Invalid
from sealing.merkle import Frontier
from sealing.times import parse_time

BATCH = 512
TIME_BYTES = 27
_START = b'{"v":1,"seq":%d,"sealed_at":"'
_BEFORE_SEQ = '{"v":1,"seq":'
_SEALED_AT = ',"sealed_at":"'
_PREV = '","prev_hash":"sha256:'
_EVENT = '","event":{'
_HASH = '},"hash":"sha256:'
_END = '"}'
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_DIGITLESS = b"0000-00-00T00:00:00.000000Z"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first line that does not hold."""

    seq: int
    code: str
    message: str


def day_of_line(line: bytes) -> str:
    """The day on which a line was sealed, as YYYY-MM-DD; of a line that was verified."""
    at = line.index(b'"sealed_at":"') + 13
    return line[at : at + 10].decode("ascii")


class LogVerifier:
    """Follows one log from its beginning, or from a frontier that somebody vouches for.

    Args:
        origin: the log's name; the first line links to its genesis hash.
        start: the frontier before the first line, if that is not the log's first.
        head: the hash of the line before, with ``start``.
        sealed_at: the time of the line before, with ``start``; empty if it is not known.
        strict: also parse every event and check every rule of it. Ids are remembered, to find
            one that comes twice: about 100 bytes an event, where otherwise memory stays the same.
    """

    def __init__(
        self,
        origin: str,
        *,
        start: Frontier | None = None,
        head: bytes | None = None,
        sealed_at: str = "",
        strict: bool = False,
    ) -> None:
        if start is not None and start.size and head is None:
            raise ValueError("from a frontier on, the hash before it must be known too")
        self.frontier = start.copy() if start is not None else Frontier()
        self.head = head if head is not None else genesis_hash(origin)
        self.sealed_at = sealed_at
        self.fault: Fault | None = None
        # Whether the last line had its newline.
        self.terminated = True
        self._strict = strict
        self._ids: set[bytes] = set()

    @property
    def size(self) -> int:
        """How many events the log has up to here."""
        return self.frontier.size

    def feed(self, lines: Iterable[bytes]) -> bool:
        """Checks lines, with or without their newline, until one does not hold.

        Returns:
            Whether all of them hold. `fault` tells what does not; nothing after it is looked at.
        """
        rest = iter(lines)
        while self.fault is None and (batch := list(islice(rest, self._batch_size()))):
            self.terminated = batch[-1].endswith(b"\n")
            if self._strict or not self._batch_holds(batch):
                for line in batch:
                    if not self._line_holds(line[:-1] if line[-1:] == b"\n" else line):
                        break
        return self.fault is None

    def _batch_size(self) -> int:
        # Up to the next multiple, so that whole subtrees are added to the frontier, and not past
        # a power of ten, so that all numbers of a batch have as many digits.
        return min(BATCH - self.size % BATCH, int(10 ** len(str(self.size))) - self.size)

    def _batch_holds(self, batch: list[bytes]) -> bool:
        """Checks lines all at once.

        What the lines have around their events is cut out, joined, and compared with what must be
        there. Where it says False, `_line_holds` has to look.
        """
        sha256 = hashlib.sha256
        end = _END + "\n" if batch[0].endswith(b"\n") else _END
        to_hash = -HASH_SUFFIX_BYTES - len(end) + len(_END)
        leaves = [sha256(b"\x00" + line[:to_hash]).digest() for line in batch]
        hashes = [leaf.hex() for leaf in leaves]
        ends = b"".join([line[to_hash - 1 :] for line in batch])
        if ends != (_HASH + f"{end}{_HASH}".join(hashes) + end).encode("ascii"):
            return False
        last = self._heads_hold(batch, [self.head.hex(), *hashes])
        if last is None:
            return False
        self.frontier.extend(leaves)
        self.head, self.sealed_at = leaves[-1], last
        return True

    def _heads_hold(self, batch: list[bytes], links: list[str]) -> str | None:
        """The time of the last line, if what stands before the events is as it must be."""
        at = len(_START % self.size)
        to_event = at + TIME_BYTES + len(_PREV) + 64 + len(_EVENT)
        heads = b"".join([line[:to_event] for line in batch])
        numbers = range(self.size, self.size + len(batch))
        first, last = (line[at : at + TIME_BYTES] for line in (batch[0], batch[-1]))
        when = last.decode("ascii", "replace")
        if first == last:
            if not self._time_follows(when):
                return None
            between = f"{_SEALED_AT}{when}{_PREV}"
            known: Iterable[str] = map(between.join, zip(map(str, numbers), links, strict=False))
        else:
            times = [line[at : at + TIME_BYTES] for line in batch]
            joined = b"".join([self.sealed_at.encode("ascii") or first, *times])
            if joined.translate(_DIGITS) != _DIGITLESS * (len(times) + 1):
                return None
            if times != sorted(times) or first < joined[:TIME_BYTES]:
                return None
            known = [
                f"{number}{_SEALED_AT}{time.decode()}{_PREV}{link}"
                for number, time, link in zip(numbers, times, links, strict=False)
            ]
        expected = _BEFORE_SEQ + f"{_EVENT}{_BEFORE_SEQ}".join(known) + _EVENT
        return when if heads == expected.encode("utf-8") else None

    def _line_holds(self, line: bytes) -> bool:
        """Checks one line without its newline; sets `fault` if it does not hold."""
        seq, leaf = self.size, line[:-HASH_SUFFIX_BYTES]
        start = _START % seq
        when = line[len(start) : len(start) + TIME_BYTES].decode("ascii", "replace")
        head = f"{when}{_PREV}{self.head.hex()}{_EVENT}".encode()
        digest = hashlib.sha256(b"\x00" + leaf).digest()
        if (
            not line.startswith(start + head)
            or line[-HASH_SUFFIX_BYTES - 1 :] != f"{_HASH}{digest.hex()}{_END}".encode()
            or not self._time_follows(when)
        ):
            self.fault = self._explain(line)
            return False
        if self._strict and not self._strictly(line, seq):
            return False
        self.frontier.append(digest)
        self.head, self.sealed_at = digest, when
        return True

    def _time_follows(self, when: str) -> bool:
        return when >= self.sealed_at and _TIME.match(when) is not None

    def _strictly(self, line: bytes, seq: int) -> bool:
        try:
            parsed = parse_line(line)
            parse_time(parsed.sealed_at)
            event_id = bytes.fromhex(parse(parsed.event_bytes)["id"].replace("-", ""))
        except Invalid as error:
            place = f" At {error.field}." if error.field else ""
            self.fault = Fault(seq, "event_invalid", f"{error.message}{place}")
            return False
        if event_id in self._ids:
            self.fault = Fault(seq, "event_repeated", "An event of this id is there already.")
            return False
        self._ids.add(event_id)
        return True

    def _explain(self, line: bytes) -> Fault:
        """Finds out which rule a line breaks; speed does not matter any more."""
        seq = self.size
        try:
            parsed = parse_line(line)
        except Invalid as error:
            return Fault(seq, "line_malformed", error.message)
        if parsed.seq != seq:
            message = f"Event {parsed.seq} stands where {seq} belongs."
            return Fault(seq, "seq_broken", message)
        if parsed.prev_hash != self.head:
            return Fault(seq, "chain_broken", "The line does not link to the one before.")
        if not self._time_follows(parsed.sealed_at):
            message = "The line was sealed before the one that it follows."
            return Fault(seq, "time_reversed", message)
        return Fault(seq, "hash_mismatch", "The line's hash is not that of its bytes.")
