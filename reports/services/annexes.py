"""The annexes of a packet: tables of what its figures count."""

from __future__ import annotations

from typing import Any

from reports.facts.base import Scope
from reports.facts.tables import tables


def of(scope: Scope) -> list[dict[str, Any]]:
    """The document's ``annexes``."""
    return [table.as_dict() for table in tables(scope)]
