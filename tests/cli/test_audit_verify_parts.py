"""`python -m audit.verify`: windows, remembered checkpoints, other layouts, usage."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import verify
from tests.cli.archives import (
    LOG,
    OTHER,
    PROJECT,
    Archive,
    answer,
    drop_segment_whole,
    edit,
)
from tests.unit.audit_formats import logs
from tests.unit.audit_formats.test_others import pbpk_log

# Windows.


@pytest.mark.parametrize(
    ("options", "first", "size"),
    [
        (["--start", "2026/03/02"], 6, 12),
        (["--end", "2026/03/01"], 0, 6),
        (["--start", "2026/03/01", "--end", "2026/03/01"], 0, 6),
        (["--start", "2026/03/02", "--end", "2026/03/02"], 6, 12),
        (["--start", "2020-01-01", "--end", "2030-12-31"], 0, 12),
    ],
)
def test_windows(
    archive: Archive,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    first: int,
    size: int,
) -> None:
    assert archive.run(*options, "--json") == 0
    found = answer(capsys)
    assert (found["first_seq"], found["size"], found["checked_events"]) == (
        first,
        size,
        size - first,
    )


def test_a_window_does_not_look_at_what_lies_outside(archive: Archive) -> None:
    edit(archive.segments[0], lambda raw: raw.replace(b"alice", b"alicf"))
    assert archive.run("--start", "2026/03/02") == 0
    assert archive.run("--end", "2026/03/01") == 1
    assert archive.run() == 1


@pytest.mark.parametrize("suffix", [".checkpoint", ".frontier"])
def test_a_window_needs_checkpoint_and_frontier_before_it(archive: Archive, suffix: str) -> None:
    archive.segments[1].with_suffix(suffix).unlink()
    assert archive.run("--start", "2026/03/02") == 3


def test_a_window_does_not_begin_at_a_foreign_frontier(archive: Archive) -> None:
    other = logs.log_of(12, origin="example.org/other")
    path = archive.segments[1].with_suffix(".frontier")
    path.write_bytes(logs.frontier_document(other.frontier(6)))
    assert archive.run("--start", "2026/03/02") == 1


def test_a_segment_missing_from_a_window_is_noticed(archive: Archive) -> None:
    archive.segments[2].unlink()
    assert archive.run("--start", "2026/03/02") == 1


def test_a_window_without_segments_is_nothing_to_check(archive: Archive) -> None:
    assert archive.run("--start", "2027/01/01") == 3


def test_a_window_needs_folders_by_day(archive: Archive, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in archive.root.rglob("*.*"):
        shutil.copy(path, flat)
    assert archive.run(path=flat) == 0
    assert archive.run("--start", "2026/03/01", path=flat) == 3


# A remembered checkpoint.


@pytest.fixture
def remembered(tmp_path: Path) -> Callable[[bytes], list[str]]:
    def write(raw: bytes) -> list[str]:
        path = tmp_path / "remembered.checkpoint"
        path.write_bytes(raw)
        return ["--checkpoint", str(path)]

    return write


@pytest.mark.parametrize("size", [0, 1, 4, 6, 12])
def test_a_log_contains_what_is_remembered(
    archive: Archive, remembered: Callable[[bytes], list[str]], size: int
) -> None:
    assert archive.run(*remembered(LOG.checkpoint(size))) == 0


def test_a_cut_tail_is_noticed_by_what_is_remembered(
    archive: Archive,
    remembered: Callable[[bytes], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    drop_segment_whole(3)(archive)
    assert archive.run() == 0
    capsys.readouterr()
    assert archive.run("--json", *remembered(LOG.checkpoint(12))) == 1
    found = answer(capsys)
    assert found["first_bad_seq"] == 10
    assert found["first_bad_file"] == "the remembered checkpoint"


def test_a_forked_log_is_noticed_by_what_is_remembered(
    archive: Archive, remembered: Callable[[bytes], list[str]]
) -> None:
    # The key's holder made two logs; this is the other one.
    fork = logs.Log(lines=LOG.lines[:4], hashes=LOG.hashes[:4])
    for number in range(4, 12):
        fork.add(logs.event_bytes(number, actor={"id": "user:mallory"}))
    assert archive.run(*remembered(fork.checkpoint(4))) == 0
    assert archive.run(*remembered(fork.checkpoint(5))) == 1
    assert archive.run(*remembered(LOG.checkpoint(12, OTHER))) == 1
    assert archive.run(*remembered(b"rubbish")) == 1


def test_what_is_remembered_must_be_reached(
    archive: Archive, remembered: Callable[[bytes], list[str]]
) -> None:
    assert archive.run("--end", "2026/03/01", *remembered(LOG.checkpoint(12))) == 3
    assert archive.run("--start", "2026/03/02", *remembered(LOG.checkpoint(3))) == 3
    assert archive.run("--start", "2026/03/02", *remembered(LOG.checkpoint(6))) == 0
    assert archive.run("--start", "2026/03/02", *remembered(LOG.checkpoint(12))) == 0


def test_a_remembered_checkpoint_that_is_not_there(archive: Archive, tmp_path: Path) -> None:
    assert archive.run("--checkpoint", str(tmp_path / "absent")) == 3


# Other layouts.


def test_a_flat_folder_of_files_in_order(archive: Archive, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, (first, last) in enumerate(((0, 3), (4, 9), (10, 11)), start=9):
        lines = b"".join(line + b"\n" for line in LOG.lines[first : last + 1])
        (flat / f"part-{number}.jsonl").write_bytes(lines)
    assert archive.run(path=flat) == 3
    (flat / "newest.checkpoint").write_bytes(LOG.checkpoint(12))
    assert archive.run(path=flat) == 0
    (flat / "part-10.jsonl").unlink()
    assert archive.run(path=flat) == 1


def test_one_file_with_its_checkpoint(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"".join(line + b"\n" for line in LOG.lines))
    assert archive.run(path=tmp_path / "log.jsonl") == 3
    (tmp_path / "log.checkpoint").write_bytes(LOG.checkpoint(12))
    assert archive.run(path=tmp_path / "log.jsonl") == 0


def test_packed_segments(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    for path in archive.segments:
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert archive.run() == 0
    packed = Path(f"{archive.segments[2]}.gz")
    original = packed.read_bytes()
    for place in (0, 20, len(original) - 6):
        flipped = bytearray(original)
        flipped[place] ^= 0x10
        packed.write_bytes(bytes(flipped))
        capsys.readouterr()
        assert archive.run("--json") == 1
        assert 6 <= answer(capsys)["first_bad_seq"] <= 10
    packed.write_bytes(original[:-9])
    assert archive.run() == 1
    packed.write_bytes(gzip.compress(b"x" * (8 << 20)))
    assert archive.run() == 1


def test_the_pbpk_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = pbpk_log(6)
    folder = tmp_path / "pbpk" / "2025" / "10"
    folder.mkdir(parents=True)
    (folder / "16.jsonl").write_bytes(b"".join(lines[:4]))
    (folder / "17.jsonl").write_bytes(b"".join(lines[4:]))
    command = [str(tmp_path / "pbpk"), "--profile", "pbpk", "--json"]
    assert verify.main(command) == 0
    assert answer(capsys)["checked_events"] == 6
    edit(folder / "17.jsonl", lambda raw: raw.replace(b"http", b"httq", 1))
    assert verify.main(command) == 1
    found = answer(capsys)
    assert (found["first_bad_seq"], found["first_bad_file"]) == (4, "2025/10/17.jsonl")


# Usage, and what it needs.


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "b"],
        ["a", "--unknown"],
        ["a", "--start", "yesterday"],
        ["a", "--start", "2026/02/30"],
        ["a", "--start", "2026/3/1"],
        ["a", "--start", "2026/03/02", "--end", "2026/03/01"],
        ["a", "--profile", "syslog"],
        ["a", "--profile", "pbpk", "--strict"],
        ["a", "--profile", "pbpk", "--start", "2026/03/02"],
        ["a", "--profile", "pbpk", "--checkpoint", "x"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        verify.main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m audit.verify" in capsys.readouterr().err


BLOCKER = """
import importlib.abc, runpy, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"django", "rest_framework", "psycopg", "allauth", "jwt"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def test_it_runs_where_django_is_not_installed(archive: Archive) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", BLOCKER, *arguments]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    blocked = run("django")
    assert "ModuleNotFoundError" in blocked.stderr
    options = [str(archive.root), "--signers", str(archive.signers)]
    valid = run("audit.verify", *options)
    assert (valid.returncode, valid.stderr) == (0, "")
    archive.segments[0].write_bytes(b"rubbish\n")
    assert run("audit.verify", *options).returncode == 1
    assert run("audit.verify", *options, "--nonsense").returncode == 2
    assert run("audit.verify", str(archive.root / "absent")).returncode == 3
