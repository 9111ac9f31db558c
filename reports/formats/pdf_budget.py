"""A stream that gives a reader of PDFs so many bytes and no more.

pyHanko takes objects apart in Python, a few characters at a time: for each byte some microseconds
and up to two hundred bytes of memory. Whoever reads what nobody has vouched for yet has to know
before how much of it that can come to; the size of the file says nothing about it, since one byte
can be read many times.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

from reports.formats.pdf_errors import PdfRefused

# The tables of contents, their trailers, and the steps that lead there.
TABLES_BYTES: Final = 256 << 10
# The catalog, the form, both fields, the document's information, and two signatures with a
# timestamp each, which come to 100 KiB at most: a signature's place is 50 KiB.
OBJECTS_BYTES: Final = 512 << 10


class PdfTooComplex(PdfRefused):
    """Reading the PDF takes more than that of any packet does."""

    code = "pdf_too_complex"


class Metered(BytesIO):
    """A file in memory of which only so much can be read, counting what is read again."""

    def __init__(self, raw: bytes, most: int) -> None:
        super().__init__(raw)
        self._left = most

    def allow(self, most: int) -> None:
        """From here on, so many bytes."""
        self._left = most

    def read(self, size: int | None = -1, /) -> bytes:
        """As any stream does. Raises PdfTooComplex."""
        found = super().read(size)
        # A step costs its time even where it gives nothing.
        self._left -= len(found) or 1
        if self._left < 0:
            raise PdfTooComplex(
                "The PDF takes more to read than that of any packet: its catalog, its form or a"
                " signature is too large."
            )
        return found
