"""The custody line of a segment: from the cut to the lock, as its row and receipt tell it."""

from __future__ import annotations

from django.template.defaultfilters import filesizeformat

from access.admin import components
from access.admin.components import CustodyStep
from audit import storage
from audit.models import Segment
from sealing.errors import Invalid
from sealing.stores.base import LockMode

ARCHIVER = "The archiver"


def steps_of(segment: Segment) -> list[CustodyStep]:
    """What happened to a segment, oldest first."""
    steps = [
        CustodyStep(
            what=f"Events {segment.first_seq:,} to {segment.last_seq:,} cut from the log",
            who=ARCHIVER,
            at=segment.created_at,
            state="sealed",
            digest=segment.raw_sha256,
            detail=f"{filesizeformat(segment.raw_bytes)} of lines.",
        )
    ]
    if segment.archived_at is None:
        steps.append(_waiting(segment))
        return steps
    steps += _signed(segment)
    steps.append(
        CustodyStep(
            what="Written, locked and read back",
            who=ARCHIVER,
            at=segment.archived_at,
            state="archived",
            digest=segment.stored_sha256,
            detail=_tries(segment),
            facts=_receipt(segment),
        )
    )
    steps.append(_lock(segment))
    if segment.replication_status:
        done = segment.replication_status.upper() in ("COMPLETED", "REPLICA")
        state = "complete" if done else "pending"
        steps.append(CustodyStep(what=f"Replication {segment.replication_status}", state=state))
    if segment.legal_hold:
        steps.append(CustodyStep(what="Held for a case", state="waiting"))
    if segment.released_at is not None:
        steps.append(
            CustodyStep(
                what="Local copy removed after the end of its lock",
                who="The retention sweep",
                at=segment.released_at,
                state="released",
            )
        )
    return steps


def lock_fault(segment: Segment) -> str | None:
    """What is wrong with the lock that the receipt shows, by the settings as they are now."""
    if segment.archived_at is None:
        return None
    if segment.retain_until is None:
        return "It has no lock."
    try:
        wanted = storage.retention_for(segment.newest_event_at, now=segment.newest_event_at)
    except Invalid as error:
        return error.message
    if segment.retain_until < wanted.until:
        return f"Policy asks for a lock until {wanted.until:%Y-%m-%d %H:%M} UTC."
    if wanted.mode is LockMode.COMPLIANCE and segment.lock_mode != LockMode.COMPLIANCE:
        return "Policy asks for compliance mode."
    return None


def _waiting(segment: Segment) -> CustodyStep:
    if not segment.last_error:
        return CustodyStep(what="To be archived", state="pending", detail=_tries(segment))
    return CustodyStep(
        what="Not archived yet",
        who=ARCHIVER,
        at=segment.last_attempt_at,
        state="failed",
        detail=f"{segment.last_error} {_tries(segment)}".strip(),
    )


def _signed(segment: Segment) -> list[CustodyStep]:
    checkpoint = segment.checkpoint
    if checkpoint is None:
        return []
    steps = [
        CustodyStep(
            what=f"Checkpoint over {checkpoint.size:,} events signed",
            who=checkpoint.key.name,
            at=checkpoint.signed_at,
            state="signed",
            digest=bytes(checkpoint.root),
        )
    ]
    token = getattr(checkpoint, "timestamp", None)
    if token is not None:
        steps.append(
            CustodyStep(
                what="Checkpoint timestamped",
                who=token.authority,
                at=token.stamped_at,
                state="signed",
            )
        )
    return steps


def _receipt(segment: Segment) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [("Object", components.identifier(segment.object_key))]
    if segment.version_id:
        facts.append(("Version", components.identifier(segment.version_id)))
    facts.append(("Size", filesizeformat(segment.stored_bytes or 0)))
    if segment.kms_key_id:
        facts.append(("KMS key", components.identifier(segment.kms_key_id)))
    return facts


def _lock(segment: Segment) -> CustodyStep:
    fault = lock_fault(segment)
    if segment.retain_until is None:
        return CustodyStep(what="Not locked", state="failed", detail=fault or "")
    mode = segment.lock_mode or "unknown"
    return CustodyStep(
        what=f"Locked in {mode} mode until {segment.retain_until:%Y-%m-%d %H:%M} UTC",
        state="stale" if fault else "verified",
        detail=fault or "",
    )


def _tries(segment: Segment) -> str:
    return f"Tried {segment.attempts} times." if segment.attempts > 1 else ""
