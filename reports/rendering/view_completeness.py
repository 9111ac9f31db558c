"""Completeness as the pages of a packet show it: what was expected beside what was there.

Each section takes from the record what it tells. What no section took is told at the end under the
names that the record has for it, so that nothing of it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from reports.rendering.columns import Column
from reports.rendering.sheet import Sheet, shown, title_of
from reports.rendering.text import legible, plain

_JOB: Final = {
    "name": Column("Job", 3),
    "job_type": Column("Type", 3),
    "schedule_cron": Column("Schedule", 2),
    "expected": Column("Windows expected", 1.4, is_number=True),
    "succeeded": Column("Succeeded", 1.4, is_number=True),
    "failed": Column("Failed", 1.4, is_number=True),
    "open": Column("Open", 1.4, is_number=True),
    "missing_count": Column("Missed", 1.4, is_number=True),
}
_MISSED: Final = (Column("Job", 2), Column("Windows missed", 8))
_REST: Final = (Column("Field", 3), Column("Value", 7))
_HOUR: Final = 3600

Record = dict[str, Any]
Line = tuple[str, str]
Section = dict[str, Any]


def completeness(found: Mapping[str, Any], sheet: Sheet) -> dict[str, Any]:
    """The sections: the log, late arrivals, the archive, checkpoints, jobs, and what is left."""
    left: Record = deepcopy(dict(found))
    observed = _part(left, "observed")
    over = _over(left)
    sections = [
        _log(left),
        _late(_part(left, "lateArrivals"), sheet),
        _archive(_part(observed, "archive"), sheet),
        _checkpoints(_part(observed, "checkpoints"), sheet),
        _jobs(observed, sheet),
    ]
    # The others have taken theirs by now.
    left |= {"observed": observed} if observed else {}
    sections.append(_section("Also recorded", "", [], [_rest(left, sheet)]))
    return {"over": over, "sections": [item for item in sections if item is not None]}


def _over(left: Record) -> str:
    """Whether the period was over; a value that says neither stays where it is."""
    if not isinstance(left.get("isPeriodOver"), bool):
        return ""
    if left.pop("isPeriodOver"):
        return "The period was over when the packet was made."
    return "The period was not over when the packet was made: what came later is not part of it."


def _log(left: Record) -> Section | None:
    return _section(
        "The log",
        "The whole installation, when the packet was made. Set aside: recorded, but it could not be"
        " sealed. Gap: a number below the size of the log that no event has.",
        [
            *_counted(left, "pending", "Not yet sealed", "event"),
            *_counted(left, "setAside", "Set aside", "event"),
            *_counted(left, "gaps", "Gaps", "number"),
        ],
        [],
    )


def _late(late: Record, sheet: Sheet) -> Section | None:
    lines = _counted(late, "count", "Arrived late", "event")
    after = late.pop("laterThanSeconds", None)
    meaning = "" if after is None else f"Late: sealed more than {_long(after)} after it occurred."
    told = ""
    if isinstance(late.get("ranges"), list):
        told = ", ".join(map(_range, late.pop("ranges")))
    if isinstance(late.get("isTruncated"), bool) and late.pop("isTruncated"):
        told += ", and further ones that are not listed" if told else "not listed"
    column = Column("Numbers of the events that arrived late", 1)
    tables = [sheet.table((column,), [[told]] if told else [])]
    return _section("Late arrivals", meaning, lines, [*tables, _rest(late, sheet)])


def _archive(archive: Record, sheet: Sheet) -> Section | None:
    lines: list[Line] = []
    if {"log_size", "archived_through_seq"} <= archive.keys():
        through, size = archive.pop("archived_through_seq"), archive.pop("log_size")
        told = "no event yet" if through is None else f"through event {through}"
        lines.append(("Archived", legible(f"{told}; the log had {_count(size, 'event')}")))
    lines += _counted(archive, "unarchived", "Not archived", "event")
    return _section(
        "The archive",
        "The copy of the log outside the database. The whole log, when the packet was made.",
        lines,
        [_rest(archive, sheet)],
    )


def _checkpoints(hourly: Record, sheet: Sheet) -> Section | None:
    missed = _named(hourly) if hourly.get("missing") else ""
    hourly.pop("missing", None)
    column = Column("Hours without a checkpoint, each by its beginning", 1)
    return _section(
        "Checkpoints",
        "One is expected in each full hour of the period, as far as it was over, from the first"
        " checkpoint of the log on.",
        [
            *_counted(hourly, "hours", "Hours counted", "hour"),
            *_counted(hourly, "missing_count", "Hours without a checkpoint", "hour"),
        ],
        [sheet.table((column,), [[missed]] if missed else []), _rest(hourly, sheet)],
    )


def _jobs(observed: Record, sheet: Sheet) -> Section | None:
    jobs = observed.get("jobs")
    if not isinstance(jobs, list) or not all(isinstance(job, Mapping) for job in jobs):
        return None
    del observed["jobs"]
    others = [name for job in jobs for name in job if name not in _JOB and name != "missing"]
    columns = _JOB | {name: Column(title_of(name), 2) for name in others}
    rows = [[_told(job.get(name, "")) for name in columns] for job in jobs]
    missed = [[_told(job.get("name", "")), _named(job)] for job in jobs if job.get("missing")]
    return _section(
        "Jobs",
        "A window is a moment of a job's schedule in the period, as far as it was over, from the"
        " job's registration on; those at which the job was disabled count too. Open: its run had"
        " not ended. Missed: there was no run.",
        [] if jobs else [("Scheduled jobs", "none")],
        [sheet.table(tuple(columns.values()), rows), sheet.table(_MISSED, missed)],
    )


def _section(
    title: str, meaning: str, lines: Sequence[Line], tables: Sequence[str]
) -> Section | None:
    """A section, or nothing where the record tells nothing of it."""
    placed = [place for place in tables if place]
    if not lines and not placed:
        return None
    told = [{"label": label, "value": value} for label, value in lines]
    return {"title": title, "meaning": legible(meaning), "lines": told, "tables": placed}


def _part(record: Record, key: str) -> Record:
    """A part of the record, taken out of it; empty where it is not there or something else."""
    return record.pop(key) if isinstance(record.get(key), dict) else {}


def _counted(record: Record, key: str, label: str, what: str) -> list[Line]:
    """A number of the record as a line, taken out of it."""
    return [(label, _count(record.pop(key), what))] if key in record else []


def _count(number: Any, what: str) -> str:
    return legible(f"{plain(number)} {what}{'' if number == 1 else 's'}")


def _long(seconds: Any) -> str:
    if isinstance(seconds, int) and seconds and seconds % _HOUR == 0:
        return _count(seconds // _HOUR, "hour")
    return _count(seconds, "second")


def _range(pair: Any) -> str:
    if not isinstance(pair, list) or len(pair) != 2:
        return _told(pair)
    first, last = map(str, pair)
    return first if first == last else f"{first} to {last}"


def _named(record: Mapping[str, Any]) -> str:
    """The missing moments that are named, and how many more there are."""
    named = record["missing"] if isinstance(record["missing"], list) else [record["missing"]]
    count = record.get("missing_count", 0)
    more = count - len(named) if isinstance(count, int) else 0
    return ", ".join(map(_told, named)) + (f", and {more:,} more" if more > 0 else "")


def _rest(left: Mapping[str, Any], sheet: Sheet) -> str:
    """What is left, field by field."""
    return sheet.table(_REST, list(_flat(left, ())))


def _flat(found: Mapping[str, Any], path: tuple[str, ...]) -> list[list[str]]:
    rows: list[list[str]] = []
    for key, value in found.items():
        here = (*path, title_of(key))
        if isinstance(value, Mapping) and value:
            rows += _flat(value, here)
        else:
            rows.append([", ".join(here), _told(value)])
    return rows


def _told(value: Any) -> str:
    if value in ([], {}):
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_told, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{title_of(key)} {_told(item)}" for key, item in value.items())
    return shown(value) if isinstance(value, str) else legible(value)
