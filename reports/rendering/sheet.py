"""What the pages of a packet consist of, and the words that recur on them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from reports.rendering.charts import Chart
from reports.rendering.columns import Column
from reports.rendering.text import legible, plain, short_digest

NOT_ASSESSED: Final = "not assessed"
NO_DATA: Final = "no data"
# Of ids that a page names; the JSON packet has more of them, and the digest of all.
_MOST_IDS_CHARS: Final = 72
_BESIDE: Final = 4
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z\Z", re.ASCII)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Pill:
    """A state as icon, word and colour: the same words as in the admin."""

    icon: str
    word: str
    colour: str


PILLS: Final = {
    "compliant": Pill("✔", "Compliant", "good"),
    "attention": Pill("⚠", "Needs attention", "attention"),
    "not_compliant": Pill("✖", "Not compliant", "bad"),
    "not_applicable": Pill("⊘", "Not applicable", "none"),
    NOT_ASSESSED: Pill("○", "Not assessed", "none"),
}


@dataclass(frozen=True, slots=True)
class TableOf:
    """A table: its columns, and rows of texts as they are to be shown."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


@dataclass(slots=True)
class Sheet:
    """Tables and charts, by the places where the template's marks find them."""

    tables: list[TableOf] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> str:
        """Keep a table; its place, or nothing where there are no rows."""
        if not rows:
            return ""
        shown = [[legible(cell) for cell in row] for row in rows]
        self.tables.append(TableOf(tuple(columns), shown))
        return str(len(self.tables) - 1)

    def beside(self, columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> str:
        """Keep a table of many short rows: four of them beside each other, read downwards."""
        depth = -(-len(rows) // _BESIDE)
        empty = [""] * len(columns)
        wide = []
        for place in range(depth):
            parts = [rows[at] if at < len(rows) else empty for at in _across(place, depth)]
            wide.append([cell for part in parts for cell in (*part, "")])
        return self.table([*columns, Column("", 0.6)] * _BESIDE, wide)

    def chart(self, made: Chart) -> str:
        """Keep a chart; its place."""
        self.charts.append(made)
        return str(len(self.charts) - 1)


def _across(place: int, depth: int) -> range:
    return range(place, place + depth * _BESIDE, depth)


def pill(state: object) -> Pill:
    """The pill of a state; one that is not known is shown as it is written."""
    return PILLS.get(str(state)) or Pill("○", legible(state), "none")


def value_of(fact: Mapping[str, Any]) -> str:
    """A value with its unit."""
    value, unit = fact["value"], fact.get("unit") or ""
    if isinstance(value, str):
        return legible(value)
    space = "" if unit == "%" else " "
    return legible(f"{plain(value)}{space}{unit}".strip())


def source_of(source: Mapping[str, Any] | None) -> str:
    """Where a number comes from: the query, and the events or records that it rests on."""
    if not source:
        return "no source"
    told = f"{source['query']}: {plain(source['count'])} "
    if source["kind"] == "events":
        told += "event" if source["count"] == 1 else "events"
        if source.get("firstSeq") is not None:
            told += f", from {source['firstSeq']} to {source['lastSeq']}"
        return legible(told)
    told += f"{source.get('objectType', '')} {'record' if source['count'] == 1 else 'records'}"
    if source["count"]:
        told += f" ({_named(source)}), ids' digest {short_digest(source['objectsSha256'])}"
    return legible(told)


def _named(source: Mapping[str, Any]) -> str:
    """The first ids, as many as fit on a line or two."""
    named: list[str] = []
    for item in map(str, source["objects"]):
        if named and sum(map(len, named)) + len(item) > _MOST_IDS_CHARS:
            break
        named.append(item)
    more = source["count"] - len(named)
    return ", ".join(named) + (f", and {more:,} more" if more > 0 else "")


def day(text: str) -> str:
    """A time in words, for prose: ``1 October 2026, 00:00 UTC``."""
    moment = _moment(text)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC" if moment else legible(text)


def span(start: str, end: str) -> str:
    """A half-open period: by its first and last day where it is of whole days."""
    whole = _whole_days(start, end)
    if whole is None:
        return f"{day(start)} up to {day(end)}"
    first, last = whole
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"


def days(start: str, end: str) -> str:
    """The same for tables."""
    whole = _whole_days(start, end)
    if whole is None:
        return f"{time(start)} up to {time(end)}"
    return f"{whole[0]:%Y-%m-%d} to {whole[1]:%Y-%m-%d}"


def time(text: object) -> str:
    """A time for tables: to the second where it is a whole one, in full where it is not."""
    moment = _moment(text)
    if moment is None:
        return legible(text)
    fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction}Z"


def shown(text: str) -> str:
    """A text of which a time is shown as in all tables."""
    return time(text) if _TIME.match(text) else legible(text)


def person(who: Mapping[str, Any] | None) -> str:
    """A person with their account's id; the schedule where there is none."""
    if not who:
        return "the schedule"
    return legible(f"{who['name']} ({who['person']})")


def title_of(key: str) -> str:
    """The name of a field as words: ``longest_gap_seconds`` is ``Longest gap seconds``."""
    words = _CAMEL.sub(" ", key).replace("_", " ").strip().lower()
    return legible(words[:1].upper() + words[1:])


def _whole_days(start: str, end: str) -> tuple[datetime, datetime] | None:
    first, after = _moment(start), _moment(end)
    if first is None or after is None or _has_time(first) or _has_time(after):
        return None
    return first, after - timedelta(days=1)


def _has_time(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0)


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
