"""Completeness on the pages: in words, and nothing of the record is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reports.rendering import assembling, fonts
from reports.rendering.sheet import Sheet
from reports.rendering.view_completeness import completeness
from tests import pdfs
from tests.reports_documents import document

DIGEST = f"sha256:{'0' * 64}"
TITLES = ["The log", "Late arrivals", "The archive", "Checkpoints", "Jobs"]


@pytest.fixture(autouse=True)
def faces() -> None:
    fonts.register()


def record() -> dict[str, Any]:
    found: dict[str, Any] = document(1, 1)["completeness"]
    return found


def shown(found: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The titles of the sections, and every text of them in order."""
    sheet = Sheet()
    told = completeness(found, sheet)
    texts = [told["over"]]
    for section in told["sections"]:
        texts += [section["title"], section["meaning"]]
        texts += [f"{line['label']}: {line['value']}" for line in section["lines"]]
        for place in section["tables"]:
            table = sheet.tables[int(place)]
            texts.append(" | ".join(column.title for column in table.columns))
            texts += [" | ".join(row) for row in table.rows]
    return [section["title"] for section in told["sections"]], texts


def test_the_sections_say_what_was_expected_and_what_was_there() -> None:
    titles, texts = shown(record())
    assert titles == TITLES
    for line in (
        "The period was over when the packet was made.",
        "Not yet sealed: 0 events",
        "Set aside: 0 events",
        "Gaps: 0 numbers",
        "Late: sealed more than 24 hours after it occurred.",
        "Arrived late: 2 events",
        "31007 to 31008",
        "Archived: through event 47000; the log had 48,211 events",
        "Not archived: 1,210 events",
        "Hours counted: 744 hours",
        "Hours without a checkpoint: 0 hours",
        "Job | Type | Schedule | Windows expected | Succeeded | Failed | Open | Missed",
        "verify-audit-log | audit_verify | 11 1 * * * | 31 | 29 | 1 | 0 | 1",
        "verify-audit-log | 2026-10-12 01:11:00Z",
    ):
        assert line in texts


def test_what_has_two_ends_or_none() -> None:
    found = record()
    found["isPeriodOver"] = False
    found["pending"] = 1
    found["observed"]["archive"] |= {"archived_through_seq": None}
    found["observed"]["jobs"] = []
    found["lateArrivals"] |= {
        "laterThanSeconds": 90, "count": 3, "ranges": [[4, 4], [6, 7]], "isTruncated": True
    }  # fmt: skip
    found["observed"]["checkpoints"] = {
        "hours": 9,
        "missing": ["2026-10-01T02:00:00.000000Z"],
        "missing_count": 3,
    }
    _, texts = shown(found)
    assert texts[0].startswith("The period was not over")
    for line in (
        "Not yet sealed: 1 event",
        "Archived: no event yet; the log had 48,211 events",
        "Late: sealed more than 90 seconds after it occurred.",
        "4, 6 to 7, and further ones that are not listed",
        "2026-10-01 02:00:00Z, and 2 more",
        "Scheduled jobs: none",
    ):
        assert line in texts


def leaves(value: Any) -> Iterator[list[Any]]:
    """The path of every single value, and of every empty one."""
    if isinstance(value, dict | list) and value:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            for path in leaves(item):
                yield [key, *path]
    else:
        yield []


@pytest.mark.parametrize("path", list(leaves(record())), ids=str)
def test_every_value_is_told_whatever_it_is(path: list[Any]) -> None:
    if path[-1] in ("ranges", "missing") or path[0] == "isPeriodOver":
        value: Any = ["odd", "value"]
    else:
        value = "odd value"
    found = record()
    holder: Any = found
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    whole = " ".join(shown(found)[1])
    assert "odd" in whole
    assert "value" in whole


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("lateArrivals",),
        ("observed",),
        ("observed", "archive"),
        ("observed", "checkpoints"),
        ("observed", "jobs", 0),
    ],
)
@pytest.mark.parametrize(
    "value", [None, 4711, "text", [], ["a", {"b": 1}], {}, {"inner": {"deep": True}}]
)
def test_fields_that_are_not_known_are_told_too(path: tuple[Any, ...], value: Any) -> None:
    found = record()
    holder: Any = found
    for step in path:
        holder = holder[step]
    holder["clockStepsSeen"] = value
    titles, texts = shown(found)
    whole = " ".join(texts)
    assert "lock steps seen" in whole
    told = {"4711": "4,711", "None": "–", "[]": "none", "{}": "none"}
    for part in ("a", "b", "1") if isinstance(value, list) and value else ():
        assert part in whole
    if not isinstance(value, list | dict) or not value:
        assert told.get(str(value), str(value)) in whole
    if value == {"inner": {"deep": True}}:
        assert "yes" in whole
        assert "deep" in whole.lower()
    assert titles[:5] == TITLES


@pytest.mark.parametrize("part", ["observed", "lateArrivals"])
@pytest.mark.parametrize("value", ["odd", ["odd"], {"odd": 1}])
def test_a_part_of_another_form_is_told_as_it_is(part: str, value: Any) -> None:
    whole = " ".join(shown(record() | {part: value})[1])
    assert "odd" in whole.lower()


def test_lists_longer_than_a_page_are_laid_out() -> None:
    made = document(1, 1)
    late = [[number * 10, number * 10 + 3] for number in range(1000)]
    made["completeness"]["lateArrivals"] |= {"ranges": late, "count": 4000}
    hours = [f"2026-10-{1 + n // 24:02d}T{n % 24:02d}:00:00.000000Z" for n in range(100)]
    made["completeness"]["observed"]["checkpoints"] |= {"missing": hours, "missing_count": 300}
    whole = pdfs.squeezed("".join(pdfs.texts(assembling.pdf_bytes(made, json_sha256=DIGEST))))
    assert "9990to9993" in whole
    assert "2026-10-0503:00:00Z,and200more" in whole
