"""Artefacts, annexes, sampling and verification as the pages of a packet show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reports.rendering.columns import Column, are_numbers
from reports.rendering.sheet import Sheet, days, shown, source_of, time
from reports.rendering.text import cut, legible, plain

_ARTIFACTS: Final = (
    Column("Title and file", 4),
    Column("Control", 1.6),
    Column("Period", 2.6),
    Column("From", 3),
    Column("Received", 2.6),
    Column("Bytes", 1.6, is_number=True),
    Column("SHA-256 and place in the vault", 6, is_mono=True),
)
_POPULATIONS: Final = (Column("Control", 2), Column("Events", 2, is_number=True))
_LINES: Final = (Column("Event", 1, is_number=True), Column("Line", 14, is_mono=True))
_HASHES: Final = (
    *(Column("No.", 0.7, is_number=True), Column("Hash", 6, is_mono=True)),
    *(Column("No.", 0.7, is_number=True), Column("Hash", 6, is_mono=True)),
)


def artifacts(document: Mapping[str, Any], sheet: Sheet) -> dict[str, str]:
    """What was handed in for the period, and how much of it is not listed."""
    found, told = document["artifacts"], document["artifactListing"]
    many = f"{plain(told['total'])} in all."
    if told["isTruncated"]:
        many = f"{len(found):,} of {told['total']:,} are listed, of each control the oldest."
    rows = [
        [
            f"{cut(item['title'])}, {item['fileName']} ({item['mediaType']})",
            item["controlId"],
            days(item["periodStart"], item["periodEnd"]),
            cut(item["origin"]),
            time(item["receivedAt"]),
            item["sizeBytes"],
            f"{item['sha256']} {item['vaultPath']}",
        ]
        for item in found
    ]
    return {
        "rows": sheet.table(_ARTIFACTS, rows),
        "listed": f"{many} Source: {source_of(told['source'])}",
    }


def annexes(found: Sequence[Mapping[str, Any]], sheet: Sheet) -> list[dict[str, Any]]:
    """The long tables."""
    return [
        {
            "title": legible(annex["title"]),
            "rows": _annex(annex, sheet),
            "total": plain(annex["total"]),
            "shown": plain(len(annex["rows"])),
            "is_truncated": bool(annex["isTruncated"]),
            "source": source_of(annex["source"]),
        }
        for annex in found
    ]


def _annex(annex: Mapping[str, Any], sheet: Sheet) -> str:
    """An annex's table; a column that holds numbers alone is set to the right."""
    rows = [[shown(text) for text in row] for row in annex["rows"]]
    columns = [
        Column(
            legible(column["title"]),
            float(column["weight"]),
            is_number=are_numbers({row[place] for row in rows}),
        )
        for place, column in enumerate(annex["columns"])
    ]
    return sheet.table(columns, rows)


def sampling(document: Mapping[str, Any], sheet: Sheet) -> dict[str, Any]:
    """How events were chosen, their lines, and the proof that they are part of the log."""
    told, samples, log = document["sampling"], document["samples"], document["log"]
    proof = samples["proof"]
    indexes = [str(index) for index in proof["indexes"]]
    lines = [
        [indexes[place] if place < len(indexes) else "", line]
        for place, line in enumerate(samples["lines"])
    ]
    return {
        "method": legible(told["method"]),
        "seed": legible(told["seed"]),
        "per_control": plain(told["perControl"]),
        "populations": sheet.beside(
            _POPULATIONS, [[item["controlId"], item["events"]] for item in told["populations"]]
        ),
        "lines": sheet.table(_LINES, lines),
        "hashes": sheet.table(_HASHES, _paired(proof["hashes"])),
        "tree_size": plain(proof["tree_size"]),
        "checkpoint": [legible(line) for line in str(log["checkpoint"]).split("\n") if line],
    }


def verify(found: Mapping[str, Any], json_sha256: str) -> dict[str, Any]:
    """How the reader checks all this without us."""
    return {
        "key_id": legible(found["signingKeyId"]),
        "key_url": legible(found["publicKeyUrl"]),
        "url": legible(found["verifyUrl"]),
        "page": legible(found.get("verifyPage") or ""),
        "is_public": str(found.get("verifyPage")).startswith(("https://", "http://")),
        "commands": [legible(line) for line in found["commands"]],
        "digest": legible(json_sha256.rpartition(":")[2]),
    }


def _paired(hashes: Sequence[str]) -> list[list[object]]:
    """Two beside each other, read downwards; each with its place in the list."""
    depth = -(-len(hashes) // 2)
    rows: list[list[object]] = []
    for place in range(depth):
        row: list[object] = [str(place), hashes[place]]
        after = place + depth
        row += [str(after), hashes[after]] if after < len(hashes) else ["", ""]
        rows.append(row)
    return rows
