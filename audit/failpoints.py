"""Named places at which tests may interrupt the work; in production nothing listens."""

from __future__ import annotations

from collections.abc import Callable

# Set by tests alone; there is no setting that could reach it.
listener: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Says that the work has come to the place ``name``."""
    if listener is not None:
        listener(name)
