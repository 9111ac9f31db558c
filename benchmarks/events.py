"""Realistic events, of some 600 bytes each."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def data_of(number: int) -> dict[str, object]:
    """What an event of ordinary size says: about 300 bytes."""
    digest = hashlib.sha256(b"%d" % number).hexdigest()
    return {
        "runbook": "RB-BACKUP-001",
        "mttr_seconds": number % 900,
        "sla_met": number % 50 != 0,
        "changes": {"status": ["open", "resolved"], "owner": [None, f"operator-{number % 2000}"]},
        "log_sha256": digest,
        "note": "Backup failure – clinic node",
    }


def sent_event(number: int, event_id: str) -> dict[str, Any]:
    """An event as a service account sends it."""
    return {
        "id": event_id,
        "type": "clinic.backup.verified",
        "occurred_at": "2026-01-02T03:04:05Z",
        "actor": {"id": f"user:operator-{number % 2000}"},
        "object": {"type": "incident", "id": f"INC-{number}"},
        "outcome": "success",
        "data": data_of(number),
    }


def recorded_event(number: int, event_id: str) -> dict[str, Any]:
    """An event with all its fields, as it lies in the outbox."""
    return {
        **sent_event(number, event_id),
        "occurred_at": "2026-01-02T03:04:05.000000Z",
        "recorder": "service:bench",
        "client_id": "bench-clinic",
        "request_id": None,
        "source": None,
        "redacted": [],
    }


def canonical(value: Any) -> str:
    """Canonical JSON by the standard library, as anybody would write it by hand."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
