"""Verifies a packet: files, trusted keys and a clock's value in, a report out. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from evidence.formats.check_timestamp import MAX_SKEW, NO_ANCHORS, Age
from evidence.formats.report import Countersigner, Findings
from reports.formats import check_document, check_pdf, check_sig
from reports.formats.check_pdf import PdfChecked, Trust
from reports.formats.packet_report import Head, PacketReport, Part
from sealing import digests
from sealing.keys import Signers
from sealing.times import format_time, parse_time

_SIG_OF: Final = {"pdf": "pdf_sig", "countersigned": "countersigned_sig"}


@dataclass(frozen=True, slots=True)
class PacketFilesGiven:
    """The files of one packet, each None where it is not given.

    A PDF with both signatures may be given as ``pdf`` too: what it is, is read from it.
    """

    json: bytes | None = None
    json_sig: bytes | None = None
    pdf: bytes | None = None
    pdf_sig: bytes | None = None
    countersigned: bytes | None = None
    countersigned_sig: bytes | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to verify."""
        return all(getattr(self, item.name) is None for item in fields(self))


def verify_packet(
    files: PacketFilesGiven,
    signers: Signers,
    *,
    now: datetime | None = None,
    require_countersign: bool = False,
    tsa_certificates: bytes | None = None,
    anchors: Mapping[str, datetime] = NO_ANCHORS,
    human: Callable[[str], str] = str,
) -> PacketReport:
    """Verify what is given of a packet.

    Nothing is looked into before a trusted key's signature over it was found to hold. Whether a
    countersignature is needed is read in the JSON packet; a PDF by itself needs one if it has a
    field that waits for it. A caller can only ask for more.

    Args:
        files: the packet's files, any of them.
        signers: the keys that are trusted, from a source other than the packet.
        now: if given, no signature may be from a later time.
        require_countersign: ask for a countersignature even where the packet asks for none.
        tsa_certificates: PEM of the timestamp authorities that are trusted.
        anchors: digests of files that are known to have existed at a time: what a compromised key
            signed counts only if it is known to be older than the compromise.
        human: gives, of two persons who are known to be one human, the same id.

    Returns:
        The report. The function does not raise for anything that the bytes contain.

    Raises:
        CertificatesRefused: there is a timestamp, and ``tsa_certificates`` can't be read.
    """
    found = Findings(Part)
    trust = Trust(signers, tsa_certificates, anchors, human)
    checked = _check_pdfs(found, files, trust)
    json_sha256 = None if files.json is None else digests.sha256_tag(files.json)
    parsed = _check_json(found, files, checked, json_sha256, trust)
    head = None if parsed is None else check_document.head_of(parsed)
    if parsed is not None and head is not None and json_sha256 is not None:
        key_id = parsed["verification"]["signingKeyId"]
        check_pdf.check_beside_json(found, checked, head, json_sha256, key_id)
    for name in ("pdf", "countersigned"):
        _check_beside(found, files, name, checked, trust)
    person = _check_countersign(found, files, checked, head, trust, require_countersign)
    _check_clock(found, checked, head, now)
    return _report(found, files, json_sha256, head, person)


def _check_pdfs(found: Findings, files: PacketFilesGiven, trust: Trust) -> PdfChecked:
    """Check the PDF: the countersigned one where there are both, which begins with the other."""
    whole = files.countersigned if files.countersigned is not None else files.pdf
    if whole is None:
        return PdfChecked()
    checked = check_pdf.check_pdf(found, whole, trust)
    if files.countersigned is not None and checked.signed is not None:
        first = whole[: checked.signed.service.covers]
        if checked.signed.countersigner is None or files.pdf not in (None, first):
            found.bad(
                Part.PDF,
                "pdf_revisions_differ",
                "The countersigned PDF is not the other one with a second signature.",
            )
    return checked


def _times(checked: PdfChecked) -> tuple[datetime, ...]:
    return () if checked.signed is None else tuple(s.signed_at for s in checked.signed.signatures)


