"""Puts verified lines back into the tables of the log: events, tree, head, signed checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice

from django.db import connection

from audit import storage
from audit.columns import Row
from audit.formats import checkpoint as formats
from audit.formats import event as events
from audit.formats.checkpoint import Checkpoint as Signed
from audit.formats.log import Fault, LogVerifier
from audit.formats.segment import Range
from audit.models import AuditEvent, Checkpoint, Segment, SegmentStatus, SigningKey, Storage
from audit.services import loghead, proofs, reading, tiles
from audit.services.loghead import Head
from sealing import notes
from sealing.digests import tag
from sealing.errors import IntegrityFailure, Invalid
from sealing.keys import Signers
from sealing.times import parse_time

BATCH = 2_000
_COPY = (
    "COPY audit_events (seq, id, created_at, prev_hash, hash, type, occurred_at, actor_id,"
    " recorder, client_id, object_type, object_id, outcome, event) FROM STDIN"
)


class LineRefused(IntegrityFailure):
    """A line does not continue the log, or can't be stored; nothing after it is taken."""

    code = "line_refused"


class Loader:
    """Continues a log at its head, line by line verified, as the only writer of it.

    It works in the transaction of its maker, whose head of the log it locks: until that
    transaction is over nobody else seals. Memory is that of one batch, however long the log is.
    """

    def __init__(self) -> None:
        head = loghead.locked()
        self._log = LogVerifier(
            head.origin,
            start=head.frontier if head.size else None,
            head=head.hash if head.size else None,
        )
        self._stored = head

    @property
    def size(self) -> int:
        """How many events the log has."""
        return self._stored.size

    @property
    def head(self) -> Head:
        """The head as it is stored."""
        return self._stored

    @property
    def fault(self) -> Fault | None:
        """The first line that did not hold."""
        return self._log.fault

    def take(self, lines: Iterable[bytes]) -> bool:
        """Takes lines, each with or without its newline, until one does not hold.

        Returns:
            Whether all of them hold. Those before the first that does not are stored.

        Raises:
            LineRefused: a line is chained, but is not an event that this log could have.
        """
        rest = iter(lines)
        while self._log.fault is None and (batch := list(islice(rest, BATCH))):
            self._log.feed(batch)
            self._store(batch[: self._log.size - self.size])
        return self._log.fault is None

    def take_segment(self, lines: Iterable[bytes], *, last_seq: int, is_cut: bool) -> None:
        """Takes the lines of a segment.

        Args:
            last_seq: where it ends; lines after that are not read.
            is_cut: whether it is a segment of the archive, whose cut is noted, so that it is
                archived again just as it was.

        Raises:
            LineRefused: a line does not hold, or lines are missing.
        """
        first_seq, digest, size = self.size, hashlib.sha256(), 0

        def measured() -> Iterable[bytes]:
            nonlocal size
            for line in islice(lines, last_seq + 1 - first_seq):
                digest.update(line)
                size += len(line)
                yield line

        if not self.take(measured()) and self.fault is not None:
            raise LineRefused(f"Event {self.fault.seq}: {self.fault.message}")
        if self.size != last_seq + 1:
            raise LineRefused(f"Event {self.size} is missing.")
        if is_cut and self.head.last_sealed_at is not None:
            note_cut(first_seq, last_seq, self.head.last_sealed_at, tag(digest.digest()), size)

    def _store(self, batch: Sequence[bytes]) -> None:
        if not batch:
            return
        lines = copy_lines(batch, self.size)
        hashes, last = [line.hash for line in lines], lines[-1]
        tiles.extend(self.size, hashes)
        frontier = self._stored.frontier.copy()
        frontier.extend(hashes)
        self._stored = Head(
            self._stored.origin,
            last.seq + 1,
            last.hash,
            frontier,
            parse_time(last.sealed_at),
        )
        loghead.advance(self._stored)


