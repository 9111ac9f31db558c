"""Checkpoints: what the signer signs, what it remembers, and what it refuses."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from audit.formats import checkpoint as formats
from audit.formats.event import genesis_hash
from audit.models import AuditEvent, Checkpoint, MerkleTile
from audit.services import checkpoints, keys, loghead, proofs, sealing, signer_state
from audit.services.signer_state import SignerState
from sealing import merkle
from sealing.errors import IntegrityFailure, StrongroomError
from sealing.merkle import EMPTY_ROOT
from sealing.signers.local import LocalSigner
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.services.audit.helpers import record, seal

ORIGIN = "strongroom.test/audit"


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test but the one about it waits for its turn."""
    monkeypatch.setattr(checkpoints, "MIN_INTERVAL", timedelta())


@pytest.fixture
def state_file(settings: Any) -> Path:
    return Path(settings.AUDIT_SIGNER_STATE)


def opened(checkpoint: Checkpoint) -> formats.Checkpoint:
    signed, findings = formats.open_note(checkpoint.note.encode(), keys.signers())
    assert [finding.ok for finding in findings] == [True], findings
    assert signed is not None
    return signed


def refusals() -> int:
    sealing.seal_pending()
    return AuditEvent.objects.filter(type="audit.checkpoint.refused").count()


def test_a_checkpoint_signs_the_tree_as_it_is(world: World, state_file: Path) -> None:
    ids = record(3)
    checkpoint = checkpoints.issue()
    head = loghead.current()
    signed = opened(checkpoint)
    assert (signed.origin, signed.size, signed.root, signed.head) == (
        ORIGIN,
        head.size,
        head.root,
        head.hash,
    )
    assert (checkpoint.size, bytes(checkpoint.root)) == (signed.size, signed.root)
    last = AuditEvent.objects.get(seq=head.size - 1)
    assert (str(last.id), bytes(last.hash)) == (ids[-1], signed.head)
    assert json.loads(state_file.read_text()) == {
        "v": 1,
        "origin": ORIGIN,
        "size": head.size,
        "root": f"sha256:{head.root.hex()}",
    }
    assert state_file.stat().st_mode & 0o077 == 0


def test_an_empty_log_can_be_signed(committed_db: CommittedDatabase) -> None:
    keys.ensure_service_keys(actor=keys.Actor.system("test"))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_pendingevent")
    signed = opened(checkpoints.issue())
    assert (signed.size, signed.root, signed.head) == (0, EMPTY_ROOT, genesis_hash(ORIGIN))
    seal()
    assert opened(checkpoints.issue()).size == 1


def test_every_checkpoint_extends_the_one_before(world: World) -> None:
    made = []
    for count in (1, 2, 300, 1, 0):
        record(count)
        made.append(checkpoints.issue())
    for old, new in itertools.pairwise(made):
        proof = proofs.consistency(old.size, new.size)
        assert merkle.verify_consistency(
            old.size, new.size, proof, bytes(old.root), bytes(new.root)
        )


def test_a_checkpoint_that_covers_serves_again(world: World) -> None:
    seal(2)
    first = checkpoints.issue()
    assert checkpoints.issue(covering=first.size - 1) == first
    assert checkpoints.issue(covering=0, max_age_seconds=60) == first
    seal()
    second = checkpoints.issue(covering=first.size)
    assert second.size > first.size
    assert checkpoints.latest() == second


def test_a_checkpoint_that_is_too_old_does_not_serve(world: World) -> None:
    first = checkpoints.issue()
    assert checkpoints.issue(max_age_seconds=60) == first
    assert checkpoints.issue(max_age_seconds=0) != first


def test_an_event_that_is_not_there_is_not_covered(world: World) -> None:
    sealing.seal_pending()
    with pytest.raises(checkpoints.NotInLog):
        checkpoints.issue(covering=loghead.current().size)


def test_on_demand_at_most_one_a_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MIN_INTERVAL", timedelta(seconds=1))
    waited: list[float] = []
    monkeypatch.setattr(checkpoints.time, "sleep", waited.append)
    first = checkpoints.issue()
    seal()
    checkpoints.issue(covering=first.size)
    assert len(waited) == 1
    assert 0 < waited[0] <= 1


