"""Checks of a packet's PDF: who signed it, when, and that it is what they signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from evidence.formats.check_timestamp import MAX_SKEW, Age
from evidence.formats.report import COUNTERSIGNATURE_MISSING, Countersigner, Findings
from reports.formats import pdf_checking, pdf_reading
from reports.formats.check_keys import COUNTERSIGN, PACKET, refusals
from reports.formats.packet_report import Head, Part
from reports.formats.pdf_errors import PdfRefused
from reports.formats.pdf_reading import NOBODY, FieldSignature, SignedPdf
from sealing import digests, timestamps
from sealing.keys import Signers, TrustedKey
from sealing.times import format_time, parse_time

_UNKNOWN: Final = Age()
_NAMES: Final = {PACKET: "The PDF was signed by", COUNTERSIGN: "It was countersigned by"}


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count, and what is known of when they were made, and by whom.

    Attributes:
        certificates: PEM of the timestamp authorities that are trusted; None if nobody named any.
        anchors: digests of files, each with a time at which the file existed.
        human: gives, of two persons who are known to be one human, the same id.
    """

    signers: Signers
    certificates: bytes | None
    anchors: Mapping[str, datetime]
    human: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class PdfChecked:
    """What is known of a PDF.

    Attributes:
        signed: what was read from it; None where it could not be.
        holds: whether the installation's signature is one that counts.
        age: that signature's.
        second_age: the countersignature's, of which the first one's age says nothing.
        countersigner: whose countersignature counts.
    """

    signed: SignedPdf | None = None
    holds: bool = False
    age: Age = _UNKNOWN
    second_age: Age = _UNKNOWN
    countersigner: Countersigner | None = None


def check_pdf(found: Findings, raw: bytes, trust: Trust) -> PdfChecked:
    """Check the PDF by itself: both signatures, and that nothing else came after the first."""
    try:
        signed = pdf_reading.read(raw)
    except PdfRefused as error:
        found.bad(Part.PDF, error.code, error.message)
        return PdfChecked()
    first = raw[: signed.service.covers]
    age = _age(found, signed.service, first, trust)
    key = _checked(found, Part.PDF, signed.service, PACKET, age, trust)
    if key is None:
        # What a stranger made may cost any amount of time to look into.
        return PdfChecked(signed, age=age)
    try:
        pdf_checking.check(raw, signed)
    except PdfRefused as error:
        found.bad(Part.PDF, error.code, error.message)
        return PdfChecked(signed, age=age)
    found.good(
        Part.PDF,
        "pdf_unchanged",
        "The PDF is as it was signed: nothing but the second signature came after the first.",
    )
    if signed.countersigner is None:
        return PdfChecked(signed, True, age)
    second_age = _age(found, signed.countersigner, raw, trust)
    person = _check_second(found, signed, signed.countersigner, second_age, trust)
    return PdfChecked(signed, True, age, second_age, person)


def check_beside_json(
    found: Findings, checked: PdfChecked, head: Head, json_sha256: str, key_id: str
) -> None:
    """Check that PDF and JSON packet are of one making.

    Args:
        found: where findings go.
        checked: the PDF.
        head: what the JSON packet says it is.
        json_sha256: its digest.
        key_id: of the key that it says it is signed with.
    """
    signed = checked.signed
    if signed is None:
        return
    if (signed.packet_id, signed.json_sha256) != (head.packet_id, json_sha256):
        found.bad(
            Part.PDF,
            "pdf_json_differs",
            "The PDF was made from another JSON packet than the one given.",
        )
        return
    if signed.maker not in (None, head.maker or NOBODY):
        found.bad(
            Part.PDF,
            "pdf_json_differs",
            "The PDF names another person than its JSON packet as the one who asked for it.",
        )
        return
    made = parse_time(head.generated_at).replace(microsecond=0)
    if signed.service.signed_at != made or signed.service.cms.key_id != key_id:
        found.bad(
            Part.PDF,
            "pdf_json_differs",
            "The PDF was signed at another time, or with another key, than its JSON packet says.",
        )
        return
    found.good(Part.PDF, "pdf_of_json", "The PDF was made from this JSON packet.")


