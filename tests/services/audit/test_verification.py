"""Verification of the stored log: every kind of tampering is found, and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections, transaction

from audit.events import Actor
from audit.formats import checkpoint as formats
from audit.formats import event as events
from audit.models import AuditEvent, Checkpoint, SigningKey, VerificationRun
from audit.services import checkpoints, keys, loghead, proofs, sealing, signer_state, tiles
from audit.services.signer_state import SignerState
from audit.services.verification import Verification, verify_database
from audit.services.waiting import waiting_events
from sealing.errors import Invalid
from sealing.merkle import Frontier
from sealing.results import Verdict
from sealing.signers.local import LocalSigner
from sealing.times import format_time
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.services.audit.helpers import seal

ORIGIN = "strongroom.test/audit"
ACTOR = Actor.system("test")
Tamper = Callable[..., None]


@pytest.fixture
def tamper(committed_db: CommittedDatabase) -> Tamper:
    """A log of 600 events with checkpoints at 300 and 600, and what a superuser can do to it."""
    keys.ensure_service_keys(actor=ACTOR)
    for _ in range(2):
        seal(300 - loghead.current().size % 300 - _pending())
        checkpoints.issue()
    assert loghead.current().size == 600

    def execute(*statements: str) -> None:
        connections.close_all()
        with psycopg.connect(committed_db.superuser_url) as connection:
            _switch(connection, "DISABLE")
            for statement in statements:
                connection.execute(statement.encode())
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            _switch(connection, "ENABLE ALWAYS")

    return execute


def _switch(connection: psycopg.Connection, how: str) -> None:
    found = connection.execute(
        "SELECT tgrelid::regclass, tgname FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'audit_%'"
    )
    for table, name in found.fetchall():
        connection.execute(f"ALTER TABLE {table} {how} TRIGGER {name}".encode())


def _pending() -> int:
    return waiting_events().pending


def in_hex(*hashes: bytes) -> str:
    return "\\x" + b"".join(hashes).hex()


def codes(done: Verification) -> list[str]:
    return [issue.code for issue in done.report.issues]


def verify(**options: Any) -> Verification:
    return verify_database(actor=ACTOR, **options)


def test_an_honest_log_is_valid(tamper: Tamper) -> None:
    done = verify()
    assert (done.verdict, done.checked_events, done.first_bad_seq) == (Verdict.VALID, 600, None)
    assert [finding.code for finding in done.report.findings] == [
        "checkpoints",
        "chain",
        "tree",
        "columns",
        "guards",
        "signer_state",
    ]
    assert VerificationRun.objects.get() == done.run
    sealing.seal_pending()
    told = AuditEvent.objects.get(type="audit.verification.finished")
    assert (told.object_id, told.outcome) == (str(done.run.pk), "success")


def test_a_part_of_an_honest_log_is_valid(tamper: Tamper) -> None:
    for start, end in ((0, 600), (0, 1), (1, 600), (299, 301), (300, 600), (257, 513), (599, 600)):
        done = verify(start_seq=start, end_seq=end)
        assert (done.verdict, done.checked_events) == (Verdict.VALID, end - start), (start, end)


def test_a_part_that_is_not_there_can_not_be_asked_for(tamper: Tamper) -> None:
    for start, end in ((-1, 5), (5, 4), (0, 601), (601, 602)):
        with pytest.raises(Invalid):
            verify(start_seq=start, end_seq=end)
    assert not VerificationRun.objects.exists()


def test_nothing_to_check_is_no_success(tamper: Tamper) -> None:
    done = verify(start_seq=600)
    assert (done.verdict, codes(done)) == (Verdict.INCONCLUSIVE, ["nothing_to_check"])


NO_CHECK = "ALTER TABLE audit_events DROP CONSTRAINT audit_events_columns_match"
CHANGED = "UPDATE audit_events SET event = replace(event, '\"n\":7', '\"n\":8') WHERE seq = {0}"


@pytest.mark.parametrize("seq", [0, 300, 599])
def test_a_changed_event_is_found(tamper: Tamper, seq: int) -> None:
    tamper(
        f"UPDATE audit_events SET event = replace(event, 'success', 'failure'),"
        f" outcome = 'failure' WHERE seq = {seq}"
    )
    done = verify()
    assert (done.verdict, done.first_bad_seq) == (Verdict.INVALID, seq)
    assert codes(done)[0] == "hash_mismatch"
    assert done.checked_events == seq
    assert done.run.first_bad_seq == seq


def test_a_changed_event_outside_the_part_is_not_looked_at(tamper: Tamper) -> None:
    tamper("UPDATE audit_events SET created_at = created_at WHERE seq = 1", CHANGED.format(100))
    assert verify(start_seq=300).verdict == Verdict.VALID


@pytest.mark.parametrize(
    ("statement", "code", "seq"),
    [
        ("DELETE FROM audit_events WHERE seq = 400", "seq_broken", 400),
        ("DELETE FROM audit_events WHERE seq = 0", "seq_broken", 0),
        ("UPDATE audit_events SET hash = prev_hash WHERE seq = 400", "hash_mismatch", 400),
        ("UPDATE audit_events SET prev_hash = hash WHERE seq = 400", "chain_broken", 400),
        (
            "UPDATE audit_events SET created_at = created_at - interval '1 hour' WHERE seq = 400",
            "time_reversed",
            400,
        ),
        (
            "UPDATE audit_events SET created_at = created_at + interval '1 us' WHERE seq = 400",
            "hash_mismatch",
            400,
        ),
        (
            "UPDATE audit_events SET seq = CASE seq WHEN 400 THEN -401 ELSE -400 END"
            " WHERE seq IN (400, 401); UPDATE audit_events SET seq = -seq WHERE seq < 0",
            "chain_broken",
            400,
        ),
    ],
)
def test_a_log_that_was_tampered_with_is_found(
    tamper: Tamper, statement: str, code: str, seq: int
) -> None:
    tamper("ALTER TABLE audit_events DROP CONSTRAINT audit_events_seq_from_zero", statement)
    done = verify()
    assert (done.verdict, codes(done)[0], done.first_bad_seq) == (Verdict.INVALID, code, seq)


def test_a_tail_that_was_cut_is_found(tamper: Tamper) -> None:
    tamper("DELETE FROM audit_events WHERE seq >= 590")
    done = verify()
    assert done.verdict == Verdict.INVALID
    assert codes(done)[0] == "events_missing"


def test_a_tail_that_was_cut_together_with_head_and_checkpoint_is_found(tamper: Tamper) -> None:
    """Whoever turns everything in the database back still has to reach the signer's file."""
    tamper(
        "DELETE FROM audit_events WHERE seq >= 300",
        "DELETE FROM audit_checkpoint WHERE size > 300",
        "UPDATE audit_loghead SET size = 300, head = (SELECT head FROM audit_checkpoint"
        " WHERE size = 300), last_sealed_at = NULL",
    )
    head = AuditEvent.objects.get(seq=299)
    tamper(f"UPDATE audit_loghead SET frontier = '{in_hex(*proofs.frontier(300).hashes)}'")
    assert loghead.current().hash == bytes(head.hash)
    done = verify()
    assert (done.verdict, codes(done)) == (Verdict.INVALID, ["signed_tree_lost"])


