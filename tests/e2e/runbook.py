"""A runbook as it was written for people, read by the test that follows it."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.data import VARIABLE

_TITLE = "Compliance Evidence Auto-Export Runbook"
_CONDITION = re.compile(r"(\w+)\s*(==|>=|=)\s*(\w+)\Z")
_ROUTE = re.compile(r"(GET|POST) (/\S+)\Z")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "=": operator.eq, ">=": operator.ge,
}  # fmt: skip
_VALUES: Mapping[str, Any] = {"true": True, "false": False}


def text(title: str = _TITLE) -> str:
    """The runbook of that title; the test is skipped where it is not at hand."""
    root = os.environ.get(VARIABLE)
    if not root:
        pytest.skip(f"{VARIABLE} names no folder beside which the runbook lies")
    folder = Path(root).resolve().parent / "seeds"
    for path in sorted(folder.glob("*.txt")):
        found = path.read_text(encoding="utf-8")
        if found.startswith(f"# {title}\n"):
            return found
    pytest.fail(f"{VARIABLE} is set, but no runbook of this title is in {folder}")


@dataclass(frozen=True)
class Condition:
    """What an answer has to say, as ``name operator value``."""

    name: str
    operator: str
    value: Any

    def holds(self, answer: Mapping[str, Any]) -> bool:
        """Whether the answer says so; a truth is not a number."""
        found = answer[self.name]
        return type(found) is type(self.value) and _OPERATORS[self.operator](found, self.value)


@dataclass(frozen=True)
class Line:
    """One line of a section: its words, and what stands in backticks in it."""

    words: str

    @property
    def codes(self) -> list[str]:
        """What is in backticks, in order."""
        return re.findall(r"`([^`]+)`", self.words)

    @property
    def conditions(self) -> list[Condition]:
        """Those among them that compare something."""
        found = [_CONDITION.match(code) for code in self.codes]
        return [
            Condition(match[1], match[2], _value(match[3])) for match in found if match is not None
        ]


@dataclass
class Runbook:
    """The sections of the text; which routes of it were taken is noted."""

    sections: dict[str, list[Line]]
    taken: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def parse(cls, given: str) -> Runbook:
        """Reads the text by its headings."""
        sections: dict[str, list[Line]] = {}
        for raw in given.splitlines():
            if raw.startswith("## "):
                lines = sections[raw.removeprefix("## ")] = []
            elif sections and raw.strip():
                lines.append(Line(raw.strip()))
        return cls(sections)

    @property
    def routes(self) -> set[tuple[str, str]]:
        """Every method and address that it names."""
        lines = [line for section in self.sections.values() for line in section]
        found = [_ROUTE.match(code) for line in lines for code in line.codes]
        return {(match[1], match[2]) for match in found if match is not None}

    def take(self, method: str, beginning: str) -> str:
        """The one address of the text of that method that begins so; it counts as taken."""
        (found,) = [route for route in self.routes if route[0] == method
                    and re.sub(r"{\w+}", "{}", route[1]).split("?")[0] == beginning]  # fmt: skip
        self.taken.add(found)
        return found[1]

    def line(self, section: str, beginning: str) -> Line:
        """The one line of a section that begins so, numbers and dashes aside."""
        (found,) = [
            line
            for line in self.sections[section]
            if line.words.lstrip("-0123456789. ").startswith(beginning)
        ]
        return found

    def conditions(self, section: str) -> list[Condition]:
        """All that a section compares."""
        return [condition for line in self.sections[section] for condition in line.conditions]


def _value(word: str) -> Any:
    return int(word) if word.isdigit() else _VALUES.get(word, word)
