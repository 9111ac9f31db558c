"""What could be missing from a packet: its completeness in sentences, and the jobs in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from access.admin import components

Line = tuple[str, Any]
JOB_COLUMNS = ("Job", "Schedule", "Expected", "Succeeded", "Failed", "Not begun", "Under way")


def facts(found: Mapping[str, Any]) -> list[Line]:
    """Everything but the jobs; a reader who knows nothing of the form understands each line."""
    observed, late = found["observed"], found["lateArrivals"]
    archive, hourly = observed["archive"], observed["checkpoints"]
    return [
        ("The period", "Was over" if found["isPeriodOver"] else "Was not over yet"),
        ("Numbers that the log lacks", _count(found["gaps"], "number")),
        ("Arrived late", _late(late)),
        ("Waiting to be sealed", _count(found["pending"], "event")),
        ("Set aside", _count(found["setAside"], "event")),
        ("Not archived yet", _archived(archive)),
        ("Hours without a checkpoint", _hours(hourly)),
    ]


def job_rows(found: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Each scheduled job: how often it should have run in the period, and how that ended."""
    return [
        (
            job["name"],
            components.identifier(job["schedule_cron"]),
            f"{job['expected']:,}",
            f"{job['succeeded']:,}",
            _bad(job["failed"]),
            _bad(job["missing_count"]),
            f"{job['open']:,}",
        )
        for job in found["observed"]["jobs"]
    ]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}" if number else "None"


def _late(late: Mapping[str, Any]) -> str:
    if not late["count"]:
        return "None"
    hours = late["laterThanSeconds"] // 3600
    more = " and more" if late["isTruncated"] else ""
    return (
        f"{_count(late['count'], 'event')} more than {hours} hours after they occurred:"
        f" {_ranges(late['ranges'])}{more}"
    )


def _ranges(ranges: Sequence[Sequence[int]]) -> str:
    shown = [f"{first:,}" if first == last else f"{first:,} to {last:,}" for first, last in ranges]
    head = ", ".join(shown[:10])
    return f"numbers {head}" + (" and further ones" if len(shown) > 10 else "")


def _archived(archive: Mapping[str, Any]) -> str:
    return f"{_count(archive['unarchived'], 'event')} of {archive['log_size']:,}"


def _hours(hourly: Mapping[str, Any]) -> str:
    if not hourly["missing_count"]:
        return f"None of {hourly['hours']:,}"
    return f"{hourly['missing_count']:,} of {hourly['hours']:,}: " + ", ".join(
        hourly["missing"][:10]
    )


def _bad(number: int) -> Any:
    return components.pill("failed", f"{number:,}") if number else "0"
