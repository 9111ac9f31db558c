"""The Merkle tree of RFC 6962 §2.1 (RFC 9162 §2.1): roots, proofs and compact ranges.

Trees are never held here: a `Frontier` grows one leaf at a time, and proofs are made from a reader
of complete subtrees, wherever those are stored.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from sealing.errors import Invalid
from sealing.leaves import HASH_BYTES, Leaves

EMPTY_ROOT = hashlib.sha256(b"").digest()
_NODE = hashlib.sha256(b"\x01")
# (level, index) -> the hash of the complete subtree over [index·2^level, (index+1)·2^level).
Nodes = Callable[[int, int], bytes]


class ProofRefused(Invalid):
    """A proof can't be made for these numbers, or has not the shape of a proof."""

    code = "proof_invalid"


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The compact range from the first leaf: all that is needed to add leaves and know the root.

    ``hashes`` are the roots of the complete subtrees that make up the tree, from left to right,
    one for each bit that is set in ``size``.
    """

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or size.bit_count() != len(hashes):
            raise ProofRefused("The frontier has not one hash for each bit of its size.")
        if any(len(item) != HASH_BYTES for item in hashes):
            raise ProofRefused("A hash in the frontier has not 32 bytes.")
        self.size = size
        self._hashes = list(hashes)

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The subtrees' roots, left to right."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Adds one leaf hash."""
        self._append_subtree(leaf, 1)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Adds leaf hashes in order."""
        rest = list(leaves)
        done = 0
        while done < len(rest):
            # The widest complete subtree that begins here: level by level is the fast way.
            width = 1 << ((len(rest) - done).bit_length() - 1)
            if self.size:
                width = min(width, self.size & -self.size)
            self._append_subtree(_fold(rest[done : done + width]), width)
            done += width

    def _append_subtree(self, root: bytes, width: int) -> None:
        carry = self.size // width
        while carry & 1:
            root = node_hash(self._hashes.pop(), root)
            carry >>= 1
        self._hashes.append(root)
        self.size += width

    def root(self) -> bytes:
        """The root of the tree so far; of the empty tree the SHA-256 of nothing."""
        if not self._hashes:
            return EMPTY_ROOT
        root = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> Frontier:
        """An independent copy."""
        return Frontier(self.size, self._hashes)


class MemoryTree:
    """A small tree kept whole: for tests and for proofs over what fits into memory."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Adds one leaf hash."""
        level = 0
        self._levels[0].append(leaf)
        while len(self._levels[level]) % 2 == 0:
            pair = self._levels[level][-2:]
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(node_hash(*pair))

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree."""
        try:
            return self._levels[level][index]
        except IndexError as error:
            raise ProofRefused("That subtree is not complete.") from error

    def root(self) -> bytes:
        """The root over all leaves."""
        return root_at(self.size, self.node)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def root_at(size: int, nodes: Nodes) -> bytes:
    """The root of the tree's first ``size`` leaves."""
    return _subtree(0, size, nodes) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 §2.1.1, from the leaf upwards."""
    if not 0 <= index < size:
        raise ProofRefused("There is no such leaf in a tree of that size.")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_subtree(middle, end, nodes))
            end = middle
        else:
            proof.append(_subtree(start, middle, nodes))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 §2.1.2; empty if the sizes are equal."""
    if not 0 < old <= new:
        raise ProofRefused("Consistency goes from a tree that is not empty to one not smaller.")
    proof: list[bytes] = []
    start, end, complete = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_subtree(middle, end, nodes))
            end = middle
        else:
            proof.append(_subtree(start, middle, nodes))
            start, complete = middle, False
    if not complete:
        proof.append(_subtree(start, end, nodes))
    return proof[::-1]


