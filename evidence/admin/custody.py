"""The custody line of a package: who did what with it, when, and to which bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from access.admin import components
from access.admin.components import CustodyStep
from audit.events import EventType
from audit.models import AuditEvent
from evidence.admin import columns
from evidence.admin.custody_people import Cast, taken_step
from evidence.admin.custody_vault import (
    FAILED,
    Kept,
    lock_step,
    outside_steps,
    reason_of,
    vault_steps,
)
from evidence.models import CountersignEntry, Package, PackageStatus, PackageTimestamp
from sealing.external import DISABLED

_TAKEN = (EventType.EVIDENCE_PACKAGE_DOWNLOADED, EventType.EVIDENCE_PACKAGE_COUNTERSIGN_REFUSED)
SHOWN_EVENTS = 50


def steps(package: Package, kept: Kept | None = None) -> list[CustodyStep]:
    """Everything known: how it was made and where it was put, then what was done with it since.

    What there is none of is said as well, where somebody could expect it.
    """
    kept = kept or Kept.of(package)
    entries = tuple(
        package.countersignatures.select_related("account__person", "key").order_by("number")
    )
    events = _events(package)
    cast = Cast.of(
        [*(event.actor_id for event in events), *(lock.actor_id for lock in kept.locks)],
        [package.maker_account, *(entry.account for entry in entries)],
    )
    later = [
        *(_countersigned(entry, package, cast) for entry in entries),
        *(lock_step(lock, package, cast) for lock in kept.locks[1:]),
        *(taken_step(event, package.client_id, cast) for event in events),
    ]
    return [
        *_made(package, cast),
        *outside_steps(package, kept),
        *vault_steps(package, kept, cast),
        *sorted(later, key=lambda step: str(step.at)),
        *_awaited(package, entries),
    ]


# --- made -----------------------------------------------------------------------------------------


def _made(package: Package, cast: Cast) -> Iterator[CustodyStep]:
    maker = package.maker_account
    yield CustodyStep(
        what="Export requested",
        who=maker,
        at=package.created_at,
        state="unknown",
        role=cast.role(maker, package.created_at, package.client_id),
        detail=package.note,
        facts=_plan(package),
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
        who=maker,
        at=package.completed_at,
        state="complete",
        role=cast.role(maker, package.completed_at, package.client_id),
        digest=package.package_sha256,
        detail=f"{package.event_count:,} events out of a log of {package.tree_size:,}.",
    )
    yield _signed(package)
    yield _stamped(package)


def _plan(package: Package) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("Planned", components.when(package.generated_at))]
    if package.run_id is not None:
        url = reverse("admin:ops_run_change", args=[package.run_id])
        found.append(("Run", format_html('<a href="{}"><code>{}</code></a>', url, package.run_id)))
    return found


def _signed(package: Package) -> CustodyStep:
    if not package.required_signatures:
        return CustodyStep(
            what="Not signed",
            state="unsigned",
            detail="The export asked for no signature: nothing proves where the package is from.",
        )
    signature = package.signature
    return CustodyStep(
        what="Signed by the service",
        who=signature.signer,
        at=signature.created_at,
        state="signed",
        digest=signature.digest,
        facts=[
            ("Key", components.digest(signature.key.key_id)),
            ("Signature file", components.digest(signature.signature_sha256)),
        ],
    )


def _stamped(package: Package) -> CustodyStep:
    stamp = PackageTimestamp.objects.filter(package=package).first()
    if stamp is not None:
        return CustodyStep(
            what="Timestamped by an outside authority",
            who=stamp.authority,
            at=stamp.stamped_at,
            state="signed",
            digest=package.package_sha256,
            facts=[("Token", components.digest(stamp.token_sha256))],
        )
    status = package.timestamp_status
    if status.startswith(FAILED):
        return CustodyStep(
            what="Not timestamped yet",
            state="inconclusive",
            detail=f"The authority failed: {reason_of(status)} It is asked again when the vault is"
            " audited.",
        )
    reason = "No timestamp authority is configured."
    if status != DISABLED:
        reason = "This package was made before timestamps were asked for."
    return CustodyStep(what="Not timestamped", state="unknown", detail=reason)


# --- since ----------------------------------------------------------------------------------------


def _countersigned(entry: CountersignEntry, package: Package, cast: Cast) -> CustodyStep:
    return CustodyStep(
        what=f"Countersigned: {entry.meaning}",
        who=entry.account,
        at=entry.signed_at,
        state="countersigned",
        role=cast.role(entry.account, entry.signed_at, package.client_id),
        digest=entry.digest,
        detail=entry.note,
        facts=[
            ("Number", _number(entry.number, package.required_countersignatures)),
            ("Key", components.digest(entry.key.key_id)),
        ],
    )


def _number(number: int, needed: int) -> str:
    return f"{number} of {needed} needed" if number <= needed else f"{number}; {needed} needed"


def _awaited(package: Package, entries: Sequence[CountersignEntry]) -> Iterator[CustodyStep]:
    needed = package.required_countersignatures
    if not package.is_complete or len(entries) >= needed:
        return
    left = f"{columns.word(needed - len(entries))} of {columns.word(needed)} countersignatures"
    yield CustodyStep(
        what="Awaits its countersignature" if needed == 1 else f"Awaits {left}",
        state="waiting",
        detail="By somebody else than the maker. Until then the package can’t be relied upon.",
    )


def _events(package: Package) -> list[AuditEvent]:
    return list(
        AuditEvent.objects.filter(
            object_id=package.bundle_id,
            object_type="package",
            recorder="strongroom",
            type__in=_TAKEN,
        ).order_by("-seq")[:SHOWN_EVENTS]
    )
