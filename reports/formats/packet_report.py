"""What a verification of a packet found, check by check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from evidence.formats.report import COUNTERSIGNATURE_MISSING, Countersigner
from sealing.results import Finding, Report, Verdict

_MESSAGES: Final = {
    Verdict.VALID: "Everything that was checked is as it must be.",
    Verdict.INVALID: "The packet must not be relied upon: {first}",
    Verdict.INCONCLUSIVE: "The packet could not be checked completely: {first}",
}
_NOTHING: Final = "No file of a packet was given."


class Part(StrEnum):
    """The parts of a verification, each reported with whether it was checked."""

    SIGNATURE = "signature"  # the .sig files
    DOCUMENT = "document"  # the JSON packet
    PROOFS = "proofs"  # its sampled log lines and their way to the checkpoint
    PDF = "pdf"  # the PDF and the installation's signature in it
    COUNTERSIGN = "countersign"  # the officer's signature in the PDF
    TIMESTAMP = "timestamp"  # those within the PDF's signatures
    RECORD = "record"  # what the installation that made it recorded


_NOT_CHECKED: Final = {
    Part.SIGNATURE: "The .sig files: none was given.",
    Part.DOCUMENT: "The JSON packet: it was not given, or it did not come to that.",
    Part.PROOFS: "The sampled log lines and their proof: they are in the JSON packet.",
    Part.PDF: "The PDF: it was not given.",
    Part.COUNTERSIGN: "The countersignature: it is in the PDF.",
    Part.TIMESTAMP: "Timestamps of an outside authority: there is none, or none could be checked.",
}
ALWAYS: Final = (
    "Whether the figures are right, and whether the samples are those that the seed chooses: that"
    " takes the whole log.",
    "Whether this is the latest revision of the packet.",
)


@dataclass(frozen=True, slots=True)
class Head:
    """What the JSON packet says it is."""

    packet_id: str
    client_id: str | None
    start: str
    end: str
    generated_at: str
    maker: str | None
    countersignatures: int
    events: int


@dataclass(frozen=True, slots=True)
class PacketReport:
    """The outcome of a verification.

    Attributes:
        json_sha256: of the JSON packet; None where it was not given.
        pdf_sha256: of the PDF, the countersigned one if there is one; None where none was given.
        head: what the JSON packet says; None where it was not read.
        checked: the parts about which something was found out.
        valid: those of them in which nothing was wrong.
        countersigner: whose countersignature counts.
        notes: what is worth knowing and changes no verdict.
    """

    json_sha256: str | None
    pdf_sha256: str | None
    head: Head | None
    checked: frozenset[Part]
    valid: frozenset[Part]
    countersigner: Countersigner | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """VALID, INVALID, or INCONCLUSIVE where it could not be checked."""
        return Report(self.findings).verdict

    @property
    def issues(self) -> tuple[Finding, ...]:
        """What stands in the way of VALID."""
        return Report(self.findings).issues

    @property
    def countersigners(self) -> tuple[Countersigner, ...]:
        """Whose countersignature counts, as a package's report has it."""
        return () if self.countersigner is None else (self.countersigner,)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What stands in the way of VALID, other than that the countersignature is missing."""
        return tuple(item for item in self.issues if item.code != COUNTERSIGNATURE_MISSING)

    @property
    def awaits_countersignature(self) -> bool:
        """Whether nothing is wrong, except that the countersignature is missing."""
        return bool(self.findings) and not self.faults

    @property
    def message(self) -> str:
        """A sentence for a reader in a hurry, and what was noted."""
        issues = sorted(self.issues, key=lambda issue: issue.ok is None)
        first = issues[0].message if issues else _NOTHING
        if issues and self.awaits_countersignature:
            told = f"The packet can't be relied upon yet: {first}"
        else:
            told = _MESSAGES[self.verdict].format(first=first)
        return " ".join([told, *(note.message for note in self.notes)])

    @property
    def not_checked(self) -> tuple[str, ...]:
        """What the verdict says nothing about, a sentence each."""
        parts = [text for part, text in _NOT_CHECKED.items() if part not in self.checked]
        return (*parts, *ALWAYS)

    def with_findings(self, extra: Iterable[Finding]) -> PacketReport:
        """The same report and some more findings."""
        return replace(self, findings=(*self.findings, *extra))

    def as_dict(self) -> dict[str, Any]:
        """The fields as the REST door and ``--json`` give them."""
        flags = {}
        for part in _NOT_CHECKED:
            flags[f"{part}_checked"] = part in self.checked
            flags[f"{part}_valid"] = part in self.valid
        return {
            "packet_id": self.head.packet_id if self.head else None,
            "json_sha256": self.json_sha256,
            "pdf_sha256": self.pdf_sha256,
            **flags,
            "countersigner": self.countersigner.signer if self.countersigner else None,
            "verdict": self.verdict.value,
            "issues": [
                {"code": issue.code, "message": issue.message, "where": issue.where}
                for issue in self.issues
            ],
            "not_checked": list(self.not_checked),
            "message": self.message,
        }
