"""Files of packets in requests and answers."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.http import parse_etags
from rest_framework.request import Request

from reports.services.serving import ANY, Document
from sealing import digests

CACHE_CONTROL = "private, no-store"


def known_to(request: Request) -> frozenset[str]:
    """The digests of what the caller has already, by `If-None-Match` (RFC 9110 §13.1.2)."""
    etags = parse_etags(request.headers.get("If-None-Match", ""))
    return frozenset(
        ANY if etag == "*" else etag.removeprefix("W/").removeprefix('"').removesuffix('"')
        for etag in etags
    )


def answer(found: Document) -> HttpResponse:
    """A file of a packet as it leaves: its bytes as they are stored, and what to say of them."""
    if found.raw is None:
        response = HttpResponse(status=304)
        del response["Content-Type"]
    else:
        response = HttpResponse(found.raw, content_type=found.media_type)
        response["Content-Length"] = str(len(found.raw))
        response["Content-Disposition"] = f'attachment; filename="{found.name}"'
        # RFC 9530: the digest as other people's tools check it.
        response["Repr-Digest"] = f"sha-256=:{digests.b64(digests.untag(found.sha256))}:"
    response["ETag"] = f'"{found.sha256}"'
    response["Cache-Control"] = CACHE_CONTROL
    response["X-Content-Type-Options"] = "nosniff"
    if found.signature:
        response["X-Evidence-Signature"] = found.signature
        response["X-Evidence-Key-Id"] = found.key_id
    return response
