"""What the application role may do: everything but rewrite the record or change the schema.

Applied by the owner role after each migration, so that a new table never waits for somebody to
remember it.
"""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.db import connections
from django.db.models.signals import post_migrate

OWNER_ALIAS = "owner"
# What changes a record of fact in the one way that is allowed, with the owner's rights.
PROCEDURES = ("audit_mark_archived(bigint, bigint, text)",)


def connect() -> None:
    """Applies the grants after `migrate --database owner`."""
    from ops.apps import OpsConfig

    post_migrate.connect(_after_migrate, sender=apps.get_app_config(OpsConfig.name))


def fact_tables() -> list[str]:
    """The tables that hold records of fact: inserted once, never changed."""
    return sorted(
        model._meta.db_table
        for model in apps.get_models()
        if getattr(model, "fact_table", False) is True
    )


def apply_grants(using: str = OWNER_ALIAS) -> None:
    """Grants the application role its rights on every table, and only INSERT and SELECT on facts.

    Args:
        using: the alias of the owner's connection.
    """
    role = str(settings.DATABASES["default"].get("USER") or "")
    connection = connections[using]
    quote = connection.ops.quote_name
    if not role or role == connection.settings_dict.get("USER"):
        return  # one role for everything: `strongroom.E016` refuses it in production
    name = quote(role)
    statements = [
        f"GRANT USAGE ON SCHEMA public TO {name}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}",
        f"REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {name}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
        f" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {name}",
    ]
    for table in fact_tables():
        statements.append(f"REVOKE UPDATE, DELETE, TRUNCATE ON {quote(table)} FROM {name}")
    for procedure in PROCEDURES:
        statements.append(f"GRANT EXECUTE ON PROCEDURE {procedure} TO {name}")
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _after_migrate(sender: AppConfig, using: str, plan: Any = (), **kwargs: Any) -> None:
    if using == OWNER_ALIAS:
        apply_grants(using)
