"""Rotation: another key takes the place of the one that signed, and everything still verifies."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from access.roles import Role
from audit.formats import checkpoint as formats
from audit.models import AuditEvent, Checkpoint, KeyStatus, SigningKey
from audit.services import checkpoints, keys, proofs, sealing
from audit.services.archive_verification import verify_archived
from ops.services import people as ops_people
from sealing import merkle
from sealing.errors import Forbidden
from sealing.results import Verdict
from tests.factories import World
from tests.services.audit.helpers import record, seal
from tests.services.audit.trails import ACTOR, archive


def checkpoint_key() -> SigningKey:
    return SigningKey.objects.get(purposes=["checkpoint"], status=KeyStatus.ACTIVE)


def refusals(*made: Checkpoint) -> list[str]:
    """What the keys as they are now have against these checkpoints."""
    signers = keys.signers()
    found = [formats.open_note(checkpoint.note.encode(), signers)[1] for checkpoint in made]
    return [finding.code for findings in found for finding in findings if not finding.ok]


def recorded(kind: str) -> list[AuditEvent]:
    sealing.seal_pending()
    return list(AuditEvent.objects.filter(type=kind).order_by("seq"))


# --- the key that signs checkpoints -----------------------------------------------------------


def test_the_next_checkpoint_extends_the_last_one_and_both_verify(world: World) -> None:
    record(3)
    before, old = checkpoints.issue(), checkpoint_key()
    new = keys.rotate_checkpoint_key(actor=world.actor("alice"))
    record(2)
    after = checkpoints.issue()
    old.refresh_from_db()
    assert (before.key, after.key) == (old, new)
    assert (old.status, old.not_after, new.not_before) == (
        KeyStatus.RETIRED,
        new.not_before,
        old.not_after,
    )
    assert refusals(before, after) == []
    assert merkle.verify_consistency(
        before.size,
        after.size,
        proofs.consistency(before.size, after.size),
        bytes(before.root),
        bytes(after.root),
    )
    assert [event.object_id for event in recorded("audit.key.retired")] == [old.key_id]
    assert recorded("audit.key.created")[-1].object_id == new.key_id


def test_an_archive_that_two_keys_signed_verifies(committed_world: World) -> None:
    seal(3)
    archive()
    keys.rotate_checkpoint_key(actor=committed_world.actor("olivia"))
    seal(3)
    archive()
    run = verify_archived(actor=ACTOR, storage="local", archived=False)
    assert run.verdict == Verdict.VALID
    assert Checkpoint.objects.values("key").distinct().count() == 2


def test_without_the_old_key_among_the_signers_its_checkpoints_do_not_verify(world: World) -> None:
    before = checkpoints.issue()
    new = keys.rotate_checkpoint_key(actor=world.actor("alice"))
    known = keys.signers()
    only_new = type(known)(
        known.origin, tuple(key for key in known.keys if key.signer_kid == new.key_id)
    )
    _, findings = formats.open_note(before.note.encode(), only_new)
    assert [finding.code for finding in findings] == ["checkpoint_signature"]


@pytest.mark.parametrize("skew", [timedelta(seconds=2), timedelta(seconds=-2)])
def test_clocks_that_differ_leave_no_checkpoint_outside_of_its_keys_time(
    world: World, monkeypatch: pytest.MonkeyPatch, skew: timedelta
) -> None:
    """The last signature was made on a host whose clock differs from the rotating one's."""

    def elsewhere() -> Any:
        return real() + skew

    real = timezone.now
    monkeypatch.setattr(timezone, "now", elsewhere)
    before = checkpoints.issue()
    monkeypatch.setattr(timezone, "now", real)
    keys.rotate_checkpoint_key(actor=world.actor("alice"))
    monkeypatch.setattr(timezone, "now", elsewhere)
    record()
    after = checkpoints.issue()
    assert refusals(before, after) == []


def test_signing_while_keys_change(committed_world: World) -> None:
    """Two signers at work while the key is rotated: each checkpoint lies in its key's time."""
    seal()
    done = threading.Event()

    def sign() -> None:
        try:
            while not done.is_set():
                record()
                checkpoints.issue()
        finally:
            connections.close_all()

    signers = [threading.Thread(target=sign) for _ in range(2)]
    for thread in signers:
        thread.start()
    try:
        for _ in range(5):
            keys.rotate_checkpoint_key(actor=committed_world.actor("alice"))
    finally:
        done.set()
        for thread in signers:
            thread.join()
    checkpoints.issue()
    made = list(Checkpoint.objects.order_by("id"))
    assert refusals(*made) == []
    assert SigningKey.objects.filter(purposes=["checkpoint"]).count() == 6
    for old, new in itertools.pairwise(made):
        proof = proofs.consistency(old.size, new.size)
        roots = bytes(old.root), bytes(new.root)
        assert merkle.verify_consistency(old.size, new.size, proof, *roots)


