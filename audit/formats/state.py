"""What a verifier remembers from one run to the next (docs/formats.md §3, `--state`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from audit.formats import checkpoint as checkpoints
from sealing import canonical, notes
from sealing.digests import b64, tag, unb64, untag
from sealing.errors import Invalid
from sealing.merkle import Frontier

VERSION: Final = 1
_KEYS: Final = {"v", "origin", "size", "root", "head", "frontier", "checkpoint"}


class StateRefused(Invalid):
    """The bytes are not a state file of docs/formats.md §3."""

    code = "state_invalid"


@dataclass(frozen=True, slots=True)
class State:
    """A log at a size up to which it was found valid.

    Attributes:
        origin: the log's name.
        size: how many events it had.
        root, head: of the tree and of the chain, at that size.
        frontier: the compact range; it folds to ``root``.
        checkpoint: the signed note of that size.
    """

    origin: str
    size: int
    root: bytes
    head: bytes
    frontier: tuple[bytes, ...]
    checkpoint: str

    def document(self) -> bytes:
        """The bytes of the state file."""
        return (
            canonical.dumps(
                {
                    "v": VERSION,
                    "origin": self.origin,
                    "size": self.size,
                    "root": tag(self.root),
                    "head": tag(self.head),
                    "frontier": [b64(item) for item in self.frontier],
                    "checkpoint": self.checkpoint,
                }
            )
            + b"\n"
        )


def parse_state(raw: bytes) -> State:
    """Reads a state file; everything in it must agree.

    The note's signature is not checked: the file is the reader's own, and what it remembers is
    only ever compared with a log, never a reason to call one valid.

    Raises:
        StateRefused: it is none, or contradicts itself.
    """
    try:
        state = _parsed(canonical.loads(raw))
        if state.document() != raw:
            raise StateRefused("The state file is not as it was written.")
        note = checkpoints.parse(notes.parse_note(state.checkpoint.encode("utf-8")).text)
        folded = Frontier(state.size, state.frontier).root()
    except StateRefused:
        raise
    except (Invalid, UnicodeError) as error:
        raise StateRefused(f"Not a state file: {error}") from error
    signed = (note.origin, note.size, note.root, note.head)
    if signed != (state.origin, state.size, state.root, state.head) or folded != state.root:
        raise StateRefused("The parts of the state file do not agree with one another.")
    return state


def _parsed(value: Any) -> State:
    if not isinstance(value, dict) or value.keys() != _KEYS or value["v"] != VERSION:
        raise StateRefused("Not a state file: other fields are expected.")
    size, frontier = value["size"], value["frontier"]
    texts = [value[name] for name in ("origin", "root", "head", "checkpoint")]
    if not isinstance(size, int) or isinstance(size, bool) or not isinstance(frontier, list):
        raise StateRefused("Not a state file: a field is of another type.")
    if not all(isinstance(text, str) for text in (*texts, *frontier)):
        raise StateRefused("Not a state file: a field is of another type.")
    return State(
        origin=value["origin"],
        size=size,
        root=untag(value["root"]),
        head=untag(value["head"]),
        frontier=tuple(unb64(item) for item in frontier),
        checkpoint=value["checkpoint"],
    )
