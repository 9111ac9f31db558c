"""A PDF that was changed after it was signed is refused, however little and however cleverly."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec, append_signature_field

from evidence.formats.report import COUNTERSIGNATURE_MISSING
from reports.formats.packet_report import PacketReport
from reports.formats.verification import PacketFilesGiven, verify_packet
from sealing.results import Verdict
from tests.unit.reports import making

Change = Callable[[IncrementalPdfFileWriter], None]


def faults(raw: bytes) -> set[str]:
    """What is wrong with a PDF by itself, other than that somebody has yet to countersign."""
    report = verify(raw)
    found = {item.code for item in report.findings if item.ok is False}
    assert report.verdict is Verdict.INVALID or not found
    return found - {COUNTERSIGNATURE_MISSING}


def verify(raw: bytes) -> PacketReport:
    return verify_packet(PacketFilesGiven(pdf=raw), making.signers())


def updated(raw: bytes, change: Change) -> bytes:
    """The PDF with an update appended that changes something; each byte before it stays."""
    writer = IncrementalPdfFileWriter(BytesIO(raw), strict=True)
    change(writer)
    output = BytesIO()
    writer.write(output)
    assert output.getvalue().startswith(raw) and len(output.getvalue()) > len(raw)
    return output.getvalue()


# --- bytes ----------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255), twice=st.booleans())
def test_no_byte_of_it_can_be_another(place: float, mask: int, twice: bool) -> None:
    made = making.make()
    raw = bytearray(made.countersigned if twice else made.pdf)
    raw[int(place * len(raw))] ^= mask
    assert faults(bytes(raw))


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_no_byte_of_the_json_packet_can_be_another(place: float, mask: int) -> None:
    made = making.make()
    raw = bytearray(made.json)
    raw[int(place * len(raw))] ^= mask
    report = verify_packet(made.with_(json=bytes(raw)), making.signers())
    assert report.verdict is Verdict.INVALID


@settings(max_examples=30, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), length=st.integers(1, 400))
def test_nothing_can_be_cut_out(place: float, length: int) -> None:
    raw = making.make().countersigned
    at = int(place * len(raw))
    assert faults(raw[:at] + raw[at + length :])


@pytest.mark.parametrize("more", [b"\n", b"\0", b"%%EOF\n", b"%comment\n", b"x" * 5000])
@pytest.mark.parametrize("twice", [True, False], ids=["countersigned", "first"])
def test_nothing_can_be_put_behind_it_or_before_it(more: bytes, twice: bool) -> None:
    raw = making.make().countersigned if twice else making.make().pdf
    assert faults(raw + more)
    assert faults(more + raw)


def test_cut_after_the_first_signature_it_is_the_first_pdf_again() -> None:
    """Whoever takes the second signature away gets what was there before it, and no more."""
    made = making.make()
    report = verify(made.countersigned[: len(made.pdf)])
    assert report.verdict is Verdict.INVALID
    assert {issue.code for issue in report.issues} == {COUNTERSIGNATURE_MISSING}
    required = verify_packet(made.with_(countersigned=None), making.signers())
    assert required.verdict is Verdict.INVALID


def test_letters_of_the_hexadecimal_signature_in_lower_case() -> None:
    """The same signature, in other bytes: still another file."""
    raw = making.make().countersigned
    start = raw.rindex(b"/Contents <") + len(b"/Contents <")
    end = raw.index(b">", start)
    assert faults(raw[:start] + raw[start:end].lower() + raw[end:])


# --- updates --------------------------------------------------------------------------------------


def annotation(writer: IncrementalPdfFileWriter) -> None:
    page = writer.root["/Pages"]["/Kids"][0]
    note = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/FreeText"),
            pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (50, 650, 500, 720))),
            pdf_name("/Contents"): pdf_string("0 logins failed."),
        }
    )
    page["/Annots"] = generic.ArrayObject([writer.add_object(note)])
    writer.update_container(page)


def text_field(writer: IncrementalPdfFileWriter) -> None:
    form = writer.root["/AcroForm"]
    field = generic.DictionaryObject(
        {
            pdf_name("/FT"): pdf_name("/Tx"),
            pdf_name("/T"): pdf_string("Remark"),
            pdf_name("/V"): pdf_string("approved"),
        }
    )
    form["/Fields"].append(writer.add_object(field))
    writer.update_container(form["/Fields"])


def signature_field(writer: IncrementalPdfFileWriter) -> None:
    append_signature_field(writer, SigFieldSpec("Third"))


def overlaid_page(writer: IncrementalPdfFileWriter) -> None:
    page = writer.root["/Pages"]["/Kids"][0]
    over = writer.add_object(
        generic.StreamObject(stream_data=b"1 1 1 rg 0 0 600 800 re f BT (0 logins) Tj ET")
    )
    page["/Contents"] = generic.ArrayObject([page.raw_get("/Contents"), over])
    writer.update_container(page)


def added_page(writer: IncrementalPdfFileWriter) -> None:
    pages = writer.root["/Pages"]
    copy = generic.DictionaryObject(pages["/Kids"][0])
    pages["/Kids"].append(writer.add_object(copy))
    pages["/Count"] = generic.NumberObject(3)
    writer.update_container(pages)


def removed_page(writer: IncrementalPdfFileWriter) -> None:
    pages = writer.root["/Pages"]
    pages["/Kids"] = generic.ArrayObject(list(pages["/Kids"])[:1])
    pages["/Count"] = generic.NumberObject(1)
    writer.update_container(pages)


def script(writer: IncrementalPdfFileWriter) -> None:
    action = generic.DictionaryObject(
        {pdf_name("/S"): pdf_name("/JavaScript"), pdf_name("/JS"): pdf_string("app.alert(1)")}
    )
    writer.root["/OpenAction"] = writer.add_object(action)
    writer.update_root()


def other_metadata(writer: IncrementalPdfFileWriter) -> None:
    writer.set_info(
        generic.DictionaryObject({pdf_name("/Subject"): pdf_string("X, JSON packet sha256:0")})
    )


def security_store(writer: IncrementalPdfFileWriter) -> None:
    writer.root["/DSS"] = writer.add_object(generic.DictionaryObject())
    writer.update_root()


def unused_object(writer: IncrementalPdfFileWriter) -> None:
    writer.add_object(pdf_string("nobody refers to this"))


def identical_object(writer: IncrementalPdfFileWriter) -> None:
    writer.mark_update(writer.root["/AcroForm"].container_ref)


def emptied_field(writer: IncrementalPdfFileWriter) -> None:
    field = writer.root["/AcroForm"]["/Fields"][1]
    field["/TU"] = pdf_string("No signature is needed")
    writer.update_container(field)


def restyled_font(writer: IncrementalPdfFileWriter) -> None:
    """Replace, as in the shadow attacks: the page stays, what its letters look like does not."""
    page = writer.root["/Pages"]["/Kids"][0]
    fonts = page["/Resources"]["/Font"]
    fonts["/F1"] = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Font"),
            pdf_name("/Subtype"): pdf_name("/Type1"),
            pdf_name("/BaseFont"): pdf_name("/Symbol"),
        }
    )
    writer.update_container(fonts)


def hidden_content(writer: IncrementalPdfFileWriter) -> None:
    """Hide: a page tree that leads to other pages than those that were signed."""
    tree = generic.DictionaryObject(writer.root["/Pages"])
    writer.root["/Pages"] = writer.add_object(tree)
    writer.update_root()


UPDATES = [
    annotation, text_field, signature_field, overlaid_page, added_page, removed_page, script,
    other_metadata, security_store, unused_object, identical_object, emptied_field, restyled_font,
    hidden_content,
]  # fmt: skip


@pytest.mark.parametrize("change", UPDATES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("twice", [True, False], ids=["countersigned", "first"])
def test_no_update_after_the_last_signature(change: Change, twice: bool) -> None:
    made = making.make()
    assert faults(updated(made.countersigned if twice else made.pdf, change))


@pytest.mark.parametrize("change", UPDATES, ids=lambda change: change.__name__)
def test_no_update_between_the_signatures_even_if_the_officer_signs_it(change: Change) -> None:
    """Whoever keeps the second key still can't change what the first one signed."""
    between = updated(making.make().pdf, change)
    signed = making.second(between)
    found = faults(signed)
    assert found & {"pdf_changed", "pdf_refused"}, found


