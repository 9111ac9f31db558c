"""Copies objects in question to the forensic store, as they are, with a record of custody.

Nothing is ever deleted or moved: what is in the archive stays there, whatever is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import storage
from audit.events import Actor, EventType
from audit.models import CustodyRecord
from audit.services import clock, trail
from sealing import canonical
from sealing.digests import sha256_tag
from sealing.errors import IntegrityFailure, Invalid, NotFound
from sealing.stores.base import Retention, Store, Version, check_object_name
from sealing.times import format_time

FORMAT = "strongroom/custody/v1"
DOCUMENT = "custody.json"
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z", re.ASCII)
_UNUSUAL = re.compile(r"[^A-Za-z0-9_-]+")
MAX_REASON = 2_000


class CopyDiffers(IntegrityFailure):
    """The copy that was read back is not what was copied."""

    code = "copy_differs"


@dataclass(frozen=True, slots=True)
class _Wanted:
    version: Version
    copied_to: str


def quarantine(
    *,
    actor: Actor,
    names: Sequence[str],
    case_id: str,
    reason: str,
    all_versions: bool = False,
    target: Store | None = None,
) -> CustodyRecord:
    """Copies objects of the archive to ``<case>/<time>/`` in the forensic store.

    Args:
        actor: who does it.
        names: objects below the archive's root; what is in them does not matter.
        case_id: the incident; it names a folder.
        reason: why; it is recorded.
        all_versions: every version of each object, markers that hide it too; otherwise the
            oldest, which is what was archived, and the newest, which is what a plain read gives.
        target: another forensic store than the configured one.

    Raises:
        Invalid: a name, the case or the reason is not usable. NotFound: there is no such object;
        nothing was copied. CopyDiffers, StoreUnavailable, StoreDenied: it could not be
        finished, and there is no record of it; copies that were made stay.
    """
    trail.ensure_enabled()
    _check(names, case_id, reason)
    source = storage.archive_store()
    forensic = target or storage.forensic_store()
    if forensic.location == source.location:
        raise Invalid("The archive itself is no place for copies of it.", field="to")
    taken_at = clock.database_clock()
    folder = f"{case_id}/{taken_at:%Y%m%dT%H%M%S.%fZ}"
    wanted = [item for name in names for item in _wanted(source, name, folder, all_versions)]
    retention = storage.retention_for(taken_at, now=taken_at)
    items = [_copied(source, forensic, item, retention) for item in wanted]
    raw = canonical.document(_document(actor, case_id, reason, source, forensic, taken_at, items))
    document = f"{folder}/{DOCUMENT}"
    forensic.put_new(document, raw, retention=retention)
    with transaction.atomic():
        record = CustodyRecord.objects.create(
            case_id=case_id,
            reason=reason,
            source=source.location,
            target=forensic.location,
            items=items,
            document=forensic.key(document),
            document_sha256=sha256_tag(raw),
            actor_id=actor.id,
        )
        trail.record(
            EventType.AUDIT_OBJECTS_QUARANTINED,
            actor=actor,
            obj=("custody-record", str(record.pk)),
            data={
                "case": case_id,
                "reason": reason,
                "source": source.location,
                "target": forensic.location,
                "document": record.document,
                "document_sha256": record.document_sha256,
                "objects": [item["name"] for item in items],
            },
        )
    return record


def _check(names: Sequence[str], case_id: str, reason: str) -> None:
    if not names:
        raise Invalid("Name at least one object.", field="name")
    if len(set(names)) != len(names):
        raise Invalid("An object is named twice.", field="name")
    for name in names:
        check_object_name(name)
    if not _CASE.match(case_id):
        raise Invalid("At most 128 of A-Z a-z 0-9 _ . -, no dot or dash first.", field="case")
    if not reason.strip() or len(reason) > MAX_REASON:
        raise Invalid(f"Say why, in at most {MAX_REASON} characters.", field="reason")


def _wanted(store: Store, name: str, folder: str, all_versions: bool) -> Iterator[_Wanted]:
    """The versions to copy and their places: the one that was archived keeps its name."""
    versions = [version for version in store.versions(name) if version.name == name]
    copies = [version for version in versions if not version.is_delete_marker]
    if not versions:
        raise NotFound(f"There is no {name} in {store.location}. Nothing was copied.")
    for number, version in enumerate(versions):
        is_end = version in (*copies[:1], *copies[-1:])
        if all_versions or is_end or version.is_latest:
            place = "" if version.is_delete_marker else f"{folder}/objects/{name}"
            if place and version is not copies[0]:
                mark = _UNUSUAL.sub("-", version.version_id or "")[:100]
                place = f"{folder}/versions/{name}/{number + 1:04d}-{mark}"
            yield _Wanted(version, place)


def _copied(source: Store, forensic: Store, item: _Wanted, retention: Retention) -> dict[str, Any]:
    version = item.version
    told: dict[str, Any] = {
        "name": version.name,
        "version_id": version.version_id,
        "is_latest": version.is_latest,
        "is_delete_marker": version.is_delete_marker,
        "stored_at": format_time(version.stored_at),
        "size_bytes": version.size_bytes,
        "sha256": None,
        "sha256_of_copy": None,
        "retain_until": None,
        "copied_to": None,
    }
    if version.is_delete_marker:
        return told
    data = source.read(version.name, version_id=version.version_id)
    kept = source.stat(version.name, version_id=version.version_id).retention
    copy = forensic.put_new(item.copied_to, data, retention=retention)
    digest = sha256_tag(data)
    if copy.sha256 != digest or sha256_tag(forensic.read(item.copied_to)) != digest:
        raise CopyDiffers(f"The copy of {version.name} was read back with other bytes.")
    return told | {
        "size_bytes": len(data),
        "sha256": digest,
        "sha256_of_copy": copy.sha256,
        "retain_until": format_time(kept.until) if kept is not None else None,
        "copied_to": forensic.key(item.copied_to),
    }


def _document(
    actor: Actor,
    case_id: str,
    reason: str,
    source: Store,
    forensic: Store,
    taken_at: datetime,
    items: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "case": case_id,
        "reason": reason,
        "taken_by": actor.id,
        "taken_at": format_time(taken_at),
        "source": source.location,
        "target": forensic.location,
        "objects": items,
    }
