"""What the checkpoint signer remembers outside the database: the largest tree that it signed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealing import canonical, files
from sealing.digests import tag, untag
from sealing.errors import IntegrityFailure, Invalid, NotFound, Unavailable

VERSION = 1
_MAX_BYTES = 4096


class SignerStateRefused(IntegrityFailure):
    """The file does not say what was signed; nothing is signed until somebody looks at it."""

    code = "signer_state_invalid"


class SignerStateUnwritable(Unavailable):
    """The file can't be written, so nothing is signed."""

    code = "signer_state_unwritable"


@dataclass(frozen=True, slots=True)
class SignerState:
    """The largest tree that was signed."""

    origin: str
    size: int
    root: bytes


def load(path: Path) -> SignerState | None:
    """Reads the file; None where there is none.

    Raises:
        SignerStateRefused: it holds something else, or can't be read.
    """
    try:
        raw = files.read_regular(path, _MAX_BYTES)
    except NotFound as error:
        if path.exists() or path.is_symlink():
            raise SignerStateRefused(f"{path} can't be read, or is not a file.") from error
        return None
    try:
        return _parsed(canonical.load_document(raw))
    except Invalid as error:
        raise SignerStateRefused(f"{path} is not a signer's state: {error}") from error


def save(path: Path, state: SignerState) -> None:
    """Replaces the file, durably: it is on the disk when this returns.

    Raises:
        SignerStateUnwritable.
    """
    value = {"v": VERSION, "origin": state.origin, "size": state.size, "root": tag(state.root)}
    try:
        files.replace(path, canonical.document(value), mode=0o600)
    except OSError as error:
        raise SignerStateUnwritable(f"{path} can't be written: {error.strerror}.") from error


def _parsed(value: Any) -> SignerState:
    if not isinstance(value, dict) or value.keys() != {"v", "origin", "size", "root"}:
        raise Invalid("It has the members v, origin, size and root.")
    size = value["size"]
    if value["v"] != VERSION or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Invalid("Its version or size is not valid.")
    if not isinstance(value["origin"], str):
        raise Invalid("Its origin is not text.")
    return SignerState(value["origin"], size, untag(value["root"]))
