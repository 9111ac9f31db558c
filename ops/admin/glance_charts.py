"""The charts of this room: runs, the archive's lag, approvals, verifications."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, F, Max, Q
from django.db.models.functions import TruncDate
from django.utils import timezone

from audit import standing
from audit.models import Segment, Storage
from ops.admin import glance
from ops.admin.bars import Chart, Series
from ops.models import Approval, ApprovalState, Run, RunStatus
from sealing.results import Verdict

DAYS = 14
_AGES = (
    ("Under a day", timedelta(0)),
    ("1 to 3 days", timedelta(days=1)),
    ("3 to 7 days", timedelta(days=3)),
    ("Over 7 days", timedelta(days=7)),
)


def connect() -> None:
    """Registers the charts; called once, at start-up."""
    drawn: tuple[tuple[str, Callable[[], Chart]], ...] = (
        ("runs", runs),
        ("archive", archive),
        ("verifications", verifications),
        ("approvals", approvals),
    )
    for place, (name, draw) in enumerate(drawn):
        glance.register(glance.Glance(name, 10 * (place + 1), draw))


def runs() -> Chart:
    """Runs by the day on which they were made, and how they ended."""
    days = _days()
    ended = Q(status__in=[RunStatus.SUCCESS, RunStatus.FAILED])
    rows = (
        Run.objects.filter(ended, created_at__gte=_start(days[0]))
        .order_by()
        .annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values_list("day", "status")
        .annotate(Count("pk"))
    )
    found = {(day, status): count for day, status, count in rows}
    well = [found.get((day, RunStatus.SUCCESS), 0) for day in days]
    failed = [found.get((day, RunStatus.FAILED), 0) for day in days]
    return Chart(
        title="Runs per day",
        text=f"{sum(well):,} runs succeeded and {sum(failed):,} failed within {DAYS} days.",
        unit="runs",
        heading="Day (UTC)",
        places=_labels(days),
        series=(Series("failed", "failed", failed), Series("succeeded", "success", well)),
        source="Every run of a job, by the day on which it was queued.",
    )


def archive() -> Chart:
    """How long sealed events waited for the archive, at most, by the day they were sealed on."""
    days = _days()
    rows = (
        Segment.objects.filter(day__gte=days[0], archived_at__isnull=False)
        .order_by()
        .values_list("day")
        .annotate(longest=Max(F("archived_at") - F("newest_event_at")))
    )
    waits = {day: wait.total_seconds() / 60 for day, wait in rows}
    values = [max(0.0, waits[day]) if day in waits else None for day in days]
    now = standing.unarchived(standing.log_size())
    known = [value for value in values if value is not None]
    longest = f"At most {max(known):,.1f} minutes" if known else "Nothing was archived"
    return Chart(
        title="Wait for the archive",
        text=f"{longest} within {DAYS} days; {now.count:,} events wait now,"
        f" the oldest for {now.oldest_seconds / 60:,.1f} minutes.",
        unit="minutes",
        heading="Sealed on (UTC)",
        places=_labels(days),
        series=(Series("longest wait", "neutral", values),),
        source="Segments: from when the newest event was sealed until the segment was archived.",
    )


def verifications() -> Chart:
    """How long ago each copy was verified, and whether it was valid."""
    now = timezone.now()
    copies = (("Database", (Storage.DATABASE,)), ("Archive", standing.ARCHIVES))
    valid: list[float | None] = []
    wrong: list[float | None] = []
    told = []
    for name, storages in copies:
        newest = standing.last_verification(*storages)
        hours = max(0.0, (now - newest.finished_at).total_seconds() / 3600) if newest else None
        is_valid = newest is not None and newest.verdict == Verdict.VALID
        valid.append(hours if is_valid else None)
        wrong.append(None if is_valid else hours)
        if newest is None or hours is None:
            told.append(f"{name}: never verified.")
        else:
            words = "valid" if is_valid else "not valid"
            told.append(f"{name}: {words}, {hours:,.1f} hours ago.")
    return Chart(
        title="Age of the last verification",
        text=" ".join(told),
        unit="hours",
        heading="Copy",
        places=[name for name, _ in copies],
        series=(Series("valid", "success", valid), Series("not valid", "failed", wrong)),
        source="The newest verification of each copy, drills apart. It is due daily.",
    )


def approvals() -> Chart:
    """Requests that wait for a decision, by how long they wait."""
    now = timezone.now()
    waiting = Approval.objects.filter(state=ApprovalState.PENDING, expires_at__gt=now)
    counts = [0] * len(_AGES)
    for moment in waiting.order_by().values_list("created_at", flat=True):
        counts[max(place for place, (_, age) in enumerate(_AGES) if now - moment >= age)] += 1
    total = sum(counts)
    return Chart(
        title="Approvals that wait",
        text=f"{total:,} wait for a decision." if total else "Nothing waits for a decision.",
        unit="requests",
        heading="Waiting for",
        places=[label for label, _ in _AGES],
        series=(Series("requests", "waiting", counts),),
        source="Requests that are pending and have not expired.",
    )


def _days() -> list[date]:
    today = timezone.now().astimezone(UTC).date()
    return [today - timedelta(days=back) for back in reversed(range(DAYS))]


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _labels(days: list[date]) -> list[str]:
    return [f"{day:%d %b}".lstrip("0") for day in days]
