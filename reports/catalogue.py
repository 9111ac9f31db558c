"""The controls that ship with Strongroom: ``reports/controls/*.yaml``, read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from sealing.errors import NotFound

FOLDER = Path(__file__).parent / "controls"
SECURITY = "security"


class UnknownControl(NotFound):
    """The framework has no such control."""

    code = "unknown_control"


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """A control of a framework.

    Attributes:
        control_id: as the framework has it, ``CC6.1``.
        series: the group that it belongs to.
        category: which scope it belongs to, such as ``availability``.
        label: what it is about, in our own words.
        facts: names of the facts that a packet shows for it.
    """

    control_id: str
    series: str
    category: str
    label: str
    facts: tuple[str, ...]


@lru_cache(maxsize=8)
def controls(framework: str) -> tuple[ControlSpec, ...]:
    """Every control of a framework, in its order."""
    raw = (FOLDER / f"{framework.lower()}.yaml").read_text(encoding="utf-8")
    return tuple(_spec(item) for item in yaml.safe_load(raw))


def in_scope(framework: str, categories: frozenset[str]) -> tuple[ControlSpec, ...]:
    """The controls of the categories in an engagement's scope; security always is."""
    wanted = categories | {SECURITY}
    return tuple(spec for spec in controls(framework) if spec.category in wanted)


def control(framework: str, control_id: str) -> ControlSpec:
    """One control. Raises UnknownControl."""
    for spec in controls(framework):
        if spec.control_id == control_id:
            return spec
    raise UnknownControl(f"{framework} has no control {control_id[:40]}.", field="control")


def _spec(item: dict[str, Any]) -> ControlSpec:
    return ControlSpec(
        control_id=item["id"],
        series=item["series"],
        category=item["category"],
        label=item["label"],
        facts=tuple(item["facts"]),
    )
