"""Marks a request as refused, so that the refusal is recorded once, whichever door it came by."""

from __future__ import annotations

from django.http import HttpRequest

_ATTRIBUTE = "_strongroom_denial"


def mark_denied(request: HttpRequest, code: str) -> None:
    """Notes why ``request`` was refused; the last reason counts."""
    setattr(request, _ATTRIBUTE, code)


def denial_of(request: HttpRequest) -> str | None:
    """The code that ``mark_denied`` noted, if any."""
    code = getattr(request, _ATTRIBUTE, None)
    return code if isinstance(code, str) else None
