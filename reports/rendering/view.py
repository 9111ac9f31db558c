"""What the pages of a packet say: every text made legible, every number with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.rendering import charts, view_annexes, view_completeness, view_controls
from reports.rendering.columns import Column
from reports.rendering.pages import WIDTH, Furniture
from reports.rendering.sheet import (
    Sheet,
    day,
    person,
    pill,
    source_of,
    span,
    value_of,
)
from reports.rendering.text import legible, plain, short_digest

_COUNTS = (
    ("compliant", "compliant"),
    ("attention", "attention"),
    ("notCompliant", "not_compliant"),
    ("notApplicable", "not_applicable"),
    ("notAssessed", "not assessed"),
)
_FRAMEWORKS = {"SOC2": "SOC 2"}


@dataclass(frozen=True, slots=True)
class Pages:
    """Everything that the renderer needs.

    Attributes:
        context: what the template is given.
        sheet: the tables and charts that its marks point at.
        furniture: what every page shows.
    """

    context: dict[str, Any]
    sheet: Sheet
    furniture: Furniture


def pages_of(document: Mapping[str, Any], json_sha256: str) -> Pages:
    """The pages of a document."""
    sheet = Sheet()
    cover = _cover(document, json_sha256)
    context = {
        "cover": cover,
        "summary": _summary(document, sheet),
        "controls": view_controls.controls(document, sheet),
        "completeness": view_completeness.completeness(document["completeness"], sheet),
        "artifacts": view_annexes.artifacts(document, sheet),
        "annexes": view_annexes.annexes(document["annexes"], sheet),
        "sampling": view_annexes.sampling(document, sheet),
        "verify": view_annexes.verify(document["verification"], json_sha256),
    }
    return Pages(context, sheet, _furniture(document, cover, json_sha256))


def _furniture(
    document: Mapping[str, Any], cover: Mapping[str, Any], json_sha256: str
) -> Furniture:
    page = str(document["verification"].get("verifyPage") or "")
    is_public = page.startswith(("https://", "http://"))
    return Furniture(
        title=f"{cover['title']}, {cover['client']}, {cover['span']}",
        subject=f"{cover['packet_id']}, JSON packet {json_sha256}",
        keywords=f"maker {_maker_id(document)}",
        author=cover["generator"],
        header=f"{cover['title']} · {cover['client']} · {cover['span']}",
        packet_id=cover["packet_id"],
        digest=legible(short_digest(json_sha256)),
        verify_page=legible(page) if is_public else "",
        qr=f"{page}?sha256={json_sha256.rpartition(':')[2]}" if is_public else "",
        is_draft=bool(document.get("draft")),
    )


def _maker_id(document: Mapping[str, Any]) -> str:
    """The id of the person who asked for the packet, or that nobody did."""
    maker = document["maker"]
    return legible(maker["person"]) if maker else "none"


def _cover(document: Mapping[str, Any], json_sha256: str) -> dict[str, Any]:
    period, log, policy = document["auditPeriod"], document["log"], document["signaturePolicy"]
    client = document["client"]
    framework = str(document["framework"])
    start, end = period["startDate"], period["endDate"]
    return {
        "title": legible(f"{_FRAMEWORKS.get(framework, framework)} evidence packet"),
        "client": legible(client["name"]) if client else "The whole installation",
        "client_id": legible(client["id"]) if client else "platform",
        "span": span(start, end),
        "start": day(start),
        "end": day(end),
        "is_draft": bool(document.get("draft")),
        "packet_id": legible(document["packetId"]),
        "revision": plain(document["revision"]),
        "supersedes": _supersedes(document["supersedes"]),
        "json_sha256": legible(json_sha256),
        "maker": person(document["maker"]),
        "generated_at": day(document["generatedAt"]),
        "generator": legible(document["generator"]),
        "categories": legible(", ".join(document["categories"])),
        "signatures": plain(policy["signatures"]),
        "countersignatures": plain(policy["countersignatures"]),
        "log": {
            "origin": legible(log["origin"]),
            "size": plain(log["treeSize"]),
            "root": legible(log["rootHash"]),
        },
    }


def _supersedes(earlier: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if earlier is None:
        return None
    return {
        "packet_id": legible(earlier["packetId"]),
        "sha256": legible(earlier["sha256"]),
        "reason": legible(earlier["reason"]),
        "changes": [
            {
                "fact": legible(change["fact"]),
                "before": legible(change["before"]),
                "after": legible(change["after"]),
            }
            for change in earlier["changes"]
        ],
    }


def _summary(document: Mapping[str, Any], sheet: Sheet) -> dict[str, Any]:
    summary, facts = document["executiveSummary"], document["facts"]
    counts = summary["controls"]
    return {
        "text": [legible(sentence) for sentence in summary["text"]],
        "total": plain(counts["total"]),
        "counts": [{"pill": pill(state), "count": plain(counts[key])} for key, state in _COUNTS],
        "headline": [
            {
                "label": legible(item["label"]),
                "value": value_of(facts[item["fact"]]),
                "source": source_of(facts[item["fact"]]["source"]),
            }
            for item in summary["headline"]
            if item["fact"] in facts
        ],
        "charts": [_chart(item, sheet) for item in summary["charts"]],
    }


def _chart(item: Mapping[str, Any], sheet: Sheet) -> dict[str, Any]:
    title, unit = legible(item["title"]), legible(item["unit"])
    series = [(legible(point["label"]), _drawn(point["value"])) for point in item["series"]]
    rows = [[label, value] for label, value in series]
    told = {"title": title, "unit": unit, "source": source_of(item["source"])}
    line = charts.in_words(series)
    if line is not None:
        rows = rows if len(rows) > 1 else []
        room = 45 + 14 * min(len(rows), charts.MOST_BARS)
        return told | {"line": line, "room": str(room), "rows": _table(rows, unit, sheet)}
    made = charts.chart(title, unit, series, width=WIDTH)
    return told | {
        "place": sheet.chart(made),
        # With its heading and its numbers it stays on one page.
        "room": str(round(made.height) + 75 + 14 * min(len(rows), charts.MOST_BARS)),
        "rows": _table(rows, unit, sheet),
    }


def _drawn(value: Any) -> float | int | str:
    return value if isinstance(value, int | float) else legible(value)


def _table(rows: list[list[Any]], unit: str, sheet: Sheet) -> str:
    """A chart's values: many short rows as four beside each other."""
    if len(rows) <= charts.MOST_BARS:
        columns = (Column("", 2), Column(unit, 1, is_number=True), Column("", 5))
        return sheet.table(columns, [[*row, ""] for row in rows])
    return sheet.beside((Column("", 3), Column(unit, 1.6, is_number=True)), rows)
