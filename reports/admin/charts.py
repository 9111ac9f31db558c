"""The charts of a packet: bars that say in words what they show, with their table below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

MOST = 31
ROW, BAR, LABEL, WIDTH, VALUE = 24, 16, 128, 440, 56
_LONGEST = 18


def bars(chart: Mapping[str, Any]) -> SafeString:
    """A chart of a packet's document as an image: a bar for each value, with its number.

    Args:
        chart: ``{title, unit, series: [{label, value}]}``; more than 31 values are shown in the
            table alone.
    """
    series = list(chart["series"])[:MOST]
    most = max((_number(item["value"]) for item in series), default=0.0)
    rows = format_html_join(
        "",
        "{}",
        ((_row(item, place * ROW, most),) for place, item in enumerate(series)),
    )
    return format_html(
        '<svg class="bars" role="img" viewBox="0 0 {} {}" aria-label="{}">{}</svg>',
        WIDTH,
        len(series) * ROW,
        in_words(chart),
        rows,
    )


def in_words(chart: Mapping[str, Any]) -> str:
    """The chart in a sentence, for those who do not see the bars."""
    series: Sequence[Mapping[str, Any]] = chart["series"]
    if not series:
        return f"{chart['title']}: nothing to show."
    told = ", ".join(f"{item['label']} {shown(item['value'])}" for item in series[:6])
    more = f" and {len(series) - 6} more" if len(series) > 6 else ""
    return f"{chart['title']}, in {chart['unit'] or 'numbers'}: {told}{more}."


def shown(value: Any) -> str:
    """A value of a packet: numbers with their thousands apart, words as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}"


def _row(item: Mapping[str, Any], top: int, most: float) -> SafeString:
    room = WIDTH - LABEL - VALUE
    value = _number(item["value"])
    length = round(room * value / most) if most else 0
    label = str(item["label"])
    return format_html(
        '<g><title>{}: {}</title><text x="{}" y="{}" class="label">{}</text>'
        '<rect x="{}" y="{}" width="{}" height="{}"/>'
        '<text x="{}" y="{}">{}</text></g>',
        label,
        shown(item["value"]),
        LABEL - 8,
        top + BAR,
        label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…",
        LABEL,
        top + (ROW - BAR) // 2,
        max(length, 2 if value else 1),
        BAR,
        LABEL + length + 8,
        top + BAR,
        shown(item["value"]),
    )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return max(0.0, float(value))
