"""What S3's answers say of objects and their versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sealing.stores.base import LockMode, Retention, Stored, StoreUnavailable, Version


def described(name: str, answer: Mapping[str, Any], digest: str = "") -> Stored:
    """What an answer to GetObject or HeadObject says.

    Raises:
        StoreUnavailable: it tells of a lock in no mode that we know.
    """
    return Stored(
        name=name,
        size_bytes=int(answer["ContentLength"]),
        sha256=digest,
        version_id=answer.get("VersionId"),
        retention=_retention(name, answer),
        legal_hold=answer.get("ObjectLockLegalHoldStatus") == "ON",
        stored_at=_moment(answer["LastModified"]),
        replication=answer.get("ReplicationStatus"),
        kms_key_id=answer.get("SSEKMSKeyId"),
    )


def grouped(pages: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, list[Any], list[Any]]]:
    """Each key with its versions and its delete markers, newest first, by key.

    S3 lists keys in order and may cut between two versions of one key, so a page's last key waits
    for the next page.
    """
    waiting: dict[str, tuple[list[Any], list[Any]]] = {}
    for page in pages:
        for place, kind in enumerate(("Versions", "DeleteMarkers")):
            for entry in page.get(kind, []):
                waiting.setdefault(entry["Key"], ([], []))[place].append(entry)
        if page.get("IsTruncated"):
            last = page.get("NextKeyMarker") or max(waiting, default="")
            for key in sorted(key for key in waiting if key < last):
                yield key, *waiting.pop(key)
    for key in sorted(waiting):
        yield key, *waiting[key]


def merged(name: str, versions: list[Any], markers: list[Any]) -> Iterator[Version]:
    """One key's versions and markers, oldest first.

    S3 lists the two apart, each newest first. That order is kept; the two are merged by what is
    latest and then by time, which some servers cut to the second and some change when a lock is
    extended. Where it doesn't tell, the marker comes later.
    """
    kept, hidden = list(reversed(versions)), list(reversed(markers))
    while kept or hidden:
        first = not hidden or (kept and _order(kept[0], 0) < _order(hidden[0], 1))
        entry = kept.pop(0) if first else hidden.pop(0)
        yield Version(
            name,
            entry["VersionId"],
            is_latest=bool(entry["IsLatest"]),
            is_delete_marker=not first,
            size_bytes=int(entry.get("Size", 0)),
            stored_at=_moment(entry["LastModified"]),
        )


def _order(entry: Mapping[str, Any], kind: int) -> tuple[bool, datetime, int]:
    return bool(entry["IsLatest"]), entry["LastModified"], kind


def _retention(name: str, answer: Mapping[str, Any]) -> Retention | None:
    mode, until = answer.get("ObjectLockMode"), answer.get("ObjectLockRetainUntilDate")
    if mode is None or until is None:
        return None
    try:
        # Cut to the second, so that it is never told longer than it is.
        return Retention(LockMode(str(mode).lower()), _moment(until).replace(microsecond=0))
    except ValueError as error:
        raise StoreUnavailable(
            f"{name} is locked in the mode {mode!r}, which is unknown."
        ) from error


def _moment(time: datetime) -> datetime:
    return time.astimezone(UTC)
