"""How the trail stands: log, archive, verifications, streams, and the checklist."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone
from prometheus_client.core import Metric

from audit import standing
from audit.models import ArchiverState, Storage
from audit.services import duties
from audit.services.waiting import waiting_events
from ops.metrics import sources

_PREFIX = "strongroom_audit_"
# Names without prefix -> what they say, and their labels.
_GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "head_seq": ("Number of the newest sealed event; -1 while there is none.", ()),
    "unsealed_events": ("Recorded events that wait for their place in the log.", ()),
    "oldest_unsealed_seconds": ("Age of the oldest of them; 0 where there is none.", ()),
    "set_aside_events": ("Recorded rows that could not be sealed and were set aside.", ()),
    "unarchived_events": ("Sealed events that are not in the archive yet.", ()),
    "oldest_unarchived_seconds": ("Age of the oldest of them; 0 where there is none.", ()),
    "last_verified_seq": (
        "Number of the last event that was found to hold when all was verified; -1 if none.",
        ("storage",),
    ),
    "last_verification_timestamp_seconds": (
        "When the newest scheduled or whole verification ended, in Unix time; 0 if there was none.",
        ("storage",),
    ),
    "last_verification_valid": (
        "Whether it was valid, and no window that was found invalid is left.",
        ("storage",),
    ),
    "object_lock_mismatches": ("Objects that are not locked as they should be.", ()),
    "archiver_paused": ("Whether somebody paused the archiver.", ()),
    "retention_sweep_paused": ("Whether somebody paused the retention sweep.", ()),
    "archiver_failing": ("Whether the last run of the archiver failed.", ()),
    "archiver_last_success_timestamp_seconds": (
        "When the archiver last ended well, in Unix time; 0 if it never did.",
        (),
    ),
    "timestamps_failing": ("Whether the timestamp authority fails to answer.", ()),
    "relay_behind_events": ("Sealed events that the stream has not sent yet.", ("topic",)),
    "relay_failing": ("Whether the stream's last attempt failed.", ("topic",)),
    "duty_overdue": ("Whether a duty of the checklist is overdue.", ("duty",)),
}


class TrailSource(sources.Source):
    """Reads how the trail stands."""

    name = "trail"
    gauges = {_PREFIX + name: told for name, told in _GAUGES.items()}
    counters = {
        "audit_export_jobs": ("Runs of the archiver.", ()),
        "audit_export_job_failed": ("Runs of the archiver that failed.", ()),
    }

    def fill(self, families: dict[str, Metric]) -> None:
        """Adds the values."""
        state, size = standing.archiver_state(), standing.log_size()
        _add_log(families, size)
        _add_archive(families, state, size)
        for copy, storages in (("database", [Storage.DATABASE]), ("archive", standing.ARCHIVES)):
            _add_verification(families, copy, list(storages))
        _add_relay(families, size)
        for duty in duties.checklist():
            _add(families, "duty_overdue", float(duty.is_overdue), str(duty.duty))
        sources.add(families, "audit_export_jobs", state.jobs_total)
        sources.add(families, "audit_export_job_failed", state.failed_total)


def connect() -> None:
    """Registers the source; called once, at start-up."""
    sources.register(TrailSource())


def _add(families: dict[str, Metric], name: str, value: float, *labels: str) -> None:
    sources.add(families, _PREFIX + name, value, *labels)


def _add_log(families: dict[str, Metric], size: int) -> None:
    waiting = waiting_events()
    _add(families, "head_seq", size - 1)
    _add(families, "unsealed_events", waiting.pending)
    oldest = waiting.oldest_at
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    _add(families, "oldest_unsealed_seconds", max(0.0, age))
    _add(families, "set_aside_events", waiting.set_aside)


def _add_archive(families: dict[str, Metric], state: ArchiverState, size: int) -> None:
    waits = standing.unarchived(size)
    ended_well = state.last_succeeded_at.timestamp() if state.last_succeeded_at else 0
    for name, value in (
        ("unarchived_events", float(waits.count)),
        ("oldest_unarchived_seconds", waits.oldest_seconds),
        ("object_lock_mismatches", float(state.lock_mismatches)),
        ("archiver_paused", float(state.paused_at is not None)),
        ("retention_sweep_paused", float(state.sweep_paused_at is not None)),
        ("archiver_failing", float(state.is_failing)),
        ("archiver_last_success_timestamp_seconds", ended_well),
        ("timestamps_failing", float(state.stamp_failing_since is not None)),
    ):
        _add(families, name, value)


def _add_verification(families: dict[str, Metric], copy: str, storages: list[Storage]) -> None:
    found = standing.verified(*storages)
    ended = found.newest.finished_at.timestamp() if found.newest else 0
    _add(families, "last_verified_seq", found.end_seq - 1, copy)
    _add(families, "last_verification_timestamp_seconds", ended, copy)
    _add(families, "last_verification_valid", float(found.is_valid), copy)


def _add_relay(families: dict[str, Metric], size: int) -> None:
    # Nothing is behind where there is no stream, or not to this topic any more.
    relay = standing.relay(size)
    failing = relay is not None and relay.state is not None and relay.state.is_failing
    _add(families, "relay_behind_events", relay.behind if relay else 0, settings.KAFKA_TOPIC)
    _add(families, "relay_failing", float(failing), settings.KAFKA_TOPIC)