def test_whoever_waited_takes_what_came_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "MIN_INTERVAL", timedelta(seconds=1))
    first = checkpoints.issue()
    seal()
    meanwhile: list[Checkpoint] = []
    monkeypatch.setattr(checkpoints.time, "sleep", lambda _: meanwhile.append(checkpoints.issue()))
    assert checkpoints.issue(covering=first.size) == meanwhile[0]
    assert Checkpoint.objects.count() == 2


# --- smaller trees ---------------------------------------------------------------------------


def test_a_smaller_tree_is_signed_where_it_is_a_prefix(world: World, state_file: Path) -> None:
    seal(300)
    last = checkpoints.issue()
    remembered = state_file.read_bytes()
    for size in (0, 1, 7, 256, last.size - 1):
        signed = opened(checkpoints.at_size(size))
        assert (signed.size, signed.root) == (size, proofs.root(size))
    assert checkpoints.at_size(7) == checkpoints.at_size(7)
    assert checkpoints.at_size(last.size) == last
    # What the signer remembers, and what counts as the latest, is the largest.
    assert state_file.read_bytes() == remembered
    assert checkpoints.latest() == last


def test_a_larger_tree_than_the_log_is_not_signed(world: World) -> None:
    seal()
    with pytest.raises(checkpoints.NotInLog):
        checkpoints.at_size(loghead.current().size + 10)


def test_a_prefix_of_a_tree_that_was_changed_is_refused(world: World) -> None:
    seal(20)
    checkpoints.issue()
    tile = MerkleTile.objects.get(level=0, index=0)
    MerkleTile.objects.filter(level=0, index=0).update(hashes=bytes(32) + bytes(tile.hashes)[32:])
    with pytest.raises(checkpoints.CheckpointRefused):
        checkpoints.at_size(5)


# --- what it refuses -------------------------------------------------------------------------


def test_a_log_that_was_turned_back_is_refused(world: World, state_file: Path) -> None:
    seal()
    checkpoints.issue()
    size = loghead.current().size
    signer_state.save(state_file, SignerState(ORIGIN, size + 100, bytes(32)))
    before = Checkpoint.objects.count()
    with pytest.raises(checkpoints.CheckpointRefused, match="cut off"):
        checkpoints.issue()
    assert Checkpoint.objects.count() == before
    assert signer_state.load(state_file) == SignerState(ORIGIN, size + 100, bytes(32))


@pytest.mark.parametrize("shorter", [0, 1, 5])
def test_a_log_that_was_rewritten_is_refused(world: World, state_file: Path, shorter: int) -> None:
    seal(10)
    size = loghead.current().size - shorter
    signer_state.save(state_file, SignerState(ORIGIN, size, b"\x01" * 32))
    with pytest.raises(checkpoints.CheckpointRefused, match="rewritten"):
        checkpoints.issue()


def test_a_memory_that_is_right_is_not_in_the_way(world: World, state_file: Path) -> None:
    seal(10)
    size = loghead.current().size - 5
    signer_state.save(state_file, SignerState(ORIGIN, size, proofs.root(size)))
    assert checkpoints.issue().size == size + 5


def test_what_the_database_remembers_counts_without_the_file(
    world: World, state_file: Path
) -> None:
    seal(10)
    head = loghead.current()
    key = keys.signer_for("checkpoint")
    other = formats.Checkpoint(
        ORIGIN, head.size, bytes(32), head.hash, "2026-01-01T00:00:00.000000Z"
    )
    Checkpoint.objects.create(
        size=head.size,
        root=head.root,
        head=head.hash,
        signed_at=datetime.now(UTC),
        note=formats.sign(other, key).decode(),
        key=keys.SigningKey.objects.get(key_id=key.key_id),
    )
    assert not state_file.exists()
    with pytest.raises(checkpoints.CheckpointRefused, match="rewritten"):
        checkpoints.issue()
    assert not state_file.exists()


def test_a_tree_that_is_not_that_of_the_events_is_refused(world: World, state_file: Path) -> None:
    seal(20)
    checkpoints.issue()
    seal(5)
    tile = bytes(MerkleTile.objects.get(level=0, index=0).hashes)
    MerkleTile.objects.filter(level=0, index=0).update(hashes=bytes(32) + tile[32:])
    with pytest.raises(checkpoints.CheckpointRefused):
        checkpoints.issue()


