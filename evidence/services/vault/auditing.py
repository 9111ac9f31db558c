"""Walks the vault and compares every copy and deposit with its records, both ways."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from django.db import transaction

from audit.events import Actor, EventType
from audit.services import trail
from evidence.formats.contents import VaultMode
from evidence.models import Deposit, Package, PackageStatus
from evidence.services import artifact_recording, countersign_vault
from evidence.services.errors import VaultNotConfigured
from evidence.services.vault import (
    deposit_examining,
    depositing,
    envelope,
    examining,
    holding,
    locks,
    making_up,
    opening,
    stamps,
    strangers,
)
from evidence.services.vault.audited import VaultAudit as VaultAudit  # for those who show audits
from evidence.services.vault.errors import VaultUnavailable
from evidence.services.vault.opening import vault_of
from sealing.errors import StrongroomError
from sealing.files import PathRefused
from sealing.results import Finding

_MAX_RECORDED: Final = 100
_BATCH: Final = 200
Progress = Callable[[int, int], None]


def audit_vault(*, actor: Actor, progress: Progress | None = None) -> VaultAudit:
    """Compares every copy and every deposit with its records, and every folder of the vaults with
    those.

    Before that it finishes what was interrupted: locks and holds that were stored and not carried
    out, states of countersign files and timestamps that are missing, and what other rooms have
    registered (`making_up`). What lost its protection is told, and protected again. Nothing is ever
    removed. On an installation that records nothing (AUDIT_ENABLED) it only compares.

    Args:
        progress: told how many copies and deposits of how many were compared.
    """
    audit = VaultAudit()
    if trail.is_enabled():
        _catch_up(actor, audit)
    _compare_all(audit, progress or (lambda done, total: None))
    _find_missing(audit)
    for mode in opening.configured():
        strangers.find(audit, mode)
    if trail.is_enabled():
        _record(actor, audit)
    return audit


def _catch_up(actor: Actor, audit: VaultAudit) -> None:
    applied = locks.apply_holds(actor=actor)
    audit.repaired += [f"{name}: lock" for name in (*applied.changed, *applied.finished)]
    for bundle_id, reason in applied.failures:
        audit.tell(Finding("vault_lock_not_carried_out", None, reason, bundle_id))
    stamped = stamps.make_up(actor=actor)
    audit.repaired += [f"{name}: timestamp" for name in stamped.done]
    for bundle_id, reason in stamped.failures:
        audit.tell(Finding("vault_timestamp_waiting", None, reason, bundle_id))
    audit.repaired += artifact_recording.make_up().repaired
    for item in making_up.registered():
        made = item.run(actor)
        audit.repaired += made.repaired
        for name, reason in made.failures:
            audit.tell(Finding("vault_file_waiting", None, reason, name))
    for mode in opening.configured():
        try:
            vault_of(mode).sweep()
        except VaultUnavailable as error:
            audit.tell(Finding(error.code, None, error.message, mode))


def _compare_all(audit: VaultAudit, progress: Progress) -> None:
    copies = Package.objects.filter(vault_copy__isnull=False).select_related("vault_copy", "client")
    deposits = Deposit.objects.order_by("pk")
    total = copies.count() + deposits.count()
    for package in copies.order_by("pk").iterator(chunk_size=_BATCH):
        with _problems(audit, package.vault_copy.folder, package.bundle_id):
            _compare(audit, package)
        audit.copies += 1
        progress(audit.compared, total)
    for deposit in deposits.iterator(chunk_size=_BATCH):
        with _problems(audit, deposit.folder, deposit.name):
            _compare_deposit(audit, deposit)
        audit.deposits += 1
        progress(audit.compared, total)


@contextlib.contextmanager
def _problems(audit: VaultAudit, folder: str, name: str) -> Iterator[None]:
    """One copy that can't be compared doesn't keep the others from it."""
    try:
        yield
    except PathRefused:
        message = "A link lies in the way of the copy."
        audit.tell(Finding("vault_path_strange", False, message, folder))
    except (VaultUnavailable, VaultNotConfigured, OSError) as error:
        code = error.code if isinstance(error, StrongroomError) else "storage_error"
        audit.tell(Finding(code, None, str(error), name))


def _find_missing(audit: VaultAudit) -> None:
    """Packages that were completed for a vault, and of which no copy is recorded."""
    found = Package.objects.filter(status=PackageStatus.COMPLETE, vault_copy__isnull=True)
    found = found.exclude(vault_mode=VaultMode.NONE).order_by("pk")
    for bundle_id in found.values_list("bundle_id", flat=True).iterator(chunk_size=_BATCH):
        message = "It was completed for a vault, and there is no record of its copy."
        audit.tell(Finding("vault_record_missing", False, message, bundle_id))


def _compare(audit: VaultAudit, package: Package) -> None:
    vault = vault_of(package.vault_copy.mode)
    if trail.is_enabled():
        _add_countersigned(audit, package)
        envelope.forget(package)  # left where a process died just after the export had ended
    examined = examining.examine(package, vault)
    audit.take(examined)
    if examined.is_loose and trail.is_enabled():
        _protect_again(audit, package.bundle_id, lambda: holding.protect(package, vault))


def _compare_deposit(audit: VaultAudit, deposit: Deposit) -> None:
    vault = vault_of(deposit.mode)
    examined = deposit_examining.examine(deposit, vault)
    audit.take(examined)
    if examined.is_loose and trail.is_enabled():
        _protect_again(audit, deposit.name, lambda: depositing.protect(deposit, vault))


def _add_countersigned(audit: VaultAudit, package: Package) -> None:
    try:
        added = countersign_vault.deposit_states(package)
    except StrongroomError as error:
        ok = None if isinstance(error, VaultUnavailable) else False
        audit.tell(Finding(error.code, ok, error.message, package.bundle_id))
        return
    if added:
        audit.repaired.append(f"{package.bundle_id}: {added} of its countersign states")


def _protect_again(audit: VaultAudit, name: str, protect: Callable[[], None]) -> None:
    try:
        protect()
    except StrongroomError as error:
        audit.tell(Finding("vault_not_protected", False, error.message, name))
    else:
        audit.repaired.append(f"{name}: protected again")


def _record(actor: Actor, audit: VaultAudit) -> None:
    data: dict[str, Any] = {
        "verdict": str(audit.verdict),
        "copies": audit.copies,
        "deposits": audit.deposits,
        "files": audit.files,
        "bytes": audit.bytes,
        "counts": dict(audit.counts),
        "repaired": audit.repaired[:_MAX_RECORDED],
    }
    with transaction.atomic():
        trail.record(
            EventType.EVIDENCE_VAULT_AUDITED,
            actor=actor,
            outcome="failure" if audit.is_wrong else "success",
            data=data,
        )
        if audit.is_wrong:
            told = [item.as_dict() for item in audit.findings if item.ok is False]
            trail.record(
                EventType.EVIDENCE_VAULT_DIFFERS,
                actor=actor,
                outcome="failure",
                data={"counts": dict(audit.counts), "findings": told[:_MAX_RECORDED]},
            )
