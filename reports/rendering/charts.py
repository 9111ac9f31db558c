"""Charts: bars and lines, worked out once and drawn as SVG or, in packets, as vectors of the PDF.

Every chart stands beside its table, so what is shortened here is whole there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

INK: Final = "#1c2430"
MUTED: Final = "#566072"
GRID: Final = "#d5dae2"
BAR: Final = "#2b5c9e"
# More values than this are a line: a bar each would fill the page.
MOST_BARS: Final = 12
NO_DATA: Final = "no data"
NOT_DRAWN: Final = "no number above 0"
_LABEL_CHARS: Final = 26
_ROW: Final = 18
_LEFT: Final = 170
_RIGHT: Final = 60
_SIZE: Final = 8.5
_LINE_HEIGHT: Final = 130
_LINE_LEFT: Final = 44


@dataclass(frozen=True, slots=True)
class Rect:
    """A filled rectangle, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    fill: str


@dataclass(frozen=True, slots=True)
class Path:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float


@dataclass(frozen=True, slots=True)
class Label:
    """A text on its base line; ``anchor`` says which end ``x`` is."""

    x: float
    y: float
    text: str
    colour: str = INK
    anchor: str = "start"
    size: float = _SIZE


@dataclass(frozen=True, slots=True)
class Chart:
    """Shapes in a box, measured in points from the upper left corner.

    Attributes:
        title: what it shows.
        summary: the same in words, for those who don't see it.
    """

    title: str
    summary: str
    width: float
    height: float
    shapes: tuple[Rect | Path | Label, ...]


Series = Sequence[tuple[str, float | int | str]]


def chart(title: str, unit: str, series: Series, *, width: float = 480) -> Chart:
    """Bars for a few values, a line for more."""
    make = bars if len(series) <= MOST_BARS else line
    return make(title, unit, series, width=width)


def in_words(series: Series) -> str | None:
    """What a drawing would not show: one value, zeros alone, or no number; else nothing."""
    if not series:
        return NO_DATA
    if len(series) == 1:
        label, value = series[0]
        return f"{label}: {_number(value)}"
    numbers = _numbers(series)
    if any(numbers):
        return None
    return f"each of the {len(series)} values is 0" if len(numbers) == len(series) else NOT_DRAWN


def bars(title: str, unit: str, series: Series, *, width: float = 480) -> Chart:
    """One horizontal bar for each value, with its number; a value that is no number is written."""
    most = max((value for value in _numbers(series)), default=0)
    room = width - _LEFT - _RIGHT
    shapes: list[Rect | Path | Label] = []
    for place, (label, value) in enumerate(series):
        top = place * _ROW
        shapes.append(Label(_LEFT - 6, top + 12, _short(label), anchor="end"))
        length = 0.0
        if _is_number(value):
            length = room * max(0.0, float(value)) / most if most > 0 else 0.0
            shapes.append(Rect(_LEFT, top + 3, length, _ROW - 6, BAR))
        shapes.append(Label(_LEFT + length + 5, top + 12, _number(value)))
    height = max(1, len(series)) * _ROW + 4
    shapes.insert(0, Path(((_LEFT, 0), (_LEFT, height - 4)), MUTED, 0.6))
    return Chart(title, _summary(title, unit, series), width, height, tuple(shapes))


def line(title: str, unit: str, series: Series, *, width: float = 480) -> Chart:
    """A line over values in their order, with its lowest, highest and both ends named.

    A value that is no number leaves a gap.
    """
    top = _round_up(max(_numbers(series), default=0))
    bottom, left, right = _LINE_HEIGHT - 18, _LINE_LEFT, width - 12
    shapes: list[Rect | Path | Label] = []
    for part in (0, 0.5, 1):
        y = bottom - (bottom - 8) * part
        shapes.append(Path(((left, y), (right, y)), GRID, 0.5))
        shapes.append(Label(left - 5, y + 3, _number(top * part), MUTED, "end", 7.5))
    step = (right - left) / max(1, len(series) - 1)
    points = [
        (left + place * step, bottom - (bottom - 8) * float(value) / top)
        if _is_number(value)
        else None
        for place, (_, value) in enumerate(series)
    ]
    shapes += [Path(run, BAR, 1.4) for run in _runs(points)]
    shapes += [Rect(point[0] - 1.4, point[1] - 1.4, 2.8, 2.8, BAR) for point in points if point]
    if series:
        shapes.append(Label(left, _LINE_HEIGHT - 5, _short(series[0][0]), MUTED, size=7.5))
        shapes.append(Label(right, _LINE_HEIGHT - 5, _short(series[-1][0]), MUTED, "end", 7.5))
    return Chart(title, _summary(title, unit, series), width, _LINE_HEIGHT, tuple(shapes))


def svg(made: Chart) -> str:
    """The chart as an ``<svg>`` element with its title and a description; texts are escaped."""
    inner = "".join(map(_element, made.shapes))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {made.width:g} {made.height:g}" class="chart">'
        f"<title>{escape(made.title)}</title><desc>{escape(made.summary)}</desc>{inner}</svg>"
    )


def svg_bars(title: str, unit: str, series: Series, *, width: float = 480) -> str:
    """Bars as SVG."""
    return svg(bars(title, unit, series, width=width))


def svg_line(title: str, unit: str, series: Series, *, width: float = 480) -> str:
    """A line as SVG."""
    return svg(line(title, unit, series, width=width))


def _element(shape: Rect | Path | Label) -> str:
    if isinstance(shape, Rect):
        return (
            f'<rect x="{shape.x:.2f}" y="{shape.y:.2f}" width="{shape.width:.2f}" '
            f'height="{shape.height:.2f}" fill="{shape.fill}"/>'
        )
    if isinstance(shape, Path):
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in shape.points)
        return (
            f'<polyline points="{points}" fill="none" stroke="{shape.colour}" '
            f'stroke-width="{shape.width:g}"/>'
        )
    return (
        f'<text x="{shape.x:.2f}" y="{shape.y:.2f}" fill="{shape.colour}" '
        f'text-anchor="{shape.anchor}" font-size="{shape.size:g}">{escape(shape.text)}</text>'
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(series: Series) -> list[float]:
    return [float(value) for _, value in series if _is_number(value)]


def _number(value: object) -> str:
    if not _is_number(value):
        return str(value)
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"


def _round_up(most: float) -> float:
    """The next small multiple of a power of ten; 1 where there is nothing."""
    if most <= 0:
        return 1
    power = 10 ** math.floor(math.log10(most))
    found = next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if most <= step * power)
    return int(found) if found >= 2 else float(found)


def _runs(
    points: Sequence[tuple[float, float] | None],
) -> list[tuple[tuple[float, float], ...]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [tuple(run) for run in runs if len(run) > 1]


def _short(text: str) -> str:
    return text if len(text) <= _LABEL_CHARS else f"{text[: _LABEL_CHARS - 1]}…"


def _summary(title: str, unit: str, series: Series) -> str:
    if not series:
        return f"{title}: no data."
    told = ", ".join(f"{label} {_number(value)}" for label, value in series[:MOST_BARS])
    more = f", and {len(series) - MOST_BARS} more" if len(series) > MOST_BARS else ""
    return f"{title}, in {unit}: {told}{more}."
