"""The zip file of a package: one way to write it, and a reader that accepts no other.

Every member is STORED, and every header follows from the member's name, size and CRC alone, so
the same members always give the same bytes. The reader rebuilds each header and compares: what
lies before, between or behind the members, and every header bit, is thereby accounted for
(APPNOTE 6.3 §4.3.7, §4.3.12, §4.3.16).
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from evidence.formats.errors import ArchiveRefused


class PackageBytes(Protocol):
    """The bytes of a package: in memory, or in a file of which slices are read."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Some of them, as of ``bytes``."""


MANIFEST: Final = "manifest.json"
MAX_PACKAGE_BYTES: Final = (1 << 32) - 1
MAX_MEMBERS: Final = 50_000
CHUNK_BYTES: Final = 1 << 20

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_LOCAL_MAGIC: Final = b"PK\x03\x04"
_CENTRAL_MAGIC: Final = b"PK\x01\x02"
_END_MAGIC: Final = b"PK\x05\x06"
_MADE_BY: Final = (3 << 8) | 20  # Unix, version 2.0: so that unzip honours the file mode
_VERSION: Final = 20
_DATE: Final = (0 << 9) | (1 << 5) | 1  # 1980-01-01, the first day that the format can tell
_MODE: Final = 0o100644 << 16  # a regular file
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Member:
    """A file to be put into a package; ``open`` gives its bytes anew each time."""

    name: str
    size_bytes: int
    crc32: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Entry:
    """A member found in a package: ``offset`` is where its bytes begin."""

    name: str
    size_bytes: int
    crc32: int
    offset: int


def sha256_of(data: PackageBytes) -> bytes:
    """The 32 bytes of the digest over all of it, read in blocks."""
    digest = hashlib.sha256()
    for position in range(0, len(data), CHUNK_BYTES):
        digest.update(data[position : position + CHUNK_BYTES])
    return digest.digest()


def member_order(name: str) -> tuple[bool, str]:
    """The sort key of members: by name, with the manifest last."""
    return name == MANIFEST, name


def _local_header(name: str, size: int, crc: int) -> bytes:
    fixed = _LOCAL.pack(_LOCAL_MAGIC, _VERSION, 0, 0, 0, _DATE, crc, size, size, len(name), 0)
    return fixed + name.encode("ascii")


def _central_header(name: str, size: int, crc: int, offset: int) -> bytes:
    fixed = _CENTRAL.pack(
        _CENTRAL_MAGIC, _MADE_BY, _VERSION, 0, 0, 0, _DATE, crc, size, size, len(name),
        0, 0, 0, 0, _MODE, offset,
    )  # fmt: skip
    return fixed + name.encode("ascii")


def _end(count: int, size: int, offset: int) -> bytes:
    return _END.pack(_END_MAGIC, 0, 0, count, count, size, offset, 0)


def package_size(members: Iterable[Member]) -> int:
    """How many bytes :func:`package_chunks` will give for these members."""
    total = _END.size
    for member in members:
        total += _LOCAL.size + _CENTRAL.size + 2 * len(member.name) + member.size_bytes
    return total


def package_chunks(members: Iterable[Member]) -> Iterator[bytes]:
    """The bytes of a package, in order.

    Raises:
        ArchiveRefused: For a name that the format does not take, a repeated name, a member whose
            bytes are not those announced, or a package of more than 4 GiB.
    """
    ordered = sorted(members, key=lambda member: member_order(member.name))
    _check_names([member.name for member in ordered])
    if package_size(ordered) > MAX_PACKAGE_BYTES:
        raise ArchiveRefused(
            "The package would be larger than 4 GiB: split the period.", code="zip_too_large"
        )
    directory = bytearray()
    offset = 0
    for member in ordered:
        header = _local_header(member.name, member.size_bytes, member.crc32)
        directory += _central_header(member.name, member.size_bytes, member.crc32, offset)
        offset += len(header) + member.size_bytes
        yield header
        yield from _announced(member)
    yield bytes(directory)
    yield _end(len(ordered), len(directory), offset)


def _announced(member: Member) -> Iterator[bytes]:
    size = crc = 0
    with member.open() as source:
        while chunk := source.read(CHUNK_BYTES):
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            yield chunk
    if (size, crc) != (member.size_bytes, member.crc32):
        raise ArchiveRefused(f"{member.name} changed while it was being packed.", code="zip_crc")


def _check_names(names: list[str]) -> None:
    if len(names) > MAX_MEMBERS:
        raise ArchiveRefused("There are too many members.", code="zip_too_large")
    folded: set[str] = set()
    for name in names:
        if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
            raise ArchiveRefused(
                f"{name!r} is not the name of a member: absolute paths, parents, links and "
                "characters outside ASCII letters, digits, '.', '_', '-' are refused.",
                code="zip_name",
            )
        # Two names that differ in case alone would be one file on some machines.
        if name.lower() in folded:
            raise ArchiveRefused(f"{name!r} occurs twice.", code="zip_duplicate")
        folded.add(name.lower())
    if names != sorted(names, key=member_order):
        raise ArchiveRefused("The members are not in their order.", code="zip_order")


