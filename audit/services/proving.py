"""Proves a single event: its line, a checkpoint that covers it, and the path between them."""

from __future__ import annotations

from dataclasses import dataclass

from audit import selectors
from audit.formats import checkpoint as formats
from audit.models import AuditEvent, Checkpoint
from audit.services import checkpoints, keys, proofs
from sealing import merkle
from sealing.results import Finding, Report


@dataclass(frozen=True, slots=True)
class EventProof:
    """What shows that an event is in the log.

    Attributes:
        seq: the event's number.
        line: its line, without the newline.
        leaf: the line's hash.
        hashes: the inclusion proof, from the leaf upwards.
        checkpoint: the signed tree that it leads to.
        report: every step of it, checked.
    """

    seq: int
    line: bytes
    leaf: bytes
    hashes: list[bytes]
    checkpoint: Checkpoint
    report: Report


def prove(event: AuditEvent) -> EventProof:
    """Proves that ``event`` is in the tree of the newest checkpoint that covers it.

    Where none does yet, one is signed (at most one a second).

    Raises:
        StoredLineInvalid: the stored event does not give its hash. CheckpointRefused.
    """
    line = selectors.line_of(event)
    checkpoint = checkpoints.issue(covering=event.seq)
    hashes = proofs.inclusion(event.seq, checkpoint.size)
    leaf = bytes(event.hash)
    report = Report(tuple(_checked(event.seq, leaf, hashes, checkpoint)))
    return EventProof(event.seq, line, leaf, hashes, checkpoint, report)


def _checked(seq: int, leaf: bytes, hashes: list[bytes], checkpoint: Checkpoint) -> list[Finding]:
    found = [Finding("line_hash", True, "The line gives the hash that stands at its end.")]
    signed, findings = formats.open_note(checkpoint.note.encode("utf-8"), keys.signers())
    if signed is not None:
        included = merkle.verify_inclusion(leaf, seq, signed.size, hashes, signed.root)
        message = (
            f"{len(hashes)} hashes lead from event {seq} to the root of {signed.size} events."
            if included
            else f"Event {seq} is not in the tree that was signed."
        )
        found.append(Finding("inclusion", included, message))
    return found + findings
