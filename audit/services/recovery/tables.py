"""The tables of the log, made a second time in a schema of their own, and swapped in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection

from audit.services.recovery.owner import search_path
from sealing.errors import Conflict, IntegrityFailure, NotFound

# In the order in which they may be made: what refers to another comes after it. Signing keys are
# not among them: packages refer to them, and the signers file says which of them are right.
TABLES = (
    "audit_loghead",
    "audit_events",
    "audit_merkletile",
    "audit_checkpoint",
    "audit_segment",
    "audit_timestamp",
)
# What has to stand guard over them (migrations 0002 and 0004).
TRIGGERS = {
    "audit_loghead": ("audit_loghead_guard", "audit_loghead_no_truncate"),
    "audit_events": ("audit_events_append_only", "audit_events_no_truncate"),
    "audit_checkpoint": ("audit_checkpoint_append_only", "audit_checkpoint_no_truncate"),
    "audit_segment": (
        "audit_segment_frozen",
        "audit_segment_guard",
        "audit_segment_no_truncate",
        "audit_segment_stays",
    ),
    "audit_timestamp": ("audit_timestamp_append_only", "audit_timestamp_no_truncate"),
}
CHECKS = {
    "audit_events": (
        "audit_events_columns_match",
        "audit_events_hash_length",
        "audit_events_pointer_whole",
    )
}
_LIKE = (
    "INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING GENERATED INCLUDING STORAGE"
    " INCLUDING COMPRESSION INCLUDING COMMENTS"
)


class SchemaExists(Conflict):
    """There is a schema of that name already."""

    code = "schema_exists"


class SchemaMissing(NotFound):
    """There is no schema of that name with the tables of a log."""

    code = "schema_missing"


class GuardsMissing(IntegrityFailure):
    """Something that guards the log's tables was removed."""

    code = "guards_missing"


def create(schema: str) -> None:
    """Makes the schema with empty tables of the log: columns, constraints, triggers, grants.

    Everything is taken from the catalogue, with the names that it has, so that later migrations
    find it. Every trigger is `ENABLE ALWAYS` again, whatever it was before.

    Raises:
        SchemaExists. GuardsMissing: the tables that were to be copied lack a guard; who removed
            it may have changed more, so a new database is the better place.
    """
    if exists(schema):
        raise SchemaExists(f"There is a schema {schema} already. Choose another name.")
    with search_path("pg_catalog"):
        _execute(f"CREATE SCHEMA {schema}")
        for table in TABLES:
            _execute(f"CREATE TABLE {schema}.{table} (LIKE public.{table} {_LIKE})")
            _copy_definitions(schema, table)
        for table in TABLES:
            _copy_references(schema, table)
            _copy_triggers(schema, table)
            _copy_grants(schema, table)
    check_guards(schema)


