"""What this installation's own log tells of the age of a package's signatures.

The events of an export and of a countersignature name the digest of what was signed. An outside
authority that stamped a checkpoint over such an event has thereby seen the signature
(docs/adr/0023-time-and-compromised-keys.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import structlog
from django.db.models import OuterRef, Subquery

from audit import selectors
from audit.events import RECORDER, EventType
from audit.formats import checkpoint as checkpoints
from audit.models import AuditEvent, Timestamp
from audit.services import proofs, tokens
from evidence.formats import countersign, names, signature
from evidence.formats.check_timestamp import NO_ANCHORS
from evidence.formats.verification import Sidecars
from sealing import digests, merkle
from sealing.errors import IntegrityFailure, Invalid
from sealing.keys import Signers

# Which member of an event's data names what was signed.
_NAMED_BY: Final[Mapping[str, str]] = {
    EventType.EVIDENCE_PACKAGE_EXPORTED: "signature_sha256",
    EventType.EVIDENCE_PACKAGE_COUNTERSIGNED: "entry_sha256",
}
T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What `verify_package` takes of a log: see its arguments of the same names."""

    anchors: Mapping[str, datetime]
    recorded: frozenset[str] | None


NOTHING: Final = Known(NO_ANCHORS, None)


@dataclass(frozen=True, slots=True)
class _Told:
    """An event that names a digest, and the earliest stamp of a checkpoint that covers it."""

    event: AuditEvent
    stamp_id: int | None


@dataclass(frozen=True, slots=True)
class _Signed:
    """What stands beside a package, and by which keys it was signed, digest by digest."""

    bundle_id: str
    keys: dict[str, str]


def known(sidecars: Sidecars, signers: Signers) -> Known:
    """What the log knows of signatures whose keys were marked as compromised.

    As long as no such key has to do with the package, the log is not asked.
    """
    compromised = {key.signer_kid for key in signers.keys if key.status == "compromised"}
    signed = _signed(sidecars) if compromised else None
    if signed is None:
        return NOTHING
    wanted = {digest for digest, kid in signed.keys.items() if kid in compromised}
    if any(key.signer_kid in compromised for key in signers.checkpoint_keys()):
        # Which key signed the checkpoint inside is not known yet; it is as old as the package.
        wanted |= signed.keys.keys()
    if not wanted:
        return NOTHING
    told = _told(signed.bundle_id)
    stamps = Timestamp.objects.select_related("checkpoint").in_bulk(
        {told[digest].stamp_id for digest in wanted & told.keys()} - {None}
    )
    anchors = {}
    for digest in wanted & told.keys():
        stamp = stamps.get(told[digest].stamp_id)
        stamped_at = None if stamp is None else anchored(told[digest].event, stamp, signers)
        if stamped_at is not None:
            anchors[digest] = stamped_at
    return Known(anchors, frozenset(told))


def _signed(sidecars: Sidecars) -> _Signed | None:
    document = _parsed(signature.parse, sidecars.signature)
    if document is None or sidecars.signature is None:
        return None
    keys = {digests.sha256_tag(sidecars.signature): document.signing_key_id}
    file = _parsed(countersign.parse, sidecars.countersign)
    for entry in file.entries if file is not None else ():
        keys[digests.sha256_tag(entry.canonical)] = entry.statement.signing_key_id
    return _Signed(document.statement.subject_name.removesuffix(names.PACKAGE_SUFFIX), keys)


def _parsed(parse: Callable[[bytes], T], raw: bytes | None) -> T | None:
    """What verification will read; what it will refuse needs no anchor."""
    if raw is None:
        return None
    try:
        return parse(raw)
    except Invalid:
        return None


def _told(bundle_id: str) -> dict[str, _Told]:
    """The digests that the package's events name, of those that give their hashes."""
    earliest = Timestamp.objects.filter(checkpoint__size__gt=OuterRef("seq"))
    events = (
        AuditEvent.objects.filter(
            object_id=bundle_id,
            object_type="package",
            type__in=list(_NAMED_BY),
            recorder=RECORDER,
            outcome="success",
        )
        .annotate(stamp_id=Subquery(earliest.order_by("stamped_at", "pk").values("pk")[:1]))
        .order_by("seq")
    )
    told: dict[str, _Told] = {}
    for event in events:
        try:
            selectors.line_of(event)
        except IntegrityFailure as error:
            log.error("event vouches for nothing", seq=event.seq, code=error.code)
            continue
        digest = (json.loads(event.event)["data"] or {}).get(_NAMED_BY[event.type])
        if isinstance(digest, str):
            told.setdefault(digest, _Told(event, event.stamp_id))
    return told


def anchored(event: AuditEvent, stamp: Timestamp, signers: Signers) -> datetime | None:
    """When an authority saw a checkpoint that covers the event; None unless all of it holds."""
    note = stamp.checkpoint.note.encode("utf-8")
    try:
        stamped_at = tokens.checked(bytes(stamp.token), digests.sha256(note)).time
        signed, findings = checkpoints.open_note(note, signers, proven_at=stamped_at)
        if signed is None or not all(finding.ok for finding in findings):
            return None
        path = proofs.inclusion(event.seq, signed.size)
    except (Invalid, IntegrityFailure) as error:
        log.error("checkpoint vouches for nothing", size=stamp.checkpoint.size, code=error.code)
        return None
    leaf = bytes(event.hash)
    holds = merkle.verify_inclusion(leaf, event.seq, signed.size, path, signed.root)
    return stamped_at if holds else None
