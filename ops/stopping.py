"""Whether the worker is about to end, as all of its processes see it.

A flag in shared memory needs a lock, which a process that is killed never gives back. Here it is
the end of a pipe: all see it at once, also when the process that held the other end was killed.
"""

from __future__ import annotations

import os
import select


class Stop:
    """The sign to stop; made by the worker's first process, listened to by the others."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def listen(self) -> None:
        """In a process that was forked: keeps the end at which the sign is seen."""
        global _listened
        os.close(self._write)
        self._write = -1
        _listened = self

    def set(self) -> None:
        """Gives the sign, if this process holds the end for it."""
        if self._write >= 0:
            os.close(self._write)
            self._write = -1

    def is_set(self) -> bool:
        """Whether the sign was given, or whoever could give it is gone."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the sign for so many seconds; returns whether it was given."""
        poll = select.poll()
        poll.register(self._read, select.POLLIN | select.POLLHUP)
        return bool(poll.poll(None if timeout is None else timeout * 1000))


# The sign that this process listens to; None outside of a worker.
_listened: Stop | None = None


def is_stopping() -> bool:
    """Whether work should be left at the next step, for another worker to take up."""
    return _listened is not None and _listened.is_set()
