"""Charts: true to their numbers, and texts in them stay texts."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from reports.rendering import charts

SPACE = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_values() -> None:
    made = charts.bars("Logins", "events", [("a", 50), ("b", 100), ("c", 0), ("d", "no data")])
    bars = [shape for shape in made.shapes if isinstance(shape, charts.Rect)]
    assert [round(bar.width / bars[1].width, 6) for bar in bars] == [0.5, 1, 0]
    words = [shape.text for shape in made.shapes if isinstance(shape, charts.Label)]
    assert words == ["a", "50", "b", "100", "c", "0", "d", "no data"]


def test_a_line_has_a_point_for_each_number_and_a_gap_for_no_data() -> None:
    made = charts.line(
        "By day", "events", [("1", 4), ("2", 8), ("3", "no data"), ("4", 2), ("5", 0)]
    )
    runs = [shape for shape in made.shapes if isinstance(shape, charts.Path) and shape.width > 1]
    assert [len(run.points) for run in runs] == [2, 2]
    base = runs[1].points[1][1]
    heights = [base - y for run in runs for _, y in run.points]
    assert [round(height / heights[0], 6) for height in heights] == [1, 2, 0.5, 0]


def test_many_values_are_a_line() -> None:
    series = [(str(number), number) for number in range(charts.MOST_BARS + 1)]
    assert not any(
        isinstance(shape, charts.Path) and shape.width > 1
        for shape in charts.chart("t", "u", series[:-1]).shapes
    )
    assert any(
        isinstance(shape, charts.Path) and shape.width > 1
        for shape in charts.chart("t", "u", series).shapes
    )


@pytest.mark.parametrize("series", [[], [("a", 0)], [("a", "no data")] * 20, [("a", -5), ("b", 3)]])
@pytest.mark.parametrize("make", [charts.bars, charts.line, charts.chart])
def test_odd_values(make: object, series: list[tuple[str, int | str]]) -> None:
    made = make("t", "u", series)  # type: ignore[operator]
    assert made.height > 0
    assert all(
        shape.width >= 0 and shape.height >= 0
        for shape in made.shapes
        if isinstance(shape, charts.Rect)
    )


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ([], "no data"),
        ([("2026-11-21", 1052)], "2026-11-21: 1,052"),
        ([("week", "no data")], "week: no data"),
        ([("a", 0), ("b", 0.0)], "each of the 2 values is 0"),
        ([("a", 0), ("b", "no data")], "no number above 0"),
        ([("a", 0), ("b", 1)], None),
        ([("a", "no data"), ("b", 1)], None),
    ],
)
def test_what_a_drawing_would_not_show_is_one_line(
    series: list[tuple[str, int | str]], expected: str | None
) -> None:
    assert charts.in_words(series) == expected


def test_svg_has_a_title_a_description_and_nothing_of_the_texts_is_markup() -> None:
    hostile = '</text><script>alert("1")</script>&amp;'
    svg = charts.svg_bars(hostile, hostile, [(hostile[:20], 1)])
    root = ElementTree.fromstring(svg)
    assert {element.tag for element in root.iter()} == {
        f"{SPACE}{name}" for name in ("svg", "title", "desc", "rect", "polyline", "text")
    }
    assert root.find(f"{SPACE}title").text == hostile  # type: ignore[union-attr]
    assert hostile in root.find(f"{SPACE}desc").text  # type: ignore[operator, union-attr]
    assert root.attrib["role"] == "img"
    assert "polyline" in charts.svg_line("t", "u", [("a", 1), ("b", 2)])
