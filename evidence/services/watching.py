"""Who is told how far an export is."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Is told how far an export is, and knows whether it still is this attempt's."""

    def progress(
        self, done: int, total: int | None = None, *, unit: str = "", step: str = ""
    ) -> None:
        """See `ops.registry.RunContext`."""

    def ensure_held(self) -> None:
        """See `ops.registry.RunContext`."""
