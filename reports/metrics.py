"""What this room adds to `/metrics`: the runs that make SOC 2 packets, and how large these are."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.core import HistogramMetricFamily, Metric

from ops.metrics import sources, work
from ops.models import BOUNDS, RunTally
from reports.models import Framework, Packet, PacketStatus

# The type of job whose runs are counted (reports/jobs.py).
JOB_TYPE = "generate-soc2-evidence"
_PREFIX = "intelgraph_soc2_"
_DURATION = f"{_PREFIX}job_duration_seconds"


class PacketSource(sources.Source):
    """Reads the tallies of the packets' job, and the newest packet."""

    name = "packets"
    counters = {
        f"{_PREFIX}job_runs": ("Runs of generate-soc2-evidence that ended.", ("status",)),
    }
    gauges = {
        f"{_PREFIX}packet_size_bytes": (
            "Size of the newest complete SOC 2 packet as JSON; 0 if there is none.",
            (),
        )
    }

    def families(self) -> dict[str, Metric]:
        """Every metric without its values, by name."""
        duration = HistogramMetricFamily(
            _DURATION, "How long runs of generate-soc2-evidence took, their last attempt alone."
        )
        return {**super().families(), _DURATION: duration}

    def fill(self, families: dict[str, Metric]) -> None:
        """Adds the values."""
        found = work.tallies()
        mine = {word: found.get((JOB_TYPE, status)) for status, word in work.ENDINGS.items()}
        for word, tally in mine.items():
            sources.add(families, f"{_PREFIX}job_runs", tally.runs if tally else 0, word)
        _add_durations(families, mine)
        complete = Packet.objects.filter(framework=Framework.SOC2, status=PacketStatus.COMPLETE)
        newest = complete.order_by("-created_at", "-id").values_list("json_size_bytes", flat=True)
        sources.add(families, f"{_PREFIX}packet_size_bytes", newest.first() or 0)


def connect() -> None:
    """Registers the source; called once, at start-up."""
    sources.register(PacketSource())


def _add_durations(families: Mapping[str, Metric], mine: Mapping[str, RunTally | None]) -> None:
    tallies = [tally for tally in mine.values() if tally is not None]
    within = [
        (str(bound), float(sum(tally.within[place] for tally in tallies)))
        for place, bound in enumerate(BOUNDS)
    ]
    total = float(sum(tally.timed for tally in tallies))
    family = families[_DURATION]
    assert isinstance(family, HistogramMetricFamily)
    family.add_metric(
        [], [*within, ("+Inf", total)], sum_value=sum(tally.seconds for tally in tallies)
    )
