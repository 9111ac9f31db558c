"""Files by their names, and unpacking in bounded memory."""

from __future__ import annotations

import gzip
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.folder import (
    MAX_SEGMENT_BYTES,
    File,
    FileDamaged,
    Folder,
    open_lines,
    unpack,
)
from audit.formats.segment import range_of

LINES = b"".join(b"line %d\n" % number for number in range(5000))


@pytest.fixture(params=["isal", "standard library"])
def unpacker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "isal":
        monkeypatch.setitem(sys.modules, "isal", None)
        monkeypatch.setitem(sys.modules, "isal.igzip", None)
        monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    return str(request.param)


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0x10
    return bytes(changed)


def test_a_packed_file_is_unpacked_at_once(unpacker: str) -> None:
    packed = gzip.compress(LINES)
    assert unpack(packed) == LINES
    assert unpack(gzip.compress(b"x" * MAX_SEGMENT_BYTES)) == b"x" * MAX_SEGMENT_BYTES
    for other in (
        b"",
        LINES,
        packed[:-1],
        packed + b"x",
        packed + packed,
        flipped(packed, 0),
        flipped(packed, -6),
        gzip.compress(b"x" * (MAX_SEGMENT_BYTES + 1)),
    ):
        assert unpack(other) is None


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_lines_of_plain_and_packed_files(tmp_path: Path, unpacker: str, size: int) -> None:
    data = (LINES * 10)[:size]
    for name, content in (("a.jsonl", data), ("a.jsonl.gz", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        with open_lines(tmp_path / name) as lines:
            assert b"".join(lines) == data


@pytest.mark.parametrize("at", [0, 500, -6])
def test_a_damaged_file_is_told(tmp_path: Path, unpacker: str, at: int) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(flipped(gzip.compress(LINES), at))
    with pytest.raises(FileDamaged), open_lines(path) as lines:
        list(lines)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_an_endless_line_does_not_fill_memory(tmp_path: Path, unpacker: str, name: str) -> None:
    data = b"x" * (64 << 20)
    (tmp_path / name).write_bytes(zlib.compress(data, 1, 31) if name.endswith("gz") else data)
    with pytest.raises(FileDamaged, match="longer"), open_lines(tmp_path / name) as lines:
        next(iter(lines))


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(OSError), open_lines(path):
            raise AssertionError("it was opened")


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20, unique=True))
def test_segments_are_ordered_by_their_numbers(numbers: list[int]) -> None:
    folder = Folder()
    for number in numbers:
        name = f"{number:016d}-{number:016d}.jsonl"
        folder.add(File(f"2026/03/01/{name}", range_of(name), "2026-03-01"))
    found = folder.finish().segments
    assert [file.range_.first for file in found if file.range_] == sorted(numbers)
    assert folder.size == max(numbers) + 1


@pytest.mark.parametrize(
    ("where", "stem"),
    [
        ("2026/03/01/1-2.jsonl.gz", "2026/03/01/1-2"),
        ("2026/03/01/1-2.checkpoint.tsr", "2026/03/01/1-2"),
        ("heartbeat/2026/03/01/090000.000001.checkpoint", "heartbeat/2026/03/01/090000.000001"),
        ("heartbeat/2026/03/01/090000.000001.checkpoint.tsr", "heartbeat/2026/03/01/090000.000001"),
    ],
)
def test_what_belongs_together_shares_a_stem(where: str, stem: str) -> None:
    assert File(where).stem == stem
