"""System checks of the room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db import DatabaseError

from audit.services import loghead


def connect() -> None:
    """Registers the check with Django."""
    checks.register(check_origin, checks.Tags.database)


def check_origin(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """The log in the database is the one that AUDIT_ORIGIN names."""
    if not databases or "default" not in databases:
        return []
    try:
        stored = loghead.stored_origin()
    except DatabaseError:
        return []  # not migrated yet, or not reachable, which another check tells
    if stored is None or stored == settings.AUDIT_ORIGIN:
        return []
    return [
        checks.Error(
            f"The log in this database is {stored}, but AUDIT_ORIGIN is"
            f" {settings.AUDIT_ORIGIN or 'not set'}.",
            hint="A log keeps its name for ever: set AUDIT_ORIGIN back, or use the log's database.",
            id="audit.E001",
        )
    ]
