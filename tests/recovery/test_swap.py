"""Restoring beside a damaged log, and swapping it in."""

from __future__ import annotations

import os
import signal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction

from audit import failpoints
from audit.events import Actor, EventType
from audit.formats import event as formats
from audit.models import AuditEvent, Checkpoint, Segment, SegmentStatus
from audit.services import archiving, checkpoints, loghead, sealing
from audit.services.recovery import tables
from audit.services.verification import verify_database
from sealing.results import Verdict
from sealing.times import format_time
from tests.databases import CommittedDatabase
from tests.faults import processes
from tests.recovery.helpers import (
    SCHEMA,
    archived_log,
    as_owner,
    assert_holds,
    beside,
    damage,
    manage,
    sql,
    standing,
    swap,
)
from tests.services.audit.helpers import record, seal

# Everything that a table is. Parentheses of conditions are PostgreSQL's own affair.
CATALOGUE = """
    SELECT 'column', c.relname, a.attname,
           format_type(a.atttypid, a.atttypmod) || a.attnotnull::text
           || a.attidentity::text || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
           || coalesce(coll.collname, '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         LEFT JOIN pg_collation coll ON coll.oid = a.attcollation
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%s)
    UNION ALL SELECT 'constraint', c.relname, k.conname, pg_get_constraintdef(k.oid)
    FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%s)
    UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename = ANY(%s)
    UNION ALL SELECT 'trigger', c.relname, t.tgname,
           t.tgenabled::text || translate(pg_get_triggerdef(t.oid), '()', '')
    FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT tgisinternal
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%s)
    UNION ALL SELECT 'grant', c.relname, a.grantee::regrole::text, a.privilege_type
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%s)
"""


@pytest.fixture(autouse=True)
def nobody_listens() -> Iterator[None]:
    yield
    failpoints.listener = None


def catalogue() -> list[Any]:
    names = [*tables.TABLES, *(f"{table}_id_seq" for table in tables.TABLES)]
    return sorted(sql(CATALOGUE, *[names] * 5), key=str)


def verdict() -> Verdict:
    return verify_database(actor=Actor.system("test")).verdict


