"""The head of the log: read, or locked for the one writer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection

from audit.formats.event import genesis_hash
from sealing.errors import IntegrityFailure, Invalid
from sealing.leaves import HASH_BYTES
from sealing.merkle import Frontier

_SELECT = "SELECT origin, size, head, frontier, last_sealed_at FROM audit_loghead WHERE id = 1"


class OriginMismatch(IntegrityFailure):
    """The log in the database has another name than AUDIT_ORIGIN."""

    code = "origin_mismatch"


class HeadMismatch(IntegrityFailure):
    """The head of the log does not agree with its last event."""

    code = "head_mismatch"


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends.

    Attributes:
        origin: the log's name.
        size: how many events it has; the next one gets this number.
        hash: the hash of the last event, or the genesis hash.
        frontier: the compact range of the tree; never changed in place.
        last_sealed_at: the time of the last event.
    """

    origin: str
    size: int
    hash: bytes
    frontier: Frontier
    last_sealed_at: datetime | None

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        return self.frontier.root()


def current() -> Head:
    """The head as it is now, without a lock.

    Raises:
        OriginMismatch. HeadMismatch: the row was tampered with.
    """
    return _fetch("") or _genesis()


def locked() -> Head:
    """The head, locked until the transaction ends: its holder is the only writer of the log.

    Raises:
        OriginMismatch. HeadMismatch: somebody changed the head or the events.
    """
    head = _fetch(" FOR UPDATE")
    if head is None:
        _insert(_genesis())
        head = _fetch(" FOR UPDATE")
    if head is None:
        raise HeadMismatch("The head of the log can't be read.")
    _check_against_events(head)
    return head


def check_last_event(head: Head) -> None:
    """Raises HeadMismatch unless the last event that ``head`` counts is stored as it says."""
    if head.size == 0:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT hash FROM audit_events WHERE seq = %s", [head.size - 1])
        row = cursor.fetchone()
    if row is None or bytes(row[0]) != head.hash:
        raise HeadMismatch(f"Event {head.size - 1} is not stored as the head of the log says.")


def advance(head: Head) -> None:
    """Stores the new head; only for the holder of the lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_loghead SET size = %s, head = %s, frontier = %s, last_sealed_at = %s"
            " WHERE id = 1",
            [head.size, head.hash, b"".join(head.frontier.hashes), head.last_sealed_at],
        )


def stored_origin() -> str | None:
    """The name that the log got at first use; None before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT origin FROM audit_loghead WHERE id = 1")
        row = cursor.fetchone()
    return row[0] if row else None


def _genesis() -> Head:
    origin = settings.AUDIT_ORIGIN
    if not origin:
        raise OriginMismatch("AUDIT_ORIGIN is not set: the log has no name.")
    return Head(origin, 0, genesis_hash(origin), Frontier(), None)


def _fetch(suffix: str) -> Head | None:
    with connection.cursor() as cursor:
        cursor.execute(_SELECT + suffix)
        row = cursor.fetchone()
    if row is None:
        return None
    origin, size, last_hash, hashes, sealed_at = row
    if origin != settings.AUDIT_ORIGIN:
        raise OriginMismatch(
            f"The log in this database is {origin}, but AUDIT_ORIGIN is"
            f" {settings.AUDIT_ORIGIN or 'not set'}. Nothing is sealed or signed."
        )
    raw = bytes(hashes)
    parts = [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]
    when = sealed_at.astimezone(UTC) if sealed_at else None
    try:
        return Head(origin, size, bytes(last_hash), Frontier(size, parts), when)
    except Invalid as error:
        raise HeadMismatch(f"The head of the log does not hold together: {error}") from error


def _insert(head: Head) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_loghead (id, origin, size, head, frontier, last_sealed_at)"
            " VALUES (1, %s, 0, %s, '', NULL) ON CONFLICT DO NOTHING",
            [head.origin, head.hash],
        )


def _check_against_events(head: Head) -> None:
    """One look-up by key: whoever turned the head back, or cut the log, is noticed here."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq, hash FROM audit_events ORDER BY seq DESC LIMIT 1")
        row = cursor.fetchone()
    seq, last_hash = (row[0], bytes(row[1])) if row else (-1, genesis_hash(head.origin))
    if seq != head.size - 1 or last_hash != head.hash:
        raise HeadMismatch(
            f"The head of the log says {head.size} events, but the last one stored is number"
            f" {seq}, or has another hash. Nothing is sealed: verify the log."
        )
