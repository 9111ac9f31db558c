"""Proofs over the stored tree (RFC 9162 §2.1): a few rows each, however long the log is."""

from __future__ import annotations

from collections.abc import Sequence

from audit.services.tiles import NodeReader
from sealing import merkle


def inclusion(seq: int, size: int) -> list[bytes]:
    """The proof that event ``seq`` is in the tree of the first ``size`` events."""
    return merkle.inclusion_proof(seq, size, NodeReader())


def consistency(old: int, new: int) -> list[bytes]:
    """The proof that the tree of ``new`` events extends the tree of ``old``; sizes from 1."""
    return merkle.consistency_proof(old, new, NodeReader())


def compact(seqs: Sequence[int], size: int) -> list[bytes]:
    """One proof that all of ``seqs`` (ascending) are in the tree of ``size`` events."""
    return merkle.compact_proof(seqs, size, NodeReader())


def root(size: int) -> bytes:
    """The root of the tree of the first ``size`` events."""
    return merkle.root_at(size, NodeReader())


def frontier(size: int) -> merkle.Frontier:
    """The compact range of the first ``size`` events."""
    nodes, hashes, start = NodeReader(), [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            hashes.append(nodes(level, start >> level))
            start += 1 << level
    return merkle.Frontier(size, hashes)
