"""What the audit addresses answer, made from what the services found."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings

from audit.models import ArchiverState, VerificationRequest, VerificationRun
from audit.selectors import LogStatus
from audit.standing import ArchiveStanding, Relay
from sealing.digests import tag
from sealing.results import Verdict
from sealing.times import format_time


def status(log: LogStatus, archive: ArchiveStanding) -> dict[str, Any]:
    """How the log, its archive and its streams stand."""
    signed, last, waits = log.last_checkpoint, archive.last, archive.unarchived
    return {
        "origin": log.origin,
        "size": log.size,
        "head": tag(log.head),
        "last_sealed_at": _time(log.last_sealed_at),
        "unsealed": log.unsealed,
        "oldest_unsealed_at": _time(log.oldest_unsealed_at),
        "set_aside": log.set_aside,
        "last_checkpoint": signed
        and {"size": signed.size, "signed_at": format_time(signed.signed_at)},
        "last_verified": _in_short(log.last_verification),
        "last_verified_archive": _in_short(archive.last_verification),
        "unarchived": waits.count,
        "oldest_unarchived_at": _time(waits.oldest_at),
        "oldest_unarchived_seconds": round(waits.oldest_seconds, 3),
        "last_archived": last
        and {
            "seq": last.last_seq,
            "object_key": last.object_key,
            "archived_at": _time(last.archived_at),
        },
        "archiver": _archiver(archive.state),
        "object_lock_mismatches": archive.state.lock_mismatches,
        "relay": [_relay(found) for found in archive.relays],
        "snowflake": {
            "available_through_seq": last.last_seq if last else None,
            "behind_events": waits.count,
        },
        "timestamps": {
            "is_configured": bool(settings.TSA_URL),
            "failing_since": _time(archive.state.stamp_failing_since),
        },
        "kms_keys": [
            {"kms_key_id": key or None, "segments": count}
            for key, count in sorted(archive.kms_keys.items())
        ],
    }


def verified(run: VerificationRun) -> dict[str, Any]:
    """What a verification came to."""
    return {
        "ok": run.verdict == Verdict.VALID,
        "verdict": run.verdict,
        "checked_events": run.checked_events,
        "first_bad_seq": run.first_bad_seq,
        "message": run.message,
    }


def requested(request: VerificationRequest) -> dict[str, Any]:
    """Where a verification that was queued stands; the result once it is done."""
    return {
        "id": request.pk,
        "status": request.status,
        "storage": request.storage,
        "start": request.start_day and request.start_day.isoformat(),
        "end": request.end_day and request.end_day.isoformat(),
        "progress": {"done": request.done, "total": request.total, "unit": "events"},
        "error_message": request.error_message or None,
        "result": verified(request.run) if request.run else None,
    }


def _archiver(state: ArchiverState) -> dict[str, Any]:
    return {
        "state": "paused" if state.paused_at else "running",
        "paused_at": _time(state.paused_at),
        "paused_by": state.paused_by or None,
        "pause_reason": state.pause_reason or None,
        "is_failing": state.is_failing,
        "last_error": state.last_error or None,
        "last_succeeded_at": _time(state.last_succeeded_at),
        "last_failed_at": _time(state.last_failed_at),
    }


def _relay(found: Relay) -> dict[str, Any]:
    state = found.state
    return {
        "topic": found.topic,
        "next_seq": found.next_seq,
        "behind_events": found.behind,
        "sent_at": _time(state.sent_at) if state else None,
        "is_failing": bool(state and state.is_failing),
        "last_error": (state.last_error or None) if state else None,
    }


def _in_short(run: VerificationRun | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "finished_at": format_time(run.finished_at),
        "verdict": run.verdict,
        "end_seq": run.end_seq,
        "first_bad_seq": run.first_bad_seq,
    }


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment is not None else None
