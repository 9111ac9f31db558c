"""Working copies of packets: made aside, each group of files at once, then linked to their names.

A packet's files are collected in ``EVIDENCE_PACKAGE_DIR/.packets/<id>``: the document with its
signature, the PDF with its signature. A group appears whole, by one rename, and a later attempt
adopts it if the signature over it holds: then these bytes were made by an earlier attempt of the
same plan. What an attempt may take away again is told by its own folder: a file under a final
name is its own if it is the same file as the one in there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.conf import settings

from reports.formats import names
from reports.models import Packet
from reports.services.errors import StorageFailed
from sealing import canonical
from sealing.errors import Invalid, NotFound, TooLarge
from sealing.files import (
    AlreadyExists,
    ensure_folder,
    link_new,
    move_folder,
    read_regular,
    safe_join,
    write_new,
)

MAKING: Final = ".packets"
MAX_BYTES: Final = 512 << 20
DOCUMENT, REPORT = "document", "report"
_NOTE: Final = "note.json"


@dataclass(frozen=True, slots=True)
class Pair:
    """An artefact and the file that holds its signature.

    Attributes:
        note: what else an attempt that takes it over has to know.
    """

    raw: bytes
    sig: bytes
    note: dict[str, str] = field(default_factory=dict)


def file_of(packet: Packet, name: str) -> Path:
    """Where a file of a packet lies under its final name."""
    return safe_join(Path(settings.EVIDENCE_PACKAGE_DIR), f"{packet.folder}/{name}")


def read(path: Path) -> bytes:
    """A whole file. Raises NotFound, TooLarge."""
    return read_regular(path, MAX_BYTES)


def write_group(packet: Packet, group: str, pair: Pair) -> bool:
    """Writes an artefact and its signature aside, both at once; False where a pair is there."""
    ensure_folder(_root(packet), mode=0o700)
    scratch = _root(packet) / f"{group}.{secrets.token_hex(4)}.tmp"
    scratch.mkdir(mode=0o700)
    try:
        for name, raw in zip(final_names(packet)[group], (pair.raw, pair.sig), strict=True):
            write_new(scratch / name, raw)
        write_new(scratch / _NOTE, canonical.document(pair.note))
        move_folder(scratch, _root(packet) / group)
    except AlreadyExists:
        return False
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return True


def read_group(packet: Packet, group: str) -> Pair | None:
    """What an attempt has written aside; None where nothing is there that could be read."""
    folder = _root(packet) / group
    try:
        raw, sig, note = (read(folder / name) for name in (*final_names(packet)[group], _NOTE))
        return Pair(raw, sig, canonical.load_document(note))
    except (NotFound, TooLarge, Invalid):
        return None


def drop_group(packet: Packet, group: str) -> None:
    """Takes away a group that nobody can adopt."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(_root(packet) / group)


def publish(packet: Packet, group: str) -> None:
    """Gives the files of a group their final names. Asking twice does no harm.

    Raises:
        StorageFailed: something else lies under such a name.
    """
    for scratch in _files_in(packet, group):
        path = file_of(packet, scratch.name)
        ensure_folder(path.parent)
        try:
            link_new(scratch, path)
        except AlreadyExists as error:
            if not _is_same(scratch, path):
                raise StorageFailed(
                    f"{path.name} lies in the working folder already, and is not of this packet:"
                    " move it away."
                ) from error


def withdraw(packet: Packet) -> None:
    """Takes away everything that the making of a packet has left: nothing may look like one."""
    for group in (DOCUMENT, REPORT):
        for scratch in _files_in(packet, group):
            path = file_of(packet, scratch.name)
            if _is_same(scratch, path):
                path.unlink(missing_ok=True)
    forget(packet)


def forget(packet: Packet) -> None:
    """Takes away what lies aside; files under their final names stay.

    What can't be taken away now is found later (`reports.services.sweeping`).
    """
    shutil.rmtree(_root(packet), ignore_errors=True)


def final_names(packet: Packet) -> Mapping[str, tuple[str, str]]:
    """The names of the files of each group: the artefact's, its signature's."""
    found = names.files(packet.name)
    return {
        DOCUMENT: (found.json, found.json_sig),
        REPORT: (found.pdf, found.pdf_sig),
    }


def _root(packet: Packet) -> Path:
    return Path(settings.EVIDENCE_PACKAGE_DIR) / MAKING / str(packet.pk)


def _files_in(packet: Packet, group: str) -> Iterator[Path]:
    folder = _root(packet) / group
    yield from (folder / name for name in final_names(packet)[group] if (folder / name).is_file())


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except FileNotFoundError:
        return False
