"""Checks that a signed PDF is what was signed: every signature, and what came between the two.

First by rules of our own, which leave an update no room but for the second signature; then by
pyHanko's own analysis, which is another program's opinion of the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult
from pyhanko.sign.validation import generic_cms
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from reports.formats.pdf_errors import UNREADABLE_PDF, PdfRefused
from reports.formats.pdf_reading import (
    TABLE,
    SignedPdf,
    fields_of,
    opened,
    read,
    said,
    signature_of,
)
from reports.formats.pdf_signing import FIELDS

# What makes a reader do something, or holds what nobody sees.
_ACTIVE: Final = frozenset(
    {
        "/JS", "/JavaScript", "/AA", "/OpenAction", "/Launch", "/EmbeddedFiles", "/EmbeddedFile",
        "/EF", "/AF", "/XFA", "/RichMedia", "/Rendition", "/Movie", "/Sound", "/SubmitForm",
        "/ImportData", "/GoToR", "/GoToE", "/ResetForm", "/Hide", "/SetOCGState", "/OCProperties",
        "/Named", "/FileAttachment",
    }
)  # fmt: skip


class ChangedAfterSigning(PdfRefused):
    """Something other than the second signature came after the first, or a signature fails."""

    code = "pdf_changed"


class ActiveContent(PdfRefused):
    """The PDF holds scripts, actions, attachments or layers."""

    code = "pdf_active_content"


def check(pdf: bytes, signed: SignedPdf) -> None:
    """Checks what `read` left open.

    That costs time and memory, so whoever asks has seen before that the first signature is one of
    a trusted key.

    Args:
        pdf: the file.
        signed: what was read from it.

    Raises:
        ChangedAfterSigning, ActiveContent, PdfRefused.
    """
    try:
        first = opened(pdf[: signed.service.covers])
        _check_alone(pdf[: signed.service.covers], signed)
        _check_passive(first)
        whole = opened(pdf) if signed.countersigner else first
        if signed.countersigner:
            _check_second_revision(pdf, signed.service.covers, first, whole)
        _check_by_pyhanko(whole, signed)
    except UNREADABLE_PDF as error:
        raise PdfRefused(f"The PDF can't be read: {said(error)}.") from error


def _check_alone(first: bytes, signed: SignedPdf) -> None:
    """What the installation signed must be a file by itself, with the same signature."""
    alone = read(first)
    if alone.countersigner or alone.service != signed.service:
        raise ChangedAfterSigning("The first signature is not the one that was made first.")
    if (alone.packet_id, alone.json_sha256, alone.maker) != (
        signed.packet_id,
        signed.json_sha256,
        signed.maker,
    ):
        raise ChangedAfterSigning(
            "The JSON packet's digest, or its maker, was changed after the first signature."
        )


def _check_passive(reader: PdfFileReader) -> None:
    """Nothing in the file acts, or hides what it holds."""
    references = {
        reference
        for revision in range(reader.xrefs.total_revisions)
        for reference in reader.xrefs.explicit_refs_in_revision(revision)
    }
    for reference in references:
        for name in _names(reader.get_object(reference)):
            if name in _ACTIVE:
                raise ActiveContent(f"The PDF holds {name[1:]}, which no packet does.")


def _names(value: Any) -> Iterator[str]:
    """Keys and names in an object, not in those that it refers to."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, generic.NameObject):
            yield str(item)
        elif isinstance(item, generic.DictionaryObject):
            yield from map(str, item)
            waiting += [item.raw_get(key) for key in item]
        elif isinstance(item, generic.ArrayObject):
            waiting += [item.raw_get(place) for place in range(len(item))]


