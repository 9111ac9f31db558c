"""System checks of what this room reads from the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from access.oidc import LOOPBACK


def connect() -> None:
    """Registers the checks with Django."""
    checks.register(check_identity_provider)


def check_identity_provider(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """The outside issuer is asked over https, and can't be mistaken for this installation."""
    found: list[checks.CheckMessage] = []
    if not settings.OIDC_ISSUER:
        return found
    parts = urlsplit(settings.OIDC_ISSUER)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        found.append(
            checks.Error(
                "OIDC_ISSUER is not an https address.",
                hint="Its keys are fetched from there: nobody may be able to change them.",
                id="strongroom.E030",
            )
        )
    if settings.OIDC_ISSUER == settings.JWT_ISSUER:
        found.append(
            checks.Error(
                "OIDC_ISSUER is JWT_ISSUER: one name for two issuers.",
                hint="Give this installation another JWT_ISSUER.",
                id="strongroom.E031",
            )
        )
    return found
