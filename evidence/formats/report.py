"""What a verification found, check by check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from evidence.formats.manifest import Manifest
from sealing.keys import KEY_COMPROMISED
from sealing.results import Finding, Report, Verdict

COUNTERSIGNATURE_MISSING: Final = "countersignature_missing"
COUNTERSIGNER_MERGED: Final = "countersigner_merged"
_VOID: Final = frozenset({KEY_COMPROMISED, COUNTERSIGNER_MERGED})

_MESSAGES: Final = {
    Verdict.VALID: "Everything that was checked is as it must be.",
    Verdict.INVALID: "The package must not be relied upon: {first}",
    Verdict.INCONCLUSIVE: "The package could not be checked completely: {first}",
}


def _is_absence(issue: Finding) -> bool:
    is_of_entry = (issue.where or "").startswith("/entries/")
    return issue.code == COUNTERSIGNATURE_MISSING or (issue.code in _VOID and is_of_entry)


class Part(StrEnum):
    """The parts of a verification, each reported with whether it was checked."""

    PACKAGE = "package"
    MANIFEST = "manifest"
    SIGNATURE = "signature"
    COUNTERSIGN = "countersign"
    MAC = "mac"
    TIMESTAMP = "timestamp"
    PROOFS = "proofs"
    RECORD = "record"


class Findings:
    """Collects findings while something is verified.

    Args:
        parts: what it has, in the order in which findings are told; those of a package by default.
    """

    def __init__(self, parts: type[StrEnum] = Part) -> None:
        self._order = tuple(parts)
        self._parts: dict[StrEnum, list[Finding]] = {}
        self._notes: list[Finding] = []

    def add(self, part: StrEnum, finding: Finding) -> None:
        """Take one finding."""
        self._parts.setdefault(part, []).append(finding)

    def good(self, part: StrEnum, code: str, message: str) -> None:
        """A check that passed."""
        self.add(part, Finding(code=code, ok=True, message=message))

    def bad(self, part: StrEnum, code: str, message: str, where: str | None = None) -> None:
        """A check that failed."""
        self.add(part, Finding(code=code, ok=False, message=message, where=where))

    def unknown(self, part: StrEnum, code: str, message: str, where: str | None = None) -> None:
        """A check that could not be made, and without which nobody may say valid."""
        self.add(part, Finding(code=code, ok=None, message=message, where=where))

    def note(self, code: str, message: str) -> None:
        """Something worth knowing that no verdict depends on."""
        self._notes.append(Finding(code=code, ok=None, message=message))

    def checked(self, part: StrEnum) -> bool:
        """Whether something was found out about the part."""
        return part in self._parts

    def clean(self, part: StrEnum) -> bool:
        """Whether the part was checked, and every check of it passed."""
        return part in self._parts and all(found.ok for found in self._parts[part])

    def issues(self, part: StrEnum) -> tuple[Finding, ...]:
        """The findings of the part that did not pass."""
        return tuple(found for found in self._parts.get(part, ()) if not found.ok)

    def all(self) -> tuple[Finding, ...]:
        """Everything found, part by part."""
        return tuple(found for part in self._order for found in self._parts.get(part, ()))

    def notes(self) -> tuple[Finding, ...]:
        """What was noted."""
        return tuple(self._notes)


@dataclass(frozen=True, slots=True)
class Countersigner:
    """Somebody whose countersignature counts."""

    person: str
    signer: str
    signing_key_id: str
    signed_at: str
    meaning: str


@dataclass(frozen=True, slots=True)
class PackageReport:
    """The outcome of a verification.

    Each ``…_valid`` is true only if that part was checked and nothing in it was wrong; where
    ``…_checked`` is false, ``…_valid`` says nothing.

    Attributes:
        countersigners: those whose countersignature counts.
        entry_digests: the digest of each entry of the countersign file, whether it counts or not.
        notes: what is worth knowing and changes no verdict.
    """

    package_sha256: str
    size_bytes: int
    manifest: Manifest | None
    manifest_exists: bool
    manifest_valid: bool
    signature_checked: bool
    signature_valid: bool
    countersign_checked: bool
    countersign_valid: bool
    mac_checked: bool
    mac_valid: bool
    timestamp_checked: bool
    timestamp_valid: bool
    proofs_checked: bool
    proofs_valid: bool
    countersigners: tuple[Countersigner, ...] = ()
    entry_digests: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
    notes: tuple[Finding, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """VALID, INVALID, or INCONCLUSIVE where it could not be checked."""
        return Report(self.findings).verdict

    @property
    def issues(self) -> tuple[Finding, ...]:
        """What stands in the way of VALID."""
        return tuple(Report(self.findings).issues)

    @property
    def message(self) -> str:
        """A sentence for a reader in a hurry, and what was noted."""
        issues = sorted(self.issues, key=lambda issue: issue.ok is None)
        first = issues[0].message if issues else ""
        if issues and self.awaits_countersignature:
            told = f"The package can't be relied upon yet: {first}"
        else:
            told = _MESSAGES[self.verdict].format(first=first)
        return " ".join([told, *(note.message for note in self.notes)])

    @property
    def awaits_countersignature(self) -> bool:
        """Whether nothing is wrong, except perhaps that a countersignature is missing.

        One that is void, by a compromised key or of one human twice, is as good as missing.
        """
        return bool(self.findings) and all(_is_absence(issue) for issue in self.issues)

    def with_findings(self, extra: Iterable[Finding]) -> PackageReport:
        """The same report and some more findings."""
        return replace(self, findings=(*self.findings, *extra))

    def as_dict(self) -> dict[str, Any]:
        """The fields as the REST door and ``--json`` give them."""
        return {
            "package_sha256": self.package_sha256,
            "manifest_exists": self.manifest_exists,
            "manifest_valid": self.manifest_valid,
            "signature_checked": self.signature_checked,
            "signature_valid": self.signature_valid,
            "countersign_checked": self.countersign_checked,
            "countersign_valid": self.countersign_valid,
            "countersign_count": len(self.countersigners),
            "mac_checked": self.mac_checked,
            "mac_valid": self.mac_valid,
            "timestamp_checked": self.timestamp_checked,
            "timestamp_valid": self.timestamp_valid,
            "proofs_checked": self.proofs_checked,
            "proofs_valid": self.proofs_valid,
            "verdict": self.verdict.value,
            "issues": [
                {"code": issue.code, "message": issue.message, "where": issue.where}
                for issue in self.issues
            ],
            "message": self.message,
        }
