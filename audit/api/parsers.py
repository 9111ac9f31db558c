"""Bodies of ingest: one event, an array, or NDJSON, each also compressed with gzip."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

from access.api.parsers import read_limited
from audit.bulk import without_collection
from audit.formats.event import MAX_DEPTH, MAX_EVENT_BYTES
from sealing import canonical
from sealing.errors import Invalid, TooLarge

MAX_BODY_BYTES = 32 << 20
# Smaller bodies may be compressed as well as they like.
RATIO_FREE_BYTES = 1 << 20
MAX_RATIO = 100
_GZIP = zlib.MAX_WBITS | 16
# A line of NDJSON may have spaces that its event has not.
_MAX_LINE_BYTES = 4 * MAX_EVENT_BYTES


class Inflated(TooLarge):
    """The body is larger than this address takes, once it is unpacked."""

    code = "body_too_large"


class NotGzip(Invalid):
    """The body is not what its Content-Encoding says."""

    code = "encoding_invalid"


class EventsParser(BaseParser):
    """An event, or an array of them; the result is always a list."""

    media_type = "application/json"

    def parse(  # type: ignore[override]
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """The events, not yet looked at. Raises JSONRefused, BodyTooLarge, NotGzip."""
        raw = _body(stream, parser_context)
        # The array around the events is a level of its own.
        with without_collection():
            value = canonical.loads(raw, max_bytes=MAX_BODY_BYTES, max_depth=MAX_DEPTH + 1)
        return value if isinstance(value, list) else [value]


class NDJSONParser(BaseParser):
    """One event a line."""

    media_type = "application/x-ndjson"

    def parse(  # type: ignore[override]
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """The events, not yet looked at. Raises as `EventsParser`, naming the event."""
        raw = _body(stream, parser_context)
        with without_collection():
            return _lines(raw)


def _lines(raw: bytes) -> list[Any]:
    events: list[Any] = []
    for line in raw.split(b"\n"):
        if not line or line.isspace():
            continue
        try:
            events.append(canonical.loads(line, max_bytes=_MAX_LINE_BYTES, max_depth=MAX_DEPTH))
        except Invalid as error:
            error.field = f"events[{len(events)}]{error.field or ''}"
            raise
    return events


def _body(stream: IO[bytes], context: Mapping[str, Any] | None) -> bytes:
    raw = read_limited(stream, MAX_BODY_BYTES)
    request = (context or {}).get("request")
    encoding = request.headers.get("Content-Encoding", "") if request is not None else ""
    if encoding.lower() in ("", "identity"):
        return raw
    if encoding.lower() in ("gzip", "x-gzip"):
        return inflate(raw)
    raise UnsupportedMediaType(encoding, detail=f"Content-Encoding {encoding[:40]} is not known.")


def inflate(raw: bytes) -> bytes:
    """Unpacks gzip (RFC 1952), several members too, within the limits of size and ratio.

    Raises:
        NotGzip: it is something else, or cut short. Inflated: it would become too large.
    """
    allowed = min(MAX_BODY_BYTES, max(RATIO_FREE_BYTES, MAX_RATIO * len(raw)))
    parts: list[bytes] = []
    total, rest = 0, raw
    while rest:
        member = zlib.decompressobj(_GZIP)
        try:
            parts.append(member.decompress(rest, allowed - total + 1))
        except zlib.error as error:
            raise NotGzip("The body is not gzip.") from error
        total += len(parts[-1])
        if total > allowed:
            raise Inflated(
                f"Unpacked, the body is larger than {MAX_BODY_BYTES} bytes or than"
                f" {MAX_RATIO} times itself."
            )
        if not member.eof:
            raise NotGzip("The body is cut short.")
        rest = member.unused_data
    return b"".join(parts)
