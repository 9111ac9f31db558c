"""Reads the signatures of a packet's PDF, strictly: the one form of docs/formats.md §10.

Nothing here says whether a signature holds. What is read is little: the tables of contents, the
form and the signatures themselves; and how much that may be is limited, for whoever sent it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from reports.formats import pdf_cms
from reports.formats.pdf_budget import OBJECTS_BYTES, TABLES_BYTES, Metered
from reports.formats.pdf_cms import CmsSignature
from reports.formats.pdf_errors import UNREADABLE_PDF, PdfRefused
from reports.formats.pdf_signing import FIELDS

MAX_PDF_BYTES: Final = 64 << 20
# Whatever was rendered is one section, and three updates follow. Whoever sends more may want to
# keep a reader busy: pyHanko takes its time for each entry and section.
MAX_SECTIONS: Final = 8
MAX_OBJECTS: Final = 100_000
_END: Final = re.compile(rb"startxref\n([0-9]{1,10})\n%%EOF\n\Z")
TABLE: Final = re.compile(rb"xref\n(?:[0-9]+ [0-9]+\n(?:[0-9]{10} [0-9]{5} [nf] \n)+)+trailer\n")
_ENTRY_BYTES: Final = 20
_MAX_TRAILER_BYTES: Final = 2_048
_PREVIOUS: Final = re.compile(rb"/Prev ([0-9]{1,10})[\s/>]")
_TRAILER: Final = {"/Size", "/Root", "/Info", "/ID", "/Prev"}
_FORM: Final = {"/Fields", "/SigFlags"}
_FIELD: Final = {
    "/FT", "/T", "/TU", "/Type", "/Subtype", "/F", "/Rect", "/P", "/Lock", "/V",
}  # fmt: skip
_SIGNATURE: Final = {
    "/Type", "/Filter", "/SubFilter", "/Contents", "/ByteRange", "/M", "/Name", "/Reason",
    "/Reference",
}  # fmt: skip
_CONTENTS: Final = re.compile(rb"<((?:[0-9A-F]{2})+)>")
_MOMENT: Final = re.compile(r"D:([0-9]{14})Z")
_SUBJECT: Final = re.compile(r"([A-Za-z0-9_-]{1,160}), JSON packet (sha256:[0-9a-f]{64})")
_MAKER: Final = re.compile(r"maker ([A-Za-z0-9-]{1,64})")
# Where the schedule had the packet made.
NOBODY: Final = "none"


@dataclass(frozen=True, slots=True)
class FieldSignature:
    """A filled signature field.

    Attributes:
        field: `SERVICE` or `COUNTERSIGNER`.
        covers: how many bytes of the file, from its beginning, it is about; all of them but the
            signature itself.
        digest: the SHA-256 of these bytes.
        signed_at: the second in which it was made, by its own word.
        reason: what it means, by its own word.
        cms: the signature itself.
    """

    field: str
    covers: int
    digest: bytes
    signed_at: datetime
    reason: str
    cms: CmsSignature


@dataclass(frozen=True, slots=True)
class SignedPdf:
    """What a packet's PDF says of itself.

    Attributes:
        service: the installation's signature.
        countersigner: the officer's; None while the field waits for it.
        packet_id: the packet's name.
        json_sha256: of the JSON packet that it is made from.
        maker: the id of the person who asked for it, or `NOBODY`; None where it does not say.
    """

    service: FieldSignature
    countersigner: FieldSignature | None
    packet_id: str
    json_sha256: str
    maker: str | None = None

    @property
    def signatures(self) -> tuple[FieldSignature, ...]:
        """Those that there are, in their order."""
        return tuple(item for item in (self.service, self.countersigner) if item is not None)


def read(pdf: bytes) -> SignedPdf:
    """Reads a PDF with one signature or both.

    Raises:
        PdfRefused: it is too large, can't be read, or is not of the one form.
        PdfTooComplex: to read it would take longer than it does for any packet.
    """
    try:
        return _read(pdf, opened(pdf, objects=OBJECTS_BYTES))
    except UNREADABLE_PDF as error:
        raise PdfRefused(f"The PDF can't be read: {said(error)}.") from error


def opened(pdf: bytes, *, objects: int | None = None) -> PdfFileReader:
    """A strict reader of a PDF with plain cross-reference tables, not encrypted.

    Args:
        pdf: the file.
        objects: how many bytes of its objects may be read; None for all that there are, which is
            for files that a trusted key signed.

    Raises:
        PdfRefused; and any of `UNREADABLE_PDF`.
    """
    if len(pdf) > MAX_PDF_BYTES:
        raise PdfRefused(f"The PDF is larger than {MAX_PDF_BYTES >> 20} MiB.", code="pdf_too_large")
    if not pdf.startswith(b"%PDF-"):
        raise PdfRefused("The file is not a PDF.")
    tables = _check_tables(pdf)
    stream = Metered(pdf, 2 * tables + TABLES_BYTES)
    reader = PdfFileReader(stream, strict=True)
    if reader.has_xref_stream or reader.xrefs.hybrid_xrefs_present:
        raise PdfRefused("The PDF's cross-reference table is not a plain one.")
    if not set(reader.trailer.flatten()) <= _TRAILER:
        raise PdfRefused("The PDF's trailer holds something else than it should.")
    if objects is None:
        reader.stream = BytesIO(pdf)
    else:
        stream.allow(objects)
    return reader


def _check_tables(pdf: bytes) -> int:
    """Sees that the tables of contents are few, plain and not long. Raises PdfRefused.

    Returns:
        How many bytes they are.
    """
    end = _END.search(pdf, max(0, len(pdf) - 64))
    if end is None:
        raise PdfRefused(
            "The PDF does not end as it should: it was cut, or something was added to it.",
            code="pdf_not_covered" if b"%%EOF" in pdf else PdfRefused.code,
        )
    at, entries = int(end[1]), 0
    for _ in range(MAX_SECTIONS):
        table = TABLE.match(pdf, at)
        trailer = b"" if table is None else pdf[table.end() : table.end() + _MAX_TRAILER_BYTES]
        trailer, _, rest = trailer.partition(b"startxref")
        # A name can be written in other ways with this sign.
        if table is None or not rest or b"#" in trailer:
            raise PdfRefused("The PDF's cross-reference table is not a plain one.")
        entries += (table.end() - at) // _ENTRY_BYTES
        if entries > MAX_OBJECTS:
            raise PdfRefused(f"The PDF has more than {MAX_OBJECTS} objects.", code="pdf_too_large")
        if b"/Prev" not in trailer:
            return entries * _ENTRY_BYTES
        previous = _PREVIOUS.findall(trailer)
        if trailer.count(b"/Prev") != 1 or len(previous) != 1 or int(previous[0]) >= at:
            raise PdfRefused("The PDF's tables do not lead from one to the one before.")
        at = int(previous[0])
    raise PdfRefused(f"The PDF was updated more than {MAX_SECTIONS} times.")


def fields_of(reader: PdfFileReader) -> list[generic.IndirectObject]:
    """The two signature fields, by reference.

    Raises:
        PdfRefused: they are not there, or are not the only ones; and any of `UNREADABLE_PDF`.
    """
    form = reader.root["/AcroForm"]
    references = form.raw_get("/Fields")
    if not set(form) <= _FORM or not isinstance(references, generic.ArrayObject):
        raise PdfRefused("The PDF's form holds something else than two signature fields.")
    found = [references.raw_get(place) for place in range(len(references))]
    fields = [_resolved(item) for item in found]
    if [field.get("/T") for field in fields] != list(FIELDS):
        raise PdfRefused("The PDF's form holds something else than two signature fields.")
    for field in fields:
        if (
            not set(field) <= _FIELD
            or (field["/FT"], field["/Subtype"]) != ("/Sig", "/Widget")
            or any(field["/Rect"])
        ):
            raise PdfRefused("A signature field is not as it was made.")
    return found


def signature_of(field: generic.IndirectObject) -> generic.IndirectObject | None:
    """The reference to the signature in a field; None while it is empty. Raises PdfRefused."""
    held = _resolved(field)
    if "/V" not in held:
        return None
    value = held.raw_get("/V")
    if not isinstance(value, generic.IndirectObject):
        raise PdfRefused("A signature is not an object of its own.")
    return value


def _read(pdf: bytes, reader: PdfFileReader) -> SignedPdf:
    service, countersigner = (
        None if value is None else _field_signature(pdf, name, _resolved(value))
        for name, value in zip(FIELDS, map(signature_of, fields_of(reader)), strict=True)
    )
    if service is None:
        raise PdfRefused("The PDF is not signed by an installation.", code="pdf_unsigned")
    last = countersigner or service
    if last.covers != len(pdf) or (countersigner and service.covers >= countersigner.covers):
        raise PdfRefused(
            "Something was added to the PDF after its last signature.", code="pdf_not_covered"
        )
    return SignedPdf(service, countersigner, *_subject(reader))


def _field_signature(pdf: bytes, name: str, signature: generic.DictionaryObject) -> FieldSignature:
    if set(signature) != _SIGNATURE or (signature["/Type"], signature["/SubFilter"]) != (
        "/Sig",
        "/ETSI.CAdES.detached",
    ):
        raise PdfRefused(f"The signature {name} is of another form.")
    _, before, after, rest = _byte_range(signature, len(pdf))
    written = _CONTENTS.fullmatch(pdf, before, after)
    content = signature.raw_get("/Contents", decrypt=generic.EncryptedObjAccess.RAW)
    if written is None or bytes.fromhex(written[1].decode("ascii")) != content.original_bytes:
        raise PdfRefused(f"The signature {name} leaves out more than itself.")
    digest = hashlib.sha256(memoryview(pdf)[:before])
    digest.update(memoryview(pdf)[after : after + rest])
    return FieldSignature(
        field=name,
        covers=after + rest,
        digest=digest.digest(),
        signed_at=_moment(signature["/M"]),
        reason=str(signature["/Reason"]),
        cms=pdf_cms.read(_unpadded(content.original_bytes)),
    )


def _byte_range(signature: generic.DictionaryObject, size: int) -> tuple[int, int, int, int]:
    found = tuple(signature.raw_get("/ByteRange"))
    if len(found) != 4 or not all(isinstance(item, generic.NumberObject) for item in found):
        raise PdfRefused("A signature does not say what it covers.")
    start, before, after, rest = (int(item) for item in found)
    if start != 0 or not 0 < before < after < after + rest <= size or rest < 1:
        raise PdfRefused("A signature does not cover the file from its beginning.")
    return start, before, after, rest


def _unpadded(content: bytes) -> bytes:
    """The structure without the zeros that fill up its place."""
    if len(content) < 4 or content[:2] != b"\x30\x82":
        raise PdfRefused("A signature in the PDF can't be read.")
    end = 4 + int.from_bytes(content[2:4], "big")
    if any(content[end:]):
        raise PdfRefused("Something follows a signature in its place.")
    return content[:end]


def _moment(value: Any) -> datetime:
    found = _MOMENT.fullmatch(str(value))
    if found is None:
        raise PdfRefused("A signature does not say when it was made.")
    return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _subject(reader: PdfFileReader) -> tuple[str, str, str | None]:
    """The packet's name and the digest of its JSON file, as the document's subject has them.

    And who asked for it, as the document's keywords say.
    """
    told = reader.trailer["/Info"]
    found = _SUBJECT.fullmatch(str(told.get("/Subject", "")))
    if found is None:
        raise PdfRefused("The PDF does not name the JSON packet that it is made from.")
    maker = _MAKER.fullmatch(str(told.get("/Keywords", "")))
    return found[1], found[2], None if maker is None else maker[1]


def _resolved(value: Any) -> generic.DictionaryObject:
    found = value.get_object() if isinstance(value, generic.IndirectObject) else value
    if not isinstance(value, generic.IndirectObject) or not isinstance(
        found, generic.DictionaryObject
    ):
        raise PdfRefused("The PDF's form is not of objects of their own.")
    return found


def said(error: BaseException) -> str:
    """What a library said, on one line and not at length."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
