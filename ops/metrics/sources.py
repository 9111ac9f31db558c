"""What `/metrics` tells: sources that read the database at each scrape, in a closed list.

Counters kept in processes would miss the workers, so nothing of ours is kept there. Rooms to the
left add sources of their own at start-up; then the list is frozen.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ops.closed import ClosedList
from sealing.errors import NotFound


class UnknownSource(NotFound):
    """There is no such source of metrics."""

    code = "unknown_metrics_source"


class Source(Collector):
    """Some metrics that belong together.

    A source says what it has without asking the database, since registering must not, and emits
    every series at each scrape, zeros too: a rate knows nothing of a series that first appears
    with the failure that it counts.
    """

    name: str
    # Name -> what it says, and its labels. Those of counters are without ``_total``.
    gauges: Mapping[str, tuple[str, tuple[str, ...]]] = {}
    counters: Mapping[str, tuple[str, tuple[str, ...]]] = {}

    def describe(self) -> Iterable[Metric]:
        """The names alone."""
        return self.families().values()

    def families(self) -> dict[str, Metric]:
        """Every metric without its values, by name."""
        found: dict[str, Metric] = {}
        for name, (text, labels) in self.gauges.items():
            found[name] = GaugeMetricFamily(name, text, labels=labels)
        for name, (text, labels) in self.counters.items():
            found[name] = CounterMetricFamily(name, text, labels=labels)
        return found

    def collect(self) -> Iterator[Metric]:
        """Every metric with its values."""
        families = self.families()
        self.fill(families)
        yield from families.values()

    @abstractmethod
    def fill(self, families: dict[str, Metric]) -> None:
        """Adds the values, each from an indexed look-up or a few."""


_sources: ClosedList[Source] = ClosedList(
    "Source of metrics", unknown=UnknownSource, field="source"
)
register, freeze, get, all_sources = (
    _sources.register,
    _sources.freeze,
    _sources.get,
    _sources.all,
)


def add(families: Mapping[str, Metric], name: str, value: float, *labels: str) -> None:
    """Adds one value to the metric of that name."""
    families[name].add_metric(labels, float(value))  # type: ignore[attr-defined]
