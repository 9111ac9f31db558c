"""A packet's JSON as a page: every part in tables that people read.

The text as it is would be the file itself: whoever wants it downloads it, which is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from access.admin import components
from evidence.admin.columns import size
from reports.admin import missing, packet_page
from reports.models import Packet
from reports.services import showing
from sealing.errors import StrongroomError

SHOWN_ROWS: Final = 200


def context(packet: Packet) -> dict[str, Any]:
    """What the page of the preview shows; the reason where the file can't be read."""
    try:
        document = showing.document_of(packet)
    except StrongroomError as error:
        return {"unreadable": error}
    return {
        **packet_page.context(document),
        "about": _about(document),
        "facts": [
            {
                "name": name,
                "label": fact["label"],
                "value": packet_page.value_of(fact),
                "as_of": components.when(fact["asOf"]) if fact["asOf"] else "The period",
                "source": packet_page.source_of(fact["source"]),
            }
            for name, fact in document["facts"].items()
        ],
        "sampling": document["sampling"],
        "samples": _samples(document),
        "artifacts": [_artifact(found) for found in document["artifacts"]],
        "annexes": [_annex(found) for found in document["annexes"]],
        "completeness": missing.facts(document["completeness"]),
        "job_columns": missing.JOB_COLUMNS,
        "jobs": missing.job_rows(document["completeness"]),
        "verification": document["verification"],
        "checkpoint": document["log"]["checkpoint"],
    }


def _about(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    client, maker, log = document["client"], document["maker"], document["log"]
    period, policy = document["auditPeriod"], document["signaturePolicy"]
    return [
        ("Packet", components.identifier(document["packetId"])),
        ("Framework", document["framework"]),
        ("Client", client["name"] if client else "The installation"),
        ("Period from", components.when(period["startDate"])),
        ("Up to", components.when(period["endDate"])),
        ("Generated", components.when(document["generatedAt"])),
        ("By", document["generator"]),
        ("Asked for by", maker["name"] if maker else "The schedule"),
        ("Categories", ", ".join(document["categories"]) or "Security alone"),
        ("Log", f"{log['treeSize']:,} events of {log['origin']}"),
        ("Root of the log", components.identifier(log["rootHash"])),
        (
            "Signatures needed",
            f"{policy['signatures']} of the service, {policy['countersignatures']} of an officer",
        ),
    ]


def _samples(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    events = {control["controlId"]: 0 for control in document["controls"]}
    for found in document["sampling"]["populations"]:
        events[found["controlId"]] = found["events"]
    return [
        {
            "id": control["controlId"],
            "population": events[control["controlId"]],
            "rows": [_sample(row) for row in control["sampleEvidence"]],
        }
        for control in document["controls"]
        if control["sampleEvidence"]
    ]


def _sample(row: Mapping[str, Any]) -> tuple[Any, ...]:
    if row["kind"] == "event":
        return (
            f"Event {row['seq']:,}",
            components.identifier(row["type"]),
            components.when(row["occurredAt"], seconds=True),
            row["actor"],
            components.pill(row["outcome"]),
            components.digest(row["leafHash"]),
        )
    return (
        "Artefact",
        row["title"],
        components.when(row["receivedAt"]),
        row["origin"] or "—",
        "—",
        components.digest(row["sha256"]),
    )


def _artifact(found: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        found["title"],
        found["controlId"],
        components.identifier(found["fileName"]),
        size(found["sizeBytes"]),
        components.digest(found["sha256"]),
        components.when(found["receivedAt"]),
    )


def _annex(found: Mapping[str, Any]) -> dict[str, Any]:
    rows = found["rows"]
    return {
        "id": found["id"],
        "title": found["title"],
        "columns": [column["title"] for column in found["columns"]],
        "rows": rows[:SHOWN_ROWS],
        "shown": min(len(rows), SHOWN_ROWS),
        "total": found["total"],
        "source": packet_page.source_of(found["source"]),
    }
