"""Tables of strings: where lines and pages break, and that nothing is lost."""

from __future__ import annotations

import pytest
from reportlab.platypus import Flowable

from reports.rendering import fonts
from reports.rendering.columns import SIZE, Column, Layout
from reports.rendering.tables import LEADING, Rows, broken

WIDTH = 400.0


def pages(rows: list[list[str]], height: float) -> list[Flowable]:
    """The parts of a table on pages of that height."""
    left: list[Flowable] = [Rows([Column("Number", 1), Column("Text", 4)], rows)]
    found: list[Flowable] = []
    while left:
        part = left.pop()
        if part.wrap(WIDTH, height)[1] <= height:
            found.append(part)
            continue
        placed, rest = part.split(WIDTH, height)
        found.append(placed)
        left.append(rest)
    return found


def lines_of(parts: list[Flowable]) -> list[tuple[tuple[str, ...], ...]]:
    """The rows below the headers of all pages, as they were broken."""
    found = []
    for part in parts:
        table = part._table if isinstance(part, Rows) else part  # type: ignore[attr-defined]
        header, *rows = table._page.rows
        assert header == (("Number",), ("Text",))
        found += rows
    return found


@pytest.fixture(autouse=True)
def faces() -> None:
    fonts.register()


@pytest.mark.parametrize("font", [fonts.REGULAR, fonts.MONO])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "one",
        "one two " * 20,
        "x" * 300,
        "a/path/that/is/long/" * 9,
        "INC-2026-10-00001",
        "iW " * 9,
    ],
)
@pytest.mark.parametrize("room", [-3.0, 4.0, 30.0, 90.0])
def test_lines_fit_and_lose_nothing(text: str, room: float, font: str) -> None:
    widths = fonts.widths(font)
    found = broken(text, room, font)
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    for line in found:
        assert sum(widths[ord(character)] for character in line) * SIZE / 1000 <= room or (
            len(line) <= 1
        )


def test_words_break_after_a_mark() -> None:
    assert broken("INC-2026-10-00001", 58.0, fonts.REGULAR) == ["INC-2026-10-", "00001"]


def test_every_page_has_the_header_and_every_row_is_there_once() -> None:
    rows = [[str(number), f"row {number}"] for number in range(500)]
    parts = pages(rows, 600)
    assert len(parts) > 5
    assert [row[0][0] for row in lines_of(parts)] == [str(number) for number in range(500)]


def test_a_row_higher_than_a_page_is_cut_by_lines() -> None:
    words = [f"word{number}" for number in range(3000)]
    parts = pages([["1", "before"], ["2", " ".join(words)], ["3", "after"]], 40 * LEADING)
    assert all(part.wrap(WIDTH, 2000)[1] > 30 * LEADING for part in parts[:-1])
    rows = lines_of(parts)
    assert rows[0][1] == ("before",)
    assert rows[-1][1] == ("after",)
    text = " ".join(line for row in rows[1:-1] for line in row[1])
    assert text.split() == words


def test_a_row_that_does_not_fit_any_more_goes_to_the_next_page() -> None:
    table = Rows([Column("Number", 1), Column("Text", 4)], [["1", "text"]])
    assert table.wrap(WIDTH, 15)[1] > 15
    assert table.split(WIDTH, 15) == []


def test_no_column_is_narrower_than_a_word_of_its_title() -> None:
    columns = [Column("Number", 1), Column("Outcome of it", 1), Column("Text", 40)]
    part = Rows(columns, [["1", "success", "text " * 99]])
    part.wrap(300.0, 500.0)
    page = part._table._page  # type: ignore[union-attr]
    assert page.rows[0] == (("Number",), ("Outcome", "of it"), ("Text",))
    assert sum(Layout(columns, []).widths(300.0)) == pytest.approx(300.0)
    assert Rows(columns, []).wrap(20.0, 500.0)[0] == 20.0
