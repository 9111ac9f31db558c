"""System checks of the settings: what is unsafe or missing is named before anything is served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from sealing.errors import StrongroomError
from sealing.signers.local import LocalSigner


def connect() -> None:
    """Registers the checks with Django."""
    checks.register(check_secrets)
    checks.register(check_places)
    checks.register(check_database_roles, checks.Tags.database)
    checks.register(check_deployment, checks.Tags.security, deploy=True)


def check_secrets(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Every secret is there, long enough, of the right kind and used for one thing only."""
    found: list[checks.CheckMessage] = []
    if not settings.SECRET_KEY_CONFIGURED:
        found.append(
            checks.Error(
                "SECRET_KEY is not set.",
                hint="Set SECRET_KEY or SECRET_KEY_FILE to 50 or more random characters.",
                id="strongroom.E001",
            )
        )
    if len(settings.KEY_ENCRYPTION_KEY) != 32:
        found.append(
            checks.Error(
                "KEY_ENCRYPTION_KEY is not set or is not 32 bytes in base64.",
                hint="Make one with: openssl rand -base64 32",
                id="strongroom.E002",
            )
        )
    found += _check_key("SIGNING_PRIVATE_KEY", ("rsa-sha256",), "strongroom.E003")
    found += _check_key(
        "JWT_SIGNING_KEY", ("ed25519", "rsa-sha256", "ecdsa-p256-sha256"), "strongroom.E004"
    )
    if settings.JWT_SIGNING_KEY and settings.JWT_SIGNING_KEY in (
        settings.SECRET_KEY,
        settings.SIGNING_PRIVATE_KEY,
    ):
        found.append(
            checks.Error(
                "JWT_SIGNING_KEY is also used for something else.",
                hint="Tokens have a key of their own: generate a separate one.",
                id="strongroom.E005",
            )
        )
    return found


def _check_key(name: str, algorithms: tuple[str, ...], check_id: str) -> list[checks.CheckMessage]:
    try:
        signer = LocalSigner.from_pem(getattr(settings, name))
    except (StrongroomError, ValueError):
        signer = None
    if signer is not None and signer.algorithm in algorithms:
        return []
    # The reason is not repeated here: a parser's message could carry bytes of the key.
    return [
        checks.Error(
            f"{name} is not set or is not a private key in PEM ({', '.join(algorithms)}).",
            hint=f"Set {name} or {name}_FILE; docs/operators/configuration.md tells how.",
            id=check_id,
        )
    ]


def check_places(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """The database, the log's name and the folders are named."""
    found: list[checks.CheckMessage] = []
    for name, check_id, hint in (
        ("DATABASE_URL", "strongroom.E010", "postgresql://strongroom_app@host/strongroom"),
        ("AUDIT_ORIGIN", "strongroom.E011", "strongroom.example.org/audit"),
    ):
        if not getattr(settings, name):
            found.append(checks.Error(f"{name} is not set.", hint=f"Like {hint}.", id=check_id))
    for name, check_id in (
        ("EVIDENCE_PACKAGE_DIR", "strongroom.E012"),
        ("AUDIT_SIGNER_STATE", "strongroom.E013"),
    ):
        if not getattr(settings, name).is_absolute():
            found.append(checks.Error(f"{name} is not an absolute path.", id=check_id))
    if bool(settings.OIDC_ISSUER) != bool(settings.OIDC_AUDIENCE):
        found.append(
            checks.Error(
                "OIDC_ISSUER and OIDC_AUDIENCE are only useful together.", id="strongroom.E014"
            )
        )
    return found


def check_database_roles(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """The application role has no right to rewrite the record."""
    from django.db import DatabaseError, connections

    if not databases or "default" not in databases or not settings.DATABASE_URL:
        return []
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT r.rolsuper, CASE WHEN to_regclass('audit_events') IS NULL THEN false ELSE"
                " has_table_privilege(to_regclass('audit_events'), 'UPDATE, DELETE, TRUNCATE') END"
                " FROM pg_roles r WHERE r.rolname = current_user"
            )
            is_superuser, may_rewrite = cursor.fetchone()
    except DatabaseError as error:
        return [
            checks.Error(
                f"The database does not answer: {error.__class__.__name__}.",
                hint="Check DATABASE_URL and that the server runs.",
                id="strongroom.E015",
            )
        ]
    if is_superuser or may_rewrite:
        return [
            checks.Error(
                "The application connects to the database with a role that may rewrite the record.",
                hint="DATABASE_URL names the application role; DATABASE_OWNER_URL the owner.",
                id="strongroom.E016",
            )
        ]
    return []


def check_deployment(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """What a production installation must not do without."""
    found: list[checks.CheckMessage] = []
    if settings.DEBUG:
        found.append(
            checks.Error(
                "DEBUG is on: keys and the database are those of a demonstration.",
                id="strongroom.E020",
            )
        )
    if not settings.AUDIT_ENABLED:
        found.append(
            checks.Warning(
                "AUDIT_ENABLED is false: the installation is read-only.", id="strongroom.W021"
            )
        )
    return found
