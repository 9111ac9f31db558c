"""The zip file: the same members give the same bytes, and no other bytes are accepted."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest

from evidence.formats.errors import ArchiveRefused
from evidence.formats.package import Member, open_package, package_chunks, package_size
from tests.unit.evidence.making import member, zipped

FILES = {
    "manifest.json": b"{}\n",
    "a/b.txt": b"hello",
    "README.txt": b"",
    "z.bin": bytes(range(256)),
}
CENTRAL = b"PK\x01\x02"


def central(data: bytes, index: int = 0) -> int:
    """Where the directory's entry of that number begins."""
    at = -1
    for _ in range(index + 1):
        at = data.index(CENTRAL, at + 1)
    return at


def patch(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def refused(data: bytes) -> str:
    with pytest.raises(ArchiveRefused) as caught:
        package = open_package(data)
        for entry in package.entries:
            package.read(entry.name, max_bytes=1 << 20)
    return str(caught.value.code)


def test_golden_bytes() -> None:
    """Pinned: a change of one bit in the writer changes every package ever made again."""
    data = zipped(FILES)
    assert len(data) == 660
    assert hashlib.sha256(data).hexdigest() == GOLDEN


GOLDEN = "bd25d0d310d16c43ec643447b7eca3e7d3fa1cd999387b92154442ed29438d86"


def test_members_are_sorted_with_the_manifest_last() -> None:
    names = [entry.name for entry in open_package(zipped(FILES)).entries]
    assert names == ["README.txt", "a/b.txt", "z.bin", "manifest.json"]


def test_order_of_input_does_not_matter() -> None:
    assert zipped(dict(reversed(FILES.items()))) == zipped(FILES)


def test_announced_size_is_right() -> None:
    assert package_size(member(n, d) for n, d in FILES.items()) == len(zipped(FILES))


def test_what_was_written_is_read() -> None:
    package = open_package(zipped(FILES))
    assert {e.name: package.read(e.name, max_bytes=1000) for e in package.entries} == FILES


def test_an_ordinary_zip_reader_agrees() -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(FILES))) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == FILES
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.compress_type, info.flag_bits, info.extra, info.comment) == (
                0,
                0,
                b"",
                b"",
            )


