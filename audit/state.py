"""Keeps what a verifier remembers in a file (`--state`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from audit.formats.state import State, StateRefused, parse_state
from sealing.files import read_regular, replace

MAX_STATE_BYTES: Final = 1 << 20

__all__ = ["State", "StateRefused", "parse_state", "read_state", "write_state"]


def read_state(path: Path) -> State | None:
    """What is remembered; None if there is no file yet.

    Raises:
        StateRefused: the file is none of ours, or damaged.
        StrongroomError: it can't be read.
    """
    if not path.is_symlink() and not path.exists():
        return None
    return parse_state(read_regular(path, MAX_STATE_BYTES))


def write_state(path: Path, state: State) -> None:
    """Puts the new state in place of the old one, atomically and durably. Raises OSError."""
    replace(path, state.document())
