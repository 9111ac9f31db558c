"""Gives events their place: number, link, hash, tree. Only for the holder of the head's lock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import connection

from audit.columns import Row
from audit.formats import event as formats
from audit.services import clock, loghead, tiles
from audit.services.loghead import Head
from sealing.merkle import leaf_hash
from sealing.times import format_time

_COPY = (
    "COPY audit_events (seq, id, created_at, prev_hash, hash, type, occurred_at, actor_id,"
    " recorder, client_id, object_type, object_id, outcome, event) FROM STDIN"
)
# Small enough that the server has a block to work on while the next one is made.
_BLOCK_ROWS = 64
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
    before, before_hex, seq = head.hash, head.hash.hex(), head.size
    block: list[bytes] = []
    for row in rows:
        digest = leaf_hash(formats.leaf(seq, sealed_at, before, row.raw))
        digest_hex = digest.hex()
        fields = (
            f"{seq}\t{row.id}\t{sealed_at}\t\\\\x{before_hex}\t\\\\x{digest_hex}\t{row.type}"
            f"\t{row.occurred_at}\t{_texts(row)}\t{row.outcome}\t"
        )
        # Canonical JSON has no raw control characters, so only backslashes need doubling.
        block += (fields.encode("utf-8"), row.raw.replace(b"\\", b"\\\\"), b"\n")
        hashes.append(digest)
        before, before_hex, seq = digest, digest_hex, seq + 1
        if len(block) == 3 * _BLOCK_ROWS:
            yield b"".join(block)
            block.clear()
    yield b"".join(block)


def _texts(row: Row) -> str:
    """Those columns of a row that may hold any text, for COPY."""
    values = (row.actor_id, row.recorder, row.client_id, row.object_type, row.object_id)
    # Escaping is slow, and needed only for a backslash or a character that does not print.
    together = "".join(filter(None, values))
    if together.isprintable() and "\\" not in together:
        return "\t".join(["\\N" if value is None else value for value in values])
    return "\t".join(["\\N" if v is None else v.translate(_ESCAPES) for v in values])
