"""`python -m audit.verify`: every damage is named, and nothing unchecked is called valid."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from audit import verify
from tests.cli.archives import LOG, OTHER, Archive, answer, edit
from tests.cli.damages import DAMAGES, NAMES, Damage, heartbeat
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
        "segments": 4,
        "checkpoints": 4,
        "lock_mismatches": 0,
        "first_bad_seq": None,
        "first_bad_file": None,
        "issues": [],
        "notices": [],
        "message": "12 events hold, up to a signed checkpoint.",
    }


@pytest.mark.parametrize("damage", DAMAGES, ids=NAMES)
def test_damage_is_named(
    archive: Archive, capsys: pytest.CaptureFixture[str], damage: Damage
) -> None:
    damage.do(archive)
    assert archive.run("--json") == 1
    found = answer(capsys)
    assert found["verdict"] == "INVALID"
    assert found["first_bad_seq"] == damage.seq
    assert damage.suffix in found["first_bad_file"]
    assert damage.code in [issue["code"] for issue in found["issues"]]
    assert archive.run() == 1
    told = capsys.readouterr().out
    assert f"INVALID: The first bad event is {damage.seq}, in {found['first_bad_file']}." in told


@pytest.mark.parametrize("damage", DAMAGES, ids=NAMES)
def test_two_processes_find_the_same(
    archive: Archive, capsys: pytest.CaptureFixture[str], damage: Damage
) -> None:
    damage.do(archive)
    assert archive.run("--json") == 1
    alone = answer(capsys)
    assert archive.run("--json", "--jobs", "2") == 1
    together = answer(capsys)
    for name in ("verdict", "first_bad_seq", "first_bad_file", "message"):
        assert together[name] == alone[name]


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
