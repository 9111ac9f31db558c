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
from operator import itemgetter

from audit.formats.event import HASH_SUFFIX_BYTES, genesis_hash, parse, parse_line
from sealing.errors import Invalid
from sealing.merkle import Frontier
from sealing.times import parse_time

# Half a thousand: few enough to stay in the processor's cache.
BATCH = 500
TIME_BYTES = 27
SUBTREE = 1024
_THOUSAND = 1000
_SHORT = [str(number) for number in range(_THOUSAND)]
_LONG = [f"{number:03d}" for number in range(_THOUSAND)]
_LEAF = hashlib.sha256(b"\x00")
_START = b'{"v":1,"seq":%d,"sealed_at":"'
_BEFORE_SEQ = '{"v":1,"seq":'
_SEALED_AT = ',"sealed_at":"'
_PREV = '","prev_hash":"sha256:'
_EVENT = '","event":{'
_HASH = '},"hash":"sha256:'
_END = '"}'
_LINK_BYTES = len(_PREV) + 64 + len(_EVENT)
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
            one that comes twice: about 120 bytes an event, where otherwise memory stays the same.

    Attributes:
        ids: the ids of the events in order, 16 bytes each; only if ``strict``.
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
        self._frontier = start.copy() if start is not None else Frontier()
        self._size = self._frontier.size
        # Leaves that are not in the frontier yet.
        self._waiting: list[bytes] = []
        self.head = head if head is not None else genesis_hash(origin)
        self.sealed_at = sealed_at
        self.fault: Fault | None = None
        # Whether the last line had its newline.
        self.terminated = True
        self._strict = strict
        self.ids = bytearray()
        self._ids: set[bytes] = set()

    @property
    def size(self) -> int:
        """How many events the log has up to here."""
        return self._size

    @property
    def frontier(self) -> Frontier:
        """The tree of all events up to here."""
        self._grow(len(self._waiting))
        return self._frontier

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
        # All numbers of a batch have as many digits, and differ only in the last three.
        if self._size < _THOUSAND:
            return min(BATCH, int(10 ** len(str(self._size))) - self._size)
        return min(BATCH, _THOUSAND - self._size % _THOUSAND)

    def _batch_holds(self, batch: list[bytes]) -> bool:
        """Checks lines all at once.

        What the lines have around their events is cut out, joined, and compared with what must be
        there. Where it says False, `_line_holds` has to look.
        """
        end = _END + "\n" if batch[0].endswith(b"\n") else _END
        to_hash = -HASH_SUFFIX_BYTES - len(end) + len(_END)
        leaves: list[bytes] = []
        add, copy = leaves.append, _LEAF.copy
        # The fast way: slices without bytecode, and a copy of a hash that has its prefix.
        for body in map(itemgetter(slice(to_hash)), batch):
            leaf = copy()
            leaf.update(body)
            add(leaf.digest())
        hashes = [digest.hex() for digest in leaves]
        ends = b"".join(map(itemgetter(slice(to_hash - 1, None)), batch))
        if ends != (_HASH + f"{end}{_HASH}".join(hashes) + end).encode("ascii"):
            return False
        last = self._heads_hold(batch, [self.head.hex(), *hashes[:-1]])
        if last is None:
            return False
        self._take(leaves)
        self.head, self.sealed_at = leaves[-1], last
        return True

    def _heads_hold(self, batch: list[bytes], links: list[str]) -> str | None:
        """The time of the last line, if what stands before the events is as it must be."""
        at = len(_START % self._size)
        to_event = at + TIME_BYTES + _LINK_BYTES
        first, last = (line[at : at + TIME_BYTES] for line in (batch[0], batch[-1]))
        when = last.decode("ascii", "replace")
        if first == last:
            if not self._time_follows(when):
                return None
            heads = b"".join(map(itemgetter(slice(to_event)), batch))
            between = f"{_SEALED_AT}{when}{_PREV}"
        else:
            times = [line[at : at + TIME_BYTES] for line in batch]
            if not self._times_follow(times):
                return None
            # Without the times, which were looked at.
            after = at + TIME_BYTES
            heads = b"".join([part for line in batch for part in (line[:at], line[after:to_event])])
            between = f"{_SEALED_AT}{_PREV}"
        # One list of all that must be there, so that it is joined once.
        thousands, number = divmod(self._size, _THOUSAND)
        before = _BEFORE_SEQ if thousands == 0 else f"{_BEFORE_SEQ}{thousands}"
        digits = _SHORT if thousands == 0 else _LONG
        known = [f"{_EVENT}{before}"] * (4 * len(batch))
        known[0] = before
        known[1::4] = digits[number : number + len(batch)]
        known[2::4] = [between] * len(batch)
        known[3::4] = links
        known.append(_EVENT)
        return when if heads == "".join(known).encode("utf-8") else None

    def _times_follow(self, times: list[bytes]) -> bool:
        known = self.sealed_at.encode("ascii") or times[0]
        forms = b"".join(times).translate(_DIGITS)
        in_order = times == sorted(times) and known <= times[0]
        return in_order and forms == _DIGITLESS * len(times)

    def _take(self, leaves: list[bytes]) -> None:
        """Adds to the tree, whole subtrees at once: that is what is cheap."""
        self._size += len(leaves)
        self._waiting += leaves
        if len(self._waiting) >= SUBTREE:
            self._grow(len(self._waiting) - self._size % SUBTREE)

    def _grow(self, count: int) -> None:
        self._frontier.extend(self._waiting[:count])
        del self._waiting[:count]

    def _line_holds(self, line: bytes) -> bool:
        """Checks one line without its newline; sets `fault` if it does not hold."""
        seq, leaf = self._size, line[:-HASH_SUFFIX_BYTES]
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
        self._take([digest])
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
        self.ids += event_id
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
