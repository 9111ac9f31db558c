"""What lies inside a package: members, log lines, proof; each test changes one thing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from audit.formats import event as events
from evidence.formats import contents
from evidence.formats.completeness import Completeness
from evidence.formats.contents import ArchivePolicy, ChainVerdict, Proofs
from evidence.formats.package import MANIFEST, open_package
from evidence.formats.verification import Sidecars, verify_package
from sealing.results import Verdict
from tests.unit.evidence import making
from tests.unit.evidence.checks import check, codes
from tests.unit.evidence.making import Recipe, make


def test_one_changed_byte_is_noticed_by_signature_and_manifest() -> None:
    made = make()
    place = made.data.index(b"door.closed")
    data = made.data[:place] + b"D" + made.data[place + 1 :]
    report = check(replace(made, data=data))
    assert {"signature_invalid", "signature_digest_differs"} <= codes(report)
    assert not report.manifest_valid
    assert not report.signature_valid
    assert not report.countersign_valid


def change_line(line: bytes, old: bytes, new: bytes) -> tuple[int, bytes]:
    """A line with another event, and a hash that fits it."""
    parsed = events.parse_line(line)
    body = parsed.event_bytes.replace(old, new)
    assert body != parsed.event_bytes
    return parsed.seq, events.line(parsed.seq, parsed.sealed_at, parsed.prev_hash, body)[0]


def chosen_lines() -> list[tuple[int, bytes]]:
    return [pair for pair in making.log_lines() if b'"client_id":"clinic-001"' in pair[1]]


def with_line(index: int, line: tuple[int, bytes]) -> Recipe:
    chosen = chosen_lines()
    chosen[index] = line
    return Recipe(chosen=chosen)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"door":0', b'"door":1', "chain_broken"),
        (b"clinic-001", b"clinic-002", "line_of_other_client"),
        (b"2026-01-01T00:00:00.0", b"2025-12-31T23:59:59.9", "line_outside_period"),
    ],
)
def test_a_line_that_does_not_belong(old: bytes, new: bytes, code: str) -> None:
    made = make(with_line(0, change_line(chosen_lines()[0][1], old, new)))
    assert codes(check(made)) == {code}


def test_a_changed_last_line_does_not_lead_to_the_root() -> None:
    line = change_line(chosen_lines()[-1][1], b'"door":7', b'"door":8')
    assert codes(check(make(with_line(-1, line)))) == {"proof_invalid"}


def test_the_end_of_the_period_is_not_part_of_it() -> None:
    last = making.START + timedelta(hours=7)
    assert codes(check(make(Recipe(period=(making.START, last))))) == {"line_outside_period"}
    just = last + timedelta(microseconds=1)
    assert check(make(Recipe(period=(making.START, just)))).verdict is Verdict.VALID


def test_a_line_whose_hash_is_wrong() -> None:
    seq, line = chosen_lines()[0]
    at = line.rindex(b'"}') - 1
    flipped = line[:at] + (b"0" if line[at : at + 1] != b"0" else b"1") + line[at + 1 :]
    assert codes(check(make(with_line(0, (seq, flipped))))) == {"line_hash_differs"}


def test_lines_in_another_order() -> None:
    chosen = chosen_lines()
    raw = b"".join(line + b"\n" for _, line in reversed(chosen))
    assert codes(check(make(Recipe(replaced={contents.EVENTS: raw})))) == {"line_invalid"}


def test_a_line_twice() -> None:
    raw = b"".join(line + b"\n" for _, line in [chosen_lines()[0], *chosen_lines()])
    assert codes(check(make(Recipe(replaced={contents.EVENTS: raw})))) == {"line_invalid"}


def test_last_line_without_line_feed() -> None:
    raw = b"\n".join(line for _, line in chosen_lines())
    assert codes(check(make(Recipe(replaced={contents.EVENTS: raw})))) == {"line_invalid"}


def test_a_line_left_out_is_noticed_by_what_counts_lines() -> None:
    raw = b"".join(line + b"\n" for _, line in chosen_lines()[:-1])
    report = check(make(Recipe(replaced={contents.EVENTS: raw})))
    assert report.verdict is Verdict.INVALID
    assert {"contents_disagree", "proof_invalid"} == codes(report)


def test_a_line_of_a_type_that_was_not_asked_for() -> None:
    made = make(Recipe(event_types=("vault.door.opened",)))
    assert codes(check(made)) == {"line_of_other_type"}


@pytest.mark.parametrize(
    ("name", "document"),
    [
        (contents.ARCHIVE_POLICY, ArchivePolicy("regulatory_7y", "none", None)),
        (contents.CHAIN_VERIFY, ChainVerdict(Verdict.VALID, 5, 3, None, 9, "x")),
        (contents.CHAIN_VERIFY, ChainVerdict(Verdict.VALID, 6, 2, None, 9, "x")),
        (contents.CHAIN_VERIFY, ChainVerdict(Verdict.INVALID, 6, 3, 4, 9, "x")),
        (contents.COMPLETENESS, Completeness(9, 0, 0, 7, (), True)),
        (contents.COMPLETENESS, Completeness(8, 0, 0, 6, (), True)),
        (contents.COMPLETENESS, Completeness(9, 0, 0, 6, ((1, 1),), True)),
    ],
)
def test_members_agree_with_the_lines(name: str, document: Any) -> None:
    report = check(make(Recipe(replaced={name: document.build()})))
    assert [(i.code, i.where) for i in report.issues] == [("contents_disagree", name)]


@pytest.mark.parametrize("name", sorted(contents.REQUIRED - {contents.EVENTS, contents.README}))
def test_members_have_their_form(name: str) -> None:
    assert check(make(Recipe(replaced={name: b"{}\n"}))).verdict is Verdict.INVALID


def test_a_proof_with_a_wrong_hash() -> None:
    made = make()
    package = open_package(made.data)
    proofs = Proofs.parse(package.read(contents.PROOFS, max_bytes=1 << 20))
    hashes = (b"\0" * 32, *proofs.hashes[1:])
    wrong = replace(proofs, hashes=hashes).build()
    assert codes(check(make(Recipe(replaced={contents.PROOFS: wrong})))) == {"proof_invalid"}


def test_a_member_that_is_not_listed() -> None:
    made = make(Recipe(manifest_changes={"files": ()}))
    assert {"member_unlisted"} <= codes(check(made))


def test_a_listed_member_more_is_accepted() -> None:
    """Later versions add members; what the manifest lists is bound by its digest."""
    assert check(make(Recipe(added={"controls.json": b"{}\n"}))).verdict is Verdict.VALID


def test_a_member_that_is_missing() -> None:
    described, files = making.members(Recipe())
    del files[contents.README]
    data = making.zipped(files)
    sidecars = making.sign(Recipe(), described, files[MANIFEST], data)
    report = verify_package(data, sidecars, making.signers())
    assert "member_missing" in codes(report)


def test_without_a_manifest() -> None:
    described, files = making.members(Recipe())
    raw = files.pop(MANIFEST)
    data = making.zipped(files)
    report = verify_package(data, making.sign(Recipe(), described, raw, data), making.signers())
    assert codes(report) == {"manifest_missing"}
    assert not report.manifest_exists


def test_a_manifest_that_is_not_canonical() -> None:
    described, files = making.members(Recipe())
    files[MANIFEST] = json.dumps(json.loads(files[MANIFEST]), indent=1).encode()
    data = making.zipped(files)
    sidecars = making.sign(Recipe(), described, files[MANIFEST], data)
    report = verify_package(data, sidecars, making.signers())
    assert codes(report) == {"manifest_invalid"}
    assert report.manifest_exists
    assert report.signature_valid


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip file at all, but longer than its end"])
def test_what_is_no_package_at_all(data: bytes) -> None:
    report = verify_package(data, Sidecars(), making.signers())
    assert report.verdict is Verdict.INVALID
    assert codes(report) == {"zip_end"}
