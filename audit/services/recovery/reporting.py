"""Shows how far a recovery has come, on a terminal or in a log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

_TERMINAL_SECONDS, _LOG_SECONDS = 0.2, 10.0
_WORDS = {
    "verified": "verifying the archive",
    "restored": "restoring",
    "checkpoints": "entering checkpoints",
    "checked": "verifying what was restored",
    "replayed": "replaying",
}


class _Stream(Protocol):
    def write(self, text: str) -> object: ...

    def isatty(self) -> bool: ...


class Reporter:
    """Called with what is done, how far it is, and of how much; writes a line now and then.

    On a terminal one line is renewed; elsewhere there is a line every ten seconds.
    """

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._phase, self._next, self._is_open = "", 0.0, False

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_open:
            self._stream.write("\n")

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        """Tells of progress; cheap enough to be called for every batch."""
        now = time.monotonic()
        if phase == self._phase and now < self._next:
            return
        self._phase = phase
        self._next = now + (_TERMINAL_SECONDS if self._is_terminal else _LOG_SECONDS)
        of = f" of {total}" if total is not None else ""
        text = f"{_WORDS.get(phase, phase)}: {done}{of}"
        if self._is_terminal:
            self._stream.write(f"\r\x1b[K{text}")
            self._is_open = True
        else:
            self._stream.write(f"{text}\n")
