"""Locks and holds of objects in a local folder: a record beside the objects for each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sealing import canonical, files
from sealing.errors import Invalid, NotFound, TooLarge
from sealing.stores.base import LockMode, Retention, StoreUnavailable
from sealing.times import format_time, parse_time

FOLDER = ".locks"
_MAX_BYTES = 4096
_FIELDS = {"v", "mode", "retain_until", "legal_hold"}


@dataclass(frozen=True, slots=True)
class Lock:
    """What protects one object: a lock, a legal hold, both, or nothing."""

    retention: Retention | None = None
    legal_hold: bool = False


class LockRecords:
    """The records below ``<root>/.locks``: canonical JSON, written durably.

    ``{"v": 1, "mode", "retain_until", "legal_hold"}``, the first two null where there is only a
    hold. A record that can't be read counts as a fault, never as no lock.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keeps other processes from changing records: a hold must not undo an extension."""
        files.ensure_folder(self._root / FOLDER)
        with files.locked(self._root / FOLDER / ".lock"):
            yield

    def path(self, name: str) -> Path:
        """Where the record of the object ``name`` is."""
        return files.safe_join(self._root, f"{FOLDER}/{name}.json")

    def read(self, name: str) -> Lock:
        """What protects ``name``. Raises StoreUnavailable if the record can't be read."""
        path = self.path(name)
        if not os.path.lexists(path):
            return Lock()
        try:
            return _parse(files.read_regular(path, _MAX_BYTES))
        except (Invalid, NotFound, TooLarge) as error:
            raise StoreUnavailable(f"The lock record of {name} can't be read: {error}") from error

    def write(self, name: str, lock: Lock) -> None:
        """Puts the record in place, atomically and durably."""
        held = lock.retention
        files.replace(
            self.path(name),
            canonical.document(
                {
                    "v": 1,
                    "mode": None if held is None else str(held.mode),
                    "retain_until": None if held is None else format_time(held.until),
                    "legal_hold": lock.legal_hold,
                }
            ),
        )


def _parse(raw: bytes) -> Lock:
    fields = canonical.load_document(raw)
    if not isinstance(fields, dict) or fields.keys() != _FIELDS or fields["v"] != 1:
        raise Invalid("not a lock record.")
    mode, until, hold = fields["mode"], fields["retain_until"], fields["legal_hold"]
    if not isinstance(hold, bool) or (mode is None) != (until is None):
        raise Invalid("not a lock record.")
    if mode is None:
        return Lock(None, hold)
    try:
        return Lock(Retention(LockMode(mode), parse_time(until)), hold)
    except ValueError as error:
        raise Invalid("not a lock record.") from error
