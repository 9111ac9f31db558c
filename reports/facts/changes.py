"""Changes to configuration, keys and jobs."""

from __future__ import annotations

from audit.events import EventType
from reports.facts.base import Fact, Reach
from reports.facts.events import counted
from reports.facts.records import rows

_KEYS_ACTIVE = """
SELECT key_id FROM audit_signingkey
WHERE created_at < %(until)s AND not_before < %(until)s
  AND (not_after IS NULL OR not_after >= %(until)s)
  AND (compromised_at IS NULL OR compromised_at >= %(until)s)
"""


def facts() -> tuple[Fact, ...]:
    """The facts of this subject."""
    return (
        counted(
            "keys.created",
            "Signing keys made",
            EventType.AUDIT_KEY_CREATED,
            unit="keys",
            reach=Reach.PLATFORM,
            outcomes=("success",),
        ),
        counted(
            "keys.retired",
            "Signing keys retired",
            EventType.AUDIT_KEY_RETIRED,
            unit="keys",
            reach=Reach.PLATFORM,
        ),
        counted(
            "keys.compromised",
            "Signing keys declared compromised",
            EventType.AUDIT_KEY_COMPROMISED,
            unit="keys",
            reach=Reach.PLATFORM,
        ),
        counted(
            "keys.rewrapped",
            "Keys and secrets closed anew",
            EventType.EVIDENCE_KEY_REWRAPPED,
            EventType.EVIDENCE_SECRET_ROTATED,
            reach=Reach.PLATFORM,
        ),
        rows(
            "keys.active",
            "Signing keys in use",
            "key",
            _KEYS_ACTIVE,
            unit="keys",
            reach=Reach.LOG,
            is_state=True,
        ),
        counted(
            "changes.jobs",
            "Jobs made, enabled or disabled",
            EventType.OPS_JOB_CREATED,
            EventType.OPS_JOB_ENABLED,
            EventType.OPS_JOB_DISABLED,
            unit="changes",
        ),
        counted(
            "changes.retention",
            "Changes of retention and of legal holds on the archive",
            EventType.AUDIT_RETENTION_CHANGED,
            EventType.AUDIT_LEGAL_HOLD_PLACED,
            EventType.AUDIT_LEGAL_HOLD_RELEASED,
            unit="changes",
            reach=Reach.PLATFORM,
        ),
        counted(
            "changes.switches",
            "Archiver or sweep paused or resumed",
            EventType.AUDIT_ARCHIVER_PAUSED,
            EventType.AUDIT_ARCHIVER_RESUMED,
            EventType.AUDIT_SWEEP_PAUSED,
            EventType.AUDIT_SWEEP_RESUMED,
            unit="changes",
            reach=Reach.PLATFORM,
        ),
        counted("clients.created", "Clients made", EventType.ACCESS_CLIENT_CREATED, unit="clients"),
        counted(
            "locks.changed",
            "Locks of packages and of deposits changed",
            EventType.EVIDENCE_PACKAGE_LOCK_CHANGED,
            EventType.EVIDENCE_DEPOSIT_LOCK_CHANGED,
            unit="changes",
        ),
    )
