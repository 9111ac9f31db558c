"""Reads the parameters of a request: exactly the members that the act knows."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any

from sealing.errors import Invalid


def ensure_members(params: Mapping[str, Any], *names: str) -> None:
    """Raises Invalid where one is missing, or there is one that the act doesn't know."""
    for name in params.keys() - set(names):
        raise Invalid("There is no such parameter.", field=name)
    for name in set(names) - params.keys():
        raise Invalid("This parameter is missing.", field=name)


def text(params: Mapping[str, Any], name: str) -> str:
    """A text. Raises Invalid."""
    value = params[name]
    if not isinstance(value, str):
        raise Invalid("Text is expected.", field=name)
    return value


def person_id(params: Mapping[str, Any], name: str) -> uuid.UUID:
    """The id of a person, who need not be there. Raises Invalid."""
    try:
        return uuid.UUID(text(params, name))
    except ValueError as error:
        raise Invalid("The id of a person is expected.", field=name) from error


def day(params: Mapping[str, Any], name: str) -> date | None:
    """A day as YYYY-MM-DD, or none. Raises Invalid."""
    if params[name] is None:
        return None
    try:
        return date.fromisoformat(text(params, name))
    except ValueError as error:
        raise Invalid("A day is written YYYY-MM-DD.", field=name) from error
