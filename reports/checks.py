"""System checks of the room: what packets carry and print is configured as it must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from reports.services import certificates
from sealing.errors import StrongroomError
from sealing.signers.local import LocalSigner

_HINT = "docs/operators/soc2-packets.md tells what it is for."


def connect() -> None:
    """Registers the checks with Django."""
    checks.register(check_certificate)
    checks.register(check_public_url)
    checks.register(check_public_url_for_production, checks.Tags.security, deploy=True)


def check_certificate(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """SIGNING_CERTIFICATE can be read, and is about the key that signs packets."""
    if not settings.SIGNING_CERTIFICATE:
        return []
    try:
        key_id = LocalSigner.from_pem(settings.SIGNING_PRIVATE_KEY).key_id
    except StrongroomError:
        # Another check tells what is wrong with the key.
        return []
    try:
        certificates.configured(key_id)
    except StrongroomError as error:
        message = f"SIGNING_CERTIFICATE: {error.message}"
        return [checks.Error(message, hint=_HINT, id="reports.E001")]
    return []


def check_public_url(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """PUBLIC_URL, where it is set, is the address of a site, since packets print it."""
    if not settings.PUBLIC_URL:
        return []
    try:
        parts = urlsplit(settings.PUBLIC_URL)
        fits = parts.scheme in ("http", "https") and parts.hostname is not None
        # Whatever comes after the path would end up in the middle of the addresses made from it.
        fits = fits and not (parts.query or parts.fragment or parts.username or parts.password)
        fits = fits and (parts.port is None or parts.port > 0) and settings.PUBLIC_URL.isprintable()
    except ValueError:
        fits = False
    if fits:
        return []
    return [
        checks.Error(
            "PUBLIC_URL is not an address such as https://strongroom.example.org.",
            hint=_HINT,
            id="reports.E002",
        )
    ]


def check_public_url_for_production(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Packets tell their readers where to verify them, over a connection that can be trusted."""
    if settings.PUBLIC_URL.startswith("https://"):
        return []
    return [
        checks.Warning(
            "PUBLIC_URL is not an https address: packets lead their readers to no page, or to one"
            " that anybody on the way could change.",
            hint=_HINT,
            id="reports.W001",
        )
    ]
