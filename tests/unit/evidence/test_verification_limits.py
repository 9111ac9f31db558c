"""What a package may cost its verifier: nothing large is read or parsed for who only claims it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from evidence.formats import check_inside, contents
from evidence.formats.completeness import Completeness
from evidence.formats.contents import Proofs
from evidence.formats.package import CHUNK_BYTES, MANIFEST
from evidence.formats.verification import Sidecars, verify_package
from sealing import digests, merkle
from sealing.results import Verdict
from tests.unit.evidence import making
from tests.unit.evidence.checks import check, codes
from tests.unit.evidence.making import Recipe, make


class Watched:
    """The bytes of a package, and how many of them were asked for at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.largest = 0

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, part: slice, /) -> bytes:
        found = self._data[part]
        self.largest = max(self.largest, len(found))
        return found


def test_no_bytes_are_verified_with_a_key_that_was_refused() -> None:
    report = check(make(Recipe(package_key="checkpoint", countersignatures=0)))
    assert codes(report) == {"key_purpose"}
    told = {finding.code for finding in report.findings}
    assert not told & {"sig_valid", "envelope_valid"}
    assert not report.signature_valid


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_an_algorithm_that_needs_the_whole_file_is_for_small_ones(large: bool) -> None:
    added = {"extra.txt": b"x" * (2 << 20)} if large else {}
    made = make(Recipe(package_key="quick", added=added))
    data = Watched(made.data)
    known = making.signers(making.trusted("quick", "package"))
    report = verify_package(data, made.sidecars, known)
    assert codes(report) == ({"signature_algorithm_refused"} if large else set())
    assert data.largest <= CHUNK_BYTES


@pytest.mark.parametrize(
    ("name", "size", "parser"),
    [
        (contents.PROOFS, 8 << 10, Proofs),
        (contents.COMPLETENESS, 9 << 20, Completeness),
        (contents.ARCHIVE_POLICY, 1 << 18, contents.ArchivePolicy),
        (contents.CHAIN_VERIFY, 1 << 18, contents.ChainVerdict),
    ],
    ids=["proofs", "completeness", "policy", "verdict"],
)
def test_members_larger_than_the_lines_need_are_not_parsed(
    monkeypatch: pytest.MonkeyPatch, name: str, size: int, parser: Any
) -> None:
    parsed: list[int] = []
    honest = parser.parse
    monkeypatch.setattr(
        parser, "parse", lambda raw: parsed.append(len(raw)) or honest(raw), raising=True
    )
    # One line, and a manifest that claims a million of them.
    line = making.log_lines()[0]
    recipe = Recipe(signatures=0, chosen=[line], replaced={name: b"[" * size})
    described, _ = making.members(recipe)
    recipe.manifest_changes = {"summary": replace(described.summary, events=10**6)}
    report = check(make(recipe))
    assert "zip_too_large" in codes(report)
    assert parsed == []


def test_a_manifest_larger_than_its_members_need_is_not_parsed() -> None:
    _, files = making.members(Recipe(signatures=0))
    files[MANIFEST] = b"[" * (1 << 20)
    report = verify_package(making.zipped(files), Sidecars(), making.signers())
    issues = [(issue.code, issue.message) for issue in report.issues]
    assert issues == [("manifest_invalid", "manifest.json is too large.")]


@pytest.mark.parametrize("seed", range(40))
def test_every_proof_fits(seed: int) -> None:
    """However the lines lie in the log, what the exporter writes is within the limit."""
    chance = random.Random(seed)
    size = chance.choice([1, 2, 3, 64, 65, 1000, 1023])
    indexes = sorted(chance.sample(range(size), chance.randint(0, min(size, 2 + seed * 8))))
    tree = merkle.MemoryTree([digests.sha256(bytes([n % 256])) for n in range(size)])
    hashes = merkle.compact_proof(indexes, size, tree.node) if indexes else [tree.root()]
    assert len(hashes) <= check_inside.most_hashes(len(indexes), size)
    raw = Proofs(size, tuple(indexes), tuple(hashes)).build()
    assert len(raw) <= check_inside.most_bytes(contents.PROOFS, len(indexes), size)


def test_only_what_is_signed_is_opened() -> None:
    made = make()
    whole = check(made, only_if_signed=True)
    assert whole.verdict is Verdict.VALID
    unsigned = make(Recipe(signatures=0, countersignatures=0))
    report = check(unsigned, only_if_signed=True)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert codes(report) == {"package_unsigned", "lines_not_checked"}
    assert not report.proofs_checked
    assert not report.awaits_countersignature


def test_a_package_whose_signature_was_taken_away_is_invalid() -> None:
    """Whoever verifies for strangers does not read its lines, and can say so nevertheless."""
    made = make()
    bare = replace(made, sidecars=replace(made.sidecars, sig=None, signature=None))
    report = check(bare, only_if_signed=True)
    assert report.verdict is Verdict.INVALID
    assert {"signature_missing", "lines_not_checked"} <= codes(report)


def test_a_stranger_s_manifest_is_read_only_if_it_is_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = make(Recipe(signatures=0, countersignatures=0))
    monkeypatch.setattr(check_inside, "_MANIFEST_BYTES", 100)
    report = check(made, only_if_signed=True)
    assert (report.verdict, codes(report)) == (Verdict.INCONCLUSIVE, {"lines_not_checked"})


def test_what_another_signed_is_not_opened() -> None:
    made = make(Recipe(package_key="package-foreign"))
    report = check(made, only_if_signed=True)
    assert codes(report) == {"key_unknown", "lines_not_checked"}
    assert not report.proofs_checked
