"""The custody line of a package: who did what with it, when, and to which bytes."""

from __future__ import annotations

from collections.abc import Iterator

from access.admin import components
from access.admin.components import CustodyStep
from access.models import User
from audit.events import EventType
from audit.models import AuditEvent
from evidence.models import Package, PackageStatus
from sealing import canonical

_TAKEN = (EventType.EVIDENCE_PACKAGE_DOWNLOADED, EventType.EVIDENCE_PACKAGE_COUNTERSIGN_REFUSED)
SHOWN_EVENTS = 50


def steps(package: Package) -> list[CustodyStep]:
    """Everything known, oldest first; downloads and refusals as the audit trail has them."""
    found = [*_made(package), *_countersigned(package), *_events(package)]
    return sorted(found, key=lambda step: str(step.at))


def _made(package: Package) -> Iterator[CustodyStep]:
    yield CustodyStep(
        what="Export requested",
        who=package.maker_account,
        at=package.created_at,
        state="unknown",
        detail=package.note,
    )
    if package.status == PackageStatus.FAILED:
        yield CustodyStep(
            what="Export failed",
            at=package.completed_at,
            state="failed",
            detail=package.error_message,
        )
    if not package.is_complete:
        return
    yield CustodyStep(
        what="Package written and verified",
        who=package.maker_account,
        at=package.completed_at,
        state="complete",
        digest=package.package_sha256,
        detail=f"{package.event_count} events out of a log of {package.tree_size}.",
    )
    if package.required_signatures:
        signature = package.signature
        yield CustodyStep(
            what="Signed by the service",
            who=signature.signer,
            at=signature.created_at,
            state="signed",
            digest=signature.digest,
            facts=[("Key", components.digest(signature.key.key_id))],
        )


def _countersigned(package: Package) -> Iterator[CustodyStep]:
    entries = package.countersignatures.select_related("account__person", "key")
    for entry in entries.order_by("number"):
        yield CustodyStep(
            what=f"Countersigned: {entry.meaning}",
            who=entry.account,
            at=entry.signed_at,
            state="countersigned",
            role="compliance-officer",
            digest=entry.digest,
            detail=entry.note,
            facts=[("Key", components.digest(entry.key.key_id))],
        )


def _events(package: Package) -> Iterator[CustodyStep]:
    events = list(
        AuditEvent.objects.filter(
            object_id=package.bundle_id,
            object_type="package",
            recorder="strongroom",
            type__in=_TAKEN,
        ).order_by("-seq")[:SHOWN_EVENTS]
    )
    names = {event.actor_id.partition(":")[2] for event in events}
    accounts = {
        user.username: user
        for user in User.objects.filter(username__in=names).select_related("person")
    }
    for event in events:
        name = event.actor_id.partition(":")[2]
        data = canonical.loads(event.event.encode())["data"]
        refused = event.type == EventType.EVIDENCE_PACKAGE_COUNTERSIGN_REFUSED
        yield CustodyStep(
            what="Countersignature refused" if refused else f"Downloaded {data['file']}",
            who=accounts.get(name, name),
            at=event.occurred_at,
            state="denied" if refused else "unknown",
            digest=None if refused else data["sha256"],
            detail=data["code"].replace("_", " ") if refused else "",
        )
