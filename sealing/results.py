"""Verdicts: what a verifier found, and what it did not check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

EXIT_VALID = 0
EXIT_INVALID = 1
EXIT_USAGE = 2
EXIT_COULD_NOT_CHECK = 3


class Verdict(StrEnum):
    """What a verification comes to."""

    VALID = "VALID"
    INVALID = "INVALID"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: passed (True), failed (False), or needed but not possible (None)."""

    code: str
    ok: bool | None
    message: str
    where: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"code": self.code, "ok": self.ok, "message": self.message, "where": self.where}


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one verification."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """INVALID if a check failed; INCONCLUSIVE if one was not possible, or there was none."""
        if any(finding.ok is False for finding in self.findings):
            return Verdict.INVALID
        if not self.findings or any(finding.ok is None for finding in self.findings):
            return Verdict.INCONCLUSIVE
        return Verdict.VALID

    @property
    def issues(self) -> tuple[Finding, ...]:
        """The findings that did not pass."""
        return tuple(finding for finding in self.findings if finding.ok is not True)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "verdict": str(self.verdict),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def exit_code(verdict: Verdict) -> int:
    """The exit code of a command line whose result is ``verdict``."""
    return {
        Verdict.VALID: EXIT_VALID,
        Verdict.INVALID: EXIT_INVALID,
        Verdict.INCONCLUSIVE: EXIT_COULD_NOT_CHECK,
    }[verdict]
