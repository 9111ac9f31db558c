"""The page for a crash: what it means for the evidence, and the request id to ask about."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``; it needs neither a session nor the database."""
    context = {"request_id": getattr(request, "request_id", None)}
    return HttpResponse(render_to_string("500.html", context), status=500)
