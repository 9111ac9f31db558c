"""What is handed in as an artefact, checked before anything is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings

from access.models import Client
from audit.events import Actor
from audit.services import clock
from evidence.formats import artifact_files
from evidence.models import Artifact
from evidence.services.errors import RequestRefused
from evidence.services.requests import text
from sealing import digests
from sealing.errors import TooLarge, TooMany

MAX_TITLE: Final = 200
MAX_ORIGIN: Final = 200
MAX_NOTE: Final = 1000
# As for packets: an audit looks back over less.
_MAX_PERIOD: Final = timedelta(days=3 * 366)
# An account that hands in more in a day has lost its way: every packet would have to count it all.
MAX_PER_DAY: Final = 500
_DAY: Final = timedelta(days=1)
_BLOCK: Final = 1 << 20


class ArtifactTooLarge(TooLarge):
    """The file is larger than EVIDENCE_ARTIFACT_MAX_BYTES."""

    code = "artifact_too_large"


class TooManyArtifacts(TooMany):
    """One account has handed in as many artefacts as it may within a day."""

    code = "too_many_artifacts"


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody hands in.

    Attributes:
        client_id: whose evidence it is; None for the platform.
        control_id: as the framework has it; that there is such a control, the caller has seen to.
        period_start, period_end: half-open.
        origin: where it comes from, in the sender's words.
        file_name, media_type: as the sender calls them; they are made harmless.
        content: the bytes, or a file that nobody changes meanwhile.
    """

    client_id: str | None
    framework: str
    control_id: str
    period_start: datetime
    period_end: datetime
    title: str
    origin: str
    note: str
    file_name: str
    media_type: str
    content: Path | bytes


def ensure_not_too_many(actor: Actor) -> None:
    """Raises TooManyArtifacts for an account that has handed in enough for a day."""
    assert actor.account is not None  # nothing else may hand in
    now = clock.host_clock()
    recent = Artifact.objects.filter(account=actor.account, created_at__gt=now - _DAY)
    newest = recent.order_by("-created_at").values_list("created_at", flat=True)
    last = newest[MAX_PER_DAY - 1 : MAX_PER_DAY].first()
    if last is not None:
        raise TooManyArtifacts(
            f"One account hands in {MAX_PER_DAY} artefacts a day at most.",
            wait=(last + _DAY - now).total_seconds() + 1,
        )


def measured(content: Path | bytes) -> tuple[str, int]:
    """Digest and size. Raises ArtifactTooLarge, and RequestRefused for an empty file."""
    limit, size, digest = settings.EVIDENCE_ARTIFACT_MAX_BYTES, 0, hashlib.sha256()
    for block in _blocks(content):
        size += len(block)
        if size > limit:
            raise ArtifactTooLarge(f"The file has more than {limit} bytes.", field="file")
        digest.update(block)
    if not size:
        raise RequestRefused("The file is empty.", field="file")
    return digests.tag(digest.digest()), size


def _blocks(content: Path | bytes) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            yield block


def planned(
    actor: Actor, given: Submission, client: Client | None, sha256: str, size: int
) -> Artifact:
    """The row, not stored yet. Raises RequestRefused."""
    assert actor.account is not None  # nothing else may hand in
    if given.period_start >= given.period_end:
        raise RequestRefused("The period must end after it starts.", field="period_end")
    if given.period_end - given.period_start > _MAX_PERIOD:
        raise RequestRefused("An artefact covers three years at most.", field="period_end")
    if given.period_start > clock.host_clock():
        raise RequestRefused("The period has not begun.", field="period_start")
    return Artifact(
        client=client,
        framework=given.framework,
        control_id=given.control_id,
        period_start=given.period_start,
        period_end=given.period_end,
        title=_line(given.title, limit=MAX_TITLE, field="title", required=True),
        origin=_line(given.origin, limit=MAX_ORIGIN, field="origin"),
        note=text(given.note, limit=MAX_NOTE, field="note"),
        file_name=artifact_files.safe_name(given.file_name),
        media_type=artifact_files.media_type(given.media_type),
        size_bytes=size,
        sha256=sha256,
        account=actor.account,
        person_id=actor.account.person_id,
    )


def _line(value: str, *, limit: int, field: str, required: bool = False) -> str:
    value = text(value.strip(), limit=limit, field=field, required=required)
    if "\n" in value:
        raise RequestRefused("One line only.", field=field)
    return value
