"""Handling tens of thousands of events at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Leaves cyclic garbage alone while a large request is handled.

    The collector goes through all objects again and again while many are made that stay, which
    doubled the time of parsing a large body. A request is bounded, and so is what waits meanwhile.
    Where threads overlap, the first to begin decides when collecting goes on: none leaves it off.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
