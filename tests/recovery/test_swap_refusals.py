"""What is not copied, restored beside or swapped in, and who may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.services.recovery import console, swapping, tables
from audit.services.recovery.owner import SchemaRefused
from tests.databases import CommittedDatabase
from tests.recovery.helpers import (
    SCHEMA,
    archived_log,
    as_owner,
    assert_holds,
    beside,
    manage,
    sql,
    standing,
    swap,
)


def test_a_schema_is_not_restored_into_twice(signers_file: Path, settings: Any) -> None:
    archived_log()
    beside(signers_file)
    with pytest.raises(tables.SchemaExists):
        beside(signers_file)


def test_what_changed_in_the_schema_is_not_swapped_in(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    before = archived_log()
    beside(signers_file)
    table = f"{SCHEMA}.audit_events"
    as_owner(
        committed_db.owner_url,
        f"ALTER TABLE {table} DISABLE TRIGGER audit_events_append_only",
        f"UPDATE {table} SET event = replace(event, '\"data\":', '\"data\" :')"
        f" WHERE seq = {before['size'] - 5}",
    )
    with pytest.raises(tables.GuardsMissing):
        swap()
    as_owner(
        committed_db.owner_url,
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER audit_events_append_only",
    )
    with pytest.raises(swapping.RestoredLogRefused):
        swap()
    assert standing()["head"] == before["head"]


def test_tables_without_their_guards_are_not_copied(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    archived_log()
    as_owner(committed_db.owner_url, "DROP TRIGGER audit_events_no_truncate ON audit_events")
    with pytest.raises(tables.GuardsMissing, match="audit_events_no_truncate"):
        beside(signers_file)
    assert sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", SCHEMA) == []


def test_a_guard_that_was_switched_off_is_on_again(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    archived_log()
    as_owner(
        committed_db.owner_url, "ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_only"
    )
    beside(signers_file)
    swap()
    assert_holds()


def test_without_the_owners_connection(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    archived_log()
    arguments = ["--from", str(settings.AUDIT_STORAGE_PATH), "--signers", str(signers_file)]
    done = manage(
        "audit_restore", *arguments, "--schema", SCHEMA, "--yes", urls=committed_db, owner=False
    )
    assert done.returncode == 3
    assert "DATABASE_OWNER_URL" in done.stderr


@pytest.mark.parametrize("name", ["public", "pg_catalog", "Upper", "a b", "x" * 60, "1st", 'a"b'])
def test_names_that_no_schema_of_ours_has(committed_db: CommittedDatabase, name: str) -> None:
    with pytest.raises(SchemaRefused):
        swapping.swap(actor=console.operator(), schema=name)


def test_the_services_speak_as_the_application_again_afterwards(
    signers_file: Path, settings: Any
) -> None:
    archived_log()
    beside(signers_file)
    assert sql("SELECT current_user") == [("strongroom_app",)]
    with pytest.raises(tables.SchemaMissing):
        swapping.swap(actor=console.operator(), schema="never_made")
    assert sql("SELECT current_user, current_setting('search_path')") == [
        ("strongroom_app", '"$user", public')
    ]