def test_a_log_that_was_rewritten_from_the_start_is_found(tamper: Tamper) -> None:
    """New hashes all the way, head and tree too: the checkpoints tell."""
    statements, hashes, before = [NO_CHECK], [], events.genesis_hash(ORIGIN)
    for stored in AuditEvent.objects.order_by("seq"):
        text = stored.event.replace('"n":7}', '"n":8}')
        sealed_at = format_time(stored.created_at)
        _, digest = events.line(stored.seq, sealed_at, before, text.encode())
        statements.append(
            f"UPDATE audit_events SET prev_hash = '{in_hex(before)}', hash = '{in_hex(digest)}',"
            f" event = $event${text}$event$ WHERE seq = {stored.seq}"
        )
        hashes.append(digest)
        before = digest
    frontier = Frontier()
    frontier.extend(hashes)
    tamper(
        *statements,
        f"UPDATE audit_loghead SET head = '{in_hex(before)}',"
        f" frontier = '{in_hex(*frontier.hashes)}'",
        "DELETE FROM audit_merkletile",
    )
    with transaction.atomic():
        tiles.extend(0, hashes)
    done = verify()
    assert done.verdict == Verdict.INVALID
    assert codes(done)[:2] == ["checkpoint_mismatch", "checkpoint_mismatch"]
    with pytest.raises(checkpoints.CheckpointRefused):
        checkpoints.issue()


