"""Leaf hashes by their index, 40 bytes for each: a dict takes four times as much."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from operator import eq

from sealing.errors import Invalid

HASH_BYTES = 32


class LeafRefused(Invalid):
    """Leaves come in ascending order, each with a hash of 32 bytes."""

    code = "leaf_invalid"


class Leaves(Mapping[int, bytes]):
    """A mapping that only grows, in ascending order of its indexes."""

    def __init__(self) -> None:
        self._indexes = array("q")
        self._hashes = bytearray()

    def add(self, index: int, leaf_hash: bytes) -> None:
        """Takes the next leaf.

        Raises:
            LeafRefused: its index is not greater than the last one, or its hash is none.
        """
        if len(leaf_hash) != HASH_BYTES or (self._indexes and index <= self._indexes[-1]):
            raise LeafRefused("Leaves ascend, and their hashes have 32 bytes.")
        self._indexes.append(index)
        self._hashes += leaf_hash

    @property
    def indexes(self) -> Sequence[int]:
        """The indexes, ascending; not to be changed."""
        return self._indexes

    def are_at(self, indexes: Sequence[int]) -> bool:
        """Whether these are the indexes; compared one by one, without a copy of them."""
        return len(indexes) == len(self) and all(map(eq, self._indexes, indexes))

    def __getitem__(self, index: int) -> bytes:
        place = bisect_left(self._indexes, index)
        if place == len(self._indexes) or self._indexes[place] != index:
            raise KeyError(index)
        start = place * HASH_BYTES
        return bytes(self._hashes[start : start + HASH_BYTES])

    def __iter__(self) -> Iterator[int]:
        return iter(self._indexes)

    def __len__(self) -> int:
        return len(self._indexes)
