"""Reads one stretch of an archive and has it verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from typing import IO

from audit.folder import File, FileDamaged, Folder
from audit.formats.archive import ArchiveVerifier
from audit.formats.parts import Part
from audit.formats.segment import FRONTIER_SUFFIX
from audit.formats.state import State
from audit.sources import Source
from audit.windows import Chosen
from sealing.keys import Signers


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint with the frontier beside it, as they were read; ``named_size`` by its name."""

    where: str
    raw: bytes | None
    named_size: int | None = None
    has_frontier: bool = False
    frontier: bytes | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one `ArchiveVerifier` is to verify.

    Attributes:
        base: the number of the first event.
        segments: the segments, in order.
        checkpoints, frontiers: those beside them, and those of ``base``.
        notes: the other checkpoints; they may be read while they are taken.
        archive_size: how many events the archive has by its names.
        is_last: whether no other stretch follows.
        remembered, state: what the caller keeps, if it lies here.
        total: how many events there are, where the names tell.
    """

    signers: Signers
    strict: bool
    base: int
    segments: tuple[File, ...]
    checkpoints: tuple[File, ...]
    frontiers: tuple[File, ...]
    notes: Iterable[Note] = ()
    archive_size: int = 0
    is_last: bool = True
    remembered: bytes | None = None
    state: State | None = None

    @property
    def total(self) -> int | None:
        """How many events there are to verify, where the names tell."""
        last = self.segments[-1].range_
        return None if last is None else last.last + 1 - self.base


def stretch_of(
    source: Source, signers: Signers, chosen: Chosen, archive_size: int, *, strict: bool
) -> Stretch:
    """The whole of what a window asks for, as one stretch."""
    folder = chosen.folder
    return Stretch(
        signers=signers,
        strict=strict,
        base=chosen.base,
        segments=tuple(folder.segments),
        checkpoints=tuple(file for file in folder.checkpoints if file.range_ is not None),
        frontiers=tuple(file for file in folder.frontiers if file.range_ is not None),
        notes=_Notes(source, folder),
        archive_size=archive_size,
    )


def verify_stretch(
    source: Source, stretch: Stretch, progress: Callable[[int, int | None], None] | None = None
) -> Part:
    """Reads a stretch and verifies it.

    Args:
        source: where it lies.
        stretch: what is to be verified.
        progress: called after each segment with the number of events read and of all of them.
    """
    verifier = ArchiveVerifier(stretch.signers, start=stretch.base, strict=stretch.strict)
    if stretch.remembered is not None:
        verifier.add_checkpoint(
            stretch.remembered, where="the remembered checkpoint", remembered=True
        )
    if stretch.state is not None:
        verifier.remember(stretch.state, where="the state file")
    for note in chain(_beside(source, stretch), stretch.notes):
        _add(verifier, note)
    _note_missing(verifier, stretch)
    if verifier.begin():
        for file, opened in source.open_each(stretch.segments):
            if not _verify_segment(verifier, file, opened):
                break
            if progress is not None:
                progress(verifier.size - stretch.base, stretch.total)
    return verifier.part(stretch.archive_size, is_last=stretch.is_last)


def _beside(source: Source, stretch: Stretch) -> Iterator[Note]:
    return read_pairs(source, stretch.checkpoints, stretch.frontiers)


def read_pairs(
    source: Source, checkpoints: Iterable[File], frontiers: Iterable[File]
) -> Iterator[Note]:
    """Checkpoints with the frontiers of the same name; and those that have no checkpoint.

    Of the latter ``raw`` is None, as it is of a checkpoint that can't be read.
    """
    beside = {file.stem: file for file in frontiers}
    pairs = [(file, beside.pop(file.stem, None)) for file in checkpoints]
    files = (file for pair in pairs for file in pair if file is not None)
    contents = source.read_each(files)
    for file, frontier in pairs:
        raw = next(contents)[1]
        if frontier is None:
            yield Note(file.where, raw, _size(file))
        else:
            yield Note(file.where, raw, _size(file), True, next(contents)[1])
    for file in beside.values():
        yield Note(file.where, None, _size(file), True)


class _Notes:
    """The checkpoints that belong to no segment, read each time that they are asked for."""

    def __init__(self, source: Source, folder: Folder) -> None:
        self._source = source
        self._checkpoints = [file for file in folder.checkpoints if file.range_ is None]
        self._frontiers = [file for file in folder.frontiers if file.range_ is None]

    def __iter__(self) -> Iterator[Note]:
        return read_pairs(self._source, self._checkpoints, self._frontiers)


def _add(verifier: ArchiveVerifier, note: Note) -> None:
    if note.raw is None and note.where.endswith(FRONTIER_SUFFIX):
        verifier.unreadable(note.where, "Without its checkpoint a frontier proves nothing.")
    elif note.raw is None or (note.has_frontier and note.frontier is None):
        verifier.unreadable(note.where, "The file or its frontier can't be read.")
    else:
        verifier.add_checkpoint(
            note.raw, where=note.where, frontier=note.frontier, size=note.named_size
        )


def _note_missing(verifier: ArchiveVerifier, stretch: Stretch) -> None:
    present = {file.stem for file in stretch.segments}
    absent = {
        file.stem: file
        for file in (*stretch.checkpoints, *stretch.frontiers)
        if file.stem not in present
    }
    for file in absent.values():
        if file.range_ is not None and file.range_.last >= stretch.base:
            verifier.missing(file.range_, file.where)


def _verify_segment(
    verifier: ArchiveVerifier, file: File, opened: AbstractContextManager[IO[bytes]]
) -> bool:
    try:
        with opened as lines:
            return verifier.segment(lines, where=file.where, range_=file.range_, day=file.day)
    except FileDamaged as error:
        verifier.damaged(file.where, str(error))
    except OSError as error:
        verifier.unreadable(file.where, f"It can't be read: {error}.", is_segment=True)
    return False


def _size(file: File) -> int | None:
    return file.range_.last + 1 if file.range_ is not None else None