def check_people(
    found: Findings, checked: PdfChecked, head: Head | None, trust: Trust, *, required: bool
) -> Countersigner | None:
    """Whose countersignature counts: somebody else's than the maker's.

    Args:
        found: where findings go.
        checked: the PDF; a countersignature that does not hold has its finding already.
        head: what the JSON packet says; None where it is not there, and the PDF names the maker.
        trust: whom ids of people stand for.
        required: whether one is asked for.
    """
    person = checked.countersigner
    maker = _maker_of(checked, head)
    if (
        person is not None
        and maker not in (None, NOBODY)
        and trust.human(person.person) == trust.human(str(maker))
    ):
        found.bad(
            Part.COUNTERSIGN,
            "countersigner_is_maker",
            "Whoever asked for a packet can't countersign it.",
        )
        return None
    if person is not None and maker is None:
        found.unknown(
            Part.COUNTERSIGN,
            "maker_unknown",
            "The PDF does not say who asked for the packet; the JSON packet does, and it was not"
            " read. So nobody can tell whether another person countersigned.",
        )
    if checked.holds and checked.signed is not None and checked.signed.countersigner is None:
        if required:
            found.bad(
                Part.COUNTERSIGN,
                COUNTERSIGNATURE_MISSING,
                "A countersignature is needed, and the PDF has none yet.",
            )
        else:
            found.note("not_countersigned", "Nobody has countersigned the packet.")
    return person


def _maker_of(checked: PdfChecked, head: Head | None) -> str | None:
    """Who asked for the packet, or `NOBODY`; None where neither file says."""
    if head is not None:
        return head.maker or NOBODY
    return None if checked.signed is None else checked.signed.maker


def _check_second(
    found: Findings, signed: SignedPdf, signature: FieldSignature, age: Age, trust: Trust
) -> Countersigner | None:
    key = _checked(found, Part.COUNTERSIGN, signature, COUNTERSIGN, age, trust)
    if key is None:
        return None
    if key.person is None or signature.cms.key_id == signed.service.cms.key_id:
        found.bad(Part.COUNTERSIGN, "countersignature_person_differs", "The key is not a person's.")
        return None
    if signature.signed_at < signed.service.signed_at:
        found.bad(
            Part.COUNTERSIGN,
            "countersignature_order",
            "The countersignature is older than what it is about.",
        )
        return None
    return Countersigner(
        person=key.person,
        signer=key.name,
        signing_key_id=key.signer_kid,
        signed_at=format_time(signature.signed_at),
        meaning=signature.reason,
    )


def _checked(
    found: Findings,
    part: Part,
    signature: FieldSignature,
    purpose: str,
    age: Age,
    trust: Trust,
) -> TrustedKey | None:
    """The key of a signature; None unless it holds, by a key that may have signed this."""
    cms = signature.cms
    refused = refusals(
        trust.signers,
        cms.key_id,
        purpose=purpose,
        signed_at=signature.signed_at,
        age=age,
        where=signature.field,
    )
    for finding in refused:
        found.add(part, finding)
    key = trust.signers.get(cms.key_id)
    if key is None or any(finding.ok is False for finding in refused):
        return None
    if (
        key.algorithm != cms.algorithm
        or cms.message_digest != signature.digest
        or not key.verify(cms.signature, cms.signed)
    ):
        found.bad(
            part,
            "pdf_signature_invalid",
            "The PDF was changed after it was signed, or signed by another key.",
            signature.field,
        )
        return None
    at = format_time(signature.signed_at)
    found.good(part, "pdf_signature_valid", f"{_NAMES[purpose]} {key.name} at {at}.")
    return key


def _age(found: Findings, signature: FieldSignature, covered: bytes, trust: Trust) -> Age:
    """How old a signature is, by its timestamp or by what is known of the file."""
    anchored = trust.anchors.get(digests.sha256_tag(covered))
    answer = signature.cms.answer
    if answer is None:
        return Age(anchored)
    if trust.certificates is None:
        found.note(
            "timestamp_not_checked",
            f"The timestamp in the signature {signature.field} was not checked: no authority to"
            " trust was named.",
        )
        return Age(anchored, is_open=True)
    told = timestamps.check_token(
        answer, digests.sha256(signature.cms.signature), trust.certificates
    )
    if told.time is None:
        found.bad(
            Part.TIMESTAMP,
            "timestamp_invalid",
            f"The timestamp does not hold: {told.message}",
            signature.field,
        )
        return Age(anchored)
    if told.time < signature.signed_at - MAX_SKEW:
        found.bad(
            Part.TIMESTAMP,
            "timestamp_before_signature",
            "The timestamp is older than the signature that it is about.",
            signature.field,
        )
        return Age(anchored)
    found.good(Part.TIMESTAMP, "timestamp_valid", told.message)
    return Age(min(filter(None, (anchored, told.time)), default=None))
