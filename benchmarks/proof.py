"""An inclusion proof out of a log of ten million events: a few tiles, however long the log is."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmarks.running import Row

EVENTS, PROOFS = 10_000_000, 200
_WIDTH, _HASH = 256, 32


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    _build()
    yield Row(
        f"inclusion proof in a tree of {EVENTS:,} events, p99 of {PROOFS}",
        ours=slowest_of_proofs,
        wanted="< 50 ms",
        unit="ms",
        rounds=3,
        method=f"The tiles of {EVENTS:,} leaves are made from generated hashes and copied in, since"
        " proofs read nothing else; not by sealing as many events. Events are chosen at random,"
        " and so is the size of the tree that each proof is for. Every proof is checked against a"
        " root that was computed when the tree was built. PostgreSQL counts no sequential scan of"
        " the tiles meanwhile, or the row fails.",
    )


def slowest_of_proofs() -> float:
    """The 99th percentile in milliseconds."""
    from django.db import connection

    from audit.services import proofs
    from sealing import merkle

    chance, root = random.Random(1), _root()
    before = _sequential_scans()
    waits = []
    for number in range(PROOFS):
        seq = chance.randrange(EVENTS)
        start = time.perf_counter()
        hashes = proofs.inclusion(seq, EVENTS)
        waits.append(1000 * (time.perf_counter() - start))
        if not merkle.verify_inclusion(_leaf(seq), seq, EVENTS, hashes, root):
            raise SystemExit(f"proof {number} does not lead to the root")
    connection.close()
    if _sequential_scans() != before:
        raise SystemExit("a proof scanned the tiles")
    return sorted(waits)[int(PROOFS * 0.99)]


def _leaf(seq: int) -> bytes:
    return hashlib.sha256(b"%d" % seq).digest()


@cache
def _root() -> bytes:
    from audit.services import proofs

    return proofs.root(EVENTS)


def _build() -> None:
    """Writes the tiles of all levels with COPY, in place of those that are there."""
    from django.db import connections

    from audit.services import tiles

    with connections["owner"].cursor() as cursor:
        cursor.execute("TRUNCATE audit_merkletile")
        with cursor.copy("COPY audit_merkletile (level, index, hashes) FROM STDIN") as copy:
            level, hashes = 0, (_leaf(seq) for seq in range(EVENTS))
            while True:
                roots, tile, index = [], [], 0
                for item in hashes:
                    tile.append(item)
                    if len(tile) == _WIDTH:
                        whole = b"".join(tile)
                        copy.write_row((level, index, whole))
                        roots.append(tiles.subtree_root(whole))
                        tile, index = [], index + 1
                if tile:
                    copy.write_row((level, index, b"".join(tile)))
                if not roots:
                    break
                level, hashes = level + 1, iter(roots)
        cursor.execute("ANALYZE audit_merkletile")
    connections["owner"].close()


def _sequential_scans() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'audit_merkletile'"
        )
        return int(cursor.fetchone()[0])
