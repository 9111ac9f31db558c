"""Charts as images that the server draws: stacked bars with a scale, and what they say in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 480, 176
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 12, 24
# So many labels at most fit below the bars.
MOST_LABELS = 7
_TICKS = (0.0, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one kind, one for each place of the chart.

    Attributes:
        label: what they are.
        tone: ``success``, ``failed``, ``waiting``, ``attention`` or ``neutral``: a state's colour.
        values: None where nothing is known.
    """

    label: str
    tone: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart shows.

    Attributes:
        title: its heading.
        text: the same in a sentence, for those who do not see the bars.
        unit: of the values.
        heading: what the places are, such as ``Day``.
        places: the labels below the bars.
        series: stacked upon each other, the first at the bottom.
        source: where the numbers come from.
    """

    title: str
    text: str
    unit: str
    heading: str
    places: Sequence[str]
    series: Sequence[Series]
    source: str

    @property
    def columns(self) -> list[str]:
        """The headings of its table."""
        return [self.heading, *(series.label for series in self.series)]

    @property
    def rows(self) -> list[list[str]]:
        """Its table: every number that is drawn."""
        values = zip(*(series.values for series in self.series), strict=True)
        return [
            [place, *(shown(value) for value in row)]
            for place, row in zip(self.places, values, strict=True)
        ]


def shown(value: float | None) -> str:
    """A value as people write it; a dash for what is not known."""
    if value is None:
        return "—"
    return f"{value:,.0f}" if float(value).is_integer() or value >= 100 else f"{value:,.1f}"


def scale_of(largest: float) -> float:
    """A round number that is not less: 1, 2 or 5 with noughts."""
    if largest <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= largest)


def bars(chart: Chart) -> SafeString:
    """The image of a chart."""
    totals = [
        sum(value or 0 for value in column)
        for column in zip(*(series.values for series in chart.series), strict=True)
    ]
    top = scale_of(max(totals, default=0))
    return format_html(
        '<svg class="chart" role="img" viewBox="0 0 {0} {1}" aria-label="{2}">'
        "<title>{2}</title>{3}{4}{5}</svg>",
        WIDTH,
        HEIGHT,
        f"{chart.title}. {chart.text}",
        _grid(top),
        format_html_join(
            "", "{}", ((_column(chart, place, top),) for place in range(len(chart.places)))
        ),
        _labels(chart),
    )


def _height(value: float, top: float) -> float:
    return value / top * (HEIGHT - TOP - BOTTOM)


def _grid(top: float) -> SafeString:
    return format_html_join(
        "",
        '<path class="grid" d="M{} {}H{}"/><text class="tick" x="{}" y="{}">{}</text>',
        (
            (LEFT, f"{y:.1f}", WIDTH - RIGHT, LEFT - 6, f"{y + 4:.1f}", shown(top * share))
            for share in _TICKS
            for y in [HEIGHT - BOTTOM - _height(top * share, top)]
        ),
    )


def _column(chart: Chart, place: int, top: float) -> SafeString:
    step = (WIDTH - LEFT - RIGHT) / len(chart.places)
    x, width = LEFT + step * (place + 0.15), step * 0.7
    base, parts = float(HEIGHT - BOTTOM), []
    for series in chart.series:
        value = series.values[place]
        if value is not None and value > 0:
            # What is there is to be seen, however little it is.
            height = max(1.5, _height(value, top))
            base -= height
            parts.append((series.tone, f"{x:.1f}", f"{base:.1f}", f"{width:.1f}", f"{height:.1f}"))
    told = ", ".join(f"{series.label} {shown(series.values[place])}" for series in chart.series)
    return format_html(
        "<g>{}<title>{}: {}</title></g>",
        format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>', parts),
        chart.places[place],
        told,
    )


def _labels(chart: Chart) -> SafeString:
    count = len(chart.places)
    step = (WIDTH - LEFT - RIGHT) / max(1, count)
    every = max(1, math.ceil(count / MOST_LABELS))
    return format_html_join(
        "",
        '<text class="place" x="{}" y="{}">{}</text>',
        (
            (f"{LEFT + step * (place + 0.5):.1f}", HEIGHT - 8, chart.places[place])
            # The newest is the last, and always has its label.
            for place in range((count - 1) % every, count, every)
        ),
    )
