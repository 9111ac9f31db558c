"""Samples of packets: repeated by other means, and by known answers."""

from __future__ import annotations

import hashlib
from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from reports.formats import sampling

ROOT = bytes(range(32))
NAME = "SOC2_Evidence_platform_2026-10-01_2026-10-31"


def test_the_seed_is_as_documented() -> None:
    said = f"strongroom/sample/v1\n{NAME}\n{b64encode(ROOT).decode()}".encode()
    assert sampling.seed_of(NAME, ROOT) == hashlib.sha256(said).digest()
    # Fixed once: a change of it would change what auditors repeat.
    assert sampling.seed_of(NAME, ROOT).hex() == (
        "719a04487fb7fdd52e19f95dae8868a60eda74b8bf312a38901cc57442d9ef17"
    )


@given(st.binary(min_size=32, max_size=32), st.sets(st.integers(0, 2**53 - 1), max_size=80))
def test_the_choice_is_repeated_by_sorting(seed: bytes, numbers: set[int]) -> None:
    ranked = sorted(numbers, key=lambda n: hashlib.sha256(seed + n.to_bytes(8, "big")).digest())
    assert sampling.choose(seed, sorted(numbers)) == sorted(ranked[:25])


@given(st.sets(st.integers(0, 10_000), min_size=26, max_size=200))
def test_the_order_of_what_is_given_does_not_matter(numbers: set[int]) -> None:
    seed = sampling.seed_of(NAME, ROOT)
    chosen = sampling.choose(seed, numbers)
    assert chosen == sampling.choose(seed, sorted(numbers, reverse=True))
    assert len(chosen) == sampling.PER_CONTROL
    # Whoever was not chosen from all is not chosen when others are left out that were not either.
    assert sampling.choose(seed, chosen) == chosen


def test_fewer_events_are_all_sampled() -> None:
    seed = sampling.seed_of(NAME, ROOT)
    assert sampling.choose(seed, [5, 3, 9]) == [3, 5, 9]
    assert sampling.choose(seed, []) == []


def test_another_packet_samples_others() -> None:
    numbers = range(1_000)
    one = sampling.choose(sampling.seed_of(NAME, ROOT), numbers)
    assert one != sampling.choose(sampling.seed_of(f"{NAME}_r2", ROOT), numbers)
    assert one != sampling.choose(sampling.seed_of(NAME, bytes(32)), numbers)
