"""Keys over time: what a retired and a compromised key still verify, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evidence.formats.report import PackageReport
from sealing import digests
from sealing.results import Verdict
from sealing.times import format_time
from tests.servers.tsa import Authority
from tests.unit.evidence import making
from tests.unit.evidence.checks import check, codes
from tests.unit.evidence.making import MADE, Made, Recipe, make
from tests.unit.evidence.stamping import stamped, time_of

MICROSECOND, SECOND = timedelta(microseconds=1), timedelta(seconds=1)
# How long before the key was compromised something is known to have existed.
EDGES = pytest.mark.parametrize(
    ("before", "counts"),
    [(SECOND, True), (MICROSECOND, True), (timedelta(), False), (-MICROSECOND, False),
     (-SECOND, False)],
    ids=["a second before", "a microsecond before", "then", "a microsecond after",
         "a second after"],
)  # fmt: skip
COMPROMISED = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def compromised(
    name: str, purpose: str, at: datetime = COMPROMISED, person: str | None = None
) -> Any:
    """The signers with one key marked, as a service does that marks it."""
    ends = {"compromised_at": format_time(at), "not_after": "2027-01-01T00:00:00.000000Z"}
    return making.signers(making.trusted(name, purpose, person, status="compromised", **ends))


def signature_digest(made: Made) -> str:
    assert made.sidecars.signature is not None
    return digests.sha256_tag(made.sidecars.signature)


def problems(report: PackageReport) -> list[tuple[str, str | None]]:
    return [(issue.code, issue.where) for issue in report.issues]


# --- the service's key ----------------------------------------------------------------------------


def test_nothing_shows_that_it_is_older(authority: Authority) -> None:
    signers = compromised("package", "package")
    report = check(make(), signers=signers, tsa_certificates=authority.certificates)
    assert report.verdict is Verdict.INVALID
    assert problems(report) == [("key_compromised", making.key("package").key_id)]
    assert not report.signature_valid
    assert (report.manifest_valid, report.proofs_valid, report.countersign_valid) == (True,) * 3


@EDGES
def test_a_timestamp_shows_it(authority: Authority, before: timedelta, counts: bool) -> None:
    made = stamped(authority, make())
    signers = compromised("package", "package", time_of(authority, made) + before)
    report = check(made, signers=signers, tsa_certificates=authority.certificates)
    assert report.verdict is (Verdict.VALID if counts else Verdict.INVALID)
    assert codes(report) == (set() if counts else {"key_compromised"})
    assert (report.signature_valid, report.timestamp_valid) == (counts, True)


def test_a_timestamp_of_another_package_shows_nothing(authority: Authority) -> None:
    made, other = make(), stamped(authority, make(Recipe(countersignatures=0)))
    signers = compromised("package", "package", time_of(authority, other) + SECOND)
    sidecars = made.with_(timestamp=other.sidecars.timestamp)
    report = check(made, sidecars, signers=signers, tsa_certificates=authority.certificates)
    assert codes(report) == {"timestamp_invalid", "key_compromised"}


def test_a_timestamp_that_nobody_can_check_decides(authority: Authority) -> None:
    made = stamped(authority, make())
    signers = compromised("package", "package", time_of(authority, made) + SECOND)
    report = check(made, signers=signers)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert problems(report) == [("timestamp_needed", making.key("package").key_id)]
    assert not report.signature_valid


def test_where_it_can_not_decide_it_is_not_asked_for(authority: Authority) -> None:
    """The signature itself says that it is not older than the compromise."""
    made = stamped(authority, make())
    report = check(made, signers=compromised("package", "package", MADE))
    assert (report.verdict, codes(report)) == (Verdict.INVALID, {"key_compromised"})
    late = making.trusted("package", "package", status="compromised",
                          compromised_at=format_time(COMPROMISED),
                          not_after=format_time(MADE - SECOND))  # fmt: skip
    report = check(made, signers=making.signers(late))
    assert (report.verdict, codes(report)) == (Verdict.INVALID, {"key_compromised"})


@EDGES
def test_an_anchor_shows_it(before: timedelta, counts: bool) -> None:
    made = make()
    anchors = {signature_digest(made): COMPROMISED - before}
    report = check(made, signers=compromised("package", "package"), anchors=anchors)
    assert codes(report) == (set() if counts else {"key_compromised"})


def test_an_anchor_of_something_else_shows_nothing() -> None:
    made = make()
    anchors = {made.digest: MADE, "sha256:" + "0" * 64: MADE}
    report = check(made, signers=compromised("package", "package"), anchors=anchors)
    assert codes(report) == {"key_compromised"}


def test_a_prepared_package_has_no_record(authority: Authority) -> None:
    """Stamped before the key was stolen, signed after: only a log can tell that from an honest one.

    A verifier without a log has to believe the timestamp.
    """
    made = stamped(authority, make())
    options = {
        "signers": compromised("package", "package", time_of(authority, made) + SECOND),
        "tsa_certificates": authority.certificates,
    }
    assert check(made, **options).verdict is Verdict.VALID
    recorded = frozenset({signature_digest(made)})
    assert check(made, recorded=recorded, **options).verdict is Verdict.VALID
    unknown = check(made, recorded=frozenset({"sha256:" + "0" * 64}), **options)
    assert (unknown.verdict, codes(unknown)) == (Verdict.INVALID, {"key_compromised"})
    # Nor is it only that somebody has to name the authority.
    unchecked = check(made, recorded=frozenset(), signers=options["signers"])
    assert (unchecked.verdict, codes(unchecked)) == (Verdict.INVALID, {"key_compromised"})


def test_a_log_is_not_asked_about_keys_that_are_not_compromised() -> None:
    assert check(make(), recorded=frozenset()).verdict is Verdict.VALID


def test_other_packages_and_other_keys_are_unaffected() -> None:
    signers = compromised("package", "package")
    signers = replace(signers, keys=(*signers.keys, making.trusted("package2", "package")))
    assert check(make(Recipe(package_key="package2")), signers=signers).verdict is Verdict.VALID
    assert check(make(), signers=signers).verdict is Verdict.INVALID


# --- the key of checkpoints -----------------------------------------------------------------------


@EDGES
def test_a_checkpoint_is_as_old_as_the_package(
    authority: Authority, before: timedelta, counts: bool
) -> None:
    made = stamped(authority, make())
    signers = compromised("checkpoint", "checkpoint", time_of(authority, made) + before)
    report = check(made, signers=signers, tsa_certificates=authority.certificates)
    assert codes(report) == (set() if counts else {"key_compromised"})
    assert (report.proofs_valid, report.signature_valid) == (counts, True)


def test_a_checkpoint_whose_package_is_anchored() -> None:
    made = make()
    signers = compromised("checkpoint", "checkpoint")
    assert codes(check(made, signers=signers)) == {"key_compromised"}
    anchors = {signature_digest(made): COMPROMISED - SECOND}
    assert check(made, signers=signers, anchors=anchors).verdict is Verdict.VALID


def test_a_checkpoint_waits_for_the_timestamp(authority: Authority) -> None:
    made = stamped(authority, make())
    signers = compromised("checkpoint", "checkpoint", time_of(authority, made) + SECOND)
    report = check(made, signers=signers)
    assert (report.verdict, codes(report)) == (Verdict.INCONCLUSIVE, {"timestamp_needed"})


# --- a person's key -------------------------------------------------------------------------------


def entry_digests(made: Made) -> tuple[str, ...]:
    return check(made).entry_digests


def test_a_countersignature_is_not_as_old_as_the_package(authority: Authority) -> None:
    made = stamped(authority, make())
    signers = compromised(
        "officer", "countersign", time_of(authority, made) + SECOND, making.OFFICER
    )
    report = check(made, signers=signers, tsa_certificates=authority.certificates)
    assert report.verdict is Verdict.INVALID
    assert problems(report) == [
        ("key_compromised", "/entries/0/signing_key_id"),
        ("countersignature_missing", None),
    ]
    assert (report.signature_valid, report.countersign_valid) == (True, False)


@EDGES
def test_an_anchored_countersignature(before: timedelta, counts: bool) -> None:
    made = make()
    (digest,) = entry_digests(made)
    report = check(
        made,
        signers=compromised("officer", "countersign", person=making.OFFICER),
        anchors={digest: COMPROMISED - before},
    )
    assert report.verdict is (Verdict.VALID if counts else Verdict.INVALID)
    assert report.countersign_valid is counts


def test_the_package_s_anchor_is_not_the_countersignature_s() -> None:
    made = make()
    report = check(
        made,
        signers=compromised("officer", "countersign", person=making.OFFICER),
        anchors={signature_digest(made): MADE},
    )
    assert codes(report) == {"key_compromised", "countersignature_missing"}


@pytest.mark.parametrize("names", [("officer", "third"), ("third", "officer")])
def test_what_others_countersigned_stands(names: tuple[str, ...]) -> None:
    """It is not counted, and not held against the rest."""
    made = make(Recipe(countersignatures=1), countersign_with=names)
    signers = compromised("officer", "countersign", person=making.OFFICER)
    report = check(made, signers=signers)
    assert report.verdict is Verdict.VALID, report.issues
    assert [one.person for one in report.countersigners] == [making.THIRD]
    assert [note.code for note in report.notes] == ["key_compromised"]
    assert "not counted" in report.message
    both = make(Recipe(countersignatures=2), countersign_with=names)
    report = check(both, signers=signers)
    assert codes(report) == {"key_compromised", "countersignature_missing"}


def test_it_may_be_countersigned_again() -> None:
    signers = compromised("officer", "countersign", person=making.OFFICER)
    assert check(make(), signers=signers).awaits_countersignature
    assert not check(make(), signers=compromised("package", "package")).awaits_countersignature


def test_a_changed_entry_of_a_compromised_key_is_a_changed_entry() -> None:
    made = make(Recipe(countersignatures=1), countersign_with=("officer", "third"))
    stolen = making.entry(
        made.manifest, made.digest, signature_digest(made), name="third", person=making.OFFICER
    )
    signers = compromised("third", "countersign", person=making.THIRD)
    raw = making.countersign.build(
        package_path=made.manifest.name.path, package_sha256=made.digest, entries=[stolen]
    )
    report = check(made, made.with_(countersign=raw), signers=signers)
    assert codes(report) == {"countersignature_person_differs", "countersignature_missing"}
    assert not report.awaits_countersignature


# --- retired keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "counts"),
    [(timedelta(), True), (MICROSECOND, True), (-MICROSECOND, False)],
    ids=["at its last moment", "a microsecond earlier", "a microsecond later"],
)
@pytest.mark.parametrize(
    ("name", "purpose", "person", "signed_at"),
    [
        ("package", "package", None, MADE),
        ("checkpoint", "checkpoint", None, MADE),
        ("officer", "countersign", making.OFFICER, MADE + timedelta(hours=1)),
    ],
    ids=["package", "checkpoint", "person"],
)
def test_a_retired_key_verifies_what_it_signed(
    name: str,
    purpose: str,
    person: str | None,
    signed_at: datetime,
    after: timedelta,
    counts: bool,
) -> None:
    ended = format_time(signed_at + after)
    entry = making.trusted(name, purpose, person, status="retired", not_after=ended)
    report = check(make(), signers=making.signers(entry))
    assert report.verdict is (Verdict.VALID if counts else Verdict.INVALID)
    assert ("key_retired" in codes(report)) is not counts


def test_a_key_that_followed_another(authority: Authority) -> None:
    """After a rotation the old package verifies by the old key, the new one by the new."""
    old = making.trusted("package", "package", status="retired", not_after=format_time(MADE))
    new = making.trusted("package2", "package", not_before=format_time(MADE))
    signers = making.signers(old, new)
    for recipe in (Recipe(), Recipe(package_key="package2")):
        assert check(make(recipe), signers=signers).verdict is Verdict.VALID
