"""What this room adds to the page of metrics: the packets that were made."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from django.db.models import Count
from django.db.models.functions import TruncMonth
from django.utils import timezone

from ops.admin import glance
from ops.admin.bars import Chart, Series
from reports.models import Packet, PacketStatus

MONTHS = 12


def connect() -> None:
    """Registers the chart; called once, at start-up."""
    glance.register(glance.Glance("packets", 5, packets))


def packets() -> Chart:
    """Packets by the month in which they were made, and how that ended."""
    months = _months()
    rows = (
        Packet.objects.filter(created_at__gte=months[0])
        .exclude(status=PacketStatus.WRITING)
        .order_by()
        .annotate(month=TruncMonth("created_at", tzinfo=UTC))
        .values_list("month", "status")
        .annotate(Count("pk"))
    )
    found: Counter[tuple[datetime, str]] = Counter()
    for month, status, count in rows:
        found[month, status] += count
    complete = [found[month, PacketStatus.COMPLETE] for month in months]
    failed = [found[month, PacketStatus.FAILED] for month in months]
    return Chart(
        title="Packets made",
        text=f"{sum(complete):,} packets were made and {sum(failed):,} attempts failed"
        f" within {MONTHS} months.",
        unit="packets",
        heading="Month (UTC)",
        places=[f"{month:%b %y}" for month in months],
        series=(Series("failed", "failed", failed), Series("complete", "success", complete)),
        source="Packets of every client and of the platform, by the month they were made in.",
    )


def _months() -> list[datetime]:
    now = timezone.now().astimezone(UTC)
    count = now.year * 12 + now.month - 1
    return [
        datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
        for number in range(count - MONTHS + 1, count + 1)
    ]
