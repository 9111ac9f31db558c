"""Whether this host's clock and the database's agree: where they do not, nothing is sealed."""

from __future__ import annotations

from prometheus_client.core import Metric

from audit.services import clock
from ops.metrics import sources


class ClockSource(sources.Source):
    """Compares the clocks of the host that is scraped and of the database."""

    name = "clocks"
    gauges = {
        "strongroom_clock_skew_seconds": (
            "By how much the database's clock is ahead of this host's; negative where behind.",
            (),
        )
    }

    def fill(self, families: dict[str, Metric]) -> None:
        """Adds the difference, from the middle of the time that asking took."""
        before = clock.host_clock()
        database = clock.database_clock()
        middle = before + (clock.host_clock() - before) / 2
        skew = (database - middle).total_seconds()
        sources.add(families, "strongroom_clock_skew_seconds", skew)


def connect() -> None:
    """Registers the source; called once, at start-up."""
    sources.register(ClockSource())
