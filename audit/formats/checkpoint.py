"""Checkpoints: signed notes over the tree (docs/formats.md §2; C2SP tlog-checkpoint)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from audit.formats.event import genesis_hash
from sealing import notes
from sealing.digests import b64, tag, unb64, untag
from sealing.errors import Invalid
from sealing.keys import Signers, TrustedKey
from sealing.merkle import EMPTY_ROOT
from sealing.results import Finding
from sealing.signers.base import Signer
from sealing.times import parse_time

_SIZE = re.compile(r"(0|[1-9][0-9]{0,15})\Z", re.ASCII)


class CheckpointRefused(Invalid):
    """The text is not a checkpoint of docs/formats.md §2."""

    code = "checkpoint_invalid"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree at one size: its root, the hash of its last event, and when it was signed."""

    origin: str
    size: int
    root: bytes
    head: bytes
    time: str

    def text(self) -> str:
        """The note's text."""
        return (
            f"{self.origin}\n{self.size}\n{b64(self.root)}\nhead {tag(self.head)}\n"
            f"time {self.time}\n"
        )


def parse(text: str) -> Checkpoint:
    """Reads a note's text. Raises CheckpointRefused."""
    lines = text.split("\n")
    if len(lines) != 6 or lines[5] or not lines[0]:
        raise CheckpointRefused("A checkpoint has five lines.")
    origin, size, root, head, time = lines[:5]
    if not _SIZE.match(size) or not head.startswith("head ") or not time.startswith("time "):
        raise CheckpointRefused("A checkpoint has origin, size, root, head and time.")
    try:
        checkpoint = Checkpoint(
            origin, int(size), unb64(root), untag(head.removeprefix("head ")), time[5:]
        )
        parse_time(checkpoint.time)
    except Invalid as error:
        raise CheckpointRefused(error.message) from error
    if len(checkpoint.root) != 32:
        raise CheckpointRefused("A root has 32 bytes.")
    if checkpoint.size == 0 and (
        checkpoint.root != EMPTY_ROOT or checkpoint.head != genesis_hash(origin)
    ):
        raise CheckpointRefused("Size 0 goes with the empty root and the genesis hash.")
    return checkpoint


def sign(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """The signed note; the key's name is the origin."""
    return notes.sign_note(checkpoint.text(), checkpoint.origin, signer).encode("utf-8")


def open_note(
    raw: bytes, signers: Signers, *, proven_at: datetime | None = None
) -> tuple[Checkpoint | None, list[Finding]]:
    """Reads a signed checkpoint and verifies it.

    Args:
        raw: the note.
        signers: whose checkpoints count.
        proven_at: when the note is known to have existed; see `Signers.refusal`.

    Returns:
        The checkpoint if it can be read at all, and the findings; it counts only if none failed.
    """
    try:
        note = notes.parse_note(raw)
        checkpoint = parse(note.text)
    except Invalid as error:
        return None, [Finding("checkpoint_malformed", False, error.message)]
    if checkpoint.origin != signers.origin:
        message = f"The checkpoint is of the log {checkpoint.origin}, not {signers.origin}."
        return checkpoint, [Finding("checkpoint_origin", False, message)]
    if len(note.signatures) != 1:
        return checkpoint, [Finding("checkpoint_malformed", False, "One signature is expected.")]
    key = _signed_by(note, signers)
    if key is None:
        message = "No key among the signers has signed the checkpoint."
        return checkpoint, [Finding("checkpoint_signature", False, message)]
    refusal = signers.refusal(
        key.signer_kid,
        purpose="checkpoint",
        signed_at=parse_time(checkpoint.time),
        proven_at=proven_at,
    )
    if refusal is not None:
        return checkpoint, [refusal]
    message = f"Checkpoint at {checkpoint.size} events, signed by {key.name} at {checkpoint.time}."
    return checkpoint, [Finding("checkpoint_signature", True, message)]


def _signed_by(note: notes.Note, signers: Signers) -> TrustedKey | None:
    # A key that may not sign checkpoints is looked at too, so that the finding can say why not.
    candidates = [key for key in signers.keys if key.algorithm == "ed25519"]
    candidates.sort(key=lambda key: "checkpoint" not in key.purposes)
    for key in candidates:
        if note.verified_by(signers.origin, key.public_key_pem):
            return key
    return None
