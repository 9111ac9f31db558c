"""RFC 9457 problem details for every refusal of the API (the statuses: `access.statuses`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http import response as http_response
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from access.denials import mark_denied
from access.statuses import status_of
from sealing import errors

CONTENT_TYPE = "application/problem+json"
PREFIXES = ("/api/", "/ops/", "/compliance/")
log = structlog.get_logger(__name__)

TITLES = {
    400: "The request is not valid",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "The request conflicts with what is recorded",
    413: "Too large",
    415: "Unsupported media type",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available now",
}


def problem(
    status_code: int,
    *,
    code: str,
    detail: str,
    errors: Iterable[tuple[str, str]] = (),
    instance: str | None = None,
) -> dict[str, Any]:
    """The members of a problem details object (RFC 9457 §3.1, with ``code`` and ``errors``)."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status_code, "Error"),
        "status": status_code,
        "detail": detail,
        "code": code,
        "errors": [{"field": field, "message": message} for field, message in errors],
    }
    if instance:
        body["instance"] = f"urn:request:{instance}"
    return body


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: renders domain, Django and DRF errors as problem details.

    Returns None for what nobody foresaw, which Django then logs and answers with 500.
    """
    request = context["request"]
    headers = _headers_of(error)
    if isinstance(error, errors.StrongroomError):
        status_code, code = status_of(error), error.code
        detail, fields = error.message, list(error.errors)
        if error.field and not fields:
            fields = [(error.field, error.message)]
    else:
        translated = _from_framework(error)
        if translated is None:
            return None
        status_code, code, detail, fields = translated
    set_rollback()
    if status_code in (401, 403, 404):
        mark_denied(getattr(request, "_request", request), code)
    body = problem(
        status_code,
        code=code,
        detail=detail,
        errors=fields,
        instance=getattr(request, "request_id", None),
    )
    response = Response(body, status=status_code, headers=headers)
    response.content_type = CONTENT_TYPE
    return response


def _from_framework(error: Exception) -> tuple[int, str, str, list[tuple[str, str]]] | None:
    if isinstance(error, Http404):
        return 404, "not_found", "There is nothing here that you may see.", []
    if isinstance(error, PermissionDenied):
        return 403, "forbidden", "You may not do this.", []
    if isinstance(error, RequestDataTooBig):
        return 413, "too_large", "The request body is larger than this address takes.", []
    if isinstance(error, (SuspiciousOperation, BadRequest)):
        return 400, "bad_request", "The request is malformed.", []
    if isinstance(error, exceptions.ValidationError):
        fields = list(_flatten(error.detail))
        return 400, "invalid", "Some fields are not valid; `errors` names them.", fields
    if isinstance(error, exceptions.APIException):
        codes = error.get_codes()
        code = codes if isinstance(codes, str) else "error"
        return error.status_code, code, str(error.detail), []
    return None


def _headers_of(error: Exception) -> dict[str, str]:
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(max(1, int(wait)))
    return headers


def _flatten(detail: Any, path: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(detail, dict):
        for key, value in detail.items():
            yield from _flatten(value, f"{path}.{key}" if path else str(key))
    elif isinstance(detail, list) and any(isinstance(item, (dict, list)) for item in detail):
        for index, value in enumerate(detail):
            yield from _flatten(value, f"{path}[{index}]")
    else:
        for message in detail if isinstance(detail, list) else [detail]:
            yield path or "non_field_errors", str(message)


class ApiProblemMiddleware:
    """Renders what fails outside DRF (unknown path, CSRF, a crash) below the API's prefixes."""

    CODES = {400: "bad_request", 403: "forbidden", 404: "not_found", 500: "internal_error"}

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        html = response.get("Content-Type", "").startswith("text/html")
        if response.status_code < 400 or not html or not request.path.startswith(PREFIXES):
            return response
        code = response.status_code
        body = problem(
            code,
            code=self.CODES.get(code, "error"),
            detail=http_response.HttpResponse(status=code).reason_phrase + ".",
            instance=getattr(request, "request_id", None),
        )
        answer = JsonResponse(body, status=code, content_type=CONTENT_TYPE)
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if name in response:
                answer[name] = response[name]
        return answer
