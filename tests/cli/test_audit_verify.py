"""`python -m audit.verify`: every damage is named, and nothing unchecked is called valid."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import verify
from audit.formats import event
from sealing.signers.local import LocalSigner
from tests.cli.archives import (
    LOG,
    OTHER,
    RANGES,
    Archive,
    answer,
    drop_segment_whole,
    edit,
)
from tests.unit.audit_formats import logs


def test_an_archive_is_valid(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    assert archive.run() == 0
    told = capsys.readouterr().out
    assert "VALID: 12 events hold, up to a signed checkpoint." in told
    assert archive.run("--json", "--strict") == 0
    assert answer(capsys) == {
        "ok": True,
        "verdict": "VALID",
        "checked_events": 12,
        "first_seq": 0,
        "size": 12,
        "root": f"sha256:{LOG.frontier(12).root().hex()}",
        "head": f"sha256:{LOG.hashes[11].hex()}",
        "checkpoints": 4,
        "first_bad_seq": None,
        "first_bad_file": None,
        "issues": [],
        "message": "12 events hold, up to a signed checkpoint.",
    }


def edit_lines(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    edit(path, lambda raw: b"".join(change(raw.splitlines(keepends=True))))


def rewrite_tail(archive: Archive) -> None:
    # Somebody with the database, but not the key, rewrites event 7 and all that follow.
    log = logs.Log(lines=LOG.lines[:7], hashes=LOG.hashes[:7])
    for number in range(7, 12):
        log.add(logs.event_bytes(number, actor={"id": "user:mallory"}))
    for path, (first, last) in zip(archive.segments, RANGES, strict=True):
        path.write_bytes(b"".join(line + b"\n" for line in log.lines[first : last + 1]))


def use_foreign_segment(archive: Archive) -> None:
    other = logs.log_of(12, origin="example.org/other")
    lines = b"".join(line + b"\n" for line in other.lines[6:10])
    archive.segments[2].write_bytes(lines)


def wrong_outer_keys(archive: Archive) -> None:
    def change(lines: list[bytes]) -> list[bytes]:
        leaf = event.leaf_part(lines[1][:-1].replace(b'"sealed_at"', b'"created_at"'))
        digest = event.sha256(b"\x00" + leaf).hex().encode()
        return [lines[0], b'%b,"hash":"sha256:%b"}\n' % (leaf, digest), *lines[2:]]

    edit_lines(archive.segments[2], change)


def drop_last_segment(archive: Archive) -> None:
    archive.segments[3].unlink()


def heartbeat(size: int, signer: LocalSigner | None = None) -> Callable[[Archive], None]:
    def add(archive: Archive) -> None:
        folder = archive.root / "audit" / "heartbeat" / "2026" / "03" / "02"
        folder.mkdir(parents=True)
        longer = logs.log_of(20)
        (folder / "090000.000000.checkpoint").write_bytes(longer.checkpoint(size, signer))

    return add


def move(archive: Archive) -> None:
    day = archive.root / "audit" / "2026" / "03" / "03"
    day.mkdir()
    for path in archive.segments[3].parent.glob(f"{archive.segments[3].stem}.*"):
        path.rename(day / path.name)


def rename_longer(archive: Archive) -> None:
    path = archive.segments[3]
    for found in path.parent.glob(f"{path.stem}.*"):
        found.rename(found.with_name(found.name.replace("0011.", "0012.")))


DAMAGES: list[tuple[str, Callable[[Archive], Any], int, str]] = [
    (
        "flipped byte",
        lambda a: edit(a.segments[2], lambda raw: raw.replace(b'"number":7', b'"number":8')),
        7,
        ".jsonl",
    ),
    ("swapped lines", lambda a: edit_lines(a.segments[2], lambda x: [x[1], x[0], *x[2:]]), 6, ""),
    ("dropped line", lambda a: edit_lines(a.segments[2], lambda x: [x[0], *x[2:]]), 7, ".jsonl"),
    ("dropped last line", lambda a: edit_lines(a.segments[2], lambda x: x[:-1]), 9, ".jsonl"),
    ("repeated line", lambda a: edit_lines(a.segments[2], lambda x: [x[0], *x]), 7, ".jsonl"),
    ("repeated last line", lambda a: edit_lines(a.segments[3], lambda x: [*x, x[-1]]), 12, ""),
    (
        "inserted line",
        lambda a: edit_lines(a.segments[2], lambda x: [x[0], b"{}\n", *x[1:]]),
        7,
        ".jsonl",
    ),
    ("missing newline", lambda a: edit(a.segments[3], lambda raw: raw[:-1]), 11, ".jsonl"),
    ("empty segment", lambda a: a.segments[2].write_bytes(b""), 6, ".jsonl"),
    ("one endless line", lambda a: a.segments[2].write_bytes(b"x" * (3 << 20)), 6, ".jsonl"),
    ("wrong outer keys", wrong_outer_keys, 7, ".jsonl"),
    ("rewritten tail", rewrite_tail, 6, ".checkpoint"),
    ("another log's segment", use_foreign_segment, 6, ".jsonl"),
    ("removed first segment", drop_segment_whole(0), 0, ".jsonl"),
    ("removed segment", drop_segment_whole(1), 3, ".jsonl"),
    ("removed segment, its checkpoint left", lambda a: a.segments[1].unlink(), 3, ""),
    ("cut tail, its checkpoint left", drop_last_segment, 10, ".checkpoint"),
    ("checkpoint beyond the log", heartbeat(13), 12, ".checkpoint"),
    ("heartbeat by an unknown key", heartbeat(11, OTHER), 10, ".checkpoint"),
    (
        "checkpoint by an unknown key",
        lambda a: a.segments[3].with_suffix(".checkpoint").write_bytes(LOG.checkpoint(12, OTHER)),
        10,
        ".checkpoint",
    ),
    (
        "checkpoint of another size",
        lambda a: a.segments[3].with_suffix(".checkpoint").write_bytes(LOG.checkpoint(11)),
        10,
        ".checkpoint",
    ),
    (
        "checkpoint of another log",
        lambda a: (
            a.segments[3]
            .with_suffix(".checkpoint")
            .write_bytes(logs.log_of(12, origin="example.org/other").checkpoint(12))
        ),
        10,
        ".checkpoint",
    ),
    (
        "flipped bit in a checkpoint",
        lambda a: edit(
            a.segments[1].with_suffix(".checkpoint"),
            lambda raw: raw.replace(b"T00:00:00", b"T00:00:01"),
        ),
        3,
        ".checkpoint",
    ),
    (
        "foreign frontier",
        lambda a: shutil.copy(
            a.segments[1].with_suffix(".frontier"), a.segments[2].with_suffix(".frontier")
        ),
        6,
        ".frontier",
    ),
    (
        "flipped character in a frontier",
        lambda a: edit(a.segments[2].with_suffix(".frontier"), lambda raw: raw.swapcase()),
        6,
        ".frontier",
    ),
    ("segment in another day's folder", move, 10, ".jsonl"),
    ("segment under another name", rename_longer, 10, ""),
]


@pytest.mark.parametrize(
    ("damage", "seq", "suffix"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES]
)
def test_damage_is_named(
    archive: Archive,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Archive], Any],
    seq: int,
    suffix: str,
) -> None:
    damage(archive)
    assert archive.run("--json") == 1
    found = answer(capsys)
    assert found["verdict"] == "INVALID"
    assert found["first_bad_seq"] == seq
    assert suffix in found["first_bad_file"]
    assert archive.run() == 1
    told = capsys.readouterr().out
    assert f"INVALID: The first bad event is {seq}, in {found['first_bad_file']}." in told


def test_every_file_of_the_archive_matters(archive: Archive) -> None:
    for path in sorted(archive.root.rglob("*.*")):
        original = path.read_bytes()
        for place in (0, len(original) // 2, len(original) - 1):
            flipped = bytearray(original)
            flipped[place] ^= 1
            path.write_bytes(bytes(flipped))
            assert archive.run() == 1, (path, place)
        path.write_bytes(original)
    assert archive.run() == 0


def test_strict_mode_finds_what_only_a_parser_sees(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    # The key's own holder signed a line whose event is not canonical.
    log = logs.Log()
    log.add()
    log.add(logs.event_bytes(1).replace(b'"number":1', b'"number":1.0'))
    shutil.rmtree(archive.root)
    logs.write_archive(archive.root, log, [(0, 1)])
    assert archive.run() == 0
    capsys.readouterr()
    assert archive.run("--strict", "--json") == 1
    assert answer(capsys)["first_bad_seq"] == 1


def test_a_retired_keys_checkpoints_still_count(archive: Archive) -> None:
    def retired(until: str) -> None:
        key = logs.trusted(status="retired", not_after=until)
        logs.write_signers(archive.signers, logs.signers_of(key))

    retired(logs.sealed_at(12))
    assert archive.run() == 0
    retired(logs.sealed_at(11))
    assert archive.run() == 1


def test_a_compromised_keys_checkpoints_do_not_count(archive: Archive) -> None:
    key = logs.trusted(status="compromised", compromised_at="2026-04-01T00:00:00.000000Z")
    logs.write_signers(archive.signers, logs.signers_of(key))
    assert archive.run() == 1


def test_other_files_and_heartbeats_do_no_harm(archive: Archive) -> None:
    heartbeat(7)(archive)
    (archive.root / "README.txt").write_text("about this archive")
    (archive.root / ".hidden.jsonl").write_text("not of the archive")
    assert archive.run() == 0


# Nothing is called valid that was not checked.


def test_lines_behind_the_last_checkpoint_are_not_called_valid(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in (".checkpoint", ".frontier"):
        archive.segments[3].with_suffix(suffix).unlink()
    assert archive.run("--json") == 3
    found = answer(capsys)
    assert found["verdict"] == "INCONCLUSIVE"
    assert [issue["code"] for issue in found["issues"]] == ["not_signed"]
    assert "from 10 on" in found["message"]


def test_without_any_checkpoint_nothing_is_called_valid(archive: Archive) -> None:
    for pattern in ("*.checkpoint", "*.frontier"):
        for path in archive.root.rglob(pattern):
            path.unlink()
    assert archive.run() == 3


def test_a_frontier_without_its_checkpoint_was_not_checked(archive: Archive) -> None:
    archive.segments[1].with_suffix(".checkpoint").unlink()
    assert archive.run() == 3


def test_an_unreadable_file_was_not_checked(archive: Archive) -> None:
    path = archive.segments[1].with_suffix(".checkpoint")
    path.unlink()
    path.symlink_to(archive.segments[0].with_suffix(".checkpoint"))
    assert archive.run() == 3
    path.unlink()
    os.mkfifo(path)
    assert archive.run() == 3


def test_an_unreadable_segment_was_not_checked(archive: Archive) -> None:
    archive.segments[2].unlink()
    os.mkfifo(archive.segments[2])
    assert archive.run() == 3
    edit(archive.segments[0], lambda raw: raw.replace(b"alice", b"alicf"))
    assert archive.run() == 1


def test_nothing_to_check(archive: Archive, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert archive.run(path=empty) == 3
    assert archive.run(path=tmp_path / "absent") == 3
    (empty / "log.jsonl").write_bytes(b"")
    assert archive.run(path=empty) == 3
    (empty / "log.checkpoint").write_bytes(LOG.checkpoint(0))
    assert archive.run(path=empty) == 3
    assert archive.run("--profile", "pbpk", path=empty) == 3


def test_could_not_check_is_told_as_json_too(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert archive.run("--json", path=tmp_path / "absent") == 3
    assert answer(capsys)["verdict"] == "INCONCLUSIVE"


# Signers.


def test_signers_are_looked_for_in_order(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = logs.write_signers(tmp_path / "wrong.json", logs.signers_of(logs.trusted(OTHER)))
    empty = tmp_path / "cwd"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.delenv("AUDIT_SIGNERS_FILE", raising=False)
    plain = [str(archive.root)]
    assert verify.main(plain) == 3
    shutil.copy(archive.signers, empty / "signers.json")
    assert verify.main(plain) == 0
    monkeypatch.setenv("AUDIT_SIGNERS_FILE", str(wrong))
    assert verify.main(plain) == 1
    assert verify.main([*plain, "--signers", str(archive.signers)]) == 0
    monkeypatch.setenv("AUDIT_SIGNERS_FILE", str(tmp_path / "absent.json"))
    assert verify.main(plain) == 3


def test_signers_inside_the_archive_are_not_trusted(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AUDIT_SIGNERS_FILE", raising=False)
    shutil.copy(archive.signers, archive.root / "signers.json")
    monkeypatch.chdir(tmp_path / "archive" / "audit")
    assert verify.main([str(archive.root)]) == 3


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"origin":"a","signers":[],"x":1}'])
def test_a_broken_signers_file_is_no_verdict(archive: Archive, content: bytes) -> None:
    archive.signers.write_bytes(content)
    assert archive.run() == 3
