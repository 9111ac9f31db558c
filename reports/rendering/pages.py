"""The pages around the content: header, footer, digest, QR code, page x of y, bookmarks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from reportlab.graphics import renderPDF
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import Flowable
from xhtml2pdf.xhtml2pdf_reportlab import PmlBaseDoc, PmlFrame, PmlPageTemplate

from reports.rendering import fonts

MARGIN: Final = 18 * mm
_TOP: Final = 24 * mm
_BOTTOM: Final = 31 * mm
_QR_SIZE: Final = 18 * mm
_INK: Final = HexColor("#1c2430")
_MUTED: Final = HexColor("#566072")
_RULE: Final = HexColor("#c3cad5")
_AMBER: Final = HexColor("#8a5200")
_WASH: Final = HexColor("#f1e6d6")
_TOTAL: Final = "pages-in-all"
WIDTH: Final = A4[0] - 2 * MARGIN


@dataclass(frozen=True, slots=True)
class Furniture:
    """What every page shows; texts as they are to be shown.

    Attributes:
        title: of the document, for the viewer's window and the header.
        subject: what it is about, for the viewer.
        keywords: who asked for it, for verifiers.
        author: what made it.
        header: what stands above, to the right of the title.
        packet_id, digest: below, with the digest of the JSON packet, shortened.
        verify_page: where the packet is checked, or nothing.
        qr: what the QR code holds: the verify page with the digest; nothing means no code.
        is_draft: whether every page says so.
    """

    title: str
    subject: str
    keywords: str
    author: str
    header: str
    packet_id: str
    digest: str
    verify_page: str
    qr: str
    is_draft: bool


class PacketPages(PmlBaseDoc):  # type: ignore[misc]
    """The document: one frame a page, the same furniture on all."""

    def __init__(self, target: io.BytesIO, furniture: Furniture) -> None:
        super().__init__(
            target,
            pagesize=A4,
            title=furniture.title,
            subject=furniture.subject,
            keywords=furniture.keywords,
            author=furniture.author,
            creator=furniture.author,
            lang="en-GB",
            invariant=1,
            pageCompression=1,
            displayDocTitle=True,
            initialFontName=fonts.REGULAR,
        )
        frame = PmlFrame(
            *(MARGIN, _BOTTOM, WIDTH, A4[1] - _TOP - _BOTTOM),
            *(0, 0, 0, 0),
            id="body",
        )
        self.pisaPositioned: list[Any] = []
        self.addPageTemplates([_Template(furniture, frame)])

    def beforeDocument(self) -> None:  # noqa: N802 - ReportLab's name
        """Set what holds for the whole document."""
        super().beforeDocument()
        self.canv.showOutline()
        self.canv.setViewerPreference("DisplayDocTitle", "true")

    def _endBuild(self) -> None:  # noqa: N802 - ReportLab's name
        """End the last page, tell all pages how many there are, and only then save."""
        self._doSave = 0
        super()._endBuild()
        self._define_total(self.canv.getPageNumber() - 1)
        self.canv.save()

    def _define_total(self, pages: int) -> None:
        """The number of pages as a form that every page already refers to."""
        canvas = self.canv
        canvas.beginForm(_TOTAL, 0, -3, 40, 10)
        canvas.setFont(fonts.REGULAR, 8)
        canvas.setFillColor(_INK)
        canvas.drawString(0, 0, str(pages))
        canvas.endForm()


class _Template(PmlPageTemplate):  # type: ignore[misc]
    """Draws the furniture before the content."""

    def __init__(self, furniture: Furniture, frame: PmlFrame) -> None:
        super().__init__(id="body", frames=[frame], pagesize=A4)
        self._furniture = furniture
        self._qr = _qr_code(furniture.qr) if furniture.qr else None

    def beforeDrawPage(self, canvas: Any, doc: Any) -> None:  # noqa: N802
        """Header, footer and, on drafts, the word across the page."""
        super().beforeDrawPage(canvas, doc)
        canvas.saveState()
        if self._furniture.is_draft:
            _draft(canvas)
        self._header(canvas)
        self._footer(canvas, doc.page)
        canvas.restoreState()

    def _header(self, canvas: Any) -> None:
        y = A4[1] - 15 * mm
        canvas.setFont(fonts.REGULAR, 8)
        canvas.setFillColor(_MUTED)
        canvas.drawString(MARGIN, y, _cut(self._furniture.header, WIDTH - 40 * mm, 8))
        if self._furniture.is_draft:
            canvas.setFont(fonts.BOLD, 8)
            canvas.setFillColor(_AMBER)
            canvas.drawRightString(A4[0] - MARGIN, y, "⚠ Draft: not evidence")
        canvas.setStrokeColor(_RULE)
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, y - 4, A4[0] - MARGIN, y - 4)

    def _footer(self, canvas: Any, page: int) -> None:
        right = A4[0] - MARGIN
        canvas.setStrokeColor(_RULE)
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, 27 * mm, right, 27 * mm)
        if self._qr is not None:
            form = "verify-qr"
            if not canvas.hasForm(form):
                canvas.beginForm(form, 0, 0, _QR_SIZE, _QR_SIZE)
                renderPDF.draw(self._qr, canvas, 0, 0)
                canvas.endForm()
            canvas.saveState()
            canvas.translate(right - _QR_SIZE, 7.2 * mm)
            canvas.doForm(form)
            canvas.restoreState()
        room = WIDTH - _QR_SIZE - 10
        canvas.setFillColor(_INK)
        canvas.setFont(fonts.REGULAR, 8)
        prefix = f"Page {page} of "
        canvas.drawString(MARGIN, 22 * mm, prefix)
        canvas.saveState()
        canvas.translate(MARGIN + canvas.stringWidth(prefix, fonts.REGULAR, 8), 22 * mm)
        canvas.doForm(_TOTAL)
        canvas.restoreState()
        canvas.setFillColor(_MUTED)
        canvas.setFont(fonts.REGULAR, 7)
        canvas.drawString(MARGIN, 18 * mm, _cut(self._furniture.packet_id, room, 7))
        canvas.drawString(MARGIN, 14.6 * mm, f"JSON packet {self._furniture.digest}")
        verify = self._furniture.verify_page
        told = (
            f"Verify at {verify}"
            if verify
            else "No public address is configured, so there is no QR code."
        )
        canvas.drawString(MARGIN, 11.2 * mm, _cut(told, room, 7))


def built(story: Sequence[Flowable], furniture: Furniture) -> bytes:
    """The PDF of a story."""
    target = io.BytesIO()
    PacketPages(target, furniture).build(list(story))
    return target.getvalue()


def _draft(canvas: Any) -> None:
    canvas.saveState()
    canvas.setFillColor(_WASH)
    canvas.setFont(fonts.BOLD, 110)
    canvas.translate(A4[0] / 2, A4[1] / 2)
    canvas.rotate(52)
    canvas.drawCentredString(0, -38, "DRAFT")
    canvas.restoreState()


def _qr_code(text: str) -> Drawing:
    widget = QrCodeWidget(text, barLevel="L", barBorder=0)
    x0, y0, x1, _ = widget.getBounds()
    scale = _QR_SIZE / (x1 - x0)
    return Drawing(_QR_SIZE, _QR_SIZE, widget, transform=[scale, 0, 0, scale, -x0, -y0])


def _cut(text: str, room: float, size: float) -> str:
    """A text shortened to a width: what stands in the margins is told in full on the cover."""
    widths = fonts.widths(fonts.REGULAR)
    left = room * 1000 / size - widths[ord("…")]
    for place, character in enumerate(text):
        left -= widths[ord(character)]
        if left < 0:
            return f"{text[:place]}…"
    return text
