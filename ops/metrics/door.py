"""`/metrics`: how the installation stands, for Prometheus, true whichever process did the work.

Everything of ours is read from the database at the scrape (ops/metrics/sources.py). What Django
and the process itself count is added; with several web processes, PROMETHEUS_MULTIPROC_DIR makes
those sums over all of them.
"""

from __future__ import annotations

import hmac
import ipaddress
import os

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ops.metrics import sources

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
# Set by a proxy: whoever came through one is not on this host.
FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via")
_BEARER = "Bearer "
log = structlog.get_logger(__name__)


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """The exposition, for whoever brings METRICS_TOKEN, or asks from this host itself."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    registry = CollectorRegistry()
    for source in sources.all_sources():
        registry.register(source)
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