def test_the_standard_library_writes_the_same_bytes() -> None:
    """An independent writer, told every header field, agrees bit for bit."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("README.txt", "a/b.txt", "z.bin", "manifest.json"):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, FILES[name])
    assert out.getvalue() == zipped(FILES)


def test_an_ordinary_zip_writer_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.json", "{}\n")
    assert refused(out.getvalue()) == "zip_link"


def test_lines_are_cut_at_line_feeds_only() -> None:
    package = open_package(zipped({"manifest.json": b"a\rb\nc\x0bd\n\nlast"}))
    assert list(package.lines("manifest.json", max_bytes=100)) == [
        b"a\rb\n",
        b"c\x0bd\n",
        b"\n",
        b"last",
    ]


def test_lines_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evidence.formats.package.CHUNK_BYTES", 7)
    text = b"".join(b"line %d\n" % n for n in range(50))
    package = open_package(zipped({"manifest.json": text}))
    assert list(package.lines("manifest.json", max_bytes=100)) == text.splitlines(keepends=True)


def test_a_line_without_end_is_not_collected_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evidence.formats.package.CHUNK_BYTES", 8)
    package = open_package(zipped({"manifest.json": b"x" * 100}))
    with pytest.raises(ArchiveRefused):
        list(package.lines("manifest.json", max_bytes=50))


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("prefix", lambda d: b"#!/bin/sh\n" + d, "zip_layout"),
        ("suffix", lambda d: d + b"\0", "zip_end"),
        ("cut short", lambda d: d[:-1], "zip_end"),
        ("empty", lambda d: b"", "zip_end"),
        ("comment", lambda d: d[:-2] + b"\x01\x00x", "zip_end"),
        ("disk number", lambda d: patch(d, len(d) - 18, b"\x01"), "zip_end"),
        ("gap before the directory", lambda d: gap(d, central(d)), "zip_layout"),
        ("gap between members", lambda d: gap(d, d.index(b"PK\x03\x04", 4)), "zip_local_differs"),
        ("compressed", lambda d: patch(d, central(d) + 10, b"\x08"), "zip_compressed"),
        ("encrypted", lambda d: patch(d, central(d) + 8, b"\x01"), "zip_flags"),
        ("data descriptor", lambda d: patch(d, central(d) + 8, b"\x08"), "zip_flags"),
        ("symbolic link", lambda d: patch(d, central(d) + 40, b"\xff\xa1"), "zip_link"),
        ("folder bit", lambda d: patch(d, central(d) + 38, b"\x10"), "zip_link"),
        ("other date", lambda d: patch(d, central(d) + 14, b"\x22"), "zip_header"),
        ("made elsewhere", lambda d: patch(d, central(d) + 5, b"\x00"), "zip_header"),
        ("internal attribute", lambda d: patch(d, central(d) + 36, b"\x01"), "zip_header"),
        ("sizes differ", lambda d: patch(d, central(d) + 20, b"\x01"), "zip_header"),
        ("local name differs", lambda d: patch(d, 30, b"r"), "zip_local_differs"),
        ("local flags differ", lambda d: patch(d, 6, b"\x08"), "zip_local_differs"),
        ("local crc differs", lambda d: patch(d, 14, b"\x01"), "zip_local_differs"),
        ("crc", lambda d: d.replace(b"hello", b"hullo"), "zip_crc"),
        ("count too small", lambda d: counted(d, 3), "zip_layout"),
        ("count too large", lambda d: counted(d, 5), "zip_layout"),
        ("offset", lambda d: patch(d, central(d, 1) + 42, b"\x01"), "zip_layout"),
    ],
)
def test_refused(name: str, change: Callable[[bytes], bytes], code: str) -> None:
    assert refused(change(zipped(FILES))) == code


def gap(data: bytes, at: int) -> bytes:
    """Four bytes put in, the end told of them, so that only the layout is wrong."""
    offset = struct.unpack_from("<L", data, len(data) - 6)[0]
    return patch(
        data[:at] + b"\0\0\0\0" + data[at:], len(data) + 4 - 6, struct.pack("<L", offset + 4)
    )


def counted(data: bytes, count: int) -> bytes:
    return patch(data, len(data) - 14, struct.pack("<HH", count, count))


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "a/",
        ".hidden",
        "a\\b",
        "C:x",
        "é.txt",
        "a b",
        "",
        "a\0b",
    ],
)
def test_names_that_could_leave_the_folder(name: str) -> None:
    with pytest.raises(ArchiveRefused) as caught:
        b"".join(package_chunks([Member(name, 0, 0, lambda: io.BytesIO())]))
    assert caught.value.code == "zip_name"


@pytest.mark.parametrize("other", ["a/b.txt", "A/B.TXT"])
def test_a_name_occurs_once_in_any_case(other: str) -> None:
    members = [member("a/b.txt", b""), member(other, b"")]
    with pytest.raises(ArchiveRefused) as caught:
        b"".join(package_chunks(members))
    assert caught.value.code == "zip_duplicate"


def test_duplicates_are_refused_by_the_reader_too() -> None:
    data = zipped({"aa": b"1", "ab": b"2"}).replace(b"ab", b"aa")
    assert refused(data) == "zip_duplicate"


def test_another_order_is_refused() -> None:
    data = zipped({"aa": b"1", "ab": b"2"}).replace(b"aa", b"ax")
    assert refused(data) == "zip_order"


def test_a_member_that_changes_while_it_is_packed() -> None:
    wrong = Member("a", 3, zlib.crc32(b"abc"), lambda: io.BytesIO(b"abd"))
    with pytest.raises(ArchiveRefused) as caught:
        list(package_chunks([wrong]))
    assert caught.value.code == "zip_crc"


def test_more_than_four_gigabytes_are_refused_before_anything_is_written() -> None:
    large = Member("a", 1 << 32, 0, lambda: io.BytesIO())
    with pytest.raises(ArchiveRefused) as caught:
        next(package_chunks([large]))
    assert caught.value.code == "zip_too_large"


def test_a_member_larger_than_asked_for_is_not_read() -> None:
    package = open_package(zipped(FILES))
    with pytest.raises(ArchiveRefused) as caught:
        package.read("z.bin", max_bytes=255)
    assert caught.value.code == "zip_too_large"


def test_every_bit_of_every_header_matters() -> None:
    """Each bit outside the members' own bytes, and each inside them, is noticed by the reader."""
    data = zipped({"manifest.json": b"{}\n", "a": b"xyz"})
    for position in range(len(data)):
        for bit in range(8):
            changed = patch(data, position, bytes([data[position] ^ 1 << bit]))
            refused(changed)
