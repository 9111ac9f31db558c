"""A progress bar for people who wait at a terminal."""

from __future__ import annotations

import time
from typing import TextIO

WIDTH = 30
# So often at most, in seconds: drawing must not slow down what is drawn.
INTERVAL = 0.1


class Bar:
    """Draws on ``stream`` if that is a terminal, and nothing otherwise."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()
        self._drawn_at = 0.0
        self._begun_at = time.monotonic()
        self._last = 0

    def __call__(self, done: int, total: int | None) -> None:
        """Shows that ``done`` of ``total`` events were read."""
        now = time.monotonic()
        if not self._is_shown or (now - self._drawn_at < INTERVAL and done != total):
            return
        self._drawn_at = now
        speed = done / max(now - self._begun_at, 0.001)
        if total:
            filled = WIDTH * done // total
            bar = "#" * filled + "." * (WIDTH - filled)
            text = f"[{bar}] {100 * done // total:3d} %  {done} of {total} events, {speed:,.0f}/s"
        else:
            text = f"{done} events, {speed:,.0f}/s"
        self._stream.write(f"\r{text.ljust(self._last)}")
        self._stream.flush()
        self._last = len(text)

    def close(self) -> None:
        """Takes the bar away again."""
        if self._last:
            self._stream.write("\r" + " " * self._last + "\r")
            self._stream.flush()
            self._last = 0