class Package:
    """An opened package: its members, and their bytes on request."""

    def __init__(self, data: PackageBytes, entries: tuple[Entry, ...]) -> None:
        self._data = data
        self.entries = entries
        self._by_name = {entry.name: entry for entry in entries}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def entry(self, name: str) -> Entry:
        """The entry of a member that is known to be there."""
        return self._by_name[name]

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's bytes in blocks.

        Raises:
            ArchiveRefused: After the last block, when they do not give the CRC of the header.
        """
        entry = self._by_name[name]
        crc, end = 0, entry.offset + entry.size_bytes
        for position in range(entry.offset, end, CHUNK_BYTES):
            chunk = self._data[position : min(position + CHUNK_BYTES, end)]
            crc = zlib.crc32(chunk, crc)
            yield chunk
        if crc != entry.crc32:
            raise ArchiveRefused(f"{name} does not give its CRC.", code="zip_crc")

    def read(self, name: str, *, max_bytes: int) -> bytes:
        """A whole member.

        Raises:
            ArchiveRefused: When it is larger than ``max_bytes``, or its CRC is wrong.
        """
        if self._by_name[name].size_bytes > max_bytes:
            raise ArchiveRefused(f"{name} is too large.", code="zip_too_large")
        return b"".join(self.chunks(name))

    def lines(self, name: str, *, max_bytes: int) -> Iterator[bytes]:
        """A member's lines, each with its line feed (the last one may lack it).

        Raises:
            ArchiveRefused: For a line longer than ``max_bytes``, or a wrong CRC.
        """
        rest = b""
        for chunk in self.chunks(name):
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > max_bytes:
                raise ArchiveRefused(f"{name} has a line that is too long.", code="zip_too_large")
            for line in whole:
                yield line + b"\n"
        if rest:
            yield rest


def open_package(data: PackageBytes) -> Package:
    """Read the directory of a package and check every byte that is not a member's own.

    Raises:
        ArchiveRefused: When the bytes are not exactly what :func:`package_chunks` writes; the
            code says in which respect.
    """
    if len(data) > MAX_PACKAGE_BYTES:
        raise ArchiveRefused("The file is larger than 4 GiB.", code="zip_too_large")
    count, size, offset = _read_end(data)
    entries = _read_directory(data[offset : offset + size], count)
    position = 0
    for entry in entries:
        header = _local_header(entry.name, entry.size_bytes, entry.crc32)
        if entry.offset != position + len(header):
            raise ArchiveRefused(
                f"There are bytes before {entry.name} that belong to no member, or members "
                "overlap.",
                code="zip_layout",
            )
        if data[position : entry.offset] != header:
            raise ArchiveRefused(
                f"The two headers of {entry.name} differ.", code="zip_local_differs"
            )
        position = entry.offset + entry.size_bytes
    if position != offset:
        raise ArchiveRefused(
            "There are bytes between the members and the directory.", code="zip_layout"
        )
    return Package(data, entries)


def _read_end(data: PackageBytes) -> tuple[int, int, int]:
    raw = data[max(0, len(data) - _END.size) :]
    if len(raw) < _END.size:
        raise ArchiveRefused("The file is too short for a package.", code="zip_end")
    magic, _disk, _start, _here, count, size, offset, _comment = _END.unpack(raw)
    if magic != _END_MAGIC or raw != _end(count, size, offset):
        raise ArchiveRefused(
            "The file does not end as a package ends: it is cut short, has something behind it, "
            "or has a comment.",
            code="zip_end",
        )
    if offset + size + _END.size != len(data):
        raise ArchiveRefused("The directory is not where the end says.", code="zip_layout")
    if count > MAX_MEMBERS or size > MAX_MEMBERS * (_CENTRAL.size + _MAX_NAME):
        raise ArchiveRefused("There are too many members.", code="zip_too_large")
    return count, size, offset


def _read_directory(raw: bytes, count: int) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    position = 0
    for _ in range(count):
        if len(raw) < position + _CENTRAL.size:
            raise ArchiveRefused("The directory is cut short.", code="zip_layout")
        entry, length = _read_entry(raw, position)
        entries.append(entry)
        position += length
    if position != len(raw):
        raise ArchiveRefused("The directory has more than its entries.", code="zip_layout")
    _check_names([entry.name for entry in entries])
    return tuple(entries)


def _read_entry(raw: bytes, position: int) -> tuple[Entry, int]:
    fields = _CENTRAL.unpack_from(raw, position)
    flags, method, crc, size, name_size = fields[3], fields[4], fields[7], fields[9], fields[10]
    mode, offset = fields[15], fields[16]
    name = raw[position + _CENTRAL.size : position + _CENTRAL.size + name_size].decode("latin-1")
    if method != 0:
        # Nothing is compressed, so no member can be larger than the file it came in.
        raise ArchiveRefused(f"{name!r} is compressed.", code="zip_compressed")
    if flags != 0:
        raise ArchiveRefused(f"{name!r} has flags set.", code="zip_flags")
    if mode != _MODE:
        raise ArchiveRefused(f"{name!r} is not a plain file.", code="zip_link")
    _check_names([name])
    header = _central_header(name, size, crc, offset)
    if raw[position : position + len(header)] != header:
        raise ArchiveRefused(f"The header of {name!r} is not ours.", code="zip_header")
    start = offset + _LOCAL.size + len(name)
    return Entry(name=name, size_bytes=size, crc32=crc, offset=start), len(header)