@pytest.mark.parametrize("username", ["audrey", "omar", "ben", "nobody", "root", "svc-clinic-001"])
def test_who_does_not_look_after_the_installation_rotates_nothing(
    world: World, username: str
) -> None:
    key = checkpoint_key()
    with pytest.raises(Forbidden):
        keys.rotate_checkpoint_key(actor=world.actor(username))
    assert checkpoint_key() == key


def test_before_the_first_people_there_is_nothing_to_rotate(committed_world: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audit.services.key_rows.active_service_key", lambda purpose: None)
        with pytest.raises(keys.KeyMissing):
            keys.rotate_checkpoint_key(actor=committed_world.actor("alice"))


def test_a_checkpoint_key_is_not_retired_without_another(world: World) -> None:
    with pytest.raises(keys.KeyNeeded):
        keys.retire_key(actor=world.actor("alice"), key=checkpoint_key())
    assert checkpoints.issue().key == checkpoint_key()


def test_a_compromised_checkpoint_key_is_replaced_at_once(world: World) -> None:
    before, old = checkpoints.issue(), checkpoint_key()
    keys.mark_compromised(
        actor=world.actor("alice"), key=old, compromised_at=timezone.now() - timedelta(hours=1)
    )
    record()
    after = checkpoints.issue()
    assert refusals(after) == []
    assert refusals(before) == ["key_compromised"]
    assert after.key != old


def test_a_retired_checkpoint_key_that_was_compromised_has_a_successor_already(
    world: World,
) -> None:
    old = checkpoint_key()
    new = keys.rotate_checkpoint_key(actor=world.actor("alice"))
    keys.mark_compromised(actor=world.actor("alice"), key=old, compromised_at=timezone.now())
    assert checkpoint_key() == new


# --- one's own --------------------------------------------------------------------------------


def rotate(world: World, username: str = "olivia", **changes: Any) -> SigningKey:
    given = {"person": world.person(username), "password": world.password, **changes}
    return keys.rotate_person_key(actor=world.actor(username), **given)


def test_ones_own_key_is_replaced(world: World) -> None:
    old = world.key("olivia")
    new = rotate(world)
    old.refresh_from_db()
    assert (old.status, new.status) == (KeyStatus.RETIRED, KeyStatus.ACTIVE)
    assert keys.active_key_of(world.person("olivia")) == new
    assert keys.person_signer(new, world.password).key_id == new.key_id
    assert [event.object_id for event in recorded("audit.key.retired")] == [old.key_id]


def test_a_wrong_password_leaves_the_key_as_it_is(world: World) -> None:
    old = world.key("olivia")
    with pytest.raises(keys.WrongPassword):
        rotate(world, password="wrong")
    assert keys.active_key_of(world.person("olivia")) == old


def test_without_a_key_there_is_nothing_to_replace(world: World) -> None:
    with pytest.raises(keys.KeyNotActive):
        rotate(world)
    assert not SigningKey.objects.filter(person=world.person("olivia")).exists()


@pytest.mark.parametrize("username", ["oscar", "alice"])
def test_nobody_replaces_somebody_elses_key(world: World, username: str) -> None:
    old = world.key("olivia")
    with pytest.raises(keys.NotOwnKey):
        rotate(world, username, person=world.person("olivia"))
    assert keys.active_key_of(world.person("olivia")) == old


# --- who looks after a key --------------------------------------------------------------------


def test_whose_people_look_after_a_key(world: World) -> None:
    assert keys.client_of(None) is None
    assert keys.client_of(world.person("olivia")) is None
    assert keys.client_of(world.person("ben")) == "clinic-002"
    ops_people.grant(
        actor=world.actor("alice"),
        user=world.user("ben"),
        role=Role.OFFICER,
        client=world.client("clinic-001"),
    )
    # What counts for several clients is no single one's.
    assert keys.client_of(world.person("ben")) is None
    # Who signs for nobody is looked after by the installation's own people.
    assert keys.client_of(world.person("audrey")) is None