@pytest.mark.parametrize("change", UPDATES, ids=lambda change: change.__name__)
def test_no_change_within_the_update_of_the_second_signature(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The officer's own signature covers it, so that only the rules can refuse it."""
    from reports.formats import pdf_signing

    class Hostile(pdf_signing._Update):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)
            change(self)

    first = making.make().pdf
    monkeypatch.setattr(pdf_signing, "_Update", Hostile)
    signed = making.second(first)
    assert signed.startswith(first)
    assert faults(signed) & {"pdf_changed", "pdf_refused"}


def test_an_update_that_takes_the_first_signature_away() -> None:
    def change(writer: IncrementalPdfFileWriter) -> None:
        field = writer.root["/AcroForm"]["/Fields"][0]
        del field["/V"]
        writer.update_container(field)

    assert faults(updated(making.make().countersigned, change))


def test_two_generations_of_the_second_signature() -> None:
    """A second countersignature on top of one that was taken out of its field."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        field = writer.root["/AcroForm"]["/Fields"][1]
        del field["/V"]
        writer.update_container(field)

    emptied = updated(making.make().countersigned, change)
    assert faults(making.second(emptied, "officer"))


# --- what the installation would have to have signed ----------------------------------------------


@pytest.mark.parametrize("change", [script, text_field, signature_field], ids=lambda c: c.__name__)
def test_what_no_packet_holds_is_refused_even_if_it_was_signed(change: Change) -> None:
    from reports.formats import pdf_signing

    plain = making.plain_pdf("sha256:" + "a" * 64)
    prepared = updated(pdf_signing.prepare(plain), change)
    signed = pdf_signing.sign(
        prepared, "Service", making.key("service"), making.chain("service"), making.MADE, "x"
    )
    assert faults(signed)


def test_a_pdf_that_names_no_json_packet() -> None:
    assert faults(making.first(making.plain_pdf("nothing"))) == {"pdf_refused"}


@pytest.mark.parametrize(
    "raw",
    [b"", b"%PDF-", b"%PDF-1.7\nstartxref\n9\n%%EOF\n", b"PK\x03\x04", b"\0" * 4096],
    ids=["empty", "header", "no table", "zip", "zeros"],
)
def test_what_is_no_pdf(raw: bytes) -> None:
    assert faults(raw) == {"pdf_refused"}


def test_a_pdf_that_nobody_signed() -> None:
    from reports.formats import pdf_signing

    plain = making.plain_pdf("sha256:" + "a" * 64)
    assert faults(plain) == {"pdf_refused"}
    assert faults(pdf_signing.prepare(plain)) == {"pdf_unsigned"}


def test_a_table_that_leads_in_circles() -> None:
    raw = making.make().pdf
    at = int(PdfFileReader(BytesIO(raw)).last_startxref)
    looped = raw.replace(b"/Prev ", b"/Prev %d %%" % at, 1)
    assert faults(looped)


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    from reports.formats import pdf_reading

    monkeypatch.setattr(pdf_reading, "MAX_PDF_BYTES", 1000)
    assert faults(making.make().pdf) == {"pdf_too_large"}


def tables(sections: int, entries: int) -> bytes:
    """A PDF with nothing in it but tables that lead back to one another."""
    raw = bytearray(b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\n")
    previous = b""
    for _ in range(sections):
        at = len(raw)
        raw += b"xref\n0 %d\n0000000000 65535 f \n" % entries
        raw += b"0000000009 00000 n \n" * (entries - 1)
        raw += b"trailer\n<</Size %d/Root 1 0 R%b>>\nstartxref\n" % (entries, previous)
        raw += b"%d\n%%%%EOF\n" % at
        previous = b"/Prev %d " % at
    return bytes(raw)


@pytest.mark.parametrize(
    ("sections", "entries", "code"),
    [(20_000, 2, "pdf_refused"), (1, 1_000_000, "pdf_too_large"), (6, 40_000, "pdf_too_large")],
)
def test_tables_that_would_keep_a_reader_busy(sections: int, entries: int, code: str) -> None:
    raw = tables(sections, entries)
    start = time.monotonic()
    assert faults(raw) == {code}
    assert time.monotonic() - start < 2


def test_a_link_that_is_written_in_another_way() -> None:
    raw = tables(2, 2).replace(b"/Prev", b"/Pr#65v")
    assert faults(raw) == {"pdf_refused"}
