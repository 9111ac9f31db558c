"""Checks of the JSON packet's inside: its samples are lines of the log of its checkpoint."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from audit.formats import checkpoint as checkpoints
from audit.formats import event as events
from evidence.formats.check_timestamp import Age
from evidence.formats.contents import Proofs
from evidence.formats.report import Findings
from reports.formats import document
from reports.formats.packet_report import Head, Part
from sealing import canonical, digests, merkle
from sealing.errors import Invalid
from sealing.keys import Signers
from sealing.leaves import Leaves
from sealing.results import Finding
from sealing.times import parse_time

_LINES: Final = "/samples/lines"


class SampleRefused(Invalid):
    """A sampled log line is not what the packet says of it."""

    code = "sample_invalid"


def read(found: Findings, raw: bytes) -> dict[str, Any] | None:
    """The JSON packet; None where it is not one. Findings go to ``found``."""
    try:
        parsed = document.parse(raw)
    except Invalid as error:
        found.bad(Part.DOCUMENT, error.code, error.message, error.field)
        return None
    found.good(
        Part.DOCUMENT,
        "document_valid",
        "The JSON packet has its form and does not contradict itself.",
    )
    return parsed


def head_of(parsed: dict[str, Any]) -> Head:
    """What the packet says it is."""
    client, maker = parsed["client"], parsed["maker"]
    return Head(
        packet_id=parsed["packetId"],
        client_id=client["id"] if client else None,
        start=parsed["auditPeriod"]["startDate"],
        end=parsed["auditPeriod"]["endDate"],
        generated_at=parsed["generatedAt"],
        maker=maker["person"] if maker else None,
        countersignatures=parsed["signaturePolicy"]["countersignatures"],
        events=parsed["log"]["treeSize"],
    )


def check_samples(found: Findings, parsed: dict[str, Any], signers: Signers, age: Age) -> None:
    """Check the checkpoint's signature, each sampled line, and the lines' way to the root.

    Args:
        found: where findings go.
        parsed: the packet.
        signers: the keys that are trusted.
        age: the packet's, which its checkpoint is not younger than.
    """
    note = parsed["log"]["checkpoint"].encode("utf-8")

    def opened(proven_at: datetime | None) -> list[Finding]:
        return checkpoints.open_note(note, signers, proven_at=proven_at)[1]

    for finding in age.weigh(opened):
        found.add(Part.PROOFS, finding)
    checkpoint = checkpoints.open_note(note, signers)[0]
    if checkpoint is None:  # what `open_note` found says so
        return
    try:
        leaves = _lines(parsed)
        proofs = Proofs.parse(canonical.document(parsed["samples"]["proof"]))
        root = _root(proofs, leaves)
    except Invalid as error:
        found.bad(Part.PROOFS, error.code, error.message, error.field)
        return
    if root != checkpoint.root:
        found.bad(
            Part.PROOFS, "proof_invalid", "The sampled lines are not part of the checkpoint's log."
        )
        return
    found.good(
        Part.PROOFS,
        "samples_proven",
        f"{len(leaves)} sampled log lines are as they were sealed in the log of"
        f" {checkpoint.size} events that the checkpoint signs.",
    )


def _lines(parsed: dict[str, Any]) -> Leaves:
    """The hash of each line. Raises Invalid."""
    leaves = Leaves()
    last: events.Line | None = None
    for place, text in enumerate(parsed["samples"]["lines"]):
        raw, where = text.encode("utf-8"), f"{_LINES}/{place}"
        line = events.parse_line(raw)
        if digests.sha256(b"\x00" + events.leaf_part(raw)) != line.hash:
            raise SampleRefused(
                f"The log line with number {line.seq} does not give its hash.",
                code="line_hash_differs",
                field=where,
            )
        if last is not None and line.seq == last.seq + 1 and line.prev_hash != last.hash:
            raise SampleRefused(
                f"The log line with number {line.seq} is not chained to the one before.",
                code="chain_broken",
                field=where,
            )
        _check_event(parsed, line, where)
        leaves.add(line.seq, line.hash)
        last = line
    return leaves


def _check_event(parsed: dict[str, Any], line: events.Line, where: str) -> None:
    """The event is one of this packet's; that it is told as it is, `document.parse` has seen."""
    try:
        event = json.loads(line.event_bytes)
        occurred_at, client_id = parse_time(event["occurred_at"]), event["client_id"]
    except (ValueError, KeyError, TypeError, Invalid) as error:
        raise SampleRefused(f"Event {line.seq} can't be read.", field=where) from error
    client, period = parsed["client"], parsed["auditPeriod"]
    if client is not None and client_id != client["id"]:
        raise SampleRefused(
            f"Event {line.seq} concerns another client.", code="line_of_other_client", field=where
        )
    if not parse_time(period["startDate"]) <= occurred_at < parse_time(period["endDate"]):
        raise SampleRefused(
            f"Event {line.seq} lies outside the period.", code="line_outside_period", field=where
        )


def _root(proofs: Proofs, leaves: Leaves) -> bytes | None:
    if leaves:
        return merkle.root_from_compact(proofs.tree_size, leaves, proofs.hashes)
    # The range that holds no listed line is then the whole tree, and its hash the root.
    if not proofs.tree_size:
        return None if proofs.hashes else merkle.EMPTY_ROOT
    return proofs.hashes[0] if len(proofs.hashes) == 1 else None
