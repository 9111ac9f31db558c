"""The tree, stored in tiles of 256 hashes (C2SP tlog-tiles, height 8)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from django.db import connection

from sealing.errors import IntegrityFailure
from sealing.leaves import HASH_BYTES

HEIGHT = 8
WIDTH = 1 << HEIGHT

Tiles = dict[tuple[int, int], bytes]


class TileMissing(IntegrityFailure):
    """A part of the tree is not stored, although the log is that long."""

    code = "tile_missing"


class NodeReader:
    """Reads the hashes of complete subtrees; remembers the tiles that it has fetched.

    It has the shape of `sealing.merkle.Nodes`: (level, index) -> hash.
    """

    def __init__(self) -> None:
        self._tiles: Tiles = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The hash over events [index·2^level, (index+1)·2^level).

        Raises:
            TileMissing: the subtree is not complete, or was removed.
        """
        row, depth = divmod(level, HEIGHT)
        first = index << depth
        at, count = first % WIDTH, 1 << depth
        hashes = self._tile(row, first // WIDTH)[at * HASH_BYTES : (at + count) * HASH_BYTES]
        if len(hashes) != count * HASH_BYTES:
            raise TileMissing(f"The tree holds no complete subtree {index} of level {level}.")
        return subtree_root(hashes)

    def _tile(self, level: int, index: int) -> bytes:
        found = self._tiles.get((level, index))
        if found is None:
            found = _fetch([(level, index)]).get((level, index), b"")
            self._tiles[level, index] = found
        return found


def extend(size: int, leaves: Sequence[bytes]) -> None:
    """Adds leaf hashes to the stored tree; only for the holder of the head's lock.

    Args:
        size: how many leaves the tree has already.
        leaves: the hashes of the events that follow.
    """
    changed: Tiles = {}
    level, start, added = 0, size, list(leaves)
    while added:
        grown = _grow(level, start, added)
        changed.update({(level, index): hashes for index, hashes in grown.items()})
        full = [i for i in sorted(grown) if len(grown[i]) == WIDTH * HASH_BYTES]
        added = [subtree_root(grown[index]) for index in full]
        start = full[0] if full else 0
        level += 1
    _store(changed)


def subtree_root(hashes: bytes) -> bytes:
    """The root over a power of two of hashes that lie one after another."""
    sha256, width = hashlib.sha256, 2 * HASH_BYTES
    while len(hashes) > HASH_BYTES:
        hashes = b"".join(
            [
                sha256(b"\x01" + hashes[at : at + width]).digest()
                for at in range(0, len(hashes), width)
            ]
        )
    return hashes


def _grow(level: int, start: int, added: Sequence[bytes]) -> dict[int, bytes]:
    """The tiles of one level that change when ``added`` follows its first ``start`` hashes."""
    index, used = divmod(start, WIDTH)
    kept = b""
    if used:
        kept = _fetch([(level, index)]).get((level, index), b"")
        if len(kept) != used * HASH_BYTES:
            raise TileMissing(f"Tile {index} of level {level} of the tree does not fit its size.")
    grown: dict[int, bytes] = {}
    at = 0
    while at < len(added):
        room = WIDTH - len(kept) // HASH_BYTES
        grown[index] = kept + b"".join(added[at : at + room])
        at, index, kept = at + room, index + 1, b""
    return grown


def _fetch(keys: Sequence[tuple[int, int]]) -> Tiles:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT level, index, hashes FROM audit_merkletile"
            " WHERE (level, index) IN (SELECT * FROM unnest(%s::int[], %s::bigint[]))",
            [[level for level, _ in keys], [index for _, index in keys]],
        )
        return {(level, index): bytes(hashes) for level, index, hashes in cursor}


def _store(tiles: Mapping[tuple[int, int], bytes]) -> None:
    levels, indexes = [level for level, _ in tiles], [index for _, index in tiles]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_merkletile (level, index, hashes)"
            " SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bytea[])"
            " ON CONFLICT (level, index) DO UPDATE SET hashes = EXCLUDED.hashes",
            [levels, indexes, list(tiles.values())],
        )
