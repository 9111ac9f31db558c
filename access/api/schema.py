"""How the OpenAPI document describes the ways to sign in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The cookie of the desk. Schemes count from the moment that this module is imported."""

    target_class = "access.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """An API key in a cookie; unsafe methods also need the header `X-CSRFToken`."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of the desk. Writes also need the header `X-CSRFToken`.",
        }


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A bearer token."""

    target_class = "access.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """An HTTP bearer scheme (OpenAPI 3.1 §4.8.27)."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `/api/token/`, or an API key of a service account.",
        }


__all__ = ["BearerScheme", "SessionScheme"]
