"""Checks that the objects of an archive are locked as somebody expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from audit.folder import File, Folder
from audit.formats.report import SegmentEnd
from audit.sources import StoreSource, ahead
from sealing.errors import StrongroomError
from sealing.results import Finding
from sealing.stores.base import LockMode, Stored
from sealing.times import format_time, parse_time

THREADS = 8


@dataclass(frozen=True, slots=True)
class LockPolicy:
    """How every object must be locked.

    Attributes:
        mode: compliance also satisfies governance, being stronger; not the reverse.
        days: at least so long behind the newest event in the object.
    """

    mode: LockMode
    days: int


class _Wanted(NamedTuple):
    file: File
    until: datetime


def check(
    source: StoreSource, folder: Folder, ends: Sequence[SegmentEnd], policy: LockPolicy
) -> list[Finding]:
    """Checks the locks of segments that hold, of what lies beside them, and of heartbeats.

    Args:
        source: where the objects are.
        folder: the files that were asked for.
        ends: the segments that hold. What lies beside a segment must be locked as long as it.
        policy: what is expected.

    Returns:
        What failed or was not possible, and one finding if nothing did.
    """
    found: list[Finding] = []
    checked = 0
    each = ahead(lambda item: _stat(source, item.file), _all(folder, ends, policy), THREADS)
    for wanted, future in each:
        checked += 1
        problem = _problem(wanted, future.result(), policy.mode)
        if problem is not None:
            found.append(problem)
    if not found and checked:
        message = f"{checked} objects are locked in {policy.mode} mode for {policy.days} days."
        found.append(Finding("locks_verified", True, message))
    return found


def _all(folder: Folder, ends: Sequence[SegmentEnd], policy: LockPolicy) -> Iterator[_Wanted]:
    kept = timedelta(days=policy.days)
    newest = {end.where: end.sealed_at for end in ends}
    by_stem: dict[str, datetime] = {}
    for file in folder.segments:
        if file.where in newest:
            by_stem[file.stem] = parse_time(newest[file.where]) + kept
            yield _Wanted(file, by_stem[file.stem])
    for file in (*folder.checkpoints, *folder.frontiers, *folder.tokens):
        if file.is_heartbeat:
            yield _Wanted(file, _signed_at(file) + kept)
        elif file.stem in by_stem:
            yield _Wanted(file, by_stem[file.stem])


def _stat(source: StoreSource, file: File) -> Stored | str:
    try:
        return source.stat(file)
    except (StrongroomError, OSError) as error:
        return str(error)


def _problem(wanted: _Wanted, stored: Stored | str, mode: LockMode) -> Finding | None:
    where = wanted.file.where
    if isinstance(stored, str):
        return Finding("lock_unknown", None, f"The lock of {where} can't be read: {stored}", where)
    lock = stored.retention
    if lock is None:
        return Finding("lock_missing", False, f"{where} is not locked.", where)
    if mode is LockMode.COMPLIANCE and lock.mode is not LockMode.COMPLIANCE:
        message = f"{where} is locked in {lock.mode} mode, not in {mode} mode."
        return Finding("lock_weak", False, message, where)
    if lock.until < wanted.until:
        message = (
            f"{where} is locked until {format_time(lock.until)}, not until"
            f" {format_time(wanted.until)}."
        )
        return Finding("lock_short", False, message, where)
    return None


def _signed_at(file: File) -> datetime:
    """When a heartbeat was signed, by its name; of another name the earliest of times."""
    day, name = file.day or "", file.where.rpartition("/")[2]
    try:
        return datetime.strptime(f"{day} {name[:13]}", "%Y-%m-%d %H%M%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
