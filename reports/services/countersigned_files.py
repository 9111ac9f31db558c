"""The files of a countersigned packet: staged, then linked to their names, then in the vault.

The row says who signed, and names both files by their digests; the PDF can't be made again from
it. So the files are written aside before the row is committed, and put in their place after it.
Whatever is interrupted in between is finished by whoever comes next: `finish`. A working copy that
was lost later comes back from the vault the same way.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from audit import failpoints
from evidence.services.vault import depositing
from evidence.services.vault.base import of_bytes
from reports.formats import names
from reports.models import Packet, PacketCountersignature
from reports.services import writing
from reports.services.errors import CountersignedFilesWaiting, StorageFailed
from sealing import digests
from sealing.errors import NotFound, StrongroomError, TooLarge
from sealing.files import AlreadyExists, ensure_folder, link_new, write_new

_STAGED: Final = "countersigned"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as the countersignature's row names it."""

    name: str
    sha256: str


def entries(packet: Packet) -> list[Entry]:
    """The files that countersigning has added; none before."""
    found = PacketCountersignature.objects.filter(packet=packet).first()
    if found is None:
        return []
    finals = names.files(packet.name)
    return [
        Entry(finals.countersigned, found.pdf_sha256),
        Entry(finals.countersigned_sig, found.sig_sha256),
    ]


def stage(packet: Packet, pdf: bytes, sig: bytes) -> None:
    """Writes both files aside, complete and on disk when this returns.

    Raises:
        StorageFailed: the disk refuses.
    """
    finals = names.files(packet.name)
    try:
        for name, raw in ((finals.countersigned, pdf), (finals.countersigned_sig, sig)):
            path = _staged(packet, Entry(name, digests.sha256_tag(raw)))
            ensure_folder(path.parent, mode=0o700)
            write_new(path, raw, adopt_identical=True)
    except OSError as error:
        raise StorageFailed(f"The signed PDF could not be written: {error.strerror}.") from error


def finish(packet: Packet) -> int:
    """Puts the files in their place, here and in the vault; returns how many came into the vault.

    Asking twice does no harm. No transaction may be open.

    Raises:
        CountersignedFilesWaiting: the disk refuses, or a file is lost here and in the vault.
        VaultUnavailable, VaultDiffers: the vault did not take them.
    """
    found = entries(packet)
    for entry in found:
        _publish(packet, entry)
        failpoints.reach("countersign-3")
    added = 0
    deposit = packet.deposit
    if deposit is not None:
        known = set(deposit.objects_kept.values_list("name", flat=True))
        for entry in found:
            if entry.name not in known:
                depositing.add(deposit, of_bytes(entry.name, _settled(packet, entry)))
                added += 1
                failpoints.reach("countersign-4")
    if found:
        forget(packet)
    return added


def waiting(packet: Packet, name: str) -> bytes | None:
    """A recorded file that is not in its place: what lies aside yet, or else the vault's copy.

    None where neither is what was recorded.
    """
    for entry in entries(packet):
        if entry.name == name:
            raw = _read(_staged(packet, entry), entry)
            try:
                return _of_vault(packet, entry) if raw is None else raw
            except StrongroomError:
                return None
    return None


def forget(packet: Packet) -> None:
    """Takes away what lies aside; files under their final names stay."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(_root(packet))


def unfinished() -> Iterator[Packet]:
    """Packets of which a countersigned file is not known to be in its place."""
    rows = PacketCountersignature.objects.select_related("packet__deposit").order_by("pk")
    for row in rows.iterator(chunk_size=200):
        if not is_finished(row.packet):
            yield row.packet


def is_finished(packet: Packet) -> bool:
    """Whether the files of a countersignature are known to be in their places, here and there."""
    wanted = {entry.name for entry in entries(packet)}
    if not all(writing.file_of(packet, name).exists() for name in wanted):
        return False
    if packet.deposit is None:
        return True
    return packet.deposit.objects_kept.filter(name__in=wanted).count() == len(wanted)


def _publish(packet: Packet, entry: Entry) -> None:
    path, staged = writing.file_of(packet, entry.name), _staged(packet, entry)
    if _read(path, entry) is not None:
        return
    is_staged = _read(staged, entry) is not None
    raw = None if is_staged else _of_vault(packet, entry)
    if raw is None and not is_staged:
        raise CountersignedFilesWaiting(f"{entry.name} is recorded, and is nowhere to be found.")
    try:
        ensure_folder(path.parent)
        if raw is None:
            link_new(staged, path)
        else:
            write_new(path, raw, adopt_identical=True)
    except AlreadyExists as error:
        raise CountersignedFilesWaiting(
            f"The countersignature is recorded, but another {entry.name} lies in the way."
        ) from error
    except OSError as error:
        raise CountersignedFilesWaiting(
            f"The countersignature is recorded, but {entry.name} could not be put in its place:"
            f" {error.strerror}. It will be when the vault is next audited."
        ) from error


def _settled(packet: Packet, entry: Entry) -> bytes:
    raw = _read(writing.file_of(packet, entry.name), entry)
    if raw is None:
        raise CountersignedFilesWaiting(f"{entry.name} was changed or taken away.")
    return raw


def _of_vault(packet: Packet, entry: Entry) -> bytes | None:
    """The vault's copy, if it is what was recorded; None where there is none.

    Raises:
        VaultUnavailable, VaultDiffers.
    """
    deposit = packet.deposit
    if deposit is None or not deposit.objects_kept.filter(name=entry.name).exists():
        return None
    raw = depositing.read(deposit, entry.name)
    return raw if digests.sha256_tag(raw) == entry.sha256 else None


def _read(path: Path, entry: Entry) -> bytes | None:
    """The bytes of a file, if they are those that were recorded."""
    try:
        raw = writing.read(path)
    except (NotFound, TooLarge):
        return None
    return raw if digests.sha256_tag(raw) == entry.sha256 else None


def _root(packet: Packet) -> Path:
    folder = f"{packet.pk}.{_STAGED}"
    return Path(settings.EVIDENCE_PACKAGE_DIR) / writing.MAKING / folder


def _staged(packet: Packet, entry: Entry) -> Path:
    """Where a file lies before it has its place; two officers at once do not meet."""
    return _root(packet) / entry.sha256.removeprefix("sha256:") / entry.name
