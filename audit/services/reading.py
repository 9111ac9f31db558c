"""Reads events that lie in the outbox: nobody's word is taken for what they are."""

from __future__ import annotations

from audit.columns import Row, row_of
from audit.formats import event as formats


def read(text: str) -> Row:
    """The row of an event that somebody stored as text.

    Raises:
        EventRefused: it is not the canonical JSON of a valid event.
    """
    raw = text.encode("utf-8")
    return row_of(raw, formats.parse(raw))
