"""What this room adds to `/metrics`."""

from __future__ import annotations

from prometheus_client.core import Metric

from evidence.models import Package, PackageStatus
from ops.metrics import sources


class PackageSource(sources.Source):
    """Reads how large packages are."""

    name = "packages"
    gauges = {
        "strongroom_package_size_bytes": (
            "Size of the newest complete evidence package; 0 if there is none.",
            (),
        )
    }

    def fill(self, families: dict[str, Metric]) -> None:
        """Adds the value."""
        complete = Package.objects.filter(status=PackageStatus.COMPLETE).order_by("-created_at")
        size = complete.values_list("size_bytes", flat=True).first() or 0
        sources.add(families, "strongroom_package_size_bytes", size)


def connect() -> None:
    """Registers the source; called once, at start-up."""
    sources.register(PackageSource())
