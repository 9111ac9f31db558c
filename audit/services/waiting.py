"""What was recorded and is not part of the log yet, or never will be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection


@dataclass(frozen=True, slots=True)
class Waiting:
    """The state of the outbox.

    Attributes:
        pending: how many events wait for their place.
        oldest_at: since when the oldest of them waits.
        set_aside: how many rows could not be sealed and were set aside.
    """

    pending: int
    oldest_at: datetime | None
    set_aside: int


def waiting_events() -> Waiting:
    """Counts the outbox, which is short unless the sealer stands still."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE set_aside_at IS NULL),"
            " min(created_at) FILTER (WHERE set_aside_at IS NULL),"
            " count(*) FILTER (WHERE set_aside_at IS NOT NULL) FROM audit_pendingevent"
        )
        return Waiting(*cursor.fetchone())
