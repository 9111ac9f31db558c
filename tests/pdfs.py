"""What a reader of a PDF finds in it, for tests."""

from __future__ import annotations

import io
import re
from typing import Any

from pypdf import PdfReader

_SPACE = re.compile(r"\s+")


def opened(pdf: bytes) -> PdfReader:
    """The PDF, read strictly."""
    return PdfReader(io.BytesIO(pdf), strict=True)


def texts(pdf: bytes) -> list[str]:
    """The text of each page, as a reader copies it."""
    return [page.extract_text() for page in opened(pdf).pages]


def squeezed(text: str) -> str:
    """A text without any white space: where lines break is the layout's matter."""
    return _SPACE.sub("", text)


def bookmarks(pdf: bytes) -> list[tuple[int, str, int]]:
    """Depth, title and page, from 1, of every bookmark."""
    reader = opened(pdf)

    def walk(items: list[Any], depth: int) -> list[tuple[int, str, int]]:
        found: list[tuple[int, str, int]] = []
        for item in items:
            if isinstance(item, list):
                found += walk(item, depth + 1)
            else:
                page = reader.get_destination_page_number(item)
                found.append((depth, str(item.title), page + 1 if page is not None else 0))
        return found

    return walk(reader.outline, 0)


def fonts(pdf: bytes) -> dict[str, bool]:
    """Every font that any object names, and whether it is embedded."""
    reader, found = opened(pdf), {}
    for number in range(1, len(reader.xref[0]) + 1 if reader.xref else 1):
        thing = reader.get_object(number)
        if isinstance(thing, dict) and thing.get("/Type") == "/Font":
            descriptor = thing.get("/FontDescriptor")
            embedded = descriptor is not None and "/FontFile2" in descriptor.get_object()
            found[str(thing["/BaseFont"])] = embedded
    return found
