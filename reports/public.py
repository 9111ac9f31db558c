"""Packets on the public page that verifies files: which file is which, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from evidence import checkable
from evidence.checkable import Card, Checkable, Part
from evidence.formats.fields import MAX_SIDECAR_BYTES
from evidence.formats.report import COUNTERSIGNATURE_MISSING
from reports.formats import document, pdf_reading
from reports.formats.names import COUNTERSIGNED, JSON_SUFFIX, PDF_SUFFIX, SIG_SUFFIX
from reports.formats.packet_report import PacketReport
from reports.formats.verification import PacketFilesGiven
from reports.services import verification
from sealing.results import Verdict

_PREFIX: Final = "soc2_evidence_"
# The longer ending first: ``.countersigned.pdf`` also ends in ``.pdf``.
_PARTS: Final = tuple(
    (suffix + sig, Part(field + ("_sig" if sig else ""), words, MAX_SIDECAR_BYTES if sig else size))
    for suffix, field, what, size in (
        (
            COUNTERSIGNED + PDF_SUFFIX,
            "countersigned",
            "countersigned PDF",
            pdf_reading.MAX_PDF_BYTES,
        ),
        (PDF_SUFFIX, "pdf", "PDF", pdf_reading.MAX_PDF_BYTES),
        (JSON_SUFFIX, "json", "JSON packet", document.MAX_BYTES),
    )
    for sig, words in ((SIG_SUFFIX, f"The signature over the {what}"), ("", f"The {what}"))
)
_SIGNED: Final = frozenset({"signature_missing", "document_not_checked"})


def connect() -> None:
    """Tells the page of packets."""
    checkable.register(
        Checkable(
            name="packet",
            words="a packet",
            endings=(PDF_SUFFIX, JSON_SUFFIX),
            door="/api/compliance/packets/verify",
            part_of=part_of,
            verify=verify,
        )
    )


def part_of(name: str) -> Part | None:
    """Which file of a packet this name is, in lower case; None for none of them.

    Many files end in ``.json``: a packet's keeps the name that it was made with.
    """
    for suffix, part in _PARTS:
        if name.endswith(suffix) and (suffix != JSON_SUFFIX or name.startswith(_PREFIX)):
            return part
    return None


def verify(files: Mapping[str, bytes]) -> Card:
    """The verdict on files of a packet, for whoever asks: nobody needs a role for that here."""
    report = verification.check_files(PacketFilesGiven(**files))
    return Card(
        verdict=report.verdict,
        meaning=report.message,
        findings=report.findings,
        not_checked=report.not_checked,
        digests=[
            (words, value)
            for words, value in (
                ("JSON packet", report.json_sha256),
                ("PDF", report.pdf_sha256),
            )
            if value is not None
        ],
        says=list(_says(report)),
        countersigners=report.countersigners,
        missing=list(_missing(report, files)),
    )


def _says(report: PacketReport) -> Iterator[tuple[str, str]]:
    head = report.head
    if head is None:
        return
    yield "Packet", head.packet_id
    yield "Client", head.client_id or "The installation itself"
    yield "Period", f"{head.start} up to {head.end}"
    yield "Generated", head.generated_at
    yield "Log", f"{head.events} events"


def _missing(report: PacketReport, files: Mapping[str, bytes]) -> Iterator[str]:
    """Files that were not sent and could change the verdict."""
    codes = {issue.code for issue in report.issues}
    has_pdf = "pdf" in files or "countersigned" in files
    if codes & _SIGNED and "json_sig" not in files:
        yield "The signature over the JSON packet"
    if "file_missing" in codes:
        yield "The file that a signature is about"
    lacks_person = COUNTERSIGNATURE_MISSING in codes and "countersigned" not in files
    if lacks_person or (report.verdict is not Verdict.VALID and not has_pdf):
        yield "The countersigned PDF"
