"""Keeps what a restore came to: the event that tells of it, and the verification."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from audit.events import Actor, EventType
from audit.models import Storage, VerificationKind, VerificationRun
from audit.services import results, trail
from audit.services.loghead import Head
from audit.services.recovery.examining import Examined
from audit.services.results import Result
from sealing.digests import tag
from sealing.results import Report
from sealing.stores.opening import SCHEME


def keep_restored(
    actor: Actor,
    started_at: datetime,
    examined: Examined,
    head: Head,
    report: Report,
    schema: str,
    kept: int,
) -> None:
    """In the installation's own tables what happened is the next event; beside them, the swap."""
    if not schema:
        trail.record(
            EventType.AUDIT_LOG_RESTORED,
            actor=actor,
            obj=("log", head.origin),
            data={
                "source": examined.source.location,
                "events": head.size,
                "head": tag(head.hash),
                "root": tag(head.root),
                "archive_verdict": str(examined.report.report.verdict),
                "first_bad_seq": examined.report.first_bad_seq,
                "first_bad_file": examined.report.first_bad_file,
                "kept_apart": kept,
            },
        )
    place = f" into the schema {schema}" if schema else ""
    results.keep(
        Result(
            actor=actor,
            kind=VerificationKind.RESTORE,
            storage=Storage.DATABASE,
            started_at=started_at,
            report=report,
            start_seq=0,
            end_seq=head.size,
            checked_events=head.size,
            location=examined.source.location,
            message=f"{head.size} events were restored{place} and hold.",
        ),
        archived=False,
    )


def keep_refused(actor: Actor, started_at: datetime, examined: Examined) -> None:
    """Keeps the result, without an event: that would be the first of a log that is to be empty."""
    report = examined.report
    is_s3 = examined.source.location.startswith(SCHEME)
    VerificationRun.objects.create(
        started_at=started_at,
        finished_at=timezone.now(),
        actor_id=actor.id,
        kind=VerificationKind.RESTORE,
        storage=Storage.S3 if is_s3 else Storage.LOCAL,
        location=examined.source.location,
        start_seq=report.first_seq,
        end_seq=report.size,
        checked_events=report.checked_events,
        verdict=report.report.verdict,
        first_bad_seq=report.first_bad_seq,
        first_bad_file=report.first_bad_file or "",
        message=f"Not restored: {report.message}",
        findings=[finding.as_dict() for finding in report.report.issues],
    )