def _check_json(
    found: Findings,
    files: PacketFilesGiven,
    checked: PdfChecked,
    json_sha256: str | None,
    trust: Trust,
) -> dict[str, Any] | None:
    """The JSON packet, if a trusted key's signature over it holds and it can be read."""
    raw = files.json
    if raw is None or json_sha256 is None:
        if files.json_sig is not None:
            check_sig.alone(found, "json")
        return None
    key_id = check_sig.signed_by(found, raw, files.json_sig, "json", trust.signers)
    if key_id is None:
        found.unknown(
            Part.DOCUMENT,
            "document_not_checked",
            "The JSON packet was not looked into: that takes a signature over it by a trusted key.",
        )
        return None
    parsed = check_document.read(found, raw)
    if parsed is None:
        return None
    if parsed["verification"]["signingKeyId"] != key_id:
        found.bad(
            Part.SIGNATURE,
            "signature_field_differs",
            "The JSON packet names another key than the one that signed it.",
            "/verification/signingKeyId",
        )
    age = _age_of_json(checked, json_sha256, trust)
    check_sig.judge(found, key_id, "json", parse_time(parsed["generatedAt"]), age, trust.signers)
    check_document.check_samples(found, parsed, trust.signers, age)
    return parsed


def _age_of_json(checked: PdfChecked, json_sha256: str, trust: Trust) -> Age:
    """How old the JSON packet is: a signed PDF that names its digest is no older."""
    anchored = trust.anchors.get(json_sha256)
    if checked.holds and checked.signed is not None and checked.signed.json_sha256 == json_sha256:
        times = [time for time in (anchored, checked.age.proven_at) if time is not None]
        return Age(min(times, default=None), checked.age.is_open)
    return Age(anchored)


def _check_beside(
    found: Findings,
    files: PacketFilesGiven,
    name: str,
    checked: PdfChecked,
    trust: Trust,
) -> None:
    """Check the ``.sig`` beside a PDF; a PDF carries its signatures, so it may do without.

    It is no older than the file: of the one with both signatures, than the second of them.
    """
    raw, sig = getattr(files, name), getattr(files, _SIG_OF[name])
    if raw is None:
        if sig is not None:
            check_sig.alone(found, name)
        return
    if sig is None:
        found.note("sig_not_given", f"There was no .sig file with {check_sig.WORDS[name]}.")
        return
    key_id = check_sig.signed_by(found, raw, sig, name, trust.signers)
    times = _times(checked)
    if key_id is not None and times:
        anchored = trust.anchors.get(digests.sha256_tag(raw))
        is_first = len(times) == 1 or (name == "pdf" and files.countersigned is not None)
        age = checked.age if is_first else checked.second_age
        known = age if anchored is None else Age(anchored)
        signed_at = times[0] if is_first else times[-1]
        check_sig.judge(found, key_id, name, signed_at, known, trust.signers)


def _check_countersign(
    found: Findings,
    files: PacketFilesGiven,
    checked: PdfChecked,
    head: Head | None,
    trust: Trust,
    require_countersign: bool,
) -> Countersigner | None:
    has_pdf = files.pdf is not None or files.countersigned is not None
    asked = has_pdf if head is None else head.countersignatures > 0
    required = require_countersign or asked
    if has_pdf:
        return check_pdf.check_people(found, checked, head, trust, required=required)
    if required and head is not None:
        found.unknown(
            Part.COUNTERSIGN,
            "countersignature_not_checked",
            "The packet needs a countersignature. It is in the PDF, which was not given.",
        )
    return None


def _check_clock(
    found: Findings, checked: PdfChecked, head: Head | None, now: datetime | None
) -> None:
    if now is None:
        return
    times = [*_times(checked), *([parse_time(head.generated_at)] if head else [])]
    for moment in times:
        if moment > now + MAX_SKEW:
            found.bad(
                Part.SIGNATURE,
                "signed_in_future",
                f"A signature says that it was made at {format_time(moment)}, which is not yet.",
            )


def _report(
    found: Findings,
    files: PacketFilesGiven,
    json_sha256: str | None,
    head: Head | None,
    person: Countersigner | None,
) -> PacketReport:
    pdf = files.countersigned if files.countersigned is not None else files.pdf
    if files.json is None and pdf is not None:
        found.note("json_not_given", "The JSON packet was not given: nothing in it was checked.")
    return PacketReport(
        json_sha256=json_sha256,
        pdf_sha256=None if pdf is None else digests.sha256_tag(pdf),
        head=head,
        checked=frozenset(part for part in Part if found.checked(part)),
        valid=frozenset(part for part in Part if found.clean(part)),
        countersigner=person,
        findings=found.all(),
        notes=found.notes(),
    )