def _check_second_revision(
    pdf: bytes, start: int, first: PdfFileReader, whole: PdfFileReader
) -> None:
    """The bytes after the first signature fill the second field, and do nothing else.

    They are two objects, the field and its signature, and the table that lists them: not a byte
    more. The field is what it was, with a value.
    """
    revision = whole.xrefs.total_revisions - 1
    if revision != first.xrefs.total_revisions:
        raise _changed("there is more than one update")
    field, signature = _second_field(first, whole)
    touched = whole.xrefs.explicit_refs_in_revision(revision)
    if touched != {field, signature} or whole.xrefs.refs_freed_in_revision(revision):
        raise _changed("other objects than the second signature were touched")
    end = _check_objects(pdf, start, (field, signature), whole)
    _check_trailer(pdf, end, first, whole, size=signature.idnum + 1)


def _second_field(first: PdfFileReader, whole: PdfFileReader) -> tuple[Reference, Reference]:
    before, after = fields_of(first)[1], fields_of(whole)[1]
    value = signature_of(after)
    if before.reference != after.reference or value is None:
        raise _changed("the second field is another one")
    was, now = before.get_object(), after.get_object()
    if {key: now.raw_get(key) for key in now if key != "/V"} != {
        key: was.raw_get(key) for key in was
    }:
        raise _changed("the second field was changed")
    if value.idnum < first.trailer["/Size"] or value.generation:
        raise _changed("the second signature takes the place of something else")
    return after.reference, value.reference


def _check_objects(
    pdf: bytes, start: int, references: Iterable[Reference], whole: PdfFileReader
) -> int:
    """Where the objects end; one stands right behind the other."""
    stream, at = BytesIO(pdf), start
    for reference in references:
        header = b"%d 0 obj\n" % reference.idnum
        if whole.xrefs[reference] != at or not pdf.startswith(header, at):
            raise _changed("something stands before the second signature")
        stream.seek(at + len(header))
        generic.read_object(stream, reference)
        at = stream.tell()
        if not pdf.startswith(b"\nendobj\n", at):
            raise _changed("something stands beside the second signature")
        at += len(b"\nendobj\n")
    return at


def _check_trailer(
    pdf: bytes, at: int, first: PdfFileReader, whole: PdfFileReader, *, size: int
) -> None:
    table = TABLE.match(pdf, at)
    if table is None or whole.last_startxref != at:
        raise _changed("something stands behind the second signature")
    stream = BytesIO(pdf)
    stream.seek(table.end())
    trailer: Any = generic.read_object(stream, generic.TrailerReference(whole))
    if pdf[stream.tell() :] != b"\nstartxref\n%d\n%%%%EOF\n" % at:
        raise _changed("something stands behind the second signature")
    kept = {"/Root", "/Info"}
    if (
        {key: trailer.raw_get(key) for key in kept}
        != {key: first.trailer.raw_get(key) for key in kept}
        or trailer["/Prev"] != first.last_startxref
        or trailer["/Size"] != size
        or trailer["/ID"][0].original_bytes != first.trailer["/ID"][0].original_bytes
    ):
        raise _changed("the trailer leads elsewhere")


def _check_by_pyhanko(reader: PdfFileReader, signed: SignedPdf) -> None:
    found: list[EmbeddedPdfSignature] = list(reader.embedded_signatures)
    names = [item.field_name for item in found]
    if names != list(FIELDS[: len(signed.signatures)]):
        raise _changed("there are other signatures than those of the two fields")
    for item, expected in zip(found, signed.signatures, strict=True):
        item.compute_integrity_info()
        is_last = expected is signed.signatures[-1]
        wanted = (
            SignatureCoverageLevel.ENTIRE_FILE
            if is_last
            else SignatureCoverageLevel.ENTIRE_REVISION
        )
        told = item.summarise_integrity_info()
        if item.coverage != wanted or not told["docmdp_ok"]:
            raise _changed(f"the signature {item.field_name} does not cover what it has to")
        if not isinstance(item.diff_result, DiffResult):
            raise _changed("an update does more than the first signature allows")
        intact, valid = generic_cms.validate_sig_integrity(
            item.signer_info, item.signer_cert, "data", item.compute_digest()
        )
        if not (intact and valid):
            raise _changed(f"the signature {item.field_name} does not hold")


def _changed(why: str) -> ChangedAfterSigning:
    return ChangedAfterSigning(f"The PDF was changed after it was signed: {why}.")
