"""Restores the log from an archive: into an empty installation, or beside a damaged log."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from django.db import DatabaseError, transaction
from django.utils import timezone

from audit.events import Actor
from audit.failpoints import reach
from audit.folder import File, FileDamaged
from audit.models import (
    AuditEvent,
    Checkpoint,
    Segment,
)
from audit.services import archiving, keys, loghead, trail
from audit.services.log_checks import LogChecks
from audit.services.loghead import Head
from audit.services.recovery import cases, examining, records, signing_keys, tables
from audit.services.recovery.examining import Examined, Progress
from audit.services.recovery.loading import Loader, opened, store_checkpoint
from audit.services.recovery.owner import as_owner, check_schema_name, search_path
from sealing.digests import tag
from sealing.errors import Conflict, IntegrityFailure, Invalid, StrongroomError, Unavailable
from sealing.keys import Signers
from sealing.results import Report


class LogNotEmpty(Conflict):
    """This installation has events already."""

    code = "log_not_empty"


class WouldFork(Conflict):
    """The archive goes on otherwise than the restored log would."""

    code = "would_fork"


class RestoreRefused(IntegrityFailure):
    """What was restored does not verify; nothing of it was kept."""

    code = "restore_refused"


class SourceChanged(Unavailable):
    """The archive could not be read a second time as it was read first."""

    code = "source_changed"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to.

    Attributes:
        schema: the schema it lies in; empty for the installation's own tables.
        head: of the restored log, with its size and root.
        checkpoints, segments: how many of each were entered.
        archived: how many of the segments were found in the configured archive and have their
            receipts again; the archiver goes on with the others.
        examined: what the archive was found to be.
        kept_apart: how many files were put aside.
        told: what else the operator should know.
    """

    schema: str
    head: Head
    checkpoints: int
    segments: int
    archived: int
    examined: Examined
    kept_apart: int
    told: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the archive held, so that nothing had to be left out."""
        return self.examined.holds


def restore(
    *,
    actor: Actor,
    location: str,
    signers: Signers,
    through_seq: int | None = None,
    keep_apart: Path | None = None,
    schema: str = "",
    progress: Progress | None = None,
) -> Restored:
    """Restores the log from an archive, if the archive verifies and the restored log does too.

    All of it is one transaction: whatever it dies of, the database is as it was, and the same
    command can be run again.

    Args:
        actor: who does it.
        location: a folder, or ``s3://bucket/prefix``.
        signers: whose checkpoints count; never from inside the archive.
        through_seq: the last event to restore; None for all.
        keep_apart: a new folder for what does not verify. Then the part before that is restored;
            without it nothing is.
        schema: a new schema beside the log in use, to be swapped in later; empty for an empty
            installation's own tables.

    Raises:
        LogNotEmpty, SchemaExists, OriginDiffers, WouldFork, AlreadyExists, Invalid: it was
            asked for wrongly. SourceInvalid, RestoreRefused: something does not hold.
            SourceNotChecked, SourceChanged, OwnerMissing: it can't be done now.
    """
    trail.ensure_enabled()
    signing_keys.check_origin(signers)
    _check_place(schema)
    started_at = timezone.now()
    examined = examining.examine(location, signers, progress=progress)
    if not examined.holds and (keep_apart is None or not examined.end):
        records.keep_refused(actor, started_at, examined)
        raise examined.refusal()
    examined = _limited(examined, through_seq)
    kept = 0 if examined.holds or keep_apart is None else examining.keep_apart(examined, keep_apart)
    with _place(schema):
        told = list(signing_keys.enter(signers, signed_until=examined.signed_until(signers)))
        head = _load(examined, progress)
        checkpoints = _load_checkpoints(examined, signers, progress)
        _ensure_signed(examined, head, through_seq)
        segments = Segment.objects.count()
        if not schema and (in_force := cases.enter()):
            told.append(f"Legal holds in force again, as the log tells of them: {in_force}.")
        report = _check(head, beside=bool(schema), progress=progress)
        records.keep_restored(actor, started_at, examined, head, report, schema, kept)
        reach("restore_checked")
    archived = 0
    if not schema and examining.is_configured_archive(location):
        archived = _read_receipts(told)
    return Restored(schema, head, checkpoints, segments, archived, examined, kept, tuple(told))


def _check_place(schema: str) -> None:
    if not schema:
        _ensure_empty()
        return
    check_schema_name(schema)
    with as_owner():
        if tables.exists(schema):
            raise tables.SchemaExists(
                f"There is a schema {schema} already. Swap it in, or choose another name.",
                field="schema",
            )


@contextmanager
def _place(schema: str) -> Iterator[None]:
    """One transaction over the tables that are restored into, made first where they are new."""
    if not schema:
        with transaction.atomic(durable=True):
            yield
        return
    with as_owner(), transaction.atomic(durable=True):
        tables.create(schema)
        with search_path(schema, "public"):
            yield


def _ensure_empty() -> None:
    if AuditEvent.objects.exists() or Segment.objects.exists():
        raise LogNotEmpty(
            "This installation has events already, and a log is never written over. To replace a"
            " damaged one, restore beside it with --schema and swap it in."
        )


def _limited(examined: Examined, through_seq: int | None) -> Examined:
    end = examined.end if through_seq is None else through_seq + 1
    if not 0 < end <= examined.end:
        raise Invalid(
            f"The events from 0 to {examined.end - 1} can be restored.", field="through_seq"
        )
    if end < examined.size and examining.is_configured_archive(examined.source.location):
        raise WouldFork(
            f"Only the first {end} of {examined.size} events would be restored, and this archive"
            " is the one that is written to: what comes next would contradict what it holds."
            " Set AUDIT_S3_PREFIX or AUDIT_STORAGE_PATH to a new place first; the archiver brings"
            " the restored events there."
        )
    return replace(examined, end=end)


def _load(examined: Examined, progress: Progress | None) -> Head:
    loader = Loader()
    if loader.size:
        raise LogNotEmpty("This installation got its first events in this moment.")
    last_seq = examined.end - 1
    try:
        for file, opening in examined.source.open_each(examined.segments):
            if file.range_ is None:
                continue
            is_whole = file.range_.last <= last_seq
            with opening as lines:
                loader.take_segment(
                    lines,
                    last_seq=min(file.range_.last, last_seq),
                    is_cut=is_whole and file.day is not None,
                )
            reach("restored_segment")
            if progress is not None:
                progress("restored", loader.size, examined.end)
    except (OSError, FileDamaged) as error:
        raise SourceChanged(f"The archive could not be read again: {error}") from error
    return loader.head


def _load_checkpoints(examined: Examined, signers: Signers, progress: Progress | None) -> int:
    """Enters every checkpoint that fits, in the order of signing; returns how many there are."""
    for count, (size, raw) in enumerate(_notes(examined, signers), 1):
        if size <= examined.end and store_checkpoint(raw, signers) is None and examined.holds:
            raise RestoreRefused(f"The checkpoint of {size} events does not fit what was restored.")
        if progress is not None:
            progress("checkpoints", count, None)
    return Checkpoint.objects.count()


def _notes(examined: Examined, signers: Signers) -> Iterator[tuple[int, bytes]]:
    """Sizes and notes. Those of segments and those of heartbeats are each in order already."""

    def of(files: list[File]) -> Iterator[tuple[str, str, int, bytes]]:
        for file, raw in examined.source.read_each(files):
            found = opened(raw, signers) if raw is not None else None
            if raw is not None and found is not None:
                yield found[0].time, file.where, found[0].size, raw
            elif examined.holds:
                raise SourceChanged(f"{file.where} could not be read again as it was.")

    every = examined.folder.checkpoints
    beside = [file for file in every if not file.is_heartbeat]
    heartbeats = [file for file in every if file.is_heartbeat]
    for _, _, size, raw in heapq.merge(of(beside), of(heartbeats)):
        yield size, raw


def _ensure_signed(examined: Examined, head: Head, through_seq: int | None) -> None:
    """The end was vouched for when the archive was verified; this is the same log still."""
    report = examined.report
    if head.size == report.size and (tag(head.hash), tag(head.root)) != (report.head, report.root):
        raise SourceChanged("The archive changed while it was read.")
    if through_seq is None and not Checkpoint.objects.filter(size=head.size).exists():
        raise RestoreRefused(f"No signed checkpoint vouches for the first {head.size} events.")


def _check(head: Head, *, beside: bool, progress: Progress | None) -> Report:
    """Verifies what was stored, in the terms of every verification of the database.

    Beside a log in use the end is still missing: what that log has beyond the archive is taken
    when they are swapped, and the signer's memory is asked then.
    """

    def told(done: int, total: int | None) -> None:
        if progress is not None:
            progress("checked", done, total)

    checks = LogChecks(head, 0, head.size, keys.signers(), told)
    checks.run()
    findings = checks.findings
    if beside:
        findings = [finding for finding in findings if finding.code != "signed_tree_lost"]
    report = Report(tuple(findings))
    # That a key was compromised later is doubt about who signed; the events were compared.
    doubts = [issue for issue in report.issues if issue.code != "key_compromised"]
    if doubts:
        raise RestoreRefused(f"What was restored does not verify: {doubts[0].message}")
    return report


def _read_receipts(told: list[str]) -> int:
    """Lets the archiver find every segment in its place, which gives receipts and the pointer.

    The log is restored already: if the store fails now, the archiver goes on later.
    """
    try:
        with archiving.alone():
            return archiving.archive_through(loghead.current().size, limit=0).segments
    except (StrongroomError, DatabaseError, OSError) as error:
        told.append(f"The receipts were not all read; the archiver goes on with it: {error}")
        return Segment.objects.filter(archived_at__isnull=False).count()
