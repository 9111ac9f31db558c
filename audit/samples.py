"""Compares segments of an archive, byte for byte, with what a database says of the same events.

The archive is not thereby verified: two places that were changed alike agree. It shows that the
archive and the database are still the same.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from audit.folder import File, FileDamaged
from audit.formats import event
from audit.formats.report import SegmentEnd
from audit.sources import Source
from sealing.results import Finding

# Every column that a line is made of; the event is stored as the text that was hashed.
_STORED = """
SELECT seq, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       prev_hash, hash, event
FROM audit_events WHERE seq >= %s AND seq < %s ORDER BY seq
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """Which segments to compare, and with what.

    Attributes:
        count: how many.
        seed: of the generator that chooses them.
        database_url: of the database, as libpq understands it.
    """

    count: int
    seed: int
    database_url: str


def compare(
    source: Source, segments: Sequence[File], ends: Sequence[SegmentEnd], sample: Sample
) -> list[Finding]:
    """Compares a random sample of the segments that hold.

    Args:
        source: where the archive lies.
        segments: the files that were asked for.
        ends: those that hold.
        sample: how many to compare, and which.

    Returns:
        A finding for each segment that differs or could not be compared, or one that says which
        were compared.
    """
    holding = {end.where for end in ends}
    named = [file for file in segments if file.where in holding and file.range_ is not None]
    chosen = random.Random(sample.seed).sample(named, min(sample.count, len(named)))  # noqa: S311
    chosen.sort(key=lambda file: file.where)
    try:
        import psycopg
    except ImportError:
        message = "psycopg is not installed, so no database can be asked."
        return [Finding("sample_not_compared", None, message)]
    try:
        with psycopg.connect(sample.database_url) as connection:
            connection.read_only = True
            found = [_problem(source, file, connection) for file in chosen]
    except psycopg.Error as error:
        message = f"The database can't be asked: {str(error).strip()}"
        return [Finding("sample_not_compared", None, message)]
    problems = [problem for problem in found if problem is not None]
    names = ", ".join(file.where for file in chosen)
    message = f"{len(chosen)} segments are as the database has them: {names} (seed {sample.seed})."
    if not chosen:
        message = "There is no segment to compare with the database."
        return [Finding("sample_not_compared", None, message)]
    return problems or [Finding("sample_compared", True, message)]


def _problem(source: Source, file: File, connection: Any) -> Finding | None:
    if file.range_ is None:
        return None
    first, end = file.range_.first, file.range_.last + 1
    try:
        with closing(_stored(connection, first, end)) as stored, source.open_lines(file) as lines:
            for seq, line in enumerate(lines, start=first):
                if next(stored, b"") != line.rstrip(b"\n"):
                    where = f"{file.where}, event {seq}"
                    message = f"{file.where} differs from the database at event {seq}."
                    return Finding("sample_differs", False, message, where)
    except (OSError, FileDamaged) as error:
        return Finding("sample_not_compared", None, f"It can't be read again: {error}", file.where)
    return None


def _stored(connection: Any, start_seq: int, end_seq: int) -> Generator[bytes, None, None]:
    """The lines as they are stored, right or wrong."""
    with connection.cursor(name="audit_sample") as cursor:
        cursor.execute(_STORED, (start_seq, end_seq))
        for seq, sealed_at, prev_hash, stored_hash, text in cursor:
            line, _ = event.line(seq, sealed_at, bytes(prev_hash), text.encode("utf-8"))
            claimed = bytes(stored_hash).hex().encode("ascii")
            yield b'%b,"hash":"sha256:%b"}' % (event.leaf_part(line), claimed)
