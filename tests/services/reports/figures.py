"""What docs/auditors/packet-figures.md tells auditors to run, taken from the page and run.

Nothing of the program's own queries is used: the page is the second opinion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import connection

PAGE = Path(__file__).parents[3] / "docs/auditors/packet-figures.md"
NO_DATA = "no data"
_VARIABLE = re.compile(r"(?<!:):'(\w+)'|(?<!:):(size)\b")
_ROW = re.compile(
    r"^\| `(?P<name>[\w.]+)` \| [^|]+ \| (?P<types>[^|]+) \| (?P<outcomes>[^|]+)"
    r" \| (?P<recorder>[^|]+) \| (?P<client>[^|]+) \|$",
    re.MULTILINE,
)
_HEADING = re.compile(r"^#### `(?P<name>[\w.]+)`\n(?P<text>.*?)(?=^#|\Z)", re.DOTALL | re.MULTILINE)
_SQL = re.compile(r"^```sql\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PER_CONTROL = "artifacts.CONTROL"


class Page:
    """The page, taken apart."""

    def __init__(self) -> None:
        self.text = PAGE.read_text(encoding="utf-8")
        self.events = {found["name"]: found.groupdict() for found in _ROW.finditer(self.text)}
        self.others = {
            found["name"]: _SQL.search(found["text"]) for found in _HEADING.finditer(self.text)
        }
        blocks = _SQL.findall(self.text)
        self.views, self.counting = blocks[0], blocks[1]

    def knows(self, name: str) -> bool:
        """Whether the page defines a figure."""
        return name in self.events or self._place(name) in self.others

    def prepare(self, given: Mapping[str, Any]) -> None:
        """Makes the views that the page begins with."""
        with connection.cursor() as cursor:
            for view in ("packet_account", "packet_human", "packet_event"):
                cursor.execute(f"DROP VIEW IF EXISTS pg_temp.{view}")
            cursor.execute(interpolated(self.views, given))

    def value(self, name: str, given: Mapping[str, Any]) -> int | float | str:
        """A figure by the page's query."""
        if name in self.events:
            return self._counted(self.events[name], given)
        found = self.others[self._place(name)]
        if found is None:
            return NO_DATA
        more = {"control": name.removeprefix("artifacts.")}
        return plain(next(run(found[1], given | more))[0])

    def _counted(self, row: Mapping[str, str], given: Mapping[str, Any]) -> int | float | str:
        if row["client"] == NO_DATA and given["client"]:
            return NO_DATA
        values = {
            "types": _array(row["types"]),
            "outcomes": _array(row["outcomes"].partition(";")[0]),
            "recorder": "" if row["recorder"] == "every" else row["recorder"].strip("`"),
        }
        sql = self.counting
        if row["outcomes"].endswith("late"):
            sql = sql.replace(";", " AND sealed_at > occurred_at + interval '1 day';")
        return plain(next(run(sql, given | values))[0])

    def _place(self, name: str) -> str:
        if name.startswith("artifacts.") and name not in self.others:
            return _PER_CONTROL
        return name


def run(sql: str, given: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query of the page."""
    with connection.cursor() as cursor:
        cursor.execute(interpolated(sql, given))
        return iter(cursor.fetchall())


def interpolated(sql: str, given: Mapping[str, Any]) -> str:
    """What psql makes of a query: variables in their places."""

    def value(found: re.Match[str]) -> str:
        if found[2]:
            return str(int(given[found[2]]))
        return "'" + str(given[found[1]]).replace("'", "''") + "'"

    return _VARIABLE.sub(value, sql)


def plain(value: Any) -> int | float | str:
    """A value as the document has it."""
    if value is None:
        return NO_DATA
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return int(value)


def _array(cell: str) -> str:
    return "{" + ",".join(re.findall(r"`([\w.]+)`", cell)) + "}"
