"""A database and a folder of the benchmarks' own."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.events import data_of
from config.development import DatabaseUrls, cluster_folder, ensure_database, start_cluster

__all__ = ["CLUSTER", "data_of", "leave_connections", "prepared", "renew", "urls"]

CLUSTER = cluster_folder(Path(__file__).parent.parent, "bench")


def renew(name: str) -> DatabaseUrls:
    """The URLs of a new and empty database; what was in one of that name is gone."""
    import psycopg
    from psycopg import sql

    start_cluster(CLUSTER)
    where = f"host={CLUSTER} user=postgres dbname=postgres"
    with psycopg.connect(where, autocommit=True) as conn:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        conn.execute(statement.format(sql.Identifier(name)))
    return urls(name)


def urls(name: str = "bench") -> DatabaseUrls:
    """The URLs of one of the benchmarks' databases, which is made where it is missing."""
    return ensure_database(CLUSTER, name)


@contextlib.contextmanager
def prepared() -> Iterator[Path]:
    """Sets Django up over an own database; yields a scratch folder."""
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        found = renew("bench")
        os.environ.update(
            DEBUG="true",
            STRONGROOM_DATA_DIR=folder,
            DATABASE_URL=found.application,
            DATABASE_OWNER_URL=found.owner,
            AUDIT_ORIGIN="bench.test/audit",
            DJANGO_SETTINGS_MODULE="benchmarks.settings",
        )
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", database="owner", verbosity=0, interactive=False)
        _make_table()
        yield Path(folder)


def _make_table() -> None:
    """The table of what is saved: the owner makes it, the application uses it."""
    from django.db import connections

    from benchmarks.saving.models import Plain

    owner = connections["owner"]
    with owner.schema_editor() as editor:
        editor.create_model(Plain)
    with owner.cursor() as cursor:
        cursor.execute(f"GRANT ALL ON {Plain._meta.db_table} TO PUBLIC")
        cursor.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC")


def leave_connections() -> None:
    """Closes the connections and the pool: processes are about to be forked."""
    from django.db import connection, connections

    connections.close_all()
    connection.close_pool()
