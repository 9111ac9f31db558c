"""What the tests of artefacts share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from evidence.models import Artifact
from evidence.services.submissions import Submission
from reports.services import artifacts
from tests.factories import World

PATH = "/api/artifacts"
RAW = b"user,groups\nalice,admin\n"
PERIOD = {"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"}


def form(
    raw: bytes = RAW, name: str = "groups.csv", media_type: str = "text/csv", **changes: Any
) -> dict[str, Any]:
    """The fields of a form that would be accepted."""
    fields = {
        "client_id": "clinic-001",
        "control": "CC6.1",
        "title": "Groups",
        **PERIOD,
        "file": SimpleUploadedFile(name, raw, content_type=media_type),
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def keep(world: World, username: str = "olivia", raw: bytes = RAW, **changes: Any) -> Artifact:
    """An artefact that somebody handed in."""
    given: dict[str, Any] = {
        "client_id": "clinic-001",
        "framework": "SOC2",
        "control_id": "CC6.1",
        "period_start": datetime(2026, 1, 1, tzinfo=UTC),
        "period_end": datetime(2026, 2, 1, tzinfo=UTC),
        "title": "Groups",
        "origin": "Okta export",
        "note": "",
        "file_name": "groups.csv",
        "media_type": "text/csv",
        "content": raw,
    } | changes
    return artifacts.receive(actor=world.actor(username), submission=Submission(**given))
