"""`python -m audit.verify --state`: what was seen once must stay, and is never forgiven."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.formats.segment import frontier_document
from audit.formats.state import StateRefused, parse_state
from sealing.errors import StrongroomError
from sealing.files import replace
from tests.cli.archives import LOG, RANGES, Archive, answer, drop_segment_whole, edit
from tests.unit.audit_formats import logs


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "state.json"


def run(archive: Archive, state: Path, *options: str) -> int:
    return archive.run("--state", str(state), *options)


def grown(archive: Archive, size: int = 15) -> logs.Log:
    """The same log with one more segment."""
    log = logs.log_of(size)
    logs.write_archive(archive.root / "audit", log, [(12, size - 1)])
    return log


def test_a_valid_log_is_remembered_and_may_grow(archive: Archive, state: Path) -> None:
    assert run(archive, state) == 0
    first = parse_state(state.read_bytes())
    assert (first.size, first.head) == (12, LOG.hashes[11])
    assert first.root == LOG.frontier(12).root()
    assert first.frontier == LOG.frontier(12).hashes
    assert first.checkpoint.encode() == LOG.checkpoint(12)
    assert run(archive, state) == 0
    log = grown(archive)
    assert run(archive, state, "--jobs", "2") == 0
    assert parse_state(state.read_bytes()).root == log.frontier(15).root()


def test_the_file_is_as_the_format_says(archive: Archive, state: Path) -> None:
    assert run(archive, state) == 0
    raw = state.read_bytes()
    assert list(json.loads(raw)) == sorted(
        ["v", "origin", "size", "root", "head", "frontier", "checkpoint"]
    )
    assert raw.endswith(b"}\n")
    frontier = "".join(f"{item}\n" for item in json.loads(raw)["frontier"]).encode()
    assert frontier == frontier_document(LOG.frontier(12))


def fork(archive: Archive, at: int) -> None:
    """The key's holder signs another history from an event on."""
    log = logs.Log(lines=LOG.lines[:at], hashes=LOG.hashes[:at])
    for number in range(at, 12):
        log.add(logs.event_bytes(number, actor={"id": "user:mallory"}))
    logs.write_archive(archive.root / "audit", log, RANGES)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_cut_tail_is_noticed(
    archive: Archive, state: Path, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    assert run(archive, state) == 0
    kept = state.read_bytes()
    drop_segment_whole(3)(archive)
    assert archive.run() == 0
    capsys.readouterr()
    assert run(archive, state, "--json", "--jobs", jobs) == 1
    found = answer(capsys)
    assert (found["first_bad_seq"], found["first_bad_file"]) == (10, "the state file")
    assert [issue["code"] for issue in found["issues"]] == ["log_cut"]
    assert state.read_bytes() == kept
    # A window does not forgive either.
    assert run(archive, state, "--end", "2026/03/01") == 1
    assert run(archive, state, "--start", "2026/03/02") == 1
    assert run(archive, state, "--limit", "1") == 1
    assert state.read_bytes() == kept


@pytest.mark.parametrize("at", [0, 5, 11])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_fork_is_noticed(
    archive: Archive, state: Path, capsys: pytest.CaptureFixture[str], at: int, jobs: str
) -> None:
    assert run(archive, state) == 0
    kept = state.read_bytes()
    fork(archive, at)
    assert archive.run() == 0
    capsys.readouterr()
    assert run(archive, state, "--json", "--jobs", jobs) == 1
    found = answer(capsys)
    assert (found["first_bad_seq"], found["first_bad_file"]) == (10, "the state file")
    assert run(archive, state, "--limit", "1") == 1
    assert state.read_bytes() == kept


def test_a_fork_of_a_log_that_grew_is_noticed(archive: Archive, state: Path) -> None:
    assert run(archive, state) == 0
    fork(archive, 11)
    log = logs.Log(lines=LOG.lines[:11], hashes=LOG.hashes[:11])
    for number in range(11, 15):
        log.add(logs.event_bytes(number, actor={"id": "user:mallory"}))
    logs.write_archive(archive.root / "audit", log, [*RANGES, (12, 14)])
    assert archive.run() == 0
    assert run(archive, state) == 1


@pytest.mark.parametrize(
    "options", [("--end", "2026/03/01"), ("--end", "2026/03/01", "--start", "2026/03/01")]
)
def test_a_window_that_ends_before_does_not_update(
    archive: Archive, state: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    assert run(archive, state) == 0
    kept = state.read_bytes()
    capsys.readouterr()
    assert run(archive, state, "--json", *options) == 0
    assert [note["code"] for note in answer(capsys)["notices"]] == ["state_not_reached"]
    assert state.read_bytes() == kept


def test_a_window_that_begins_behind_does_not_update(archive: Archive, state: Path) -> None:
    assert run(archive, state, "--end", "2026/03/01") == 0
    kept = state.read_bytes()
    assert parse_state(kept).size == 6
    assert run(archive, state, "--limit", "1") == 0
    assert state.read_bytes() == kept
    assert run(archive, state, "--start", "2026/03/02") == 0
    assert parse_state(state.read_bytes()).size == 12


@pytest.mark.parametrize("damage", ["invalid", "inconclusive"])
def test_nothing_is_remembered_of_a_log_that_is_not_valid(
    archive: Archive, state: Path, damage: str
) -> None:
    if damage == "invalid":
        edit(archive.segments[3], lambda raw: raw.replace(b"alice", b"alicf"))
    else:
        archive.segments[3].with_suffix(".checkpoint").unlink()
        archive.segments[3].with_suffix(".frontier").unlink()
    assert run(archive, state) == (1 if damage == "invalid" else 3)
    assert not state.exists()


def change(**fields: Any) -> Callable[[bytes], bytes]:
    def changed(raw: bytes) -> bytes:
        value = {**json.loads(raw), **fields}
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode() + b"\n"

    return changed


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda raw: raw[:-5],
    "no newline": lambda raw: raw[:-1],
    "spaces": lambda raw: raw.replace(b'":', b'": '),
    "another version": change(v=2),
    "an unknown field": change(more=1),
    "another size": change(size=11),
    "a text as size": change(size="12"),
    "a truth as size": change(size=True),
    "another root": change(root="sha256:" + "0" * 64),
    "another head": change(head="sha256:" + "0" * 64),
    "a short frontier": change(frontier=[]),
    "numbers as frontier": change(frontier=[1, 2]),
    "another checkpoint": change(checkpoint=LOG.checkpoint(11).decode()),
    "no checkpoint": change(checkpoint="hello"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_state_file_is_no_verdict(archive: Archive, state: Path, name: str) -> None:
    assert run(archive, state) == 0
    raw = BROKEN[name](state.read_bytes())
    with pytest.raises(StateRefused):
        parse_state(raw)
    replace(state, raw)
    assert run(archive, state) == 3
    assert state.read_bytes() == raw


def test_a_state_of_another_log_is_no_verdict(archive: Archive, state: Path) -> None:
    other = logs.log_of(12, origin="example.org/other")
    assert run(archive, state) == 0
    value = json.loads(state.read_bytes())
    raw = change(
        origin=other.origin,
        root=f"sha256:{other.frontier(12).root().hex()}",
        head=f"sha256:{other.head.hex()}",
        frontier=frontier_document(other.frontier(12)).decode().split(),
        checkpoint=other.checkpoint(12).decode(),
    )(json.dumps(value).encode())
    assert parse_state(raw).origin == "example.org/other"
    replace(state, raw)
    assert run(archive, state) == 3
    assert state.read_bytes() == raw


def test_a_state_that_can_not_be_written_is_told(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert run(archive, tmp_path / "file" / "state.json") == 3
    assert "can't be" in capsys.readouterr().err
    os.mkfifo(tmp_path / "fifo")
    assert run(archive, tmp_path / "fifo") == 3


def test_state_and_checkpoint_exclude_each_other(archive: Archive, state: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        run(archive, state, "--checkpoint", "x")
    assert caught.value.code == 2


def test_a_flipped_bit_is_refused_or_changes_no_tree(archive: Archive, state: Path) -> None:
    assert run(archive, state) == 0
    raw = state.read_bytes()
    whole = parse_state(raw)
    refused = 0
    for place in range(len(raw)):
        flipped = bytearray(raw)
        flipped[place] ^= 1
        try:
            read = parse_state(bytes(flipped))
        except StrongroomError:
            refused += 1
            continue
        assert (read.size, read.root, read.head) == (whole.size, whole.root, whole.head)
    assert refused > len(raw) // 2