def test_a_damaged_log_is_replaced_and_kept(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    before, shape = archived_log(), catalogue()
    seal(7)
    checkpoints.issue()
    whole = standing()
    damaged = before["size"] - 10
    damage(committed_db.owner_url, damaged)
    assert verdict() is Verdict.INVALID
    tampered = sql("SELECT event FROM audit_events WHERE seq = %s", damaged)

    arguments = ["--from", str(settings.AUDIT_STORAGE_PATH), "--signers", str(signers_file)]
    done = manage("audit_restore", *arguments, "--schema", SCHEMA, "--yes", urls=committed_db)
    assert done.returncode == 0, done.stderr
    assert f"--swap {SCHEMA}" in done.stdout
    # Nothing is in its place yet.
    assert sql("SELECT event FROM audit_events WHERE seq = %s", damaged) == tampered

    done = manage("audit_restore", "--swap", SCHEMA, "--yes", urls=committed_db)
    assert done.returncode == 0, done.stderr
    assert f"Restored     {before['size']} events" in done.stdout
    assert "Kept         the tables that were in use, in the schema kept_" in done.stdout
    connection.close()
    events = [event[:4] for event in standing()["events"]]
    assert events[: whole["size"]] == [event[:4] for event in whole["events"]]
    assert standing()["notes"] >= whole["notes"]
    assert_holds()
    assert catalogue() == shape

    kept = sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'kept\\_%%'")[0][0]
    with psycopg.connect(committed_db.owner_url) as owner:
        row = owner.execute(f"SELECT event FROM {kept}.audit_events WHERE seq = {damaged}")
        assert row.fetchall() == tampered
    with pytest.raises(DatabaseError, match="permission denied"):
        sql(f"SELECT 1 FROM {kept}.audit_events")


def test_the_log_goes_on_and_its_guards_stand(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    archived_log()
    damage(committed_db.owner_url, 12)
    beside(signers_file)
    done = swap()
    seal(3)
    told = AuditEvent.objects.filter(type=EventType.AUDIT_LOG_RESTORED).get()
    assert told.seq >= done.head.size
    # The archiver finds every object in its place, and the procedure moves the pointer.
    archiving.archive_pending()
    assert not AuditEvent.objects.filter(s3_archived_at__isnull=True).exists()
    assert {s.status for s in Segment.objects.all()} == {SegmentStatus.ARCHIVED}
    archiving.heartbeat()
    assert_holds()
    for statement in (
        "UPDATE audit_events SET event = '{}' WHERE seq = 1",
        "DELETE FROM audit_events WHERE seq = 1",
        "TRUNCATE audit_events",
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_loghead SET size = 1",
        "DELETE FROM audit_segment",
        "UPDATE audit_segment SET day = '2020-01-01'",
    ):
        with pytest.raises(psycopg.Error), psycopg.connect(committed_db.owner_url) as owner:
            owner.execute(statement)
        with pytest.raises(DatabaseError), transaction.atomic():
            sql(statement)


def test_events_that_were_sealed_meanwhile_are_taken_over(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    before = archived_log()
    damage(committed_db.owner_url, 12)
    beside(signers_file)
    ids = seal(45)
    archived = archiving.archive_pending()
    late = seal(2)
    cut = standing()["segments"]
    done = swap()
    assert done.restored == before["size"]
    assert done.taken_over == done.head.size - before["size"] >= 47
    assert done.left_behind == 0
    assert AuditEvent.objects.filter(id__in=[*ids, *late]).count() == 47
    # What was archived after the restore is archived as it was cut then.
    assert archived.segments
    assert [row[:3] for row in standing()["segments"]] == [row[:3] for row in cut]
    archiving.archive_pending()
    assert_holds()


def test_what_does_not_continue_the_log_is_left_behind_and_told(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    before = archived_log()
    seal(9)
    first_bad = before["size"] + 4
    damage(committed_db.owner_url, first_bad)
    beside(signers_file)
    done = manage("audit_restore", "--swap", SCHEMA, "--yes", urls=committed_db)
    assert done.returncode == 1, done.stderr
    assert f"from number {first_bad} on" in done.stdout
    connection.close()
    assert loghead.current().size == first_bad
    sealing.seal_pending()
    told = AuditEvent.objects.filter(type=EventType.AUDIT_LOG_RESTORED).get()
    assert f'"first_left_behind":{first_bad}' in told.event
    assert_holds()


def test_what_was_signed_is_not_given_up_silently(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    before = archived_log()
    seal(9)
    checkpoints.issue()
    damage(committed_db.owner_url, before["size"] + 4)
    beside(signers_file)
    done = manage("audit_restore", "--swap", SCHEMA, "--yes", urls=committed_db)
    assert done.returncode == 1
    assert "signed_tree_lost" in done.stderr
    assert verdict() is Verdict.INVALID  # still the damaged one
    settings.AUDIT_SIGNER_STATE.rename(settings.AUDIT_SIGNER_STATE.with_suffix(".kept"))
    assert swap().left_behind
    assert_holds()


def test_checkpoints_that_fit_no_more_stay_behind(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    """A tail that was rewritten and signed with our key by whoever had it proves nothing here."""
    archived_log()
    damage(committed_db.owner_url, 12)
    beside(signers_file)
    note = Checkpoint.objects.order_by("-size").first().note
    forged = note.replace("time 20", "time 19")
    as_owner(
        committed_db.owner_url,
        "INSERT INTO audit_checkpoint (size, root, head, signed_at, note, key_id)"
        " SELECT size, root, head, signed_at, replace(note, 'time 20', 'time 19'), key_id"
        " FROM audit_checkpoint ORDER BY size DESC LIMIT 1",
    )
    assert forged in standing()["notes"]
    swap()
    assert forged not in standing()["notes"]
    assert_holds()


@pytest.mark.parametrize("place", ["swap_taken_over", "swapped"])
def test_killed_while_swapping(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any, place: str
) -> None:
    archived_log()
    damage(committed_db.owner_url, 12)
    beside(signers_file)

    def doomed() -> None:
        def listen(name: str) -> None:
            if name == place:
                os.kill(os.getpid(), signal.SIGKILL)

        failpoints.listener = listen
        swap()

    assert processes.finished(processes.start(doomed)) == -signal.SIGKILL
    assert sql("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'kept\\_%%'") == []
    assert verdict() is Verdict.INVALID
    swap()
    assert_holds()


def test_killed_while_restoring_beside(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    archived_log()

    def doomed() -> None:
        def listen(name: str) -> None:
            if name == "restored_segment":
                os.kill(os.getpid(), signal.SIGKILL)

        failpoints.listener = listen
        beside(signers_file)

    assert processes.finished(processes.start(doomed)) == -signal.SIGKILL
    assert sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", SCHEMA) == []
    assert beside(signers_file).head.size == loghead.current().size


def test_whoever_seals_while_it_is_swapped_waits_and_goes_on_in_the_new_log(
    signers_file: Path, committed_db: CommittedDatabase, settings: Any
) -> None:
    archived_log()
    damage(committed_db.owner_url, 12)
    beside(signers_file)
    ids = record(5)
    size = loghead.current().size
    seen: list[int] = []

    def seal_elsewhere() -> None:
        seen.append(sealing.seal_pending().count)
        connections.close_all()

    sealer = threading.Thread(target=seal_elsewhere)

    def is_waiting() -> bool:
        with psycopg.connect(committed_db.owner_url) as other:
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM"
            found = other.execute(f"{waiting} pg_database WHERE datname = current_database())")
            return found.fetchone() is not None

    def listen(name: str) -> None:
        if name == "swap_taken_over":
            sealer.start()
            processes.wait_until(is_waiting)

    failpoints.listener = listen
    swap()
    sealer.join()
    assert seen == [5 + 1]  # with the event of the restore before
    assert loghead.current().size >= size + 5
    assert AuditEvent.objects.filter(id__in=ids).count() == 5
    assert_holds()


def test_an_event_that_can_not_be_ends_what_is_taken_over(
    signers_file: Path, committed_db: CommittedDatabase
) -> None:
    """Chained and hashed, but not canonical: only somebody past our code could write it."""
    archived_log()
    beside(signers_file)
    seal(3)
    head = loghead.current()
    assert head.last_sealed_at is not None
    row = AuditEvent.objects.get(seq=head.size - 1)
    other = str(uuid.UUID(int=row.id.int ^ 1))
    text = row.event.replace('"data":', '"data" :').replace(str(row.id), other)
    _, digest = formats.line(head.size, format_time(head.last_sealed_at), head.hash, text.encode())
    with psycopg.connect(committed_db.owner_url) as owner:
        owner.execute(
            "INSERT INTO audit_events SELECT seq + 1, %s, created_at, hash, %s, type, occurred_at,"
            " actor_id, recorder, client_id, object_type, object_id, outcome, %s"
            " FROM audit_events WHERE seq = %s",
            [other, digest, text, row.seq],
        )
    done = swap()
    assert (done.head.size, done.left_behind, done.first_left_behind) == (head.size, 1, head.size)
    assert done.taken_over >= 3
    assert_holds()