def copy_lines(batch: Sequence[bytes], first_seq: int) -> list[events.Line]:
    """Writes lines that were verified to `audit_events`, and nothing else.

    Raises:
        LineRefused: a line is chained, but is not an event that this log could have.
    """
    pairs = [_parsed(line.rstrip(b"\n"), first_seq + at) for at, line in enumerate(batch)]
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(_COPY) as copy,
    ):
        for line, row in pairs:
            copy.write_row(_fields(line, row))
    return [line for line, _ in pairs]


def note_cut(
    first_seq: int, last_seq: int, newest_at: datetime, digest: str, size_bytes: int
) -> None:
    """Notes that these events are a segment that is to be archived.

    The archiver then writes, or finds and adopts, the same object as before.

    Args:
        newest_at: when the last of them was sealed; a segment lies within one day.
        digest, size_bytes: of its lines.
    """
    day = newest_at.astimezone(UTC).date()
    Segment.objects.create(
        first_seq=first_seq,
        last_seq=last_seq,
        day=day,
        raw_sha256=digest,
        raw_bytes=size_bytes,
        newest_event_at=newest_at,
        object_name=f"{day:%Y/%m/%d}/{Range(first_seq, last_seq).stem}{segment_suffix()}",
        status=SegmentStatus.CUT,
    )


def segment_suffix() -> str:
    """The extension of segments in the configured archive."""
    return ".jsonl.gz" if storage.backend() is Storage.S3 else ".jsonl"


def opened(raw: bytes, signers: Signers) -> tuple[Signed, str] | None:
    """A signed checkpoint and the id of the key that signed it; None if it does not count."""
    signed, findings = formats.open_note(raw, signers)
    # That its key was compromised later is told by whoever verifies; it is what was signed.
    faults = {finding.code for finding in findings if finding.ok is False}
    if signed is None or faults - {"key_compromised"}:
        return None
    note = notes.parse_note(raw)
    for key in signers.checkpoint_keys():
        if key.algorithm == "ed25519" and note.verified_by(signers.origin, key.public_key_pem):
            return signed, key.signer_kid
    return None


def store_checkpoint(raw: bytes, signers: Signers) -> Checkpoint | None:
    """Stores a checkpoint, verbatim, if it is signed and the stored log is what it says.

    Returns:
        The row, also if it was there already; None if the checkpoint does not count or does not
        fit.
    """
    found = opened(raw, signers)
    if found is None:
        return None
    signed, kid = found
    if not fits(signed):
        return None
    note = raw.decode("utf-8")
    known = Checkpoint.objects.filter(size=signed.size, note=note).first()
    if known is not None:
        return known
    key = SigningKey.objects.filter(key_id=kid).first()
    if key is None:
        raise IntegrityFailure(f"The key {kid} signed checkpoints, but can't be entered here.")
    return Checkpoint.objects.create(
        size=signed.size,
        root=signed.root,
        head=signed.head,
        signed_at=parse_time(signed.time),
        note=note,
        key=key,
    )


def _parsed(raw: bytes, seq: int) -> tuple[events.Line, Row]:
    try:
        line = events.parse_line(raw)
        return line, reading.read(line.event_bytes.decode("utf-8"))
    except (Invalid, UnicodeDecodeError) as error:
        raise LineRefused(f"Event {seq} is chained, but is none that can be: {error}") from error


def fits(signed: Signed) -> bool:
    """Whether the stored log is, at its size, what the checkpoint says."""
    head = loghead.current()
    if signed.size > head.size:
        return False
    if signed.size == 0:
        return True  # its root and head were compared with the origin when it was read
    last = AuditEvent.objects.values_list("hash", flat=True).get(seq=signed.size - 1)
    return (bytes(last), proofs.root(signed.size)) == (signed.head, signed.root)


def _fields(line: events.Line, row: Row) -> tuple[object, ...]:
    return (
        line.seq,
        row.id,
        line.sealed_at,
        line.prev_hash,
        line.hash,
        row.type,
        row.occurred_at,
        row.actor_id,
        row.recorder,
        row.client_id,
        row.object_type,
        row.object_id,
        row.outcome,
        line.event_bytes.decode("utf-8"),
    )
