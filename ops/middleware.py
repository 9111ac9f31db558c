"""What holds for every request: an id, the read-only mode and the record of refusals."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render

from access.denials import denial_of
from audit.events import Actor, EventType
from audit.services import trail

log = structlog.get_logger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
# What may be done while nothing can be recorded: look, verify, and sign in to look.
OPEN_WHEN_READ_ONLY = frozenset(
    {
        "account_login",
        "account_logout",
        "mfa_authenticate",
        "account_reauthenticate",
        "mfa_reauthenticate",
        "token-obtain",
        "token-refresh",
        "audit-verify",
        "evidence-verify",
        "admin:audit_verificationrequest_new",
        "admin:audit_verificationrun_verify",
        "admin:switch_client",
        "admin:evidence_package_verify",
        "admin:reports_packet_verify",
        "verify",
    }
)
API_PREFIXES = ("/api/", "/ops/", "/compliance/")


class RequestIdMiddleware:
    """Gives each request an id that errors, logs and events of the request share."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _GIVEN_ID.match(given) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response


class ProxyMiddleware:
    """Behind a proxy that sets the header, the caller's address is what the proxy saw.

    Only the last entry of `X-Forwarded-For` is the proxy's; the others are what the caller sent.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.TRUST_PROXY_HEADERS:
            last = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
            try:
                request.META["REMOTE_ADDR"] = str(ipaddress.ip_address(last))
            except ValueError:
                log.warning("the proxy sent no usable X-Forwarded-For")
        return self.get_response(request)


class ReadOnlyMiddleware:
    """With ``AUDIT_ENABLED=false`` every door that would change something answers 503."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Refuses before the view runs."""
        match = request.resolver_match
        if (
            trail.is_enabled()
            or request.method in ("GET", "HEAD", "OPTIONS")
            or (match is not None and match.view_name in OPEN_WHEN_READ_ONLY)
        ):
            return None
        detail = (
            "AUDIT_ENABLED is false: the installation is read-only, since nothing could be"
            " recorded. Nothing was changed."
        )
        if request.path.startswith(API_PREFIXES):
            body = {
                "type": "about:blank",
                "title": "Not available now",
                "status": 503,
                "detail": detail,
                "code": "audit_disabled",
                "errors": [],
            }
            return JsonResponse(body, status=503, content_type="application/problem+json")
        return render(request, "503.html", {"detail": detail}, status=503)


class DenialMiddleware:
    """Records each refused attempt of somebody known, in a transaction of its own."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        code = denial_of(request)
        refused = response.status_code == 403 or (code is not None and response.status_code == 404)
        user = getattr(request, "user", None)
        if refused and user is not None and user.is_authenticated and trail.is_enabled():
            match = request.resolver_match
            trail.record_alone(
                EventType.ACCESS_DENIED,
                actor=Actor.of(user, request),
                outcome="denied",
                obj=("address", (match.view_name if match else None) or "unknown"),
                data={"method": request.method, "code": code or "forbidden"},
            )
        return response
