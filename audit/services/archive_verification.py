"""Verifies the archive as an outsider would, and keeps what that came to.

The verifier itself knows nothing of the installation (`audit.verifying`); here it is given the
keys, the lock that policy asks for, and the last checkpoint that the receipts say is there, so
that an archive whose end was cut off is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from django.conf import settings
from django.db.models.functions import Greatest
from django.utils import timezone

from audit import storage as places
from audit.events import Actor
from audit.formats.report import ArchiveReport
from audit.models import (
    ArchiverState,
    Segment,
    SegmentStatus,
    Storage,
    VerificationKind,
    VerificationRun,
)
from audit.services import days, keys, results, switches
from audit.services.log_checks import Progress
from audit.services.results import Result
from audit.sources import open_source
from audit.storage import StorageNotConfigured
from audit.verifying import CouldNotCheck, LockPolicy, Window, verify_archive
from sealing.errors import Forbidden, StrongroomError, Unavailable
from sealing.files import read_regular
from sealing.keys import Signers, parse_signers
from sealing.results import Finding, Report

MAX_SIGNERS_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the verifier said, or why it could not begin."""

    report: Report
    first_seq: int = 0
    size: int = 0
    first_bad_seq: int | None = None
    first_bad_file: str = ""
    lock_mismatches: int = 0
    message: str = ""
    notices: tuple[Finding, ...] = ()
    began: bool = True


def verify_archived(
    *,
    actor: Actor,
    storage: Storage,
    start_day: date | None = None,
    end_day: date | None = None,
    locks: LockPolicy | None = None,
    kind: VerificationKind = VerificationKind.MANUAL,
    location: str | None = None,
    progress: Progress | None = None,
    archived: bool = True,
) -> VerificationRun:
    """Verifies the archive, or what was sealed on some days, and records that it did.

    Args:
        actor: who wants to know.
        storage: the local archive or the one in S3.
        start_day, end_day: UTC days, both inclusive; None: from the beginning, to the end.
        locks: the lock that every object must have; None: locks are not looked at.
        kind: why it is verified.
        location: another place than the configured one, such as a replica.
        progress: is told how many events were looked at, and of how many.
        archived: also put the result into the archive.

    Raises:
        Invalid: the days are no window. StorageNotConfigured: no such archive is configured.
    """
    days.check_days(start_day, end_day)
    place = location or configured_location(storage)
    started_at = timezone.now()
    outcome = _verified(place, start_day, end_day, locks, progress)
    run = results.keep(
        Result(
            actor=actor,
            kind=kind,
            storage=storage,
            location=place,
            started_at=started_at,
            report=outcome.report,
            start_day=start_day,
            end_day=end_day,
            start_seq=outcome.first_seq,
            end_seq=outcome.size,
            checked_events=outcome.size - outcome.first_seq,
            first_bad_seq=outcome.first_bad_seq,
            first_bad_file=outcome.first_bad_file,
            lock_mismatches=outcome.lock_mismatches,
            message=outcome.message,
            notices=outcome.notices,
        ),
        archived=archived,
    )
    # Under locks that somebody else asks for, nothing is known of those that were promised.
    is_promised = locks is not None and locks == configured_locks(storage)
    if is_promised and outcome.began and location is None:
        _note_mismatches(outcome.lock_mismatches, whole=start_day is None and end_day is None)
    return run


def configured_location(storage: Storage) -> str:
    """Where that archive lies, as the settings say. Raises StorageNotConfigured."""
    if storage == Storage.LOCAL:
        if not settings.AUDIT_STORAGE_PATH.name:
            raise StorageNotConfigured("No local archive is configured.", field="storage")
        return str(settings.AUDIT_STORAGE_PATH)
    if storage == Storage.S3:
        if not settings.AUDIT_S3_BUCKET:
            raise StorageNotConfigured("No archive in S3 is configured.", field="storage")
        return f"s3://{settings.AUDIT_S3_BUCKET}/{settings.AUDIT_S3_PREFIX.strip('/')}".rstrip("/")
    raise StorageNotConfigured("The database is no archive.", field="storage")


def configured_locks(storage: Storage) -> LockPolicy | None:
    """The lock that the settings ask for; None where the archive is a folder.

    A folder's locks are records that its owner can change, so they prove nothing to a verifier.

    Raises:
        StorageNotConfigured: the mode is not one.
    """
    if storage != Storage.S3:
        return None
    return LockPolicy(places.lock_mode(), settings.AUDIT_S3_OBJECT_LOCK_DAYS)


def trusted_signers() -> Signers:
    """Whose checkpoints count: AUDIT_SIGNERS_FILE where it is set, else the keys as stored.

    Raises:
        CouldNotCheck: the file can't be used.
    """
    if not settings.AUDIT_SIGNERS_FILE:
        return keys.signers()
    path = Path(settings.AUDIT_SIGNERS_FILE).resolve()
    try:
        return parse_signers(read_regular(path, MAX_SIGNERS_BYTES))
    except (StrongroomError, OSError) as error:
        raise CouldNotCheck(f"AUDIT_SIGNERS_FILE can't be used: {error}") from error


def _verified(
    place: str,
    start_day: date | None,
    end_day: date | None,
    locks: LockPolicy | None,
    progress: Progress | None,
) -> _Outcome:
    window = Window(
        start=start_day.isoformat() if start_day else None,
        end=end_day.isoformat() if end_day else None,
    )
    try:
        remembered = _last_checkpoint(place, start_day, end_day)
        report = verify_archive(
            open_source(place, places.s3_options()),
            trusted_signers(),
            window=window,
            locks=locks,
            remembered=remembered,
            certificates=settings.TSA_CERTIFICATES.encode("utf-8") or None,
            progress=progress,
        )
    except (CouldNotCheck, Unavailable, Forbidden, OSError) as error:
        code = getattr(error, "code", "could_not_check")
        message = f"Could not check: {error}"
        return _Outcome(Report((Finding(code, None, message, place),)), began=False)
    return _outcome_of(report)


def _outcome_of(report: ArchiveReport) -> _Outcome:
    return _Outcome(
        report=report.report,
        first_seq=report.first_seq,
        size=max(report.size, report.first_seq),
        first_bad_seq=report.first_bad_seq,
        first_bad_file=report.first_bad_file or "",
        lock_mismatches=report.lock_mismatches,
        message=report.message,
        notices=report.notices,
    )


def _last_checkpoint(place: str, start_day: date | None, end_day: date | None) -> bytes | None:
    """The checkpoint of the last segment in the window whose receipt names this place."""
    archived = Segment.objects.filter(
        status=SegmentStatus.ARCHIVED, released_at__isnull=True, location=place
    )
    if end_day is not None:
        archived = archived.filter(day__lte=end_day)
    last = archived.select_related("checkpoint").order_by("-first_seq").first()
    if last is None or last.checkpoint is None:
        return None
    if start_day is not None and last.day < start_day:
        return None
    return bytes(last.checkpoint.note, "utf-8")


def _note_mismatches(found: int, *, whole: bool) -> None:
    """A window can add to what is known of the whole archive; only a whole look replaces it."""
    switches.state()
    value = found if whole else Greatest("lock_mismatches", found)
    ArchiverState.objects.filter(pk=1).update(lock_mismatches=value)
