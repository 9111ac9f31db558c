"""Long tables: strings in columns of fixed widths, laid out a page at a time.

ReportLab's own tables keep a style for each cell and are split by copying. Here the widths are
known beforehand and lines are broken once, so that each page is laid out when its turn comes and
drawn as it is read, and 10,000 rows are no more in memory than their texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from reportlab.lib.colors import HexColor
from reportlab.platypus import Flowable

from reports.rendering import fonts
from reports.rendering.columns import SIDE, SIZE, Column, Layout, width_of

LEADING: Final = 8.8
_ABOVE: Final = 2.0
_BELOW: Final = 2.6
# A row is cut where at least so many of its lines find room; a shorter one goes to the next page.
_LEAST_CUT: Final = 12
# A title higher than this would leave no room for rows.
_MOST_TITLE_LINES: Final = 30
_BREAK_AFTER: Final = "-_/.:,;@"
_HEAD: Final = HexColor("#e9edf3")
_RULE: Final = HexColor("#c3cad5")
_INK: Final = HexColor("#1c2430")

Lines = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Page:
    """What one page takes: rows as broken lines, and where the next page goes on."""

    rows: tuple[Lines, ...]
    height: float
    at: int
    cut: Lines | None


class Rows(Flowable):  # type: ignore[misc]
    """A table over as many pages as it takes, with its header on each.

    Args:
        columns: what the columns are.
        rows: texts, as they are to be shown (`text.legible`).
        at: the row that it begins with.
        cut: the rest of a row that was too high for a page, to come before that.
        layout: the widths of the columns, where they were measured already.
    """

    spaceBefore = 4.0  # noqa: N815 - ReportLab's names
    spaceAfter = 10.0  # noqa: N815

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
        *,
        at: int = 0,
        cut: Lines | None = None,
        layout: Layout | None = None,
    ) -> None:
        super().__init__()
        self._columns = tuple(columns)
        self._rows = rows
        self._at = at
        self._cut = cut
        self._layout = layout or Layout(self._columns, rows)
        self._table: _Table | None = None

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Its size where all of it fits here; else more than there is, so that it is split."""
        page = self._page(width, height)
        if page is None or page.cut is not None or page.at < len(self._rows):
            return width, height + 1
        self._table = self._drawn(page, width)
        return width, page.height

    def draw(self) -> None:
        """Draw what was laid out last."""
        if self._table is None:
            raise ValueError("A table is laid out before it is drawn.")
        self._table.paint(self.canv)

    def split(self, width: float, height: float) -> list[Flowable]:
        """What fits here, as a table, and the rest; nothing where not even a row fits."""
        page = self._page(width, height)
        if page is None:
            return []
        table = self._drawn(page, width)
        rest = Rows(self._columns, self._rows, at=page.at, cut=page.cut, layout=self._layout)
        return [table, rest]

    def _page(self, width: float, height: float) -> _Page | None:
        widths = self._layout.widths(width)
        head = self._header(widths)
        used, rows, at, cut = _height(head), [head], self._at, self._cut
        while cut is not None or at < len(self._rows):
            row = cut or self._broken(self._rows[at], widths)
            if used + _height(row) > height:
                break
            rows.append(row)
            used += _height(row)
            at, cut = (at if cut is not None else at + 1), None
        else:
            return _Page(tuple(rows), used, at, None)
        fitting = int((height - used - _ABOVE - _BELOW) / LEADING)
        if fitting >= _LEAST_CUT:
            first = tuple(cell[:fitting] for cell in row)
            after = at if cut is not None else at + 1
            rest = tuple(cell[fitting:] for cell in row)
            return _Page((*rows, first), used + _height(first), after, rest)
        return _Page(tuple(rows), used, at, cut) if len(rows) > 1 else None

    def _header(self, widths: Sequence[float]) -> Lines:
        return tuple(
            tuple(broken(column.title, width - 2 * SIDE, fonts.BOLD)[:_MOST_TITLE_LINES])
            for column, width in zip(self._columns, widths, strict=True)
        )

    def _broken(self, row: Sequence[str], widths: Sequence[float]) -> Lines:
        return tuple(
            tuple(broken(text, width - 2 * SIDE, column.font))
            for text, width, column in zip(row, widths, self._columns, strict=True)
        )

    def _drawn(self, page: _Page, width: float) -> _Table:
        return _Table(self._columns, page, self._layout.widths(width))