def exists(schema: str) -> bool:
    """Whether there is a schema of that name."""
    return bool(_rows("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema]))


def check_guards(schema: str) -> None:
    """Raises GuardsMissing unless triggers and CHECKs of the log are in force in the schema."""
    missing = []
    for table, wanted in TRIGGERS.items():
        found = {
            row[0]
            for row in _rows(
                "SELECT t.tgname FROM pg_catalog.pg_trigger t WHERE t.tgenabled = 'A'"
                " AND t.tgrelid = to_regclass(%s)",
                [f"{schema}.{table}"],
            )
        }
        missing += sorted(set(wanted) - found)
    for table, wanted in CHECKS.items():
        found = {
            row[0]
            for row in _rows(
                "SELECT conname FROM pg_catalog.pg_constraint WHERE convalidated"
                " AND contype = 'c' AND conrelid = to_regclass(%s)",
                [f"{schema}.{table}"],
            )
        }
        missing += sorted(set(wanted) - found)
    if missing:
        raise GuardsMissing(
            f"Guards of the log's tables are missing: {', '.join(missing)}. Somebody with the"
            " owner's rights removed them. Restore into a new, migrated database instead."
        )


def require(schema: str) -> None:
    """Raises SchemaMissing unless the schema has the tables of a log."""
    for table in TABLES:
        if not _rows("SELECT 1 WHERE to_regclass(%s) IS NOT NULL", [f"{schema}.{table}"]):
            raise SchemaMissing(f"There is no table {schema}.{table}: restore into it first.")


def lock(schema: str) -> None:
    """Lets nobody else read or write the log, old or new, until the transaction ends."""
    for table in TABLES:
        _execute(f"LOCK TABLE public.{table} IN ACCESS EXCLUSIVE MODE")
        _execute(f"LOCK TABLE {schema}.{table} IN ACCESS EXCLUSIVE MODE")


def swap(schema: str, kept: str) -> None:
    """Puts the schema's tables into the place of those in use, which move to the schema ``kept``.

    Names of tables, indexes and constraints stay as they are, so the procedure
    `audit_mark_archived` and the application find the new ones. Nothing is dropped but the
    schema that is empty then.

    Raises:
        IntegrityFailure: a table outside the log refers to one of the log's.
    """
    _refuse_outside_references()
    # Deferred checks of rows that this transaction inserted would keep a table from moving.
    _execute("SET CONSTRAINTS ALL IMMEDIATE")
    _execute(f"CREATE SCHEMA {kept}")
    for table in TABLES:
        _execute(f"ALTER TABLE public.{table} SET SCHEMA {kept}")
    for table in TABLES:
        _execute(f"ALTER TABLE {schema}.{table} SET SCHEMA public")
    _execute(f"DROP SCHEMA {schema}")


def _copy_definitions(schema: str, table: str) -> None:
    for name, definition in _rows(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint"
        " WHERE conrelid = to_regclass(%s) AND contype IN ('p', 'u', 'c') ORDER BY oid",
        [f"public.{table}"],
    ):
        whole = definition.removesuffix(" NOT VALID")
        _execute(f'ALTER TABLE {schema}.{table} ADD CONSTRAINT "{name}" {whole}')
    for (definition,) in _rows(
        "SELECT pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i"
        " WHERE i.indrelid = to_regclass(%s) AND NOT EXISTS (SELECT FROM"
        " pg_catalog.pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u'))"
        " ORDER BY i.indexrelid",
        [f"public.{table}"],
    ):
        _execute(_moved(definition, schema, table))
    for (option,) in _rows(
        "SELECT unnest(reloptions) FROM pg_catalog.pg_class WHERE oid = to_regclass(%s)",
        [f"public.{table}"],
    ):
        _execute(f"ALTER TABLE {schema}.{table} SET ({option})")


def _copy_references(schema: str, table: str) -> None:
    for name, definition in _rows(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint"
        " WHERE conrelid = to_regclass(%s) AND contype = 'f' ORDER BY oid",
        [f"public.{table}"],
    ):
        whole = definition.removesuffix(" NOT VALID")
        for other in TABLES:
            whole = whole.replace(f"REFERENCES public.{other}(", f"REFERENCES {schema}.{other}(")
        _execute(f'ALTER TABLE {schema}.{table} ADD CONSTRAINT "{name}" {whole}')


def _copy_triggers(schema: str, table: str) -> None:
    for name, definition in _rows(
        "SELECT tgname, pg_get_triggerdef(oid) FROM pg_catalog.pg_trigger"
        " WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal ORDER BY tgname",
        [f"public.{table}"],
    ):
        _execute(_moved(definition, schema, table))
        _execute(f'ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER "{name}"')


def _copy_grants(schema: str, table: str) -> None:
    for kind, old, new in _relations(schema, table):
        for role, right in _rows(
            "SELECT a.grantee::regrole::text, a.privilege_type FROM pg_catalog.pg_class c,"
            " aclexplode(c.relacl) a WHERE c.oid = to_regclass(%s) AND a.grantee <> c.relowner"
            " AND a.grantee <> 0",
            [old],
        ):
            _execute(f"GRANT {right} ON {kind} {new} TO {role}")


def _relations(schema: str, table: str) -> Iterator[tuple[str, str, str]]:
    """The table and the sequences of its columns: kind, old name, new name."""
    yield "TABLE", f"public.{table}", f"{schema}.{table}"
    for old, new in _rows(
        "SELECT pg_get_serial_sequence(%s, attname), pg_get_serial_sequence(%s, attname)"
        " FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass(%s) AND attidentity <> ''"
        " AND NOT attisdropped",
        [f"public.{table}", f"{schema}.{table}", f"public.{table}"],
    ):
        yield "SEQUENCE", old, new


def _moved(definition: str, schema: str, table: str) -> str:
    """A definition of the table in `public`, for the one in ``schema``."""
    head, found, tail = definition.partition(f" ON public.{table} ")
    if not found:
        raise IntegrityFailure(f"The definition is not understood: {definition}")
    return f"{head} ON {schema}.{table} {tail}"


def _refuse_outside_references() -> None:
    outside = _rows(
        "SELECT conrelid::regclass::text FROM pg_catalog.pg_constraint WHERE contype = 'f'"
        " AND confrelid = ANY(%s::regclass[]) AND NOT conrelid = ANY(%s::regclass[])"
        " AND connamespace = 'public'::regnamespace",
        [[f"public.{table}" for table in TABLES]] * 2,
    )
    if outside:
        names = ", ".join(sorted({row[0] for row in outside}))
        raise IntegrityFailure(f"Other tables refer to the log's: {names}. Nothing was swapped.")


def _rows(statement: str, values: Sequence[Any]) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _execute(statement: str) -> None:
    # Names in it are ours, checked, or the catalogue's own.
    with connection.cursor() as cursor:
        cursor.execute(statement)
