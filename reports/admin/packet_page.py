"""What the page of a packet shows of its document: headline figures, charts, controls, changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from reports.admin import charts, columns
from reports.models import Packet

SHOWN_CHANGES = 200
SHOWN_REVISIONS = 20


def context(document: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a packet, for its page and for its preview."""
    summary, facts = document["executiveSummary"], document["facts"]
    return {
        "headline": [
            {
                "label": item["label"],
                "value": value_of(facts[item["fact"]]),
                "source": source_of(facts[item["fact"]]["source"]),
            }
            for item in summary["headline"]
        ],
        "sentences": summary["text"],
        "charts": [_chart(chart) for chart in summary["charts"]],
        "controls": [control_line(control) for control in document["controls"]],
        "counts": columns.controls_in_short(summary),
        "changes": _changes(document),
        "supersedes": document["supersedes"],
    }


def value_of(fact: Mapping[str, Any]) -> str:
    """A figure with its unit; a share says so without a space."""
    value, unit = charts.shown(fact["value"]), fact["unit"]
    if fact["source"] is None or not unit:
        return value
    return f"{value} {unit}"


def source_of(source: Mapping[str, Any] | None) -> SafeString | str:
    """Where a figure comes from: its query, and what it rests on."""
    if source is None:
        return "Rests on nothing: there is no data"
    query = components.identifier(source["query"])
    if source["kind"] == "events":
        if not source["count"]:
            return format_html("{}: no event", query)
        return format_html(
            "{}: {} event{}, numbers {} to {}",
            query,
            f"{source['count']:,}",
            "" if source["count"] == 1 else "s",
            source["firstSeq"],
            source["lastSeq"],
        )
    return format_html(
        "{}: {} {} record{}",
        query,
        f"{source['count']:,}",
        source["objectType"],
        "" if source["count"] == 1 else "s",
    )


def control_line(control: Mapping[str, Any]) -> dict[str, Any]:
    """A control of the packet as a line of a table."""
    assessment = control["assessment"]
    return {
        "id": control["controlId"],
        "series": control["series"],
        "description": control["description"],
        "state": columns.control_state(control["state"]),
        "assessor": assessment["assessor"]["name"] if assessment else "",
        "note": assessment["note"] if assessment else "",
        "results": [
            {
                "label": result["label"],
                "value": value_of(result),
                "source": source_of(result["source"]),
            }
            for result in control["testingResults"]
        ],
        "samples": control["sampleEvidence"],
    }


def revisions(packet: Packet) -> Sequence[tuple[Packet, SafeString]]:
    """Every packet of the same client and period with its state, the newest first."""
    rows = Packet.objects.filter(
        framework=packet.framework,
        client_id=packet.client_id,
        period_start=packet.period_start,
        period_end=packet.period_end,
    )
    found = columns.with_signatures(rows).select_related("maker_account__person")
    newest = found.order_by("-revision", "-created_at")[:SHOWN_REVISIONS]
    return [(packet, columns.state(packet)) for packet in newest]


def _chart(chart: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": chart["title"],
        "unit": chart["unit"],
        "image": charts.bars(chart),
        "rows": [(item["label"], charts.shown(item["value"])) for item in chart["series"]],
        "source": source_of(chart["source"]),
        "is_cut": len(chart["series"]) > charts.MOST,
    }


def _changes(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    before = document["supersedes"]
    if before is None:
        return []
    facts = document["facts"]
    return [
        (
            facts.get(change["fact"], {}).get("label", change["fact"]),
            charts.shown(change["before"]),
            charts.shown(change["after"]),
        )
        for change in before["changes"][:SHOWN_CHANGES]
    ]
