"""Walks the vault and compares every copy with its records, both ways."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction

from audit.events import Actor, EventType
from audit.services import trail
from evidence.formats import names
from evidence.formats.contents import VaultMode
from evidence.models import Package, PackageStatus, VaultCopy
from evidence.services import countersign_vault
from evidence.services.errors import VaultNotConfigured
from evidence.services.vault import envelope, holding, locks, opening, stamps
from evidence.services.vault.base import Vault
from evidence.services.vault.errors import VaultUnavailable
from evidence.services.vault.examining import examine
from evidence.services.vault.opening import vault_of
from sealing.errors import Invalid, StrongroomError
from sealing.files import PathRefused
from sealing.results import Finding, Verdict, exit_code

# What is told one by one; beyond that the counts by code say how much more there is.
MAX_TOLD: Final = 1000
_MAX_RECORDED: Final = 100
_BATCH: Final = 200


@dataclass(slots=True)
class VaultAudit:
    """What an audit of the vault found.

    Attributes:
        findings: what is wrong (False) or could not be checked (None), up to MAX_TOLD.
        counts: all of them, by code.
        notices: what people should know though all is in order.
        repaired: what was put right, as packages with a word for what was done.
    """

    copies: int = 0
    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    notices: list[Finding] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    is_wrong: bool = False
    is_unsure: bool = False

    @property
    def verdict(self) -> Verdict:
        """INCONCLUSIVE also where there was nothing to compare."""
        if self.is_wrong:
            return Verdict.INVALID
        return Verdict.INCONCLUSIVE if self.is_unsure or not self.copies else Verdict.VALID

    @property
    def exit_code(self) -> int:
        """0, 1 or 3, as for verifiers."""
        return exit_code(self.verdict)

    @property
    def message(self) -> str:
        """One sentence."""
        if self.counts:
            told = ", ".join(f"{code} × {count}" for code, count in sorted(self.counts.items()))
            return f"{self.copies} copies: {told}."
        if not self.copies:
            return "There is no copy in any vault: nothing was compared."
        return f"{self.copies} copies, {self.files} files: all are as they were put there."

    def tell(self, finding: Finding) -> None:
        """Adds a finding."""
        self.counts[finding.code] += 1
        self.is_wrong = self.is_wrong or finding.ok is False
        self.is_unsure = self.is_unsure or finding.ok is None
        if len(self.findings) < MAX_TOLD:
            self.findings.append(finding)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "verdict": str(self.verdict),
            "message": self.message,
            "copies": self.copies,
            "files": self.files,
            "bytes": self.bytes,
            "counts": dict(sorted(self.counts.items())),
            "findings": [finding.as_dict() for finding in self.findings],
            "notices": [notice.as_dict() for notice in self.notices[:MAX_TOLD]],
            "repaired": self.repaired[:MAX_TOLD],
        }


def audit_vault(*, actor: Actor, progress: Callable[[int, int], None] | None = None) -> VaultAudit:
    """Compares every copy with its records, and every folder of the vaults with the copies.

    Before that it finishes what was interrupted: locks and holds that were stored and not carried
    out, states of countersign files and timestamps that are missing. What lost its protection is
    told, and protected again. Nothing is ever removed. On an installation that records nothing
    (AUDIT_ENABLED) it only compares.

    Args:
        progress: told how many copies of how many were compared.
    """
    audit = VaultAudit()
    if trail.is_enabled():
        _catch_up(actor, audit)
    _compare_copies(audit, progress or (lambda done, total: None))
    _find_missing(audit)
    for mode in opening.configured():
        _find_strangers(audit, mode)
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
    for mode in opening.configured():
        try:
            vault_of(mode).sweep()
        except VaultUnavailable as error:
            audit.tell(Finding(error.code, None, error.message, mode))


def _compare_copies(audit: VaultAudit, progress: Callable[[int, int], None]) -> None:
    found = Package.objects.filter(vault_copy__isnull=False).select_related("vault_copy", "client")
    total = found.count()
    for package in found.order_by("pk").iterator(chunk_size=_BATCH):
        try:
            _compare(audit, package)
        except PathRefused:
            message = "A link lies in the way of the copy."
            audit.tell(Finding("vault_path_strange", False, message, package.vault_copy.folder))
        except (VaultUnavailable, VaultNotConfigured, OSError) as error:
            code = error.code if isinstance(error, StrongroomError) else "storage_error"
            audit.tell(Finding(code, None, str(error), package.bundle_id))
        audit.copies += 1
        progress(audit.copies, total)


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
    examined = examine(package, vault)
    audit.files += examined.files
    audit.bytes += examined.bytes
    for finding in examined.findings:
        audit.tell(finding)
    audit.notices += examined.notices[: max(0, MAX_TOLD - len(audit.notices))]
    if examined.is_loose and trail.is_enabled():
        _protect_again(audit, package, vault)


def _add_countersigned(audit: VaultAudit, package: Package) -> None:
    try:
        added = countersign_vault.deposit_states(package)
    except StrongroomError as error:
        ok = None if isinstance(error, VaultUnavailable) else False
        audit.tell(Finding(error.code, ok, error.message, package.bundle_id))
        return
    if added:
        audit.repaired.append(f"{package.bundle_id}: {added} of its countersign states")


def _protect_again(audit: VaultAudit, package: Package, vault: Vault) -> None:
    try:
        holding.protect(package, vault)
    except StrongroomError as error:
        audit.tell(Finding("vault_not_protected", False, error.message, package.bundle_id))
    else:
        audit.repaired.append(f"{package.bundle_id}: protected again")


def _find_strangers(audit: VaultAudit, mode: VaultMode) -> None:
    """Folders that no record of a copy names."""
    try:
        for batch in _batches(vault_of(mode).folders()):
            known = set(
                VaultCopy.objects.filter(mode=mode, folder__in=batch).values_list(
                    "folder", flat=True
                )
            )
            for folder in batch:
                if folder not in known:
                    _tell_stranger(audit, mode, folder)
    except (VaultUnavailable, OSError) as error:
        audit.tell(Finding("vault_unavailable", None, str(error), mode))


def _tell_stranger(audit: VaultAudit, mode: VaultMode, folder: str) -> None:
    try:
        bundle_id = names.parse_vault_folder(folder).bundle_id
    except Invalid:
        message = "This is no folder of a package, and lies in the vault."
        audit.tell(Finding("vault_path_strange", False, message, folder))
        return
    package = Package.objects.filter(bundle_id=bundle_id, vault_mode=mode).first()
    is_known = package is not None and VaultCopy.objects.filter(package=package).exists()
    if is_known or (package is not None and package.status == PackageStatus.WRITING):
        return  # recorded meanwhile, or about to be
    message = (
        "An export that failed left it, locked: it stays until its lock ends."
        if package is not None
        else "No record knows of this copy."
    )
    audit.tell(Finding("vault_copy_unrecorded", False, message, folder))


def _batches(folders: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(itertools.islice(folders, _BATCH)):
        yield batch


def _record(actor: Actor, audit: VaultAudit) -> None:
    data: dict[str, Any] = {
        "verdict": str(audit.verdict),
        "copies": audit.copies,
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
