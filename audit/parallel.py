"""Verifies an archive with several processes.

It is cut where a signed checkpoint and its frontier say what came before, so that each process can
begin without the others; `audit.formats.parts` then requires that every end is the next beginning.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import lru_cache

from audit.folder import File
from audit.formats import checkpoint as checkpoints
from audit.formats.parts import Part
from audit.formats.segment import parse_frontier
from audit.sources import Source, open_source
from audit.stretches import Note, Stretch, verify_stretch
from audit.windows import CouldNotCheck
from sealing.errors import Invalid, StrongroomError
from sealing.keys import Signers
from sealing.notes import parse_note
from sealing.stores.opening import S3Options

# Several stretches for each process, so that none waits long for the last.
STRETCHES_PER_JOB = 8


def split(source: Source, whole: Stretch, jobs: int) -> list[Stretch]:
    """Cuts a stretch for ``jobs`` processes; one that can't be cut stays whole."""
    segments = whole.segments
    if jobs < 2 or len(segments) < 2 or any(file.range_ is None for file in segments):
        return [whole]
    wanted = max(1, (whole.total or 0) // (jobs * STRETCHES_PER_JOB))
    notes = {_size(file): file for file in whole.checkpoints}
    frontiers = {_size(file): file for file in whole.frontiers}
    begins, bases = [0], [whole.base]
    for index in range(1, len(segments)):
        base = _size(segments[index - 1])
        if base - bases[-1] < wanted or base != _first(segments[index]):
            continue
        if base not in notes or base not in frontiers:
            continue
        if _is_signed(source, whole.signers, notes[base], frontiers[base]):
            begins.append(index)
            bases.append(base)
    return _dealt(whole, begins, bases) if len(begins) > 1 else [whole]


def verify_each(
    source: Source,
    stretches: Sequence[Stretch],
    jobs: int,
    progress: Callable[[int, int | None], None] | None = None,
) -> list[Part]:
    """Verifies stretches of one archive in several processes.

    Args:
        source: opened again in each process, by its location and options.
        stretches: as `split` gives them.
        jobs: how many processes.
        progress: called after each stretch with the number of events read and of all of them.

    Raises:
        CouldNotCheck: a process was killed, or can't open the source.
    """
    total = sum(stretch.total or 0 for stretch in stretches)
    parts: list[Part] = []
    done = 0
    # A copy of this process is made fastest, but only safely while it has a single thread.
    alone = sys.platform == "linux" and threading.active_count() == 1
    context = multiprocessing.get_context("fork" if alone else "spawn")
    try:
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            waiting = [
                pool.submit(_verify, source.location, source.options, stretch)
                for stretch in stretches
            ]
            for stretch, future in zip(stretches, waiting, strict=True):
                parts.append(future.result())
                done += stretch.total or 0
                if progress is not None:
                    progress(done, total)
    except BrokenProcessPool as error:
        raise CouldNotCheck("a process that was verifying was killed.") from error
    return parts


@lru_cache(maxsize=1)
def _opened(location: str, options: S3Options) -> Source:
    return open_source(location, options)


def _verify(location: str, options: S3Options, stretch: Stretch) -> Part:
    try:
        return verify_stretch(_opened(location, options), stretch)
    except StrongroomError as error:
        raise CouldNotCheck(str(error)) from error


def _is_signed(source: Source, signers: Signers, note: File, frontier: File) -> bool:
    """Whether a good checkpoint with its frontier says what came before an event."""
    raw, hashes = source.read(note), source.read(frontier)
    if raw is None or hashes is None:
        return False
    checkpoint, findings = checkpoints.open_note(raw, signers)
    if checkpoint is None or checkpoint.size != _size(note):
        return False
    try:
        folded = parse_frontier(hashes, checkpoint.size).root()
    except Invalid:
        return False
    return folded == checkpoint.root and all(finding.ok for finding in findings)


def _dealt(whole: Stretch, begins: list[int], bases: list[int]) -> list[Stretch]:
    """The stretches between the cuts, each with the checkpoints that lie in it.

    One that lies before all of them goes to the first stretch, one beyond to the last.
    """
    notes: list[list[Note]] = [[] for _ in begins]
    for note in whole.notes:
        notes[_place(bases, _size_of(note))].append(note)
    remembered = _place(bases, _size_in(whole.remembered))
    state = _place(bases, whole.state.size if whole.state is not None else 0)
    found = []
    for number, (begin, base) in enumerate(zip(begins, bases, strict=True)):
        is_last = number == len(begins) - 1
        stretch = replace(
            whole,
            base=base,
            segments=whole.segments[begin : None if is_last else begins[number + 1]],
            checkpoints=_of(whole.checkpoints, bases, number),
            frontiers=_of(whole.frontiers, bases, number),
            notes=tuple(notes[number]),
            is_last=is_last,
            remembered=whole.remembered if remembered == number else None,
            state=whole.state if state == number else None,
        )
        found.append(stretch)
    return found


def _place(bases: list[int], size: int) -> int:
    """The number of the stretch in which a tree of that size ends."""
    return max(0, bisect_left(bases, size) - 1)


def _of(files: Sequence[File], bases: list[int], number: int) -> tuple[File, ...]:
    """The files of a stretch, with those of the place where it begins."""
    return tuple(
        file
        for file in files
        if _place(bases, _size(file)) == number or (number and _size(file) == bases[number])
    )


def _size_of(note: Note) -> int:
    return note.named_size if note.named_size is not None else _size_in(note.raw)


def _size_in(raw: bytes | None) -> int:
    """The size that a note claims; 0 if it says none."""
    if raw is None:
        return 0
    try:
        return checkpoints.parse(parse_note(raw).text).size
    except Invalid:
        return 0


def _size(file: File) -> int:
    return file.range_.last + 1 if file.range_ is not None else 0


def _first(file: File) -> int:
    return file.range_.first if file.range_ is not None else 0
