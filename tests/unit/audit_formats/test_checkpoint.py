"""Checkpoints, segment names and frontier files."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.formats import checkpoint, segment
from audit.formats.checkpoint import Checkpoint, CheckpointRefused
from audit.formats.event import genesis_hash
from audit.formats.segment import FrontierRefused, Range
from sealing import keys, notes
from sealing.digests import b64
from sealing.merkle import EMPTY_ROOT, Frontier
from sealing.signers.local import LocalSigner
from tests.unit.audit_formats import golden
from tests.unit.audit_formats.logs import signers_of, trusted

GOLDEN = Checkpoint(
    origin=golden.ORIGIN,
    size=3,
    root=bytes.fromhex(golden.ROOT),
    head=bytes.fromhex(golden.HASHES[2]),
    time="2026-01-31T09:00:04.000000Z",
)
OTHER = LocalSigner.generate(keys.ED25519)
TEXT = GOLDEN.text()


def test_golden_checkpoint() -> None:
    assert checkpoint.sign(GOLDEN, golden.signer()) == golden.CHECKPOINT
    opened, findings = checkpoint.open_note(golden.CHECKPOINT, signers_of())
    assert opened == GOLDEN
    assert [finding.ok for finding in findings] == [True]


def test_the_empty_log_has_a_checkpoint() -> None:
    empty = Checkpoint(golden.ORIGIN, 0, EMPTY_ROOT, genesis_hash(golden.ORIGIN), GOLDEN.time)
    assert "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" in empty.text()
    assert checkpoint.parse(empty.text()) == empty


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "more\n",
        TEXT.replace("\n3\n", "\n03\n"),
        TEXT.replace("\n3\n", "\n-3\n"),
        TEXT.replace("\n3\n", "\n+3\n"),
        TEXT.replace("\n3\n", "\n\n"),
        TEXT.replace("\n3\n", "\n12345678901234567\n"),
        TEXT.replace("\n3\n", "\n0\n"),
        TEXT.replace("\n3\n", "\n\N{ARABIC-INDIC DIGIT THREE}\n"),
        TEXT.replace("7uk=", "7uk"),
        TEXT.replace("7uk=", "7ul="),
        TEXT.replace(b64(GOLDEN.root), b64(GOLDEN.root[:31])),
        TEXT.replace("head sha256:6d", "head sha256:6D"),
        TEXT.replace("head ", "Head "),
        TEXT.replace("head ", "head  "),
        TEXT.replace("time ", ""),
        TEXT.replace("09:00:04.000000Z", "09:00:04Z"),
        TEXT.replace("2026-01-31", "2026-01-32"),
        "\n" + TEXT.partition("\n")[2],
    ],
)
def test_texts_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(CheckpointRefused):
        checkpoint.parse(text)


@given(st.text(st.sampled_from("0123 \nheadtimsha256:=AZ+/.-")) | st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        found = checkpoint.parse(text)
    except CheckpointRefused:
        return
    assert found.text() == text


def test_every_flipped_bit_is_noticed() -> None:
    signers = signers_of()
    for index in range(len(golden.CHECKPOINT) * 8):
        flipped = bytearray(golden.CHECKPOINT)
        flipped[index // 8] ^= 1 << index % 8
        _, findings = checkpoint.open_note(bytes(flipped), signers)
        assert any(finding.ok is False for finding in findings), index


@pytest.mark.parametrize(
    ("keys_", "origin", "code"),
    [
        ([trusted(OTHER)], golden.ORIGIN, "checkpoint_signature"),
        ([trusted()], "example.org/other", "checkpoint_origin"),
        ([trusted(purposes=("package",))], golden.ORIGIN, "key_purpose"),
        (
            [trusted(not_before="2026-02-01T00:00:00.000000Z")],
            golden.ORIGIN,
            "key_not_yet_valid",
        ),
        (
            [trusted(status="retired", not_after="2026-01-30T00:00:00.000000Z")],
            golden.ORIGIN,
            "key_retired",
        ),
        (
            [trusted(status="compromised", compromised_at="2026-05-01T00:00:00.000000Z")],
            golden.ORIGIN,
            "key_compromised",
        ),
    ],
)
def test_whose_checkpoint_counts(keys_: list[Any], origin: str, code: str) -> None:
    signers = signers_of(*keys_, origin=origin)
    _, findings = checkpoint.open_note(golden.CHECKPOINT, signers)
    assert [(finding.code, finding.ok) for finding in findings] == [(code, False)]


def test_a_retired_key_still_verifies_what_it_signed() -> None:
    retired = trusted(status="retired", not_after="2026-02-01T00:00:00.000000Z")
    _, findings = checkpoint.open_note(golden.CHECKPOINT, signers_of(trusted(OTHER), retired))
    assert [finding.ok for finding in findings] == [True]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        golden.CHECKPOINT[:-1],
        golden.CHECKPOINT + golden.CHECKPOINT.splitlines()[-1] + b"\n",
        notes.sign_note(TEXT + "more\n", golden.ORIGIN, golden.signer()).encode(),
    ],
)
def test_what_is_no_checkpoint(raw: bytes) -> None:
    _, findings = checkpoint.open_note(raw, signers_of())
    assert [(finding.code, finding.ok) for finding in findings] == [("checkpoint_malformed", False)]


def test_the_notes_name_must_be_the_origin() -> None:
    raw = notes.sign_note(TEXT, "example.org/other", golden.signer()).encode()
    _, findings = checkpoint.open_note(raw, signers_of())
    assert [finding.code for finding in findings] == ["checkpoint_signature"]


def test_golden_frontier() -> None:
    frontier = segment.parse_frontier(golden.FRONTIER, 3)
    assert frontier.root().hex() == golden.ROOT
    assert segment.frontier_document(frontier) == golden.FRONTIER
    assert segment.frontier_document(Frontier()) == b""
    assert segment.parse_frontier(b"", 0).size == 0


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        (golden.FRONTIER, 2),
        (golden.FRONTIER, 7),
        (golden.FRONTIER, -3),
        (golden.FRONTIER[:-1], 3),
        (golden.FRONTIER + b"\n", 3),
        (golden.FRONTIER.replace(b"\n", b"\r\n"), 3),
        (golden.FRONTIER.replace(b"=", b""), 3),
        (b"AA==\nAA==\n", 3),
        (b"\xff\n\n", 3),
        (b"", 3),
    ],
)
def test_frontiers_of_another_form_are_refused(raw: bytes, size: int) -> None:
    with pytest.raises(FrontierRefused):
        segment.parse_frontier(raw, size)


@given(st.binary(max_size=100), st.integers(0, 7))
def test_any_bytes_are_a_frontier_or_refused(raw: bytes, size: int) -> None:
    try:
        found = segment.parse_frontier(raw, size)
    except FrontierRefused:
        return
    assert segment.frontier_document(found) == raw


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0000000000000000-0000000000001999.jsonl", Range(0, 1999)),
        ("0000000000000007-0000000000000007.jsonl.gz", Range(7, 7)),
        ("0000000000000008-0000000000000007.jsonl", None),
        ("0-7.jsonl", None),
        ("0000000000000000-0000000000001999-x.jsonl", None),
        ("log.jsonl", None),
        (".jsonl", None),
    ],
)
def test_names_promise_numbers(name: str, expected: Range | None) -> None:
    assert segment.range_of(name) == expected
    assert expected is None or name.startswith(expected.stem)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("audit/2026/03/01/a.jsonl", "2026-03-01"),
        ("2026/03/01/a.jsonl", "2026-03-01"),
        ("/x/2026/03/01/a.jsonl", "2026-03-01"),
        ("x2026/03/01/a.jsonl", None),
        ("2026/3/1/a.jsonl", None),
        ("a.jsonl", None),
    ],
)
def test_paths_promise_a_day(path: str, expected: str | None) -> None:
    assert segment.day_of(path) == expected
