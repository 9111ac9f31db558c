"""The controls of a packet as its pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reports.rendering.columns import Column
from reports.rendering.sheet import Sheet, day, person, pill, source_of, time, value_of
from reports.rendering.text import cut, legible

_RESULTS: Final = (
    Column("What was counted", 5),
    Column("Result", 2.2, is_number=True),
    Column("Where the number comes from", 6),
)
# Points, of the 493 between the margins: a leaf hash takes two lines, and so does a time.
_EVENTS: Final = (
    Column("Event", 36, is_number=True),
    Column("Recorded type", 104),
    Column("Occurred", 74),
    Column("Actor", 72),
    Column("Outcome", 45),
    Column("Hash of the log line (leaf)", 162, is_mono=True),
)
_ARTIFACTS: Final = (
    Column("Artefact", 4),
    Column("From", 3.4),
    Column("Received", 2.4),
    Column("SHA-256", 5.2, is_mono=True),
    Column("In the vault", 4.4, is_mono=True),
)


def controls(document: Mapping[str, Any], sheet: Sheet) -> list[dict[str, Any]]:
    """A section for each control."""
    populations = {
        item["controlId"]: item["events"] for item in document["sampling"]["populations"]
    }
    return [
        _control(control, populations.get(control["controlId"]), sheet)
        for control in document["controls"]
    ]


def _control(control: Mapping[str, Any], population: int | None, sheet: Sheet) -> dict[str, Any]:
    samples = control["sampleEvidence"]
    events = [item for item in samples if item["kind"] == "event"]
    artifacts = [item for item in samples if item["kind"] == "artifact"]
    return {
        "id": legible(control["controlId"]),
        "series": legible(control["series"]),
        "description": legible(control["description"]),
        "pill": pill(control["state"]),
        "assessment": _assessment(control["assessment"]),
        "results": sheet.table(
            _RESULTS,
            [
                [item["label"], value_of(item), source_of(item["source"])]
                for item in control["testingResults"]
            ],
        ),
        "sampled": _sampled(len(events), population),
        "events": sheet.table(_EVENTS, [_event(item) for item in events]),
        "artifacts": sheet.table(_ARTIFACTS, [_artifact(item) for item in artifacts]),
        "listed": _listed(control, len(artifacts)),
    }


def _assessment(found: Mapping[str, Any] | None) -> dict[str, str] | None:
    if found is None:
        return None
    return {
        "note": legible(found["note"]),
        "assessor": person(found["assessor"]),
        "at": day(found["assessedAt"]),
        "start": day(found["periodStart"]),
        "end": day(found["periodEnd"]),
        "evidence": legible(", ".join(map(str, found["evidence"]))) or "none named",
    }


def _sampled(shown: int, population: int | None) -> str:
    if not shown and not population:
        return "There are no events to choose from."
    if population is None:
        return f"{shown:,} sampled."
    return f"{shown:,} of {population:,}, chosen as the annex on sampling says."


def _listed(control: Mapping[str, Any], listed: int) -> str:
    """How many artefacts are not in the list, by the fact that counts all of them."""
    name = f"artifacts.{control['controlId']}"
    for result in control["testingResults"]:
        total = result["value"]
        if result["fact"] == name and isinstance(total, int) and total > listed:
            return f"{listed:,} of {total:,} are listed."
    return ""


def _event(item: Mapping[str, Any]) -> list[object]:
    return [
        str(item["seq"]),
        item["type"],
        time(item["occurredAt"]),
        item["actor"],
        item["outcome"],
        item["leafHash"],
    ]


def _artifact(item: Mapping[str, Any]) -> list[object]:
    return [
        cut(item["title"]),
        cut(item["origin"]),
        time(item["receivedAt"]),
        item["sha256"],
        item["vaultPath"],
    ]
