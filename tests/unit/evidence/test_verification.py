"""Verification of whole packages: each negative test changes one thing of a valid one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evidence.formats import contents, countersign
from evidence.formats.completeness import Completeness
from evidence.formats.package import open_package
from evidence.formats.verification import Sidecars
from sealing import digests
from sealing.results import Verdict
from tests.unit.evidence import making
from tests.unit.evidence.checks import check, codes, edited
from tests.unit.evidence.making import Made, Recipe, make

# --- what is valid ------------------------------------------------------------------------------


def test_a_good_package_is_valid() -> None:
    report = check(make())
    assert report.verdict is Verdict.VALID, report.issues
    told = report.as_dict()
    assert {name for name, value in told.items() if value is True} == {
        "manifest_exists", "manifest_valid", "signature_checked", "signature_valid",
        "countersign_checked", "countersign_valid", "proofs_checked", "proofs_valid",
    }  # fmt: skip
    assert told["countersign_count"] == 1
    assert told["issues"] == []


def test_two_countersigners() -> None:
    made = make(Recipe(countersignatures=2), countersign_with=("officer", "third"))
    report = check(made)
    assert report.verdict is Verdict.VALID
    assert [c.person for c in report.countersigners] == [making.OFFICER, making.THIRD]


def test_a_package_of_the_platform() -> None:
    made = make(Recipe(client_id=None, chosen=[]))
    assert made.manifest.name.path == f"platform/{making.BUNDLE}.zip"
    report = check(made)
    assert report.verdict is Verdict.VALID, report.issues


def test_a_period_without_events_has_a_proof_of_the_root_alone() -> None:
    made = make(Recipe(chosen=[]))
    assert check(made).verdict is Verdict.VALID
    proofs = json.loads(open_package(made.data).read(contents.PROOFS, max_bytes=1 << 20))
    assert (proofs["indexes"], len(proofs["hashes"])) == ([], 1)


def test_types_asked_for() -> None:
    log = making.log_lines()
    chosen = [pair for pair in log if b"door.opened" in pair[1] and b"clinic-001" in pair[1]]
    made = make(
        Recipe(log=log, chosen=chosen, event_types=("vault.door.opened",), replaced={
            contents.COMPLETENESS: Completeness(9, 0, 0, len(chosen), (), True).build()
        })
    )  # fmt: skip
    assert check(made).verdict is Verdict.VALID


# --- policy -------------------------------------------------------------------------------------


def test_no_countersignature_where_policy_asks_for_one() -> None:
    report = check(make(countersign_with=()))
    assert report.verdict is Verdict.INVALID
    assert codes(report) == {"countersignature_missing"}
    assert report.awaits_countersignature
    assert not report.countersign_checked


def test_one_countersignature_of_two() -> None:
    report = check(make(Recipe(countersignatures=2)))
    assert codes(report) == {"countersignature_missing"}
    assert len(report.countersigners) == 1


def test_countersignature_asked_for_by_the_caller_alone() -> None:
    made = make(Recipe(countersignatures=0), countersign_with=())
    assert check(made).verdict is Verdict.VALID
    assert codes(check(made, require_countersign=True)) == {"countersignature_missing"}


def test_nothing_else_wrong_is_told_apart_from_something_else_wrong() -> None:
    made = make(countersign_with=())
    assert not check(made, made.with_(sig=None)).awaits_countersignature


def test_an_unsigned_package_is_never_valid() -> None:
    report = check(make(Recipe(signatures=0, countersignatures=0)))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert codes(report) == {"package_unsigned"}
    assert report.proofs_valid
    assert not report.signature_checked


@pytest.mark.parametrize("name", ["sig", "signature"])
def test_half_a_signature(name: str) -> None:
    made = make()
    report = check(made, made.with_(**{name: None}))
    assert report.verdict is Verdict.INVALID
    assert "signature_missing" in codes(report)
    assert not report.signature_valid


def test_no_signature_where_the_manifest_asks_for_one() -> None:
    made = make()
    report = check(made, made.with_(sig=None, signature=None))
    assert report.verdict is Verdict.INVALID
    assert "signature_missing" in codes(report)


BEFORE, AFTER = "2026-02-01T00:00:00.000000Z", "2026-02-03T00:00:00.000000Z"


# --- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "purpose", "person", "changes", "code"),
    [
        ("package", "packet", None, {}, "key_purpose"),
        ("package", "package", None, {"not_before": AFTER}, "key_not_yet_valid"),
        ("package", "package", None, {"status": "retired", "not_after": BEFORE}, "key_retired"),
        ("package", "package", None, {"status": "compromised"}, "key_compromised"),
        ("checkpoint", "package", None, {}, "key_purpose"),
        ("officer", "package", making.OFFICER, {}, "key_purpose"),
        ("officer", "countersign", making.THIRD, {}, "countersignature_person_differs"),
        ("officer", "countersign", None, {}, "countersignature_person_differs"),
        ("officer", "countersign", making.OFFICER, {"status": "compromised"}, "key_compromised"),
    ],
)  # fmt: skip
def test_a_key_counts_only_for_what_it_is_for(
    name: str, purpose: str, person: str | None, changes: dict[str, Any], code: str
) -> None:
    signers = making.signers(making.trusted(name, purpose, person, **changes))
    report = check(make(), signers=signers)
    assert report.verdict is Verdict.INVALID
    assert code in codes(report)


@pytest.mark.parametrize("name", ["package", "checkpoint", "officer"])
def test_a_key_that_nobody_vouches_for(name: str) -> None:
    all_keys = making.signers()
    kid = making.key(name).key_id
    signers = replace(all_keys, keys=tuple(k for k in all_keys.keys if k.signer_kid != kid))
    assert check(make(), signers=signers).verdict is Verdict.INVALID


def test_a_retired_key_still_verifies_what_it_signed() -> None:
    retired = making.trusted(
        "package", "package", status="retired", not_after="2026-02-03T00:00:00.000000Z"
    )
    assert check(make(), signers=making.signers(retired)).verdict is Verdict.VALID


def test_signed_by_another_package_key_than_it_says() -> None:
    made, other = make(), make(Recipe(package_key="package2"))
    signers = making.signers(making.trusted("package2", "package"))
    assert check(other, signers=signers).verdict is Verdict.VALID
    report = check(made, made.with_(sig=other.sidecars.sig), signers=signers)
    assert "signature_invalid" in codes(report)


def test_checkpoint_of_another_log() -> None:
    report = check(make(Recipe(checkpoint_origin="elsewhere.example/audit")))
    assert "checkpoint_origin" in codes(report)


# --- sidecars -----------------------------------------------------------------------------------


def swap_outer(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.__setitem__(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("signer", "someone else"),
        ("signing_key_id", "sha256:" + "0" * 64),
        ("digest", "sha256:" + "0" * 64),
        ("signed_at", "2026-02-02T09:30:00.000001Z"),
        ("algorithm", "ed25519"),
        ("mac", "0" * 64),
        ("extra", 1),
    ],
)
def test_what_stands_beside_the_signed_statement_equals_it(key: str, value: object) -> None:
    made = make()
    raw = edited(made.sidecars.signature, swap_outer(key, value))
    report = check(made, made.with_(signature=raw, countersign=None))
    assert "signature_malformed" in codes(report)


def test_signature_of_another_package() -> None:
    made, other = make(), make(Recipe(countersignatures=0))
    mixed = made.with_(sig=other.sidecars.sig, signature=other.sidecars.signature)
    report = check(made, mixed)
    found = codes(report)
    assert {"signature_digest_differs", "signature_invalid"} <= found
    assert "signature_manifest_differs" in found


def test_removed_mac_is_noticed() -> None:
    made = make(Recipe(secret=b"old secret"))
    assert check(made).verdict is Verdict.VALID
    raw = edited(made.sidecars.signature, lambda d: d.pop("mac"))
    assert "signature_malformed" in codes(check(made, made.with_(signature=raw)))


def test_mac_is_reported_apart() -> None:
    made = make(Recipe(secret=b"old secret"))
    right = check(made, signing_secret=b"old secret")
    assert (right.mac_checked, right.mac_valid, right.verdict) == (True, True, Verdict.VALID)
    unknown = check(made)
    assert (unknown.mac_checked, unknown.mac_valid) == (False, False)


def test_wrong_mac_counts_only_when_the_caller_supplied_the_secret() -> None:
    made = make(Recipe(secret=b"old secret"))
    rotated = check(made, own_secret=b"new secret")
    assert (rotated.mac_checked, rotated.mac_valid, rotated.verdict) == (True, False, Verdict.VALID)
    supplied = check(made, signing_secret=b"new secret")
    assert supplied.verdict is Verdict.INVALID
    assert codes(supplied) == {"mac_invalid"}


def test_a_right_mac_is_no_signature() -> None:
    made = make(Recipe(secret=b"old secret"))
    report = check(made, made.with_(sig=None), signing_secret=b"old secret")
    assert report.verdict is Verdict.INVALID
    assert not report.signature_valid


def test_no_mac_is_not_a_fault() -> None:
    report = check(make(), signing_secret=b"any")
    assert (report.mac_checked, report.verdict) == (False, Verdict.VALID)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"AAAA",
        b"AAAA\n\n",
        b" AAAA\n",
        b"AAAA\r\n",
        b"AAA\n",
        b"AAB=\n",
        "ÄAAA\n".encode(),
    ],
)
def test_sig_file_has_one_form(raw: bytes) -> None:
    made = make()
    assert "signature_malformed" in codes(check(made, made.with_(sig=raw)))


@pytest.mark.parametrize("name", ["sig", "signature", "countersign"])
def test_white_space_in_sidecars_matters(name: str) -> None:
    made = make()
    for raw in (getattr(made.sidecars, name) + b"\n", b" " + getattr(made.sidecars, name)):
        assert check(made, made.with_(**{name: raw})).verdict is Verdict.INVALID


# --- countersignatures ----------------------------------------------------------------------------


def recountersigned(made: Made, *entries: bytes, **top: Any) -> Sidecars:
    raw = countersign.build(
        package_path=made.manifest.name.path, package_sha256=made.digest, entries=entries
    )
    return made.with_(countersign=edited(raw, lambda d: d.update(top)))


def first_entry(made: Made, **changes: Any) -> bytes:
    assert made.sidecars.signature is not None
    previous = digests.sha256_tag(made.sidecars.signature)
    digest, previous = changes.pop("digest", made.digest), changes.pop("previous", previous)
    return making.entry(made.manifest, digest, previous, **changes)


def test_the_maker_does_not_countersign() -> None:
    made = make(countersign_with=("maker",))
    report = check(made)
    assert codes(report) == {"countersigner_is_maker", "countersignature_missing"}


def test_one_person_countersigns_once() -> None:
    made = make(Recipe(countersignatures=2), countersign_with=("officer", "officer"))
    assert codes(check(made)) == {"countersigner_repeated", "countersignature_missing"}


def test_one_person_with_two_keys_is_one_person() -> None:
    made = make(Recipe(countersignatures=2), countersign_with=("officer", "officer2"))
    signers = making.signers(making.trusted("officer2", "countersign", making.OFFICER))
    assert "countersigner_repeated" in codes(check(made, signers=signers))


def test_two_people_with_one_key_are_one() -> None:
    made = make()
    one = first_entry(made)
    two = making.entry(
        made.manifest, made.digest, digests.sha256_tag(one), number=2, person=making.THIRD
    )
    assert "countersigner_repeated" in codes(check(made, recountersigned(made, one, two)))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"digest": "sha256:" + "0" * 64}, "countersignature_digest_differs"),
        ({"previous": "sha256:" + "0" * 64}, "countersignature_order"),
        ({"signed_at": "2026-02-02T09:29:59.000000Z"}, "countersignature_order"),
        ({"person": making.THIRD}, "countersignature_person_differs"),
        ({"person": making.MAKER}, "countersigner_is_maker"),
        ({"signing_key_id": "sha256:" + "0" * 64}, "countersignature_malformed"),
    ],
)
def test_a_statement_about_something_else(changes: dict[str, str], code: str) -> None:
    made = make()
    entry = first_entry(made, **changes)
    assert code in codes(check(made, recountersigned(made, entry)))


def test_a_countersignature_of_another_package_is_of_no_use() -> None:
    made, other = make(), make(Recipe(period=(making.START, making.END + timedelta(days=1))))
    assert made.digest != other.digest
    report = check(made, made.with_(countersign=other.sidecars.countersign))
    assert "countersignature_digest_differs" in codes(report)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("package_path", "clinic-002/" + making.BUNDLE + ".zip", "countersignature_field_differs"),
        ("package_sha256", "sha256:" + "0" * 64, "countersignature_digest_differs"),
        ("updated_at", "2026-02-02T09:30:00.000000Z", "countersignature_malformed"),
        ("entry_count", 2, "countersignature_malformed"),
        ("entry_count", True, "countersignature_malformed"),
        ("entries", [], "countersignature_malformed"),
        ("extra", None, "countersignature_malformed"),
    ],
)
def test_the_head_of_the_countersign_file(key: str, value: object, code: str) -> None:
    made = make()
    report = check(made, recountersigned(made, first_entry(made), **{key: value}))
    assert code in codes(report)


@pytest.mark.parametrize("key", [*countersign.SIGNED_KEYS, "scheme"])
def test_fields_beside_the_envelope_equal_what_was_signed(key: str) -> None:
    made = make()

    def change(document: dict[str, Any]) -> None:
        value = document["entries"][0][key]
        document["entries"][0][key] = value[:-1] + ("0" if value[-1:] != "0" else "1")

    raw = edited(made.sidecars.countersign, change)
    assert "countersignature_malformed" in codes(check(made, made.with_(countersign=raw)))


def test_entries_in_another_order() -> None:
    made = make(Recipe(countersignatures=2), countersign_with=("officer", "third"))

    def change(document: dict[str, Any]) -> None:
        document["entries"].reverse()
        document["updated_at"] = document["entries"][-1]["signed_at"]

    raw = edited(made.sidecars.countersign, change)
    assert "countersignature_order" in codes(check(made, made.with_(countersign=raw)))


def test_countersignature_rests_on_the_signature_that_is_there() -> None:
    made = make(Recipe(secret=b"one"))
    again = make(Recipe(secret=b"two"))
    assert made.data == again.data
    mixed = made.with_(countersign=again.sidecars.countersign)
    assert "countersignature_order" in codes(check(made, mixed))
