"""Request bodies: JSON of the strict kind only (see `sealing.canonical`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, Protocol

from django.utils.http import parse_header_parameters
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from sealing import canonical
from sealing.errors import TooLarge

MAX_BODY_BYTES = 1 << 20


class SupportsRead(Protocol):
    """Anything that bytes can be read from, a Django request too."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes."""


class BodyTooLarge(TooLarge):
    """The body is larger than this address takes."""

    code = "body_too_large"


def read_limited(stream: SupportsRead, max_bytes: int) -> bytes:
    """The whole stream, if it is not larger. Raises BodyTooLarge without reading on."""
    data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise BodyTooLarge(f"The body is larger than {max_bytes} bytes.")
    return data


def limit_of(view: Any) -> int:
    """How many bytes a view takes: its ``max_body_bytes``, or `MAX_BODY_BYTES`."""
    return int(getattr(view, "max_body_bytes", MAX_BODY_BYTES))


def read_body(request: Request, max_bytes: int) -> bytes:
    """The body, kept for the parsers to read again. Raises BodyTooLarge.

    Django's own limit is one for all addresses; this one is the address's.
    """
    inner = request._request
    if not hasattr(inner, "_body"):
        inner._body = read_limited(inner, max_bytes)
    elif len(inner._body) > max_bytes:
        raise BodyTooLarge(f"The body is larger than {max_bytes} bytes.")
    return bytes(inner._body)


class StrictJSONParser(BaseParser):
    """Refuses duplicate keys, NaN, large integers, half characters, depth and size."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The value. Raises JSONRefused naming the place, BodyTooLarge."""
        _, parameters = parse_header_parameters(media_type or "")
        if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            raise UnsupportedMediaType(str(media_type), detail="JSON is UTF-8 (RFC 8259 §8.1).")
        max_bytes = limit_of((parser_context or {}).get("view"))
        return canonical.loads(read_limited(stream, max_bytes), max_bytes=max_bytes)
