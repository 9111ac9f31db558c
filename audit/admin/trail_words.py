"""The state of the trail in words: what the desk's card and the page about it say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone

from access.admin.components import Tone, ago
from access.admin.desk import CardData
from audit.models import Storage, VerificationRun
from audit.selectors import LogStatus
from audit.standing import ArchiveStanding
from sealing.results import Verdict

# A worker that runs seals within a second and signs once a minute.
UNSEALED_TOO_LONG = timedelta(minutes=1)
CHECKPOINT_TOO_OLD = timedelta(minutes=15)
# It archives every minute, and waits a minute for a segment to fill.
UNARCHIVED_TOO_LONG = timedelta(minutes=15)
# Both copies are verified every day.
VERIFIED_TOO_LONG_AGO = timedelta(days=2)

_LISTS = "admin:audit_{}_changelist".format


def judged(log: LogStatus, archive: ArchiveStanding) -> tuple[str, Tone]:
    """The first thing to know of the whole trail, worst first."""
    runs = [run for run in (log.last_verification, archive.last_verification) if run]
    if any(run.verdict == Verdict.INVALID for run in runs):
        return "It does not verify", Tone.REFUSED
    if archive.state.lock_mismatches:
        return "Locks are not as they should be", Tone.REFUSED
    if log.set_aside:
        return "Events were set aside", Tone.ATTENTION
    moment = timezone.now()
    if log.oldest_unsealed_at and moment - log.oldest_unsealed_at > UNSEALED_TOO_LONG:
        return "Sealing stands still", Tone.ATTENTION
    signed = log.last_checkpoint
    if log.size and (signed is None or moment - signed.signed_at > CHECKPOINT_TOO_OLD):
        return "No recent checkpoint", Tone.ATTENTION
    if archive.state.paused_at:
        return "The archiver is paused", Tone.ATTENTION
    if archive.state.is_failing:
        return "Archiving fails", Tone.ATTENTION
    if archive.unarchived.oldest_seconds > UNARCHIVED_TOO_LONG.total_seconds():
        return "The archive is behind", Tone.ATTENTION
    return _verified(log, archive)


def _verified(log: LogStatus, archive: ArchiveStanding) -> tuple[str, Tone]:
    """Whether both copies were verified, and lately."""
    database, copy = log.last_verification, archive.last_verification
    if database is None:
        return "Not verified yet", Tone.NEUTRAL
    if copy is None and archive.last is not None:
        return "Archive not verified yet", Tone.NEUTRAL
    runs = [run for run in (database, copy) if run is not None]
    if any(run.verdict != Verdict.VALID for run in runs):
        return "It could not be checked", Tone.ATTENTION
    if any(timezone.now() - run.finished_at > VERIFIED_TOO_LONG_AGO for run in runs):
        return "Not verified lately", Tone.ATTENTION
    return "Verified", Tone.VERIFIED


def in_short(log: LogStatus, archive: ArchiveStanding) -> str:
    """Head, last verification, last checkpoint, and what waits, in a line."""
    verified, signed, waits = log.last_verification, log.last_checkpoint, archive.unarchived
    parts = [f"{log.size:,} events"]
    parts.append(f"verified {ago(verified.finished_at)}" if verified else "never verified")
    parts.append(f"checkpoint {ago(signed.signed_at)}" if signed else "no checkpoint yet")
    parts.append(f"{waits.count:,} unarchived" if waits.count else "all archived")
    if archive.state.lock_mismatches:
        parts.append(f"{archive.state.lock_mismatches:,} lock mismatches")
    if log.unsealed:
        parts.append(f"{log.unsealed:,} to be sealed")
    if log.set_aside:
        parts.append(f"{log.set_aside:,} set aside")
    return " · ".join(parts)


def cards(log: LogStatus | None, archive: ArchiveStanding) -> list[CardData]:
    """The four things to know first."""
    found = [] if log is None else [_sealed(log), _signed(log)]
    return [*found, _archived(archive), _locked(archive)]


def verifications(log: LogStatus | None, archive: ArchiveStanding) -> list[dict[str, Any]]:
    """The last verification of each copy."""
    database = log.last_verification if log else None
    rows: list[tuple[str, VerificationRun | None]] = [
        (str(Storage.DATABASE.label), database),
        ("Archive", archive.last_verification),
    ]
    return [{"copy": copy, "run": run} for copy, run in rows]


def _sealed(log: LogStatus) -> CardData:
    since = log.oldest_unsealed_at
    tone, detail = Tone.VERIFIED, "Every recorded event has its place."
    if log.set_aside:
        tone, detail = Tone.ATTENTION, f"{log.set_aside:,} rows were set aside."
    elif since and timezone.now() - since > UNSEALED_TOO_LONG:
        tone, detail = Tone.ATTENTION, f"{log.unsealed:,} wait, the oldest since {ago(since)}."
    elif log.unsealed:
        detail = f"{log.unsealed:,} to be sealed."
    return CardData("Log", f"{log.size:,} events", detail, tone, reverse(_LISTS("auditevent")))


def _signed(log: LogStatus) -> CardData:
    signed, url = log.last_checkpoint, reverse(_LISTS("checkpoint"))
    if signed is None:
        tone = Tone.ATTENTION if log.size else Tone.NEUTRAL
        return CardData("Last checkpoint", "None yet", "The worker signs one.", tone, url)
    late = timezone.now() - signed.signed_at > CHECKPOINT_TOO_OLD
    tone = Tone.ATTENTION if late else Tone.VERIFIED
    detail = f"Over {signed.size:,} events."
    return CardData("Last checkpoint", ago(signed.signed_at).capitalize(), detail, tone, url)


def _archived(archive: ArchiveStanding) -> CardData:
    waits, last = archive.unarchived, archive.last
    url = reverse(_LISTS("segment"))
    through = f"Archived up to number {last.last_seq:,}." if last else "Nothing is archived yet."
    if waits.oldest_at is None:
        return CardData("Archive", "Up to date", through, Tone.VERIFIED, url)
    late = waits.oldest_seconds > UNARCHIVED_TOO_LONG.total_seconds()
    broken = late or archive.state.paused_at or archive.state.is_failing
    detail = f"The oldest was sealed {ago(waits.oldest_at)}. {through}"
    tone = Tone.ATTENTION if broken else Tone.WAITING
    return CardData("Archive", f"{waits.count:,} unarchived", detail, tone, url)


def _locked(archive: ArchiveStanding) -> CardData:
    count, title = archive.state.lock_mismatches, "Object locks"
    url = reverse(_LISTS("verificationrun"))
    if count:
        detail = "Objects whose lock is short, weak or absent."
        return CardData(title, f"{count:,} mismatches", detail, Tone.REFUSED, url)
    swept = archive.state.last_sweep_at
    if swept is None:
        detail = "The retention sweep has not run yet."
        return CardData(title, "Not looked at yet", detail, Tone.NEUTRAL, url)
    return CardData(title, "As they should be", f"Looked at {ago(swept)}.", Tone.VERIFIED, url)
