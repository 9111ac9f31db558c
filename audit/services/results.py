"""Keeps what verifications came to: in the archive, as a row, and as an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from audit import storage
from audit.events import Actor, EventType
from audit.models import Storage, VerificationKind, VerificationRun
from audit.services import clock, loghead, objects, trail
from sealing import canonical
from sealing.errors import StrongroomError
from sealing.results import Finding, Report, Verdict
from sealing.times import format_time

FORMAT = "strongroom/verification/v1"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a verification came to; the fields are those of `VerificationRun`.

    ``message`` may be empty: then the first issue speaks, or the number of events that hold.
    ``notices`` are worth knowing and change no verdict; they are kept among the findings, marked.
    """

    actor: Actor
    kind: VerificationKind
    storage: Storage
    started_at: datetime
    report: Report
    start_seq: int
    end_seq: int
    checked_events: int
    first_bad_seq: int | None = None
    first_bad_file: str = ""
    lock_mismatches: int = 0
    location: str = ""
    start_day: date | None = None
    end_day: date | None = None
    message: str = ""
    notices: Sequence[Finding] = ()

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Findings and notices, for JSON."""
        noticed = [{**notice.as_dict(), "notice": True} for notice in self.notices]
        return [finding.as_dict() for finding in self.report.findings] + noticed

    @property
    def sentence(self) -> str:
        """The message for a reader in a hurry."""
        if self.message:
            return self.message
        issues = self.report.issues
        return issues[0].message if issues else f"{self.checked_events} events hold."

    def as_dict(self, finished_at: datetime) -> dict[str, Any]:
        """The document that is archived."""
        return {
            "format": FORMAT,
            "origin": loghead.stored_origin(),
            "actor": self.actor.id,
            "kind": str(self.kind),
            "storage": str(self.storage),
            "location": self.location,
            "start_day": self.start_day and self.start_day.isoformat(),
            "end_day": self.end_day and self.end_day.isoformat(),
            "started_at": format_time(self.started_at),
            "finished_at": format_time(finished_at),
            "start_seq": self.start_seq,
            "end_seq": self.end_seq,
            "checked_events": self.checked_events,
            "verdict": str(self.report.verdict),
            "first_bad_seq": self.first_bad_seq,
            "first_bad_file": self.first_bad_file,
            "lock_mismatches": self.lock_mismatches,
            "message": self.sentence,
            "findings": self.findings,
        }


def keep(result: Result, *, archived: bool) -> VerificationRun:
    """Stores a result and records that there was a verification.

    Args:
        result: what it came to.
        archived: also put it into the archive, locked as a segment is. Should that fail, the run
            is stored all the same: its ``archived_as`` stays empty and its message says why.
    """
    finished_at = timezone.now()
    object_key, sentence = "", result.sentence
    if archived:
        try:
            object_key = _archive(result, finished_at)
        except (StrongroomError, OSError) as error:
            log.error("the result of a verification was not archived", reason=str(error))
            sentence = f"{sentence} The result could not be archived: {error}"
    with transaction.atomic():
        run = VerificationRun.objects.create(
            started_at=result.started_at,
            finished_at=finished_at,
            actor_id=result.actor.id,
            kind=result.kind,
            storage=result.storage,
            location=result.location,
            start_day=result.start_day,
            end_day=result.end_day,
            start_seq=result.start_seq,
            end_seq=result.end_seq,
            checked_events=result.checked_events,
            verdict=result.report.verdict,
            first_bad_seq=result.first_bad_seq,
            first_bad_file=result.first_bad_file,
            lock_mismatches=result.lock_mismatches,
            message=sentence,
            findings=result.findings,
            archived_as=object_key,
        )
        if trail.is_enabled():
            _record(result, run)
    return run


def _archive(result: Result, finished_at: datetime) -> str:
    store = storage.archive_store()
    name = f"verifications/{finished_at:%Y/%m/%d/%H%M%S.%f}.json"
    data = canonical.document(result.as_dict(finished_at))
    retention = storage.retention_for(finished_at, now=clock.database_clock())
    objects.put(store, name, data, retention)
    return store.key(name)


def _record(result: Result, run: VerificationRun) -> None:
    trail.record(
        EventType.AUDIT_VERIFICATION_FINISHED,
        actor=result.actor,
        obj=("verification", str(run.pk)),
        outcome="success" if result.report.verdict is Verdict.VALID else "failure",
        data={
            "verdict": str(result.report.verdict),
            "kind": str(result.kind),
            "storage": str(result.storage),
            "start": result.start_seq,
            "end": result.end_seq,
            "start_day": result.start_day and result.start_day.isoformat(),
            "end_day": result.end_day and result.end_day.isoformat(),
            "first_bad_seq": result.first_bad_seq,
            "first_bad_file": result.first_bad_file,
            "lock_mismatches": result.lock_mismatches,
        },
    )
