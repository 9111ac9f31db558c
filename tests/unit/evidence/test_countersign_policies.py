"""Several countersignatures: how many are needed, and each damage to one of them alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from evidence.formats import countersign
from evidence.formats.verification import Sidecars
from sealing import digests
from sealing.keys import Signers
from sealing.results import Verdict
from sealing.times import format_time
from tests.unit.evidence import making
from tests.unit.evidence.checks import check, codes, edited
from tests.unit.evidence.making import MADE, Made, Recipe, make

# Names of keys, each of another person. The fourth and fifth are known to these tests alone.
PEOPLE = ("officer", "third", "fourth", "fifth")
IDS = {
    "officer": making.OFFICER,
    "third": making.THIRD,
    "fourth": "44444444-4444-4444-8444-444444444444",
    "fifth": "55555555-5555-4555-8555-555555555555",
}


def signers() -> Signers:
    return making.signers(*(making.trusted(name, "countersign", IDS[name]) for name in PEOPLE))


def package(needed: int, have: int) -> Made:
    made = make(Recipe(countersignatures=needed), countersign_with=())
    return Made(made.data, with_entries(made, entries(made, PEOPLE[:have])), made.manifest)


def entries(made: Made, names: tuple[str, ...], **changes: dict[str, str]) -> list[bytes]:
    """A chain of entries; ``changes`` of one of them are signed, and the next ones follow it."""
    assert made.sidecars.signature is not None
    chain: list[bytes] = []
    for number, name in enumerate(names, start=1):
        previous = countersign.previous_of(signature_raw=made.sidecars.signature, entries=chain)
        said = {"person": IDS[name], **changes.get(name, {})}
        digest, previous = said.pop("digest", made.digest), said.pop("previous", previous)
        entry = making.entry(made.manifest, digest, previous, name=name, number=number, **said)
        chain.append(entry)
    return chain


def with_entries(made: Made, chain: list[bytes]) -> Sidecars:
    if not chain:
        return made.with_(countersign=None)
    raw = countersign.build(
        package_path=made.manifest.name.path, package_sha256=made.digest, entries=chain
    )
    return made.with_(countersign=raw)


@pytest.mark.parametrize("needed", range(5))
@pytest.mark.parametrize("have", range(5))
def test_how_many_are_needed(needed: int, have: int) -> None:
    report = check(package(needed, have), signers=signers())
    assert len(report.countersigners) == have
    if have >= needed:
        assert report.verdict is Verdict.VALID, report.issues
    else:
        assert report.verdict is Verdict.INVALID
        assert codes(report) == {"countersignature_missing"}
        assert report.awaits_countersignature
        assert f"{needed} countersignatures" in report.message or needed == 1


@pytest.mark.parametrize("needed", [2, 3])
def test_the_caller_can_ask_for_one_and_never_for_fewer(needed: int) -> None:
    report = check(package(needed, 1), signers=signers(), require_countersign=True)
    assert codes(report) == {"countersignature_missing"}


@pytest.mark.parametrize("needed", [2, 3])
@pytest.mark.parametrize("victim", [0, 1, 2])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"digest": "sha256:" + "0" * 64}, "countersignature_digest_differs"),
        ({"previous": "sha256:" + "0" * 64}, "countersignature_order"),
        ({"signed_at": "2026-02-02T09:29:59.999999Z"}, "countersignature_order"),
        ({"person": making.MAKER}, "countersigner_is_maker"),
        ({"person": "99999999-9999-4999-8999-999999999999"}, "countersignature_person_differs"),
    ],
    ids=["another package", "another chain", "too early", "the maker", "somebody else"],
)
def test_one_of_three_states_something_else(
    needed: int, victim: int, changes: dict[str, str], code: str
) -> None:
    """It is INVALID however many are left: somebody tampered, or something is badly wrong."""
    made = make(Recipe(countersignatures=needed), countersign_with=())
    chain = entries(made, PEOPLE[:3], **{PEOPLE[victim]: changes})
    report = check(made, with_entries(made, chain), signers=signers())
    assert report.verdict is Verdict.INVALID
    expected = {code} | ({"countersignature_missing"} if needed == 3 else set())
    assert codes(report) == expected
    (place,) = [issue.where for issue in report.issues if issue.code == code]
    assert place is not None and place.startswith(f"/entries/{victim}/")
    assert len(report.countersigners) == 2


@pytest.mark.parametrize(
    ("repeated", "code", "place"),
    [
        ({"nonce": "first"}, "countersignature_nonce_repeated", "/entries/2/nonce"),
        ({"person": making.OFFICER}, "countersigner_repeated", "/entries/2/person"),
    ],
)
def test_the_third_repeats_something_of_the_first(
    repeated: dict[str, str], code: str, place: str
) -> None:
    made = make(Recipe(countersignatures=2), countersign_with=())
    first = {"nonce": "first"} if "nonce" in repeated else {}
    chain = entries(made, PEOPLE[:3], officer=first, fourth=repeated)
    report = check(made, with_entries(made, chain), signers=signers())
    assert report.verdict is Verdict.INVALID
    assert [(issue.code, issue.where) for issue in report.issues] == [(code, place)]


def test_one_key_for_two_entries() -> None:
    made = make(Recipe(countersignatures=2), countersign_with=())
    chain = entries(made, ("officer", "third"))
    previous = digests.sha256_tag(chain[-1])
    again = making.entry(
        made.manifest, made.digest, previous, name="officer", number=3, person=IDS["fourth"]
    )
    report = check(made, with_entries(made, [*chain, again]), signers=signers())
    assert [(issue.code, issue.where) for issue in report.issues] == [
        ("countersigner_repeated", "/entries/2/signing_key_id")
    ]


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_key_that_nobody_vouches_for(victim: int) -> None:
    made = package(3, 3)
    known = making.signers(
        *(making.trusted(name, "countersign", IDS[name]) for name in PEOPLE if name != "fourth")
    )
    strange = making.key(PEOPLE[victim]).key_id
    known = Signers(
        known.origin,
        tuple(key for key in (*known.keys, making.trusted("fourth", "countersign", IDS["fourth"]))
              if key.signer_kid != strange),
    )  # fmt: skip
    report = check(made, signers=known)
    assert [(issue.code, issue.where) for issue in report.issues] == [
        ("key_unknown", f"/entries/{victim}/signing_key_id"),
        ("countersignature_missing", None),
    ]


def remove(index: int) -> Callable[[list[Any]], object]:
    return lambda items: items.pop(index)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (remove(0), {"countersignature_order"}),
        (remove(1), {"countersignature_order"}),
        (lambda items: items.insert(1, items.pop(2)), {"countersignature_order"}),
        (lambda items: items.reverse(), {"countersignature_order"}),
        (lambda items: items.append(items[0]), {"countersignature_order"}),
    ],
    ids=["without the first", "without the second", "two swapped", "reversed", "one repeated"],
)
def test_the_chain_has_one_order(change: Callable[[list[Any]], object], found: set[str]) -> None:
    made = package(0, 3)

    def changed(document: dict[str, Any]) -> None:
        change(document["entries"])
        document["entry_count"] = len(document["entries"])
        document["updated_at"] = document["entries"][-1]["signed_at"]

    raw = edited(made.sidecars.countersign, changed)
    report = check(made, made.with_(countersign=raw), signers=signers())
    assert report.verdict is Verdict.INVALID
    assert codes(report) == found


def test_a_cut_tail_is_an_older_state() -> None:
    """Nothing in the file tells; what the policy asks for does, and the installation's record."""
    made = package(3, 3)

    def cut(document: dict[str, Any]) -> None:
        document["entries"].pop()
        document["entry_count"] = 2
        document["updated_at"] = document["entries"][-1]["signed_at"]

    raw = edited(made.sidecars.countersign, cut)
    report = check(made, made.with_(countersign=raw), signers=signers())
    assert codes(report) == {"countersignature_missing"}
    assert len(report.entry_digests) == 2


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_signature_of_another_entry(victim: int) -> None:
    """Each envelope is genuine, and stands in another entry than the one that was signed."""
    made = package(2, 3)

    def swap(document: dict[str, Any]) -> None:
        items = document["entries"]
        other = items[(victim + 1) % 3]["envelope"]["signatures"][0]["sig"]
        items[victim]["envelope"]["signatures"][0]["sig"] = other

    raw = edited(made.sidecars.countersign, swap)
    report = check(made, made.with_(countersign=raw), signers=signers())
    assert report.verdict is Verdict.INVALID
    assert ("countersignature_invalid", f"/entries/{victim}/envelope") in [
        (issue.code, issue.where) for issue in report.issues
    ]


def test_two_at_the_same_moment_are_in_order() -> None:
    made = make(Recipe(countersignatures=2), countersign_with=())
    moment = {"signed_at": format_time(MADE + timedelta(hours=5))}
    chain = entries(made, PEOPLE[:2], officer=moment, third=moment)
    assert check(made, with_entries(made, chain), signers=signers()).verdict is Verdict.VALID
