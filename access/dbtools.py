"""SQL for migrations: tables that only ever grow, rows that stay, columns that never change."""

from __future__ import annotations

import re

from django.db import migrations

REFUSE_FUNCTION = """
CREATE FUNCTION strongroom_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: its rows are records of fact', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
DROP_REFUSE_FUNCTION = "DROP FUNCTION strongroom_refuse_change();"


def append_only(table: str) -> migrations.RunSQL:
    """Triggers that refuse UPDATE, DELETE and TRUNCATE, for the owner and for replicas too."""
    _check_names(table)
    row, whole = f"{table}_append_only", f"{table}_no_truncate"
    return migrations.RunSQL(
        f"""
        CREATE TRIGGER {row} BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION strongroom_refuse_change();
        CREATE TRIGGER {whole} BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION strongroom_refuse_change();
        ALTER TABLE {table} ENABLE ALWAYS TRIGGER {row};
        ALTER TABLE {table} ENABLE ALWAYS TRIGGER {whole};
        """,
        f"DROP TRIGGER {row} ON {table}; DROP TRIGGER {whole} ON {table};",
    )


def never_deleted(table: str) -> migrations.RunSQL:
    """Triggers that refuse DELETE and TRUNCATE, for the owner and for replicas too."""
    _check_names(table)
    row, whole = f"{table}_stays", f"{table}_no_truncate"
    return migrations.RunSQL(
        f"""
        CREATE TRIGGER {row} BEFORE DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION strongroom_refuse_change();
        CREATE TRIGGER {whole} BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION strongroom_refuse_change();
        ALTER TABLE {table} ENABLE ALWAYS TRIGGER {row};
        ALTER TABLE {table} ENABLE ALWAYS TRIGGER {whole};
        """,
        f"DROP TRIGGER {row} ON {table}; DROP TRIGGER {whole} ON {table};",
    )


def frozen_columns(table: str, *columns: str, once_set: str | None = None) -> migrations.RunSQL:
    """A trigger that refuses to change these columns.

    Args:
        columns: they keep the value that the row was inserted with.
        once_set: a column that may be set one time, after which nothing in the row may change.
    """
    _check_names(table, *columns, *([once_set] if once_set else []))
    old, new = (", ".join(f"{row}.{name}" for name in columns) for row in ("OLD", "NEW"))
    condition = f"ROW({old}) IS DISTINCT FROM ROW({new})"
    if once_set:
        condition += f" OR OLD.{once_set} IS NOT NULL"
    name = f"{table}_frozen"
    return migrations.RunSQL(
        f"""
        CREATE TRIGGER {name} BEFORE UPDATE ON {table}
            FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION strongroom_refuse_change();
        ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name};
        """,
        f"DROP TRIGGER {name} ON {table};",
    )


def in_place_of(former: str, *changes: tuple[str, str]) -> migrations.RunSQL:
    """Replaces a trigger's function by one that differs in a few places.

    Args:
        former: the SQL of the migration that made it; its first function is meant.
        changes: what stands there now, and what shall stand there instead.

    Raises:
        ValueError: something to be changed does not stand there exactly once.
    """
    found = re.search(r"CREATE FUNCTION (.*?END \$\$;)", former, re.DOTALL)
    if found is None:
        raise ValueError("there is no function")
    now = then = f"CREATE OR REPLACE FUNCTION {found[1]}"
    for old, new in changes:
        if then.count(old) != 1:
            raise ValueError(f"stands there {then.count(old)} times: {old}")
        then = then.replace(old, new)
    return migrations.RunSQL(then, now)


def _check_names(*names: str) -> None:
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"not a name of a table or column: {name}")
