"""Columns: as wide as what stands in them, within their weights and the table."""

from __future__ import annotations

import pytest

from reports.rendering import fonts
from reports.rendering.columns import Column, Layout, are_numbers
from reports.rendering.sheet import Sheet
from reports.rendering.tables import Rows, broken
from reports.rendering.view_annexes import annexes
from tests.reports_documents import document

WIDTH = 493.0


@pytest.fixture(autouse=True)
def faces() -> None:
    fonts.register()


def lines(columns: list[Column], rows: list[list[str]], width: float = WIDTH) -> list[list[str]]:
    """The lines of each cell of the first row."""
    table = Rows(columns, rows)
    table.wrap(width, 10_000)
    return [list(cell) for cell in table._table._page.rows[1]]  # type: ignore[union-attr]


def test_a_word_is_whole_where_another_column_has_room_to_give() -> None:
    number, note = "INC-2026-10-00025", "It was restarted. " * 9
    columns = [Column("Incident", 1), Column("Note", 12)]
    assert broken(number, WIDTH / 13 - 6, fonts.REGULAR) != [number]
    assert lines(columns, [[number, note]])[0] == [number]


def test_what_a_short_column_does_not_use_goes_to_the_others() -> None:
    columns = [Column("Control", 5), Column("Opened", 1), Column("Note", 2)]
    rows = [["CC7.4", "2026-10-01 14:32:01Z", "It was restarted. " * 9]]
    assert lines(columns, rows)[1] == ["2026-10-01 14:32:01Z"]


@pytest.mark.parametrize("word", ["x" * 40, "x" * 20_000])
def test_a_word_that_would_take_the_table_is_broken(word: str) -> None:
    layout = Layout([Column("A", 1), Column("B", 3)], [[word, "It was restarted. " * 9]])
    sizes = layout.widths(WIDTH)
    assert sum(sizes) == pytest.approx(WIDTH)
    assert sizes[0] < WIDTH / 3


@pytest.mark.parametrize("width", [20.0, 120.0, 300.0, 493.0, 2000.0])
@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (1, 50, 1, 3), (100, 1, 1, 1)])
@pytest.mark.parametrize("cell", ["", "1", "INC-2026-10-00025", "iW " * 30, "x" * 200])
@pytest.mark.parametrize("is_mono", [True, False])
def test_the_widths_are_those_of_the_table(
    width: float, weights: tuple[int, ...], cell: str, is_mono: bool
) -> None:
    columns = [Column(f"Column {weight}", weight) for weight in weights]
    columns[1] = Column("Digest", weights[1], is_mono=is_mono)
    sizes = Layout(columns, [[cell, cell * 2, "text", "other words"]]).widths(width)
    assert sum(sizes) == pytest.approx(width)
    assert min(sizes) >= 0


def test_words_give_way_from_the_longest_on() -> None:
    words = ["a" * 8, "b" * 30, "c" * 26, "d" * 25, "e" * 24, "f" * 23]
    found = lines([Column("T", 1) for _ in words], [words], 400.0)
    assert found[0] == [words[0]]
    assert len(found[1]) > 1


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"1", "22", "1,234", "-4", "0.5", "97 %", "96.5%"}, True),
        ({"1", "", "–", "no data"}, True),
        ({"", "–"}, False),
        (set(), False),
        ({"1", "1 event"}, False),
        ({"2026-10-01"}, False),
        ({"1."}, False),
        ({"٣"}, False),
    ],
)
def test_numbers(texts: set[str], expected: bool) -> None:
    assert are_numbers(texts) is expected


def test_columns_of_numbers_in_annexes_are_set_to_the_right() -> None:
    sheet = Sheet()
    annexes(document(1, 30)["annexes"], sheet)
    assert [column.title for column in sheet.tables[0].columns if column.is_number] == [
        "Time to repair, s"
    ]
    assert lines(list(sheet.tables[0].columns), [list(row) for row in sheet.tables[0].rows])[0] == [
        "INC-2026-10-00000"
    ]


def test_short_rows_beside_each_other_are_read_downwards() -> None:
    sheet = Sheet()
    sheet.beside((Column("A", 1), Column("B", 1)), [[f"a{n}", n] for n in range(6)])
    assert sheet.tables[0].rows[0][::3] == ["a0", "a2", "a4", ""]
    assert sheet.tables[0].rows[1][1::3] == ["1", "3", "5", ""]
    assert sheet.beside((Column("A", 1),), []) == ""