class _Table(Flowable):  # type: ignore[misc]
    """The part of a table that stands on one page, row by row: that is also the reading order."""

    def __init__(self, columns: Sequence[Column], page: _Page, widths: Sequence[float]) -> None:
        super().__init__()
        self.spaceBefore = Rows.spaceBefore
        self.spaceAfter = Rows.spaceAfter
        self._columns = columns
        self._page = page
        self._widths = widths

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """As it was laid out."""
        return sum(self._widths), self._page.height

    def draw(self) -> None:
        """Draw it at the origin."""
        self.paint(self.canv)

    def paint(self, canvas: Any) -> None:
        """Draw it: its header's ground, the rules, and every line of text."""
        width, y = sum(self._widths), self._page.height
        canvas.setFillColor(_HEAD)
        canvas.rect(0, y - _height(self._page.rows[0]), width, _height(self._page.rows[0]), 0, 1)
        canvas.setStrokeColor(_RULE)
        canvas.setLineWidth(0.3)
        text = canvas.beginText()
        text.setFillColor(_INK)
        for place, row in enumerate(self._page.rows):
            x = 0.0
            for column, cell, size in zip(self._columns, row, self._widths, strict=True):
                font = column.font if place else fonts.BOLD
                text.setFont(font, SIZE, LEADING)
                _write(text, cell, x, x + size, y - _ABOVE, column.is_number, _face(font))
                x += size
            y -= _height(row)
            canvas.line(0, y, width, y)
        canvas.drawText(text)


def _write(
    text: Any,
    cell: Sequence[str],
    left: float,
    right: float,
    top: float,
    is_number: bool,
    widths: Mapping[int, float],
) -> None:
    for number, line in enumerate(cell):
        if not line:
            continue
        x = left + SIDE
        if is_number:
            x = right - SIDE - width_of(line, widths) * SIZE / 1000
        text.setTextOrigin(x, top - SIZE - number * LEADING)
        text.textOut(line)


def broken(text: str, room: float, font: str) -> list[str]:
    """The lines of a text in so many points: at spaces, and within words that are too long."""
    room = room * 1000 / SIZE
    widths = _face(font)
    if width_of(text, widths) <= room:
        return [text]
    lines: list[str] = []
    line, used = "", 0.0
    for word in text.split(" "):
        size = width_of(word, widths)
        if line and used + widths[32] + size <= room:
            line, used = f"{line} {word}", used + widths[32] + size
            continue
        if line:
            lines.append(line)
        while size > room and len(word) > 1:
            fitting = _fitting(word, room, widths, is_mono=font == fonts.MONO)
            lines.append(word[:fitting])
            word = word[fitting:]
            size = width_of(word, widths)
        line, used = word, size
    return [*lines, line]


def _fitting(word: str, room: float, widths: Mapping[int, float], *, is_mono: bool) -> int:
    """How many characters of a word stay on the line: up to a mark in it, where there is one."""
    used, place = 0.0, 0
    while used <= room and place < len(word):
        used += widths[ord(word[place])]
        place += 1
    place -= 1
    if not is_mono:
        for earlier in range(place, place // 3, -1):
            if word[earlier - 1] in _BREAK_AFTER:
                return earlier
    return max(1, place)


def _height(row: Lines) -> float:
    return max(1, *map(len, row)) * LEADING + _ABOVE + _BELOW


@cache
def _face(font: str) -> Mapping[int, float]:
    return fonts.widths(font)