def compact_proof(indexes: Sequence[int], size: int, nodes: Nodes) -> list[bytes]:
    """One proof for several leaves (docs/formats.md §4): each range without one gives its hash."""
    _check_indexes(indexes, size)
    hashes: list[bytes] = []
    stack = [(0, size, 0, len(indexes))]
    while stack:
        start, end, low, high = stack.pop()
        if low == high:
            hashes.append(_subtree(start, end, nodes))
        elif end - start > 1:
            middle = start + _split(end - start)
            cut = _first_at_least(indexes, middle, low, high)
            stack.append((middle, end, cut, high))
            stack.append((start, middle, low, cut))
    return hashes


def root_from_compact(size: int, leaves: Mapping[int, bytes], hashes: Sequence[bytes]) -> bytes:
    """The root that a compact proof leads to.

    Args:
        size: the tree's size.
        leaves: leaf hashes by index; at least one.
        hashes: the proof; all of them must be used.

    Raises:
        ProofRefused: the proof has too few or too many hashes, or one of a wrong length.
    """
    if isinstance(leaves, Leaves):
        indexes: Sequence[int] = leaves.indexes
        to_be_checked: Iterable[bytes] = hashes
    else:
        indexes, to_be_checked = sorted(leaves), (*hashes, *leaves.values())
    _check_indexes(indexes, size)
    if any(len(item) != HASH_BYTES for item in to_be_checked):
        raise ProofRefused("A hash has not 32 bytes.")
    rest = iter(hashes)

    def fold(start: int, end: int, low: int, high: int) -> bytes:
        if low == high:
            try:
                return next(rest)
            except StopIteration as error:
                raise ProofRefused("The proof has too few hashes.") from error
        if end - start == 1:
            return leaves[start]
        middle = start + _split(end - start)
        cut = _first_at_least(indexes, middle, low, high)
        left = fold(start, middle, low, cut)
        return node_hash(left, fold(middle, end, cut, high))

    root = fold(0, size, 0, len(indexes))
    if next(rest, None) is not None:
        raise ProofRefused("The proof has more hashes than are needed.")
    return root


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether ``proof`` shows that ``leaf`` is at ``index`` of the tree (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size or not _well_formed(leaf, root, *proof):
        return False
    position, last, value = index, size - 1, leaf
    for item in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            value = node_hash(item, value)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            value = node_hash(value, item)
        position >>= 1
        last >>= 1
    return last == 0 and value == root


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether ``proof`` shows that the new tree extends the old (RFC 9162 §2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if not proof or not _well_formed(old_root, new_root, *proof):
        return False
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    first = second = path[0]
    for item in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(item, first), node_hash(item, second)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            second = node_hash(second, item)
        position >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root


def _fold(level: list[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    # Copying a hash that has the prefix already is faster than making one and joining three texts.
    copy = _NODE.copy
    while len(level) > 1:
        pairs = iter(level)
        level = []
        add = level.append
        for left, right in zip(pairs, pairs, strict=True):
            node = copy()
            node.update(left + right)
            add(node.digest())
    return level[0]


def _split(width: int) -> int:
    """The largest power of two below ``width`` (which is at least 2)."""
    return 1 << ((width - 1).bit_length() - 1)


def _subtree(start: int, end: int, nodes: Nodes) -> bytes:
    """The hash over [start, end), where start is aligned as the recursion leaves it."""
    width = end - start
    parts: list[bytes] = []
    while width:
        level = width.bit_length() - 1
        parts.append(nodes(level, start >> level))
        start += 1 << level
        width -= 1 << level
    value = parts.pop()
    while parts:
        value = node_hash(parts.pop(), value)
    return value


def _first_at_least(indexes: Sequence[int], value: int, low: int, high: int) -> int:
    while low < high:
        middle = (low + high) // 2
        if indexes[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


def _check_indexes(indexes: Sequence[int], size: int) -> None:
    if not indexes or indexes[0] < 0 or indexes[-1] >= size:
        raise ProofRefused("A compact proof is about at least one leaf of the tree.")
    if any(a >= b for a, b in itertools.pairwise(indexes)):
        raise ProofRefused("The indexes are not in ascending order.")


def _well_formed(*hashes: bytes) -> bool:
    return all(len(item) == HASH_BYTES for item in hashes)
