"""What an audit of the vault found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from evidence.services.vault.comparing import Examined
from sealing.results import Finding, Verdict, exit_code

# What is told one by one; beyond that the counts by code say how much more there is.
MAX_TOLD: Final = 1000


@dataclass(slots=True)
class VaultAudit:
    """What an audit of the vault found.

    Attributes:
        copies: how many packages were compared; ``deposits``: and how much that is no package.
        findings: what is wrong (False) or could not be checked (None), up to MAX_TOLD.
        counts: all of them, by code.
        notices: what people should know though all is in order.
        repaired: what was put right, by name with a word for what was done.
    """

    copies: int = 0
    deposits: int = 0
    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    notices: list[Finding] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    is_wrong: bool = False
    is_unsure: bool = False

    @property
    def compared(self) -> int:
        """How many folders of the vault were compared."""
        return self.copies + self.deposits

    @property
    def verdict(self) -> Verdict:
        """INCONCLUSIVE also where there was nothing to compare."""
        if self.is_wrong:
            return Verdict.INVALID
        return Verdict.INCONCLUSIVE if self.is_unsure or not self.compared else Verdict.VALID

    @property
    def exit_code(self) -> int:
        """0, 1 or 3, as for verifiers."""
        return exit_code(self.verdict)

    @property
    def message(self) -> str:
        """One sentence."""
        what = f"{self.copies} copies"
        if self.deposits:
            what += f", {self.deposits} deposits"
        if self.counts:
            told = ", ".join(f"{code} × {count}" for code, count in sorted(self.counts.items()))
            return f"{what}: {told}."
        if not self.compared:
            return "There is no copy in any vault: nothing was compared."
        return f"{what}, {self.files} files: all are as they were put there."

    def tell(self, finding: Finding) -> None:
        """Adds a finding."""
        self.counts[finding.code] += 1
        self.is_wrong = self.is_wrong or finding.ok is False
        self.is_unsure = self.is_unsure or finding.ok is None
        if len(self.findings) < MAX_TOLD:
            self.findings.append(finding)

    def notice(self, notice: Finding) -> None:
        """Adds what people should know."""
        if len(self.notices) < MAX_TOLD:
            self.notices.append(notice)

    def take(self, examined: Examined) -> None:
        """Adds what was found at one folder."""
        self.files += examined.files
        self.bytes += examined.bytes
        for finding in examined.findings:
            self.tell(finding)
        for notice in examined.notices:
            self.notice(notice)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "verdict": str(self.verdict),
            "message": self.message,
            "copies": self.copies,
            "deposits": self.deposits,
            "files": self.files,
            "bytes": self.bytes,
            "counts": dict(sorted(self.counts.items())),
            "findings": [finding.as_dict() for finding in self.findings],
            "notices": [notice.as_dict() for notice in self.notices],
            "repaired": self.repaired[:MAX_TOLD],
        }
