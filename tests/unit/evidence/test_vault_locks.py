"""Which lock counts, and the names under which the vault keeps things."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import names
from evidence.formats.errors import FormatRefused
from evidence.formats.names import Numbered, PackageName
from evidence.formats.vault import LockSequenceRefused, WormLock, ruling
from sealing.stores.base import LockMode
from sealing.times import format_time

BUNDLE = "evidence_20260202T093000Z_0a1b2c3d"


def lock(until: str = "2032-02-03", mode: LockMode = LockMode.GOVERNANCE) -> WormLock:
    return WormLock(
        bundle_id=BUNDLE,
        locked_at="2026-02-02T09:30:00.000000Z",
        retention_policy="hipaa_6y",
        retain_until=f"{until}T00:00:00.000000Z",
        mode=mode,
        package_sha256="sha256:" + "ab" * 32,
        signature_path=None,
    )


# --- the ruling lock ------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.randoms())
def test_highest_number_rules_however_they_come(steps: list[int], random: st.Random) -> None:
    day, numbered = 1, []
    for number, step in enumerate(steps, start=1):
        day += step
        numbered.append((number, lock(f"2032-02-{min(day, 28):02d}")))
    last = numbered[-1][1]
    random.shuffle(numbered)
    assert ruling(dict(numbered)) == last


@given(st.sets(st.integers(0, 9), max_size=8))
def test_numbers_begin_with_one_and_have_no_gap(numbers: set[int]) -> None:
    locks = {number: lock() for number in numbers}
    if numbers and numbers == set(range(1, len(numbers) + 1)):
        assert ruling(locks) == lock()
    else:
        with pytest.raises(LockSequenceRefused) as caught:
            ruling(locks)
        assert caught.value.code == "lock_number_missing"


@pytest.mark.parametrize("place", [2, 3])
def test_lock_never_gets_shorter(place: int) -> None:
    locks = {1: lock("2032-02-03"), 2: lock("2033-02-03"), 3: lock("2033-02-03")}
    assert ruling(locks) == lock("2033-02-03")
    locks[place] = lock("2032-02-02" if place == 2 else "2033-02-02")
    with pytest.raises(LockSequenceRefused) as caught:
        ruling(locks)
    assert caught.value.code == "lock_shortened"


def test_shorter_lock_is_not_forgiven_by_a_longer_one_after_it() -> None:
    locks = {1: lock("2033-02-03"), 2: lock("2032-02-03"), 3: lock("2034-02-03")}
    with pytest.raises(LockSequenceRefused):
        ruling(locks)


def test_lock_never_gets_weaker() -> None:
    strict = lock(mode=LockMode.COMPLIANCE)
    assert ruling({1: lock(), 2: strict}) == strict
    with pytest.raises(LockSequenceRefused) as caught:
        ruling({1: strict, 2: lock("2040-01-01")})
    assert caught.value.code == "lock_shortened"


@pytest.mark.parametrize(
    "changed",
    [{"bundle_id": BUNDLE[:-1] + "e"}, {"package_sha256": "sha256:" + "cd" * 32}],
    ids=str,
)
def test_locks_are_of_one_package(changed: dict[str, str]) -> None:
    with pytest.raises(LockSequenceRefused) as caught:
        ruling({1: lock(), 2: replace(lock(), **changed)})
    assert caught.value.code == "lock_of_another"


def test_holds_come_and_go() -> None:
    held = replace(lock(), legal_holds=("case-1",))
    assert ruling({1: lock(), 2: held}).legal_holds == ("case-1",)
    assert ruling({1: lock(), 2: held, 3: lock()}).legal_holds == ()


def test_released_when_it_ended_and_nothing_holds_it() -> None:
    end = datetime(2032, 2, 3, tzinfo=UTC)
    before = datetime(2032, 2, 2, 23, 59, 59, 999999, tzinfo=UTC)
    assert lock().releasable_at(end)
    assert not lock().releasable_at(before)
    assert not replace(lock(), legal_holds=("case-1",)).releasable_at(end)
    assert format_time(lock().retention.until) == lock().retain_until


# --- names ----------------------------------------------------------------------------------------


def test_folder_goes_by_the_day_of_the_bundle_id() -> None:
    assert PackageName("clinic-001", BUNDLE).vault_folder == f"clinic-001/2026/02/02/{BUNDLE}"
    assert PackageName(None, BUNDLE).vault_folder == f"platform/2026/02/02/{BUNDLE}"
    odd = "a_20250101T000000Z_00000000_20260202T093000Z_0a1b2c3d"
    assert PackageName("c", odd).vault_folder == f"c/2026/02/02/{odd}"


@pytest.mark.parametrize("day", ["20261302", "20260230", "00000101"])
def test_folder_of_a_day_that_no_calendar_has_is_refused(day: str) -> None:
    with pytest.raises(FormatRefused):
        _ = PackageName("c", f"evidence_{day}T093000Z_0a1b2c3d").vault_folder


@pytest.mark.parametrize("client", ["clinic-001", None])
def test_folder_is_read_back(client: str | None) -> None:
    name = PackageName(client, BUNDLE)
    assert names.parse_vault_folder(name.vault_folder) == name


@pytest.mark.parametrize(
    "path",
    [
        "",
        BUNDLE,
        f"clinic-001/{BUNDLE}",
        f"clinic-001/2026/02/03/{BUNDLE}",
        f"clinic-001/2026/2/2/{BUNDLE}",
        f"/clinic-001/2026/02/02/{BUNDLE}",
        f"clinic-001/2026/02/02/{BUNDLE}/",
        f"clinic-001/2026/02/02/{BUNDLE}.zip",
        f"clinic-001/x/../2026/02/02/{BUNDLE}",
        f"../2026/02/02/{BUNDLE}",
        f"clinic 001/2026/02/02/{BUNDLE}",
        "clinic-001/2026/02/30/evidence_20260230T093000Z_0a1b2c3d",
    ],
)
def test_other_folders_are_refused(path: str) -> None:
    with pytest.raises(FormatRefused):
        names.parse_vault_folder(path)


@pytest.mark.parametrize(
    ("kind", "number", "name"),
    [
        (Numbered.COUNTERSIGN, 1, f"{BUNDLE}.countersign-0001.json"),
        (Numbered.WORM_LOCK, 12, f"{BUNDLE}.worm-lock-0012.json"),
        (Numbered.WORM_LOCK, 12345, f"{BUNDLE}.worm-lock-12345.json"),
    ],
)
def test_numbered_names(kind: Numbered, number: int, name: str) -> None:
    assert names.numbered_name(BUNDLE, kind, number) == name
    assert names.parse_numbered(name) == (BUNDLE, kind, number)


@pytest.mark.parametrize("number", [0, -1, 10**9])
def test_numbers_begin_with_one(number: int) -> None:
    with pytest.raises(FormatRefused):
        names.numbered_name(BUNDLE, Numbered.WORM_LOCK, number)


def test_numbered_name_needs_a_bundle_id() -> None:
    with pytest.raises(FormatRefused):
        names.numbered_name("../evidence", Numbered.WORM_LOCK, 1)


@pytest.mark.parametrize(
    "name",
    [
        f"{BUNDLE}.worm-lock-0000.json",
        f"{BUNDLE}.worm-lock-001.json",
        f"{BUNDLE}.worm-lock-00001.json",
        f"{BUNDLE}.worm-lock-0001.json\n",
        f"{BUNDLE}.worm-lock-\uff10\uff10\uff10\uff11.json",
        f"{BUNDLE}.worm-lock.json",
        f"{BUNDLE}.receipt-0001.json",
        f"x/{BUNDLE}.worm-lock-0001.json",
        f"{BUNDLE}.worm-lock-0001.json.tmp",
        "evidence.worm-lock-0001.json",
    ],
)
def test_other_names_are_not_numbered(name: str) -> None:
    assert names.parse_numbered(name) is None


def test_suffixes_are_those_of_the_format() -> None:
    found = (names.ENCRYPTED_SUFFIX, names.KMS_ENVELOPE_SUFFIX, names.WORM_RECEIPT_SUFFIX)
    assert found == (".zip.enc", ".kms-envelope.json", ".worm-receipt.json")
