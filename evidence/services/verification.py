"""Verification for those who ask the installation: by name, or of files that they send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from access import policy
from access.roles import Action
from audit.events import Actor
from audit.services import trail
from evidence.formats import names
from evidence.formats.package import PackageBytes
from evidence.formats.report import PackageReport
from evidence.formats.verification import Sidecars
from evidence.models import Package
from evidence.services import checking, countersign_file, locating
from evidence.services.errors import PackageFileMissing
from sealing.errors import Forbidden
from sealing.results import Finding, Verdict


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """What a verification answers.

    Attributes:
        package_path: The name that was asked for, or the name of the uploaded file.
        package: The record of the package, where there is one.
        report: The findings; None when there is no file.
    """

    package_path: str
    package: Package | None
    report: PackageReport | None

    @property
    def verdict(self) -> Verdict:
        """INVALID where a recorded package's file is gone; without a record, nobody can say."""
        if self.report is not None:
            return self.report.verdict
        recorded = self.package is not None and self.package.is_complete
        return Verdict.INVALID if recorded else Verdict.INCONCLUSIVE

    def as_dict(self) -> dict[str, Any]:
        """The fields of the REST door."""
        head = {"package_path": self.package_path, "package_exists": self.report is not None}
        if self.report is not None:
            return head | self.report.as_dict()
        message = "There is no package of this name."
        if self.verdict is Verdict.INVALID:
            message = "The package is recorded, but its file is gone."
        issue = {"code": PackageFileMissing.code, "message": message, "where": None}
        parts = ("signature", "countersign", "mac", "timestamp", "proofs")
        return head | {
            "package_sha256": None,
            "manifest_exists": False,
            "manifest_valid": False,
            **{f"{part}_{what}": False for part in parts for what in ("checked", "valid")},
            "countersign_count": 0,
            "verdict": self.verdict.value,
            "issues": [issue],
            "message": message,
        }


def verify(
    *,
    actor: Actor,
    package_path: str,
    signature_path: str | None = None,
    countersign_path: str | None = None,
    require_countersign: bool = False,
    signing_secret: bytes | None = None,
) -> VerificationResult:
    """Verify the package of that name with the files beside it.

    Args:
        actor: Who asks.
        package_path: The name below the package root.
        signature_path: Another ``.signature.json`` in the same folder.
        countersign_path: Another ``.countersign.json`` in the same folder.
        require_countersign: Ask for a countersignature even if the policy asks for none.
        signing_secret: If given, a mac that it does not give is a fault.

    Raises:
        NotFound: The name is not in the actor's scope, whether or not there is such a file.
        Invalid: A file is named that does not lie beside the package.
    """
    located = locating.by_path(actor=actor, package_path=package_path, action=Action.VERIFY)
    name, package = located.name, located.package
    chosen = {
        "signature_path": _beside(name, signature_path, names.SIGNATURE_SUFFIX, "signature_path"),
        "countersign_path": _beside(
            name, countersign_path, names.COUNTERSIGN_SUFFIX, "countersign_path"
        ),
    }
    options = checking.Options(require_countersign, signing_secret)
    try:
        if package is None or not package.is_complete:
            sidecars = checking.read_sidecars(name, **chosen)
            report = checking.check_name(name, sidecars=sidecars, options=options)
            report = report.with_findings([_unrecorded()])
        else:
            stored = _stored(package, chosen)
            report = checking.check_files(package, found=stored, options=options)
    except PackageFileMissing:
        return VerificationResult(package_path, package, None)
    return VerificationResult(package_path, package, report)


def verify_upload(
    *,
    actor: Actor,
    file_name: str,
    data: PackageBytes,
    sidecars: Sidecars,
    require_countersign: bool = False,
    signing_secret: bytes | None = None,
) -> VerificationResult:
    """Verify files that somebody sent; nothing is stored.

    What no trusted key has signed is not looked into: its documents may be made to cost a lot.

    Raises:
        Forbidden: The actor may not verify anything at all.
    """
    scope = policy.scope(actor.account, Action.VERIFY)
    if not scope.all_clients and not scope.client_ids:
        raise Forbidden("Verification needs a role for at least one client.")
    options = checking.Options(require_countersign, signing_secret, only_if_signed=True)
    report = checking.check_bytes(data, sidecars=sidecars, options=options)
    return VerificationResult(file_name, None, report)


def _stored(package: Package, chosen: dict[str, Any]) -> checking.Stored:
    """Files and rows at one moment: no countersignature can be stored while they are read."""
    with transaction.atomic():
        locked = Package.objects.select_for_update().get(pk=package.pk)
        # With the trail switched off nothing is written, not even what is missing.
        if trail.is_enabled():
            countersign_file.repair(locked)
        return checking.stored(locked, **chosen)


def _beside(name: names.PackageName, given: str | None, suffix: str, field: str) -> Any:
    if given is None:
        return None
    return locating.sidecar_path(name, given, suffix=suffix, field=field)


def _unrecorded() -> Finding:
    return Finding(
        "record_missing", None, "This installation has no record of having made this package."
    )