@pytest.mark.parametrize(
    ("column", "value"),
    [("outcome", "'denied'"), ("client_id", "NULL")],
)
def test_a_column_that_lies_is_found(tamper: Tamper, column: str, value: str) -> None:
    tamper(NO_CHECK, f"UPDATE audit_events SET {column} = {value} WHERE seq = 400")
    done = verify()
    assert (done.first_bad_seq, codes(done)) == (400, ["columns_mismatch", "guards_missing"])


@pytest.mark.parametrize(
    "statement",
    [
        NO_CHECK,
        "DROP TRIGGER audit_events_append_only ON audit_events",
        "DROP TRIGGER audit_events_no_truncate ON audit_events",
    ],
)
def test_a_guard_that_was_removed_is_found(tamper: Tamper, statement: str) -> None:
    tamper(statement)
    assert codes(verify()) == ["guards_missing"]


def test_a_guard_that_was_weakened_is_found(
    tamper: Tamper, committed_db: CommittedDatabase
) -> None:
    with psycopg.connect(committed_db.superuser_url) as connection:
        connection.execute("ALTER TABLE audit_events ENABLE TRIGGER audit_events_append_only")
    assert codes(verify()) == ["guards_missing"]


def test_a_head_that_lies_is_found(tamper: Tamper) -> None:
    tamper("UPDATE audit_loghead SET head = sha256('x')")
    assert codes(verify())[0] == "head_mismatch"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("DELETE FROM audit_merkletile WHERE level = 0 AND index = 2", "tile_missing"),
        (
            "UPDATE audit_merkletile SET hashes = overlay(hashes PLACING sha256('x') FROM 1)"
            " WHERE level = 0 AND index = 2",
            "tree_mismatch",
        ),
    ],
)
def test_a_tree_that_is_not_that_of_the_events_is_found(
    tamper: Tamper, statement: str, code: str
) -> None:
    tamper(statement)
    assert code in codes(verify())


def test_a_checkpoint_that_was_changed_is_found(tamper: Tamper) -> None:
    tamper("UPDATE audit_checkpoint SET note = replace(note, '300', '299') WHERE size = 300")
    done = verify()
    assert (done.verdict, codes(done)) == (Verdict.INVALID, ["checkpoint_signature"])


def test_a_checkpoint_of_a_strange_key_is_found(tamper: Tamper) -> None:
    stranger = LocalSigner.generate("ed25519")
    head = loghead.current()
    forged = formats.Checkpoint(
        ORIGIN, head.size, head.root, head.hash, "2026-01-01T00:00:00.000000Z"
    )
    Checkpoint.objects.create(
        size=head.size,
        root=head.root,
        head=head.hash,
        signed_at=datetime.now(UTC),
        note=formats.sign(forged, stranger).decode(),
        key=SigningKey.objects.get(purposes=["checkpoint"]),
    )
    assert codes(verify()) == ["checkpoint_signature"]


def test_a_checkpoint_of_a_compromised_key_proves_nothing(tamper: Tamper) -> None:
    SigningKey.objects.filter(purposes=["checkpoint"]).update(
        status="compromised", compromised_at=datetime.now(UTC), not_after=datetime.now(UTC)
    )
    done = verify()
    assert (done.verdict, set(codes(done))) == (Verdict.INCONCLUSIVE, {"key_compromised"})


def test_what_the_signer_remembers_counts(tamper: Tamper, settings: Any) -> None:
    path = Path(settings.AUDIT_SIGNER_STATE)
    signer_state.save(path, SignerState(ORIGIN, 600, bytes(32)))
    assert codes(verify()) == ["signed_tree_differs"]
    signer_state.save(path, SignerState(ORIGIN, 10_000, bytes(32)))
    assert "signed_tree_lost" in codes(verify(end_seq=600))
    path.write_text("nonsense")
    assert "signer_state_invalid" in codes(verify(end_seq=600))


def test_while_disabled_verification_goes_on(tamper: Tamper, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    assert verify().verdict == Verdict.VALID
    assert _pending() == 0


def test_what_waits_is_sealed_before(world: World) -> None:
    before = loghead.current().size
    done = verify_database(actor=world.actor("audrey"))
    assert done.run.end_seq > before
    assert done.run.actor_id == "user:audrey"
