"""Signing keys: whose they are, what opens them, and how they end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.events import Actor
from audit.models import AuditEvent, KeyStatus, SigningKey
from audit.services import boxes, keys, sealing, trail
from sealing.errors import Forbidden, Invalid, NotFound
from sealing.keys import key_id, parse_signers, signers_document
from sealing.signers.local import LocalSigner
from tests.factories import World


def create(world: World, username: str = "olivia", **options: Any) -> SigningKey:
    return keys.create_person_key(
        actor=world.actor(username),
        person=world.person(username),
        password=world.password,
        **options,
    )


def recorded(kind: str) -> list[AuditEvent]:
    sealing.seal_pending()
    return list(AuditEvent.objects.filter(type=kind).order_by("seq"))


def signs(signer: keys.Signer, key: SigningKey) -> bool:
    trusted = keys.signers().get(key.key_id)
    assert trusted is not None
    return trusted.verify(signer.sign(b"message"), b"message")


# --- the service's keys ----------------------------------------------------------------------


def test_the_service_has_a_key_for_checkpoints_and_one_for_artefacts(world: World) -> None:
    found = {tuple(key.purposes): key for key in SigningKey.objects.filter(person=None)}
    assert set(found) == {("checkpoint",), ("package", "packet")}
    assert found[("checkpoint",)].algorithm == "ed25519"
    assert found[("package", "packet")].algorithm == "rsa-sha256"
    for purposes, key in found.items():
        assert key.key_id == key_id(key.public_key_pem)
        assert signs(keys.signer_for(purposes[0]), key)
    assert found[("package", "packet")].private_box is None


def test_making_them_again_changes_nothing(world: World) -> None:
    before = list(SigningKey.objects.values_list("key_id", "status"))
    keys.ensure_service_keys(actor=Actor.system("test"))
    assert list(SigningKey.objects.values_list("key_id", "status")) == before


def test_a_new_artefact_key_replaces_the_old_one(world: World, settings: Any) -> None:
    old = SigningKey.objects.get(purposes=["package", "packet"])
    old_pem, settings.SIGNING_PRIVATE_KEY = (
        settings.SIGNING_PRIVATE_KEY,
        LocalSigner.generate("rsa-sha256").private_pem(),
    )
    with pytest.raises(keys.KeyMissing, match="not registered"):
        keys.signer_for("package")
    keys.ensure_service_keys(actor=Actor.system("test"))
    new = SigningKey.objects.get(purposes=["package", "packet"], status=KeyStatus.ACTIVE)
    old.refresh_from_db()
    assert (old.status, old.not_after is not None) == (KeyStatus.RETIRED, True)
    assert keys.signer_for("packet").key_id == new.key_id
    assert [event.object_id for event in recorded("audit.key.retired")] == [old.key_id]
    settings.SIGNING_PRIVATE_KEY = old_pem
    with pytest.raises(keys.KeyNotActive):
        keys.ensure_service_keys(actor=Actor.system("test"))


def test_the_service_signs_nothing_else(world: World) -> None:
    with pytest.raises(Invalid):
        keys.signer_for("countersign")


def test_one_active_key_of_the_service_for_a_purpose(world: World) -> None:
    key = SigningKey.objects.get(purposes=["checkpoint"])
    key.pk, key.key_id = None, "sha256:" + "0" * 64
    with pytest.raises(IntegrityError, match="audit_signingkey_one_active_service"):
        key.save()


# --- a person's key --------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256-sha256"])
def test_a_person_makes_a_key_and_signs_with_the_password(world: World, algorithm: str) -> None:
    key = create(world, algorithm=algorithm)
    assert (key.person, key.purposes, key.algorithm) == (
        world.person("olivia"),
        ["countersign"],
        algorithm,
    )
    assert keys.active_key_of(world.person("olivia")) == key
    assert signs(keys.person_signer(key, world.password), key)
    assert key.key_id in [event.object_id for event in recorded("audit.key.created")]


def test_another_password_does_not_open_it(world: World) -> None:
    key = create(world)
    for password in ("", world.password + " ", world.password.upper()):
        with pytest.raises(keys.WrongPassword) as caught:
            keys.person_signer(key, password)
        assert caught.value.field == "password"


def test_the_server_alone_does_not_open_it(world: World) -> None:
    key = create(world)
    with pytest.raises(keys.KeyMissing):
        boxes.opened(key, None)


def test_the_password_alone_does_not_open_it(world: World, settings: Any) -> None:
    key = create(world)
    settings.KEY_ENCRYPTION_KEY = bytes(32)
    with pytest.raises(keys.KeyMissing, match="KEY_ENCRYPTION_KEYS_FORMER"):
        keys.person_signer(key, world.password)


def test_a_box_does_not_open_for_another_key(world: World) -> None:
    one, other = create(world), create(world, "oscar")
    one.private_box, one.salt = other.private_box, other.salt
    with pytest.raises(keys.WrongPassword):
        keys.person_signer(one, world.password)


def test_the_private_half_is_not_stored_in_clear(world: World) -> None:
    key = create(world)
    assert b"PRIVATE KEY" not in bytes(key.private_box or b"")
    event = recorded("audit.key.created")[-1]
    assert "PRIVATE" not in event.event


@pytest.mark.parametrize("actor", ["oscar", "alice", "svc-clinic-001"])
def test_nobody_makes_a_key_for_somebody_else(world: World, actor: str) -> None:
    with pytest.raises(keys.NotOwnKey):
        keys.create_person_key(
            actor=world.actor(actor), person=world.person("olivia"), password=world.password
        )


def test_a_second_account_of_the_person_is_the_same_person(world: World) -> None:
    key = keys.create_person_key(
        actor=world.actor("olivia2"), person=world.person("olivia"), password=world.password
    )
    assert key.person == world.person("olivia")
    with pytest.raises(keys.KeyExists):
        create(world, "olivia")


def test_a_wrong_password_makes_no_key(world: World) -> None:
    with pytest.raises(keys.WrongPassword):
        keys.create_person_key(
            actor=world.actor("olivia"), person=world.person("olivia"), password="wrong"
        )
    assert keys.active_key_of(world.person("olivia")) is None


@pytest.mark.parametrize("username", ["alice", "audrey", "omar", "nobody", "root"])
def test_who_does_not_countersign_needs_no_key(world: World, username: str) -> None:
    with pytest.raises(Forbidden):
        create(world, username)


def test_an_officer_of_one_client_makes_a_key(world: World) -> None:
    assert create(world, "ben").is_active


def test_while_disabled_no_key_is_made(world: World, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    with pytest.raises(trail.AuditDisabled):
        create(world)


def test_one_active_key_for_a_person(world: World) -> None:
    key = create(world)
    with pytest.raises(keys.KeyExists):
        create(world)
    key.pk, key.key_id = None, "sha256:" + "0" * 64
    with pytest.raises(IntegrityError, match="audit_signingkey_one_active"):
        key.save()


@pytest.mark.parametrize(
    "purposes", [[], ["checkpoint"], ["package", "packet"], ["countersign", "package"]]
)
def test_a_persons_key_only_countersigns(world: World, purposes: list[str]) -> None:
    key = create(world)
    key.pk, key.key_id, key.status, key.not_after = None, "x", "retired", timezone.now()
    key.purposes = purposes
    with pytest.raises(IntegrityError, match="audit_signingkey_purposes"):
        key.save()


# --- how keys end ----------------------------------------------------------------------------


def test_a_retired_key_signs_no_more_and_still_verifies(world: World) -> None:
    key = create(world)
    signature = keys.person_signer(key, world.password).sign(b"message")
    keys.retire_key(actor=world.actor("olivia"), key=key)
    assert (key.status, key.not_after is not None) == ("retired", True)
    with pytest.raises(keys.KeyNotActive):
        keys.person_signer(key, world.password)
    trusted = keys.signers().get(key.key_id)
    assert trusted is not None and trusted.verify(signature, b"message")
    assert [event.object_id for event in recorded("audit.key.retired")] == [key.key_id]
    with pytest.raises(keys.KeyNotActive):
        keys.retire_key(actor=world.actor("olivia"), key=key)
    assert create(world).key_id != key.key_id


def test_a_compromised_key_counts_no_more(world: World) -> None:
    key = create(world)
    since = timezone.now() - timedelta(days=1)
    keys.mark_compromised(actor=world.actor("olivia"), key=key, compromised_at=since)
    assert (key.status, key.compromised_at) == ("compromised", since)
    refusal = keys.signers().refusal(key.key_id, purpose="countersign", signed_at=key.not_before)
    assert refusal is not None and refusal.code == "key_compromised"
    with pytest.raises(keys.KeyNotActive):
        keys.mark_compromised(actor=world.actor("olivia"), key=key, compromised_at=since)
    assert [event.object_id for event in recorded("audit.key.compromised")] == [key.key_id]


def test_a_retired_key_can_still_be_reported(world: World) -> None:
    key = create(world)
    ended = keys.retire_key(actor=world.actor("olivia"), key=key).not_after
    keys.mark_compromised(actor=world.actor("olivia"), key=key, compromised_at=timezone.now())
    assert (key.status, key.not_after) == ("compromised", ended)


def test_a_compromise_is_not_in_the_future(world: World) -> None:
    key = create(world)
    with pytest.raises(Invalid) as caught:
        keys.mark_compromised(
            actor=world.actor("olivia"),
            key=key,
            compromised_at=timezone.now() + timedelta(minutes=1),
        )
    assert caught.value.field == "compromised_at"


@pytest.mark.parametrize("username", ["ben", "audrey", "omar", "nobody", "root", "svc-clinic-001"])
def test_who_does_not_look_after_a_key_does_not_end_it(world: World, username: str) -> None:
    """That whoever does needs a second person is seen to by the acts (ops/acts/keys.py)."""
    key = create(world)
    with pytest.raises(Forbidden):
        keys.retire_key(actor=world.actor(username), key=key)
    with pytest.raises(Forbidden):
        keys.mark_compromised(actor=world.actor(username), key=key, compromised_at=timezone.now())
    key.refresh_from_db()
    assert key.is_active


def test_the_people_of_a_client_look_after_the_keys_of_its_officers(world: World) -> None:
    key = create(world, "ben")
    with pytest.raises(NotFound):  # another client's
        keys.retire_key(actor=world.actor("audrey"), key=key)
    assert keys.retire_key(actor=world.actor("alice"), key=key).status == KeyStatus.RETIRED
    again = create(world, "ben")
    assert keys.retire_key(actor=world.actor("ben"), key=again).status == KeyStatus.RETIRED


@pytest.mark.parametrize("change", [{"status": "retired"}, {"status": "compromised"}])
def test_a_key_that_ended_says_when(world: World, change: dict[str, str]) -> None:
    key = create(world)
    with pytest.raises(IntegrityError, match="audit_signingkey_status"), transaction.atomic():
        SigningKey.objects.filter(pk=key.pk).update(**change)


# --- what outsiders see ----------------------------------------------------------------------


def test_the_signers_file_names_every_key_and_its_state(world: World) -> None:
    retired = keys.retire_key(actor=world.actor("olivia"), key=create(world))
    active = create(world)
    signers = keys.signers()
    assert parse_signers(signers_document(signers)) == signers
    assert signers.origin == "strongroom.test/audit"
    assert {key.signer_kid for key in signers.keys} == set(
        SigningKey.objects.values_list("key_id", flat=True)
    )
    for key, status in ((retired, "retired"), (active, "active")):
        listed = signers.get(key.key_id)
        assert listed is not None
        assert (listed.status, listed.person) == (status, str(world.person("olivia").pk))
        assert listed.purposes == ("countersign",)


def test_public_keys_are_found_by_id(world: World) -> None:
    key = create(world)
    assert keys.public_pem(key.key_id) == key.public_key_pem
    assert key_id(keys.public_pem()) == keys.signer_for("package").key_id
    with pytest.raises(NotFound):
        keys.public_pem("sha256:" + "0" * 64)
