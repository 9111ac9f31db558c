"""The log lines of a package: what each must be, alone and beside its neighbour."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Final

from audit.formats import event as events
from evidence.formats.completeness import LATE_AFTER_SECONDS
from evidence.formats.contents import Ranges
from sealing import digests
from sealing.errors import Invalid
from sealing.leaves import Leaves
from sealing.times import parse_time

MAX_LINE_BYTES: Final = events.MAX_EVENT_BYTES + 4096
_LATE: Final = timedelta(seconds=LATE_AFTER_SECONDS)


class LineRefused(Invalid):
    """A log line does not belong where it stands."""

    code = "line_invalid"


class LineChecker:
    """Takes the lines of one package in order and collects what its proof needs.

    Attributes:
        leaves: The hash of each line by its number; as leaves of the log's tree they lead to the
            root that the checkpoint signs.
        links: How many neighbours with adjacent numbers were found to be chained.
        late: The numbers of lines sealed more than a day after they occurred.
    """

    def __init__(
        self,
        *,
        client_id: str | None,
        start: str,
        end: str,
        types: Collection[str] | None = None,
    ) -> None:
        self._client_id = client_id
        self._start = parse_time(start)
        self._end = parse_time(end)
        self._types = None if types is None else frozenset(types)
        self._last: tuple[int, bytes] | None = None
        self.first_seq: int | None = None
        self.leaves = Leaves()
        self.links = 0
        self.late = Ranges()

    @property
    def count(self) -> int:
        """How many lines were taken."""
        return len(self.leaves)

    @property
    def last_seq(self) -> int | None:
        """The number of the last line taken."""
        return None if self._last is None else self._last[0]

    @property
    def last_hash(self) -> bytes | None:
        """The hash of the last line taken."""
        return None if self._last is None else self._last[1]

    def feed(self, raw: bytes) -> None:
        """Take the next line, with its line feed.

        Raises:
            Invalid: Naming, in ``field``, the number of the line that does not fit.
        """
        if not raw.endswith(b"\n"):
            raise LineRefused("The last line is cut short.", field=f"after {self.last_seq}")
        try:
            line = events.parse_line(raw[:-1])
            leaf = events.leaf_part(raw[:-1])
        except Invalid as error:
            place = f"line {self.count + 1}"
            raise LineRefused(f"Log line {self.count + 1}: {error.message}", field=place) from error
        if digests.sha256(b"\x00" + leaf) != line.hash:
            raise _refused(line.seq, "its hash is not that of its bytes.", "line_hash_differs")
        self._check_place(line.seq, line.prev_hash)
        self._check_event(line.seq, line.event_bytes, line.sealed_at)
        if self.first_seq is None:
            self.first_seq = line.seq
        self.leaves.add(line.seq, line.hash)
        self._last = (line.seq, line.hash)

    def _check_place(self, seq: int, prev_hash: bytes) -> None:
        if self._last is None:
            return
        last_seq, last_hash = self._last
        if seq <= last_seq:
            raise _refused(seq, "its number is not greater than the one before.")
        if seq == last_seq + 1:
            if prev_hash != last_hash:
                raise _refused(seq, "it is not chained to the line before.", "chain_broken")
            self.links += 1

    def _check_event(self, seq: int, raw: bytes, sealed_at: str) -> None:
        try:
            event = json.loads(raw)
            occurred_at = parse_time(event["occurred_at"])
            client_id, kind = event["client_id"], event["type"]
            delay = parse_time(sealed_at) - occurred_at
        except (ValueError, KeyError, TypeError, RecursionError, Invalid) as error:
            raise _refused(seq, "its event cannot be read.") from error
        if client_id != self._client_id:
            raise _refused(seq, "it concerns another client.", "line_of_other_client")
        if not self._start <= occurred_at < self._end:
            raise _refused(seq, "it lies outside the period.", "line_outside_period")
        if self._types is not None and kind not in self._types:
            raise _refused(seq, "its type was not asked for.", "line_of_other_type")
        if delay > _LATE:
            self.late.add(seq)


def _refused(seq: int, why: str, code: str = "line_invalid") -> LineRefused:
    return LineRefused(f"Log line with number {seq}: {why}", code=code, field=f"seq {seq}")