def test_a_head_that_is_not_that_of_the_events_is_refused(world: World) -> None:
    seal(2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_loghead SET head = %s", [bytes(32)])
    with pytest.raises(loghead.HeadMismatch):
        checkpoints.issue()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "nonsense",
        '{"origin":"strongroom.test/audit","root":"sha256:00","size":1,"v":1}\n',
        '{"origin":"strongroom.test/audit","root":"sha256:%s","size":"1","v":1}\n' % ("00" * 32),
        '{"origin":"strongroom.test/audit","root":"sha256:%s","size":-1,"v":1}\n' % ("00" * 32),
        '{"origin":"strongroom.test/audit","root":"sha256:%s","size":1,"v":2}\n' % ("00" * 32),
        '{"v":1,"origin":"strongroom.test/audit","root":"sha256:%s","size":1}\n' % ("00" * 32),
        '{"origin":"other.test/audit","root":"sha256:%s","size":0,"v":1}\n' % ("00" * 32),
    ],
)
def test_a_memory_that_can_not_be_read_stops_signing(
    world: World, state_file: Path, content: str
) -> None:
    state_file.write_text(content)
    with pytest.raises(IntegrityFailure):
        checkpoints.issue()
    assert state_file.read_text() == content
    assert not Checkpoint.objects.exists()


def test_a_memory_that_is_no_file_stops_signing(world: World, state_file: Path) -> None:
    state_file.symlink_to("/dev/null")
    with pytest.raises(signer_state.SignerStateRefused):
        checkpoints.issue()


def test_a_memory_that_can_not_be_written_stops_signing(world: World, settings: Any) -> None:
    settings.AUDIT_SIGNER_STATE = Path("/proc/nowhere/signer-state.json")
    with pytest.raises(signer_state.SignerStateUnwritable):
        checkpoints.issue()
    assert not Checkpoint.objects.exists()


def test_the_memory_is_on_the_disk_before_the_note_leaves(
    world: World, state_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal()

    def crash(*args: Any, **kwargs: Any) -> None:
        assert signer_state.load(state_file) == SignerState(
            ORIGIN, loghead.current().size, loghead.current().root
        )
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalSigner, "sign", crash)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.issue()
    monkeypatch.undo()
    # The larger memory is no hindrance: the log still extends it.
    monkeypatch.setattr(checkpoints, "MIN_INTERVAL", timedelta())
    seal()
    assert checkpoints.issue().size == loghead.current().size


def test_a_refusal_is_recorded_once_until_signing_works_again(
    world: World, state_file: Path
) -> None:
    seal()
    good = SignerState(ORIGIN, loghead.current().size, loghead.current().root)
    assert refusals() == 0
    for expected in (1, 2):
        signer_state.save(state_file, SignerState(ORIGIN, 10_000, bytes(32)))
        for _ in range(3):
            with pytest.raises(checkpoints.CheckpointRefused):
                checkpoints.issue()
            assert refusals() == expected
        signer_state.save(state_file, good)
        checkpoints.issue()


def test_while_disabled_signing_goes_on(world: World, settings: Any, state_file: Path) -> None:
    settings.AUDIT_ENABLED = False
    checkpoints.issue()
    signer_state.save(state_file, SignerState(ORIGIN, 10_000, bytes(32)))
    with pytest.raises(checkpoints.CheckpointRefused):
        checkpoints.issue()
    assert refusals() == 0


def test_without_a_key_nothing_is_signed(committed_db: CommittedDatabase) -> None:
    seal()
    with pytest.raises(keys.KeyMissing):
        checkpoints.issue()


def test_another_key_encryption_key_does_not_open_the_key(world: World, settings: Any) -> None:
    settings.KEY_ENCRYPTION_KEY = bytes(32)
    with pytest.raises(keys.KeyMissing, match="KEY_ENCRYPTION_KEY"):
        checkpoints.issue()


def test_errors_have_codes_of_their_own() -> None:
    codes = {
        kind.code
        for kind in (
            checkpoints.CheckpointRefused,
            checkpoints.NotInLog,
            signer_state.SignerStateRefused,
            signer_state.SignerStateUnwritable,
            loghead.HeadMismatch,
            loghead.OriginMismatch,
        )
        if issubclass(kind, StrongroomError)
    }
    assert len(codes) == 6
