"""The stored tree against a tree in memory, over several levels of tiles."""

from __future__ import annotations

import hashlib
import random

import pytest

from audit.models import MerkleTile
from audit.services import proofs, tiles
from sealing import merkle

pytestmark = pytest.mark.django_db
# Just beyond a complete tile of the second level.
SIZE = 65_536 + 300


def leaf(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


@pytest.fixture
def tree(db: None) -> merkle.MemoryTree:
    """The same leaves in memory and in tiles, added in uneven batches."""
    MerkleTile.objects.all().delete()
    chance = random.Random(7)
    memory, at = merkle.MemoryTree(), 0
    while at < SIZE:
        count = min(chance.choice((1, 2, 255, 256, 257, 5_000)), SIZE - at)
        batch = [leaf(number) for number in range(at, at + count)]
        tiles.extend(at, batch)
        for item in batch:
            memory.append(item)
        at += count
    return memory


def test_tiles_hold_the_tree(tree: merkle.MemoryTree) -> None:
    root = tree.root()
    assert proofs.root(SIZE) == root
    assert proofs.frontier(SIZE).root() == root
    sizes = [1, 2, 3, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, SIZE]
    for size in sizes:
        frontier = merkle.Frontier()
        frontier.extend(leaf(number) for number in range(size))
        assert proofs.root(size) == frontier.root(), size
        assert proofs.frontier(size).hashes == frontier.hashes, size
        proof = proofs.consistency(size, SIZE)
        assert merkle.verify_consistency(size, SIZE, proof, frontier.root(), root), size
        for index in {0, size // 2, size - 1}:
            path = proofs.inclusion(index, size)
            assert merkle.verify_inclusion(leaf(index), index, size, path, frontier.root())
            assert not merkle.verify_inclusion(leaf(index + 1), index, size, path, frontier.root())


def test_one_proof_for_many(tree: merkle.MemoryTree) -> None:
    indexes = sorted(random.Random(3).sample(range(SIZE), 500))
    hashes = proofs.compact(indexes, SIZE)
    leaves = {index: leaf(index) for index in indexes}
    assert merkle.root_from_compact(SIZE, leaves, hashes) == tree.root()


def test_there_are_as_few_tiles_as_can_be(tree: merkle.MemoryTree) -> None:
    counts = [MerkleTile.objects.filter(level=level).count() for level in range(4)]
    assert counts == [258, 2, 1, 0]


def test_a_proof_reads_a_few_rows(
    tree: merkle.MemoryTree, django_assert_max_num_queries: object
) -> None:
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        proofs.inclusion(40_000, SIZE)


@pytest.mark.parametrize(("level", "index"), [(0, 10), (0, 257), (1, 0), (2, 0)])
def test_a_missing_tile_is_noticed(tree: merkle.MemoryTree, level: int, index: int) -> None:
    MerkleTile.objects.filter(level=level, index=index).delete()
    with pytest.raises(tiles.TileMissing):
        [proofs.inclusion(seq, SIZE) for seq in (0, 2_560, SIZE - 1)]


def test_a_tile_that_was_cut_is_not_continued(tree: merkle.MemoryTree) -> None:
    MerkleTile.objects.filter(level=0, index=257).update(hashes=bytes(32))
    with pytest.raises(tiles.TileMissing):
        tiles.extend(SIZE, [leaf(SIZE)])
