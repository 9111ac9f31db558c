"""The Merkle tree against a naive reference, and golden proofs."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing import merkle
from sealing.merkle import EMPTY_ROOT, Frontier, MemoryTree, ProofRefused
from tests.unit.sealing import golden

SEVEN = [merkle.leaf_hash(b"%d" % number) for number in range(7)]


def unhex(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(b"leaf %d" % number) for number in range(size)]


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, written down as it stands there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = naive_split(len(leaves))
    pair = naive_root(leaves[:split]) + naive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + pair).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 §2.1.1."""
    if len(leaves) == 1:
        return []
    split = naive_split(len(leaves))
    if index < split:
        return [*naive_path(index, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(index - split, leaves[split:]), naive_root(leaves[:split])]


def naive_proof(old: int, leaves: list[bytes], complete: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 §2.1.2."""
    if old == len(leaves):
        return [] if complete else [naive_root(leaves)]
    split = naive_split(len(leaves))
    if old <= split:
        return [*naive_proof(old, leaves[:split], complete), naive_root(leaves[split:])]
    return [*naive_proof(old - split, leaves[split:], False), naive_root(leaves[:split])]


def naive_compact(wanted: set[int], start: int, leaves: list[bytes]) -> list[bytes]:
    """docs/formats.md §4: the hashes of ranges without a listed index, left to right."""
    if not wanted & set(range(start, start + len(leaves))):
        return [naive_root(leaves)]
    if len(leaves) == 1:
        return []
    split = naive_split(len(leaves))
    left = naive_compact(wanted, start, leaves[:split])
    return left + naive_compact(wanted, start + split, leaves[split:])


def naive_split(size: int) -> int:
    split = 1
    while split * 2 < size:
        split *= 2
    return split


def test_golden_tree_and_proofs() -> None:
    tree = MemoryTree(SEVEN)
    assert tree.root().hex() == golden.TREE_7
    assert merkle.inclusion_proof(3, 7, tree.node) == unhex(golden.INCLUSION_3_OF_7)
    assert merkle.consistency_proof(3, 7, tree.node) == unhex(golden.CONSISTENCY_3_TO_7)
    assert merkle.compact_proof([2, 5], 7, tree.node) == unhex(golden.COMPACT_2_5_OF_7)


def test_golden_hashes() -> None:
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert EMPTY_ROOT.hex() == nothing
    empty_leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.leaf_hash(b"").hex() == empty_leaf


@pytest.mark.parametrize("size", range(71))
def test_roots(size: int) -> None:
    leaves = leaves_of(size)
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert frontier.root() == naive_root(leaves)
    assert merkle.root_of(leaves) == naive_root(leaves)
    assert MemoryTree(leaves).root() == naive_root(leaves)
    assert len(frontier.hashes) == size.bit_count()


@given(st.integers(0, 600), st.lists(st.integers(0, 300), max_size=5))
def test_a_frontier_grows_by_any_steps_alike(size: int, steps: list[int]) -> None:
    leaves = leaves_of(size + sum(steps))
    frontier = Frontier()
    frontier.extend(leaves[:size])
    for step in steps:
        frontier = Frontier(frontier.size, frontier.hashes)
        frontier.extend(iter(leaves[frontier.size : frontier.size + step]))
    assert frontier.size == len(leaves)
    one_by_one = Frontier()
    for leaf in leaves:
        one_by_one.append(leaf)
    assert frontier.hashes == one_by_one.hashes


def test_a_copy_is_independent() -> None:
    frontier = Frontier()
    frontier.extend(SEVEN[:3])
    copy = frontier.copy()
    copy.append(SEVEN[3])
    assert (frontier.size, copy.size) == (3, 4)
    assert frontier.root() == naive_root(SEVEN[:3])


@pytest.mark.parametrize(("size", "hashes"), [(-1, []), (1, []), (3, [SEVEN[0]]), (1, [b"short"])])
def test_a_frontier_of_another_shape_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(ProofRefused):
        Frontier(size, hashes)


@pytest.mark.parametrize("size", range(1, 34))
def test_inclusion(size: int) -> None:
    leaves = leaves_of(40)
    tree = MemoryTree(leaves)
    root = naive_root(leaves[:size])
    assert merkle.root_at(size, tree.node) == root
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, tree.node)
        assert proof == naive_path(index, leaves[:size])
        assert merkle.verify_inclusion(leaves[index], index, size, proof, root)
        assert not merkle.verify_inclusion(leaves[index + 1], index, size, proof, root)
        assert not merkle.verify_inclusion(leaves[index], index, size, [*proof, root], root)
        assert not merkle.verify_inclusion(leaves[index], size, size, proof, root)
        for place in range(len(proof)):
            shorter = proof[:place] + proof[place + 1 :]
            assert not merkle.verify_inclusion(leaves[index], index, size, shorter, root)


@pytest.mark.parametrize("new", range(1, 34))
def test_consistency(new: int) -> None:
    leaves = leaves_of(40)
    tree = MemoryTree(leaves)
    new_root = naive_root(leaves[:new])
    for old in range(1, new + 1):
        old_root = naive_root(leaves[:old])
        proof = merkle.consistency_proof(old, new, tree.node)
        assert proof == naive_proof(old, leaves[:new])
        assert merkle.verify_consistency(old, new, proof, old_root, new_root)
        assert not merkle.verify_consistency(old, new, [*proof, new_root], old_root, new_root)
        if old < new:
            assert not merkle.verify_consistency(old, new, proof, new_root, old_root)
            assert not merkle.verify_consistency(old, new, proof[1:], old_root, new_root)
            assert not merkle.verify_consistency(old, new, [], old_root, new_root)


@given(st.data())
def test_compact_proofs(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 200))
    indexes = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=20)))
    leaves = leaves_of(size)
    proof = merkle.compact_proof(indexes, size, MemoryTree(leaves).node)
    assert proof == naive_compact(set(indexes), 0, leaves)
    known = {index: leaves[index] for index in indexes}
    root = naive_root(leaves)
    assert merkle.root_from_compact(size, known, proof) == root
    known[indexes[0]] = merkle.leaf_hash(b"another")
    assert merkle.root_from_compact(size, known, proof) != root


def test_compact_proofs_of_another_shape_are_refused() -> None:
    leaves = dict(enumerate(SEVEN))
    proof = unhex(golden.COMPACT_2_5_OF_7)
    known = {2: leaves[2], 5: leaves[5]}
    assert merkle.root_from_compact(7, known, proof).hex() == golden.TREE_7
    for bad_size, bad_leaves, bad_proof in (
        (7, known, proof[:-1]),
        (7, known, [*proof, EMPTY_ROOT]),
        (7, known, [*proof[:-1], b"short"]),
        (7, {2: b"short", 5: leaves[5]}, proof),
        (7, {}, proof),
        (5, known, proof),
        (7, {-1: leaves[2]}, proof),
        (0, {}, []),
    ):
        with pytest.raises(ProofRefused):
            merkle.root_from_compact(bad_size, bad_leaves, bad_proof)


@pytest.mark.parametrize("indexes", [[], [5, 2], [2, 2], [7], [-1]])
def test_indexes_are_ascending_and_within_the_tree(indexes: list[int]) -> None:
    with pytest.raises(ProofRefused):
        merkle.compact_proof(indexes, 7, MemoryTree(SEVEN).node)


def test_proofs_of_what_is_not_there_are_refused() -> None:
    tree = MemoryTree(SEVEN)
    for index, size in ((7, 7), (-1, 7), (0, 0)):
        with pytest.raises(ProofRefused):
            merkle.inclusion_proof(index, size, tree.node)
    for old, new in ((0, 7), (5, 4), (-1, 3)):
        with pytest.raises(ProofRefused):
            merkle.consistency_proof(old, new, tree.node)
    with pytest.raises(ProofRefused):
        tree.node(3, 0)


@given(
    st.integers(-2, 2**70), st.integers(-2, 2**70), st.lists(st.binary(max_size=33), max_size=70)
)
def test_any_proof_is_judged(index: int, size: int, proof: list[bytes]) -> None:
    leaf = SEVEN[0]
    assert merkle.verify_inclusion(leaf, index, size, proof, leaf) is (
        (index, size, proof) == (0, 1, [])
    )
    assert merkle.verify_consistency(index, size, proof, leaf, leaf) is (
        index == size and size > 0 and proof == []
    )
