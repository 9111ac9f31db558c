"""Columns of long tables: how wide each is, by its weight and by what stands in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from reports.rendering import fonts

SIZE: Final = 7.0
SIDE: Final = 3.0
# A word wider than this share of the table is broken, however much room there were.
_MOST_OF_WORDS: Final = 0.3
# What rounding may add up to.
_HAIR: Final = 0.1
_NUMBER: Final = re.compile(r"[-+]?\d[\d,]*(\.\d+)?( ?%)?", re.ASCII)
_NOTHING: Final = frozenset({"", "–", "no data"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        title: what stands above it.
        weight: its share of the width.
        is_mono: whether it holds digests and the like.
        is_number: whether it is set to the right.
    """

    title: str
    weight: float
    is_mono: bool = False
    is_number: bool = False

    @property
    def font(self) -> str:
        """The face of its cells."""
        return fonts.MONO if self.is_mono else fonts.REGULAR


def are_numbers(texts: Set[str]) -> bool:
    """Whether a column's texts are numbers, or nothing, and at least one is a number."""
    told = texts - _NOTHING
    return bool(told) and all(_NUMBER.fullmatch(text) for text in told)


def width_of(text: str, widths: Mapping[int, float]) -> float:
    """The width of a text, in thousandths of its size."""
    return sum([widths[code] for code in map(ord, text)])


class Layout:
    """The widths of a table's columns; its texts are measured once."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        self._columns = columns
        self._titles = [_title(column) for column in columns]
        self._heads = [_head(column) for column in columns]
        self._cells = [
            _measured({row[place] for row in rows}, column.font)
            for place, column in enumerate(columns)
        ]
        self._known: dict[float, list[float]] = {}

    def widths(self, width: float) -> list[float]:
        """The columns of a table of that width.

        Each has its share by weight, but none is narrower than its longest word, where there is
        room for that, or wider than its texts, where others have use for it.
        """
        if width not in self._known:
            self._known[width] = self._fitted(width)
        return self._known[width]

    def _fitted(self, width: float) -> list[float]:
        weights = [column.weight for column in self._columns]
        least = self._least(width)
        most = [
            max(low, self._heads[place], self._most(place, width * weights[place] / sum(weights)))
            for place, low in enumerate(least)
        ]
        if sum(most) <= width:
            # More than enough: all of it is shared out.
            spare = (width - sum(most)) / sum(weights)
            return [high + spare * weight for high, weight in zip(most, weights, strict=True)]
        return _shared(width, weights, least, most)

    def _least(self, width: float) -> list[float]:
        """The longest words, left out from the longest on until the others have room."""
        titles = self._titles if sum(self._titles) <= width else [0.0 for _ in self._titles]
        least = [
            max(title, word) if word <= width * _MOST_OF_WORDS else title
            for title, (word, _) in zip(titles, self._cells, strict=True)
        ]
        while sum(least) > width:
            gain = [low - title for low, title in zip(least, titles, strict=True)]
            place = gain.index(max(gain))
            if gain[place] <= 0:
                break
            least[place] = titles[place]
        return least

    def _most(self, place: int, share: float) -> float:
        """The width of the longest text in one line; of a digest, in as many as it takes anyway."""
        whole = self._cells[place][1]
        if self._columns[place].is_mono and whole > share > 2 * SIDE:
            lines = -(-(whole - 2 * SIDE) // (share - 2 * SIDE))
            letter = fonts.widths(fonts.MONO)[ord("0")] * SIZE / 1000
            return (whole - 2 * SIDE) / lines + letter + 2 * SIDE + _HAIR
        return whole


def _shared(
    width: float, weights: Sequence[float], least: Sequence[float], most: Sequence[float]
) -> list[float]:
    """By weight within the bounds: which of them bind is found as CSS finds it for flex boxes."""
    found: dict[int, float] = {}
    while True:
        free = [place for place in range(len(weights)) if place not in found]
        if not free:
            return [found[place] for place in range(len(weights))]
        room = max(0.0, width - sum(found.values()))
        whole = sum(weights[place] for place in free)
        shares = {place: room * weights[place] / whole for place in free}
        kept = {
            place: min(max(share, least[place]), most[place]) for place, share in shares.items()
        }
        off = sum(kept.values()) - sum(shares.values())
        bound = {
            place: size
            for place, size in kept.items()
            if (size > shares[place] and off >= 0) or (size < shares[place] and off <= 0)
        }
        if not bound:
            return [{**shares, **found}[place] for place in range(len(weights))]
        found |= bound


def _title(column: Column) -> float:
    widths = fonts.widths(fonts.BOLD)
    longest = max(width_of(word, widths) for word in column.title.split(" "))
    return longest * SIZE / 1000 + 2 * SIDE + _HAIR


def _head(column: Column) -> float:
    """Room for a title in two lines, nearly always."""
    widths = fonts.widths(fonts.BOLD)
    words = [width_of(word, widths) for word in column.title.split(" ")]
    most = sum(words) / 2 + max(words) / 2 if len(words) > 2 else max(words)
    return most * SIZE / 1000 + 2 * SIDE + _HAIR


def _measured(texts: set[str], font: str) -> tuple[float, float]:
    """The widest word, and the widest text, with the room beside them."""
    widths = fonts.widths(font)
    words = {word for text in texts for word in text.split(" ")}
    return (
        max((width_of(word, widths) for word in words), default=0.0) * SIZE / 1000
        + (2 * SIDE + _HAIR),
        max((width_of(text, widths) for text in texts), default=0.0) * SIZE / 1000
        + (2 * SIDE + _HAIR),
    )
