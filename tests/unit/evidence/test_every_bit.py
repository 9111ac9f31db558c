"""Each bit of each sidecar, and one bit of each byte of the package, flipped alone, is noticed.

The tests are split so that several processes can share them.
"""

from __future__ import annotations

import random

import pytest

from evidence.formats.verification import verify_package
from sealing.results import EXIT_INVALID, Verdict, exit_code
from tests.unit.evidence import making
from tests.unit.evidence.making import Made, Recipe, make

PARTS = 8
SEED = 20261121


@pytest.fixture(scope="module")
def small() -> Made:
    """Two events, one countersignature, a mac: everything that a sidecar can hold."""
    chosen = [p for p in making.log_lines(3) if b'"client_id":"clinic-001"' in p[1]]
    return make(Recipe(log=making.log_lines(3), chosen=chosen, secret=b"shared"))


@pytest.fixture(scope="module")
def signers():
    return making.signers()


def test_unchanged_it_is_valid(small: Made, signers) -> None:
    report = verify_package(small.data, small.sidecars, signers)
    assert report.verdict is Verdict.VALID, report.issues


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", ["sig", "signature", "countersign"])
def test_sidecars(small: Made, signers, name: str, part: int) -> None:
    raw = getattr(small.sidecars, name)
    unnoticed = []
    for position in range(part, len(raw), PARTS):
        for bit in range(8):
            changed = bytearray(raw)
            changed[position] ^= 1 << bit
            sidecars = small.with_(**{name: bytes(changed)})
            verdict = verify_package(small.data, sidecars, signers).verdict
            if exit_code(verdict) != EXIT_INVALID:
                unnoticed.append((position, bit, verdict))
    assert unnoticed == []


@pytest.mark.parametrize("part", range(PARTS))
def test_package(small: Made, signers, part: int) -> None:
    chance = random.Random(SEED + part)
    unnoticed = []
    for position in range(part, len(small.data), PARTS):
        changed = bytearray(small.data)
        changed[position] ^= 1 << chance.randrange(8)
        verdict = verify_package(bytes(changed), small.sidecars, signers).verdict
        if exit_code(verdict) != EXIT_INVALID:
            unnoticed.append((position, verdict))
    assert unnoticed == []
