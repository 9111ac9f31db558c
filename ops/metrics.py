"""`/metrics`: how the trail stands, for Prometheus, true whichever process did the work.

Everything of ours is read from the database at the scrape: counters kept in processes would miss
the workers. What Django and the process itself count is added; with several web processes,
PROMETHEUS_MULTIPROC_DIR makes those sums over all of them.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Iterable, Iterator

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from audit import standing
from audit.models import ArchiverState, Storage, VerificationRun
from audit.services import duties
from audit.services.waiting import waiting_events
from sealing.results import Verdict

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
# Set by a proxy: whoever came through one is not on this host.
FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via")
_PREFIX = "strongroom_audit_"
_BEARER = "Bearer "
log = structlog.get_logger(__name__)

# name -> what it says, and its labels. Every one is always there, zeros too.
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "head_seq": ("Number of the newest sealed event; -1 while there is none.", ()),
    "unsealed_events": ("Recorded events that wait for their place in the log.", ()),
    "set_aside_events": ("Recorded rows that could not be sealed and were set aside.", ()),
    "unarchived_events": ("Sealed events that are not in the archive yet.", ()),
    "oldest_unarchived_seconds": ("Age of the oldest of them; 0 where there is none.", ()),
    "last_verified_seq": (
        "Number of the last event that the newest valid verification found to hold; -1 if none.",
        ("storage",),
    ),
    "last_verification_timestamp_seconds": (
        "When the newest verification ended, in Unix time; 0 if there was none.",
        ("storage",),
    ),
    "last_verification_valid": (
        "Whether the newest verification found everything valid.",
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
COUNTERS = {
    "audit_export_jobs": "Runs of the archiver.",
    "audit_export_job_failed": "Runs of the archiver that failed.",
}


class TrailCollector(Collector):
    """Reads how the trail stands from the database, at each scrape."""

    def describe(self) -> Iterable[Metric]:
        """The names alone: registering must not ask the database."""
        yield from _gauges().values()
        yield from _counters().values()

    def collect(self) -> Iterator[Metric]:
        """Every metric with its values."""
        gauges, state, size = _gauges(), standing.archiver_state(), standing.log_size()
        _add_log(gauges, size)
        _add_archive(gauges, state, size)
        for copy, storages in (("database", [Storage.DATABASE]), ("archive", standing.ARCHIVES)):
            _add_verification(gauges, copy, list(storages))
        _add_relays(gauges, size)
        for duty in duties.checklist():
            gauges["duty_overdue"].add_metric([str(duty.duty)], float(duty.is_overdue))
        yield from gauges.values()
        counters = _counters()
        counters["audit_export_jobs"].add_metric([], state.jobs_total)
        counters["audit_export_job_failed"].add_metric([], state.failed_total)
        yield from counters.values()


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """The exposition, for whoever brings METRICS_TOKEN, or asks from this host itself."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    registry = CollectorRegistry()
    registry.register(TrailCollector())
    try:
        body = generate_latest(_others()) + generate_latest(registry)
    except DatabaseError as error:
        log.error("metrics could not be read", kind=type(error).__name__)
        return _plain("The database does not answer.", 503)
    response = HttpResponse(body, content_type=CONTENT_TYPE_LATEST)
    response["Cache-Control"] = "no-store"
    return response


def _others() -> CollectorRegistry:
    """What Django's requests and the process count, over all processes where that is set up."""
    if not os.environ.get(MULTIPROCESS):
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _refusal(request: HttpRequest) -> HttpResponse | None:
    token, given = settings.METRICS_TOKEN, request.headers.get("Authorization", "")
    if token and given:
        # Whoever brings a token is judged by it, wherever he is.
        if hmac.compare_digest(given.encode(), f"{_BEARER}{token}".encode()):
            return None
    elif _is_local(request):
        return None
    if token:
        response = _plain("Send METRICS_TOKEN as a bearer token.", 401)
        response["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return response
    return _plain("Metrics are for this host alone until METRICS_TOKEN is set.", 403)


def _is_local(request: HttpRequest) -> bool:
    """Whether the caller is on this host: a proxy beside us is, those who come through are not."""
    if not settings.TRUST_PROXY_HEADERS and any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", content_type="text/plain; charset=utf-8", status=status)


def _gauges() -> dict[str, GaugeMetricFamily]:
    return {
        name: GaugeMetricFamily(_PREFIX + name, text, labels=labels)
        for name, (text, labels) in GAUGES.items()
    }


def _counters() -> dict[str, CounterMetricFamily]:
    return {name: CounterMetricFamily(name, text, labels=()) for name, text in COUNTERS.items()}


def _add_log(gauges: dict[str, GaugeMetricFamily], size: int) -> None:
    waiting = waiting_events()
    gauges["head_seq"].add_metric([], size - 1)
    gauges["unsealed_events"].add_metric([], waiting.pending)
    gauges["set_aside_events"].add_metric([], waiting.set_aside)


def _add_archive(gauges: dict[str, GaugeMetricFamily], state: ArchiverState, size: int) -> None:
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
        gauges[name].add_metric([], value)


def _add_verification(
    gauges: dict[str, GaugeMetricFamily], copy: str, storages: list[Storage]
) -> None:
    newest = standing.last_verification(*storages)
    runs = VerificationRun.objects.filter(
        storage__in=storages, kind__in=standing.OF_THE_TRAIL, verdict=Verdict.VALID
    )
    end_seq = runs.order_by("-id").values_list("end_seq", flat=True).first()
    ended = newest.finished_at.timestamp() if newest else 0
    is_valid = newest is not None and newest.verdict == Verdict.VALID
    gauges["last_verified_seq"].add_metric([copy], -1 if end_seq is None else end_seq - 1)
    gauges["last_verification_timestamp_seconds"].add_metric([copy], ended)
    gauges["last_verification_valid"].add_metric([copy], float(is_valid))


def _add_relays(gauges: dict[str, GaugeMetricFamily], size: int) -> None:
    relays = standing.relays(size)
    for relay in relays:
        failing = relay.state is not None and relay.state.is_failing
        gauges["relay_behind_events"].add_metric([relay.topic], relay.behind)
        gauges["relay_failing"].add_metric([relay.topic], float(failing))
    if not relays:
        # Nothing is behind where there is no stream, and the series is there from the beginning.
        for name in ("relay_behind_events", "relay_failing"):
            gauges[name].add_metric([settings.KAFKA_TOPIC], 0)
