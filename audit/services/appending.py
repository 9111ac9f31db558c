"""Gives events their place: number, link, hash, tree. Only for the holder of the head's lock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import connection

from audit.columns import Row
from audit.formats import event as formats
from audit.services import clock, loghead, tiles
from audit.services.loghead import Head
from sealing.times import format_time

_COPY = (
    "COPY audit_events (seq, id, created_at, prev_hash, hash, type, occurred_at, actor_id,"
    " recorder, client_id, object_type, object_id, outcome, event) FROM STDIN"
)
_BLOCK_ROWS = 500
# What COPY's text format reads as something else (PostgreSQL, COPY, "Text Format").
_ESCAPES = str.maketrans(
    {
        "\\": "\\\\",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
    }
)


def append(head: Head, rows: Iterable[Row]) -> Head:
    """Writes events to the log, in their order, and moves the head.

    Args:
        head: the head as `loghead.locked` returned it, or an earlier call in the same transaction.
        rows: events whose bytes and columns were checked. They are taken one by one while
            PostgreSQL is already busy with those before.

    Returns:
        The new head.

    Raises:
        ClockRefused: the clocks can't be trusted now.
        django.db.DatabaseError: a row was refused by the table.
    """
    moment = clock.sealing_time(head.last_sealed_at)
    hashes: list[bytes] = []
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(_COPY) as copy,
    ):
        for block in _blocks(head, format_time(moment), rows, hashes):
            copy.write(block)
    if not hashes:
        return head
    tiles.extend(head.size, hashes)
    frontier = head.frontier.copy()
    frontier.extend(hashes)
    after = Head(head.origin, head.size + len(hashes), hashes[-1], frontier, moment)
    loghead.advance(after)
    return after


def _blocks(
    head: Head, sealed_at: str, rows: Iterable[Row], hashes: list[bytes]
) -> Iterator[bytes]:
    """COPY text of the rows; appends each event's hash to ``hashes`` as it goes by."""
    before, seq = head.hash, head.size
    block: list[bytes] = []
    for row in rows:
        _, digest = formats.line(seq, sealed_at, before, row.raw)
        block.append(_copy_text(seq, sealed_at, before, digest, row))
        hashes.append(digest)
        before, seq = digest, seq + 1
        if len(block) == _BLOCK_ROWS:
            yield b"".join(block)
            block.clear()
    yield b"".join(block)


def _copy_text(seq: int, sealed_at: str, before: bytes, digest: bytes, row: Row) -> bytes:
    fields = (
        f"{seq}\t{row.id}\t{sealed_at}\t\\\\x{before.hex()}\t\\\\x{digest.hex()}\t{row.type}"
        f"\t{row.occurred_at}\t{_text(row.actor_id)}\t{_text(row.recorder)}"
        f"\t{_text(row.client_id)}\t{_text(row.object_type)}\t{_text(row.object_id)}"
        f"\t{row.outcome}\t"
    )
    # Canonical JSON has no raw control characters, so only backslashes need doubling.
    return fields.encode("utf-8") + row.raw.replace(b"\\", b"\\\\") + b"\n"


def _text(value: str | None) -> str:
    return "\\N" if value is None else value.translate(_ESCAPES)
