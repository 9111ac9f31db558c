"""Signing keys take two people, and one's own key one's own password."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from access.models import User
from access.roles import Role
from audit.events import Actor, EventType
from audit.models import KeyStatus, PendingEvent, SigningKey
from audit.services import checkpoints, keys
from ops.models import Approval, ApprovalState
from ops.services import approvals, people, proposals
from ops.services.approval_errors import (
    ApprovalClosed,
    ApprovalVoid,
    NotADecider,
    NotAPerson,
    NotApproved,
    NotYourRequest,
    OwnRequest,
)
from sealing.errors import Forbidden, Invalid, NotFound
from tests.factories import PASSWORD, World
from tests.services.ops.approving import decide, events, use

REASON = "I start on Monday."


def create(world: World, by: str = "olivia") -> Approval:
    return proposals.create_key(actor=world.actor(by), reason=REASON)


def retire(world: World, key: SigningKey, by: str = "alice") -> Approval:
    return proposals.retire_key(actor=world.actor(by), key_id=key.key_id, reason=REASON)


def compromise(world: World, key: SigningKey, by: str = "alice", **changes: Any) -> Approval:
    given = {"compromised_at": timezone.now() - timedelta(days=1), "reason": REASON, **changes}
    return proposals.report_compromised(actor=world.actor(by), key_id=key.key_id, **given)


def rotate(world: World, key: SigningKey, by: str = "olivia") -> Approval:
    return proposals.rotate_key(actor=world.actor(by), key_id=key.key_id, reason=REASON)


def checkpoint_key() -> SigningKey:
    return SigningKey.objects.get(purposes=["checkpoint"], status=KeyStatus.ACTIVE)


def artefact_key() -> SigningKey:
    return SigningKey.objects.get(purposes=["package", "packet"], status=KeyStatus.ACTIVE)


# --- one's own --------------------------------------------------------------------------------


def test_a_key_is_made_with_the_password_when_another_person_has_approved(world: World) -> None:
    approval = create(world)
    approved = decide(world, approval, "oscar")
    assert approved.state == ApprovalState.APPROVED
    assert keys.active_key_of(world.person("olivia")) is None
    used = use(world, approval, "olivia", password=PASSWORD)
    key = keys.active_key_of(world.person("olivia"))
    assert key is not None
    assert (used.state, used.result) == (ApprovalState.USED, {"key_id": key.key_id})
    assert keys.person_signer(key, PASSWORD).key_id == key.key_id
    with pytest.raises(ApprovalClosed):
        use(world, approval, "olivia", password=PASSWORD)
    assert SigningKey.objects.filter(person=world.person("olivia")).count() == 1


def test_the_password_is_nowhere_but_in_the_lock_of_the_key(world: World) -> None:
    approval = create(world)
    decide(world, approval, "oscar")
    used = use(world, approval, "olivia", password=PASSWORD)
    assert PASSWORD not in used.request + str(used.result)
    assert not PendingEvent.objects.filter(event__contains=PASSWORD).exists()


def test_a_wrong_password_leaves_the_approval_as_it_was(world: World) -> None:
    approval = create(world)
    decide(world, approval, "oscar")
    with pytest.raises(keys.WrongPassword):
        use(world, approval, "olivia", password="wrong")
    approval.refresh_from_db()
    assert approval.state == ApprovalState.APPROVED
    use(world, approval, "olivia", password=PASSWORD)
    assert keys.active_key_of(world.person("olivia")) is not None


def test_before_it_is_approved_there_is_no_key(world: World) -> None:
    approval = create(world)
    with pytest.raises(NotApproved):
        use(world, approval, "olivia", password=PASSWORD)
    assert keys.active_key_of(world.person("olivia")) is None


@pytest.mark.parametrize("username", ["oscar", "alice", "olivia2"])
def test_nobody_else_carries_it_out(world: World, username: str) -> None:
    approval = create(world)
    decide(world, approval, "oscar")
    with pytest.raises(NotYourRequest):
        use(world, approval, username, password=PASSWORD)
    assert not SigningKey.objects.filter(person__isnull=False).exists()


def test_nobody_asks_for_somebody_elses_key(world: World) -> None:
    with pytest.raises(keys.NotOwnKey):
        approvals.request(
            actor=world.actor("oscar"),
            action="key.create",
            params={"person": str(world.person("olivia").pk)},
            reason=REASON,
        )
    assert not Approval.objects.exists()


@pytest.mark.parametrize("username", ["alice", "audrey", "omar", "nobody", "root"])
def test_who_does_not_sign_gets_no_key(world: World, username: str) -> None:
    with pytest.raises(Forbidden):
        create(world, username)


def test_a_service_gets_no_key(world: World) -> None:
    with pytest.raises((NotAPerson, Forbidden)):
        create(world, "svc-clinic-001")


def test_an_officer_of_one_client_asks_the_officers_of_that_client(world: World) -> None:
    approval = create(world, "ben")
    assert approval.client_id == "clinic-002"
    decide(world, approval, "oscar")
    use(world, approval, "ben", password=PASSWORD)
    assert keys.active_key_of(world.person("ben")) is not None


def with_two_clients(world: World) -> None:
    """Ben is officer of both clients; Audrey administrator of the first of them."""
    for username, role in (("ben", Role.OFFICER), ("audrey", Role.ADMIN)):
        client = world.client("clinic-001")
        people.grant(
            actor=world.actor("alice"), user=world.user(username), role=role, client=client
        )


def test_the_key_of_several_clients_is_looked_after_by_the_platform(world: World) -> None:
    with_two_clients(world)
    approval = create(world, "ben")
    assert approval.client_id is None
    decide(world, approval, "oscar")
    use(world, approval, "ben", password=PASSWORD)
    key = keys.active_key_of(world.person("ben"))
    assert key is not None
    for ask in (retire, compromise):
        with pytest.raises(Forbidden):
            ask(world, key, "audrey")
    assert retire(world, key, "alice").client_id is None


def test_a_second_key_is_not_asked_for(world: World) -> None:
    world.key("olivia")
    with pytest.raises(keys.KeyExists):
        create(world)


def test_of_two_requests_only_one_makes_a_key(world: World) -> None:
    first, second = create(world), create(world)
    decide(world, first, "oscar")
    decide(world, second, "oscar")
    use(world, first, "olivia", password=PASSWORD)
    with pytest.raises(ApprovalVoid):
        use(world, second, "olivia", password=PASSWORD)
    assert SigningKey.objects.filter(person=world.person("olivia")).count() == 1


def test_ones_own_key_is_rotated(world: World) -> None:
    old = world.key("olivia")
    approval = rotate(world, old)
    decide(world, approval, "oscar")
    use(world, approval, "olivia", password=PASSWORD)
    new = keys.active_key_of(world.person("olivia"))
    old.refresh_from_db()
    assert new is not None
    assert new != old
    assert old.status == KeyStatus.RETIRED


@pytest.mark.parametrize("username", ["oscar", "alice"])
def test_somebody_elses_key_is_not_rotated(world: World, username: str) -> None:
    key = world.key("olivia")
    with pytest.raises(Forbidden):
        rotate(world, key, username)
    assert not Approval.objects.exists()


# --- the service's ----------------------------------------------------------------------------


def test_the_checkpoint_key_is_rotated_by_two(world: World) -> None:
    old = checkpoint_key()
    approval = rotate(world, old, "alice")
    assert checkpoint_key() == old
    decide(world, approval, "olivia")
    assert checkpoint_key() != old
    assert checkpoints.issue().key == checkpoint_key()


def test_a_key_that_was_rotated_meanwhile_is_not_rotated_again(world: World) -> None:
    approval = rotate(world, checkpoint_key(), "alice")
    keys.rotate_checkpoint_key(actor=world.actor("alice"))
    now = checkpoint_key()
    with pytest.raises(ApprovalVoid):
        decide(world, approval, "olivia")
    assert checkpoint_key() == now


def test_the_configured_key_is_not_rotated_here(world: World) -> None:
    with pytest.raises(Forbidden, match="SIGNING_PRIVATE_KEY"):
        rotate(world, artefact_key(), "alice")


def test_the_checkpoint_key_is_not_retired(world: World) -> None:
    with pytest.raises(keys.KeyNeeded):
        retire(world, checkpoint_key())


def test_the_configured_key_is_retired_by_two(world: World) -> None:
    key = artefact_key()
    decide(world, retire(world, key), "olivia")
    key.refresh_from_db()
    assert key.status == KeyStatus.RETIRED
    with pytest.raises(keys.KeyMissing):
        keys.signer_for("package")


# --- anybody's --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["oscar", "alice", "olivia"])
def test_a_persons_key_is_retired_by_two(world: World, by: str) -> None:
    key = world.key("oscar")
    approval = retire(world, key, by)
    key.refresh_from_db()
    assert key.is_active
    decide(world, approval, "olivia" if by != "olivia" else "oscar")
    key.refresh_from_db()
    assert key.status == KeyStatus.RETIRED
    (event,) = events(EventType.AUDIT_KEY_RETIRED)
    assert (event["actor"]["id"], event["object"]["id"]) == (f"user:{by}", key.key_id)


def test_a_key_is_marked_as_compromised_by_two(world: World) -> None:
    key, since = world.key("oscar"), timezone.now() - timedelta(days=3)
    decide(world, compromise(world, key, compromised_at=since), "olivia")
    key.refresh_from_db()
    assert (key.status, key.compromised_at) == (KeyStatus.COMPROMISED, since)


def test_a_compromised_checkpoint_key_has_a_successor(world: World) -> None:
    old = checkpoint_key()
    decide(world, compromise(world, old), "olivia")
    assert checkpoint_key() != old


def test_a_compromise_lies_not_in_the_future(world: World) -> None:
    ahead = timezone.now() + timedelta(minutes=1)
    with pytest.raises(Invalid) as refused:
        compromise(world, world.key("oscar"), compromised_at=ahead)
    assert refused.value.field == "compromised_at"


def test_a_key_that_changed_meanwhile_voids_it(world: World) -> None:
    key = world.key("oscar")
    approval = compromise(world, key)
    keys.retire_key(actor=world.actor("alice"), key=key)
    with pytest.raises(ApprovalVoid):
        decide(world, approval, "olivia")
    key.refresh_from_db()
    assert key.status == KeyStatus.RETIRED


def test_a_key_that_is_not_there(world: World) -> None:
    for ask in (retire, compromise, rotate):
        with pytest.raises(NotFound):
            ask(world, SigningKey(key_id="sha256:" + "0" * 64))


def test_an_administrator_never_approves_where_officers_can(world: World) -> None:
    approval = create(world)
    with pytest.raises(NotADecider):
        decide(world, approval, "alice")
    with pytest.raises(OwnRequest):
        decide(world, approval, "olivia2")


# --- the first day ----------------------------------------------------------------------------


def test_the_first_two_people_get_the_officer_a_key(committed_db: Any, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    call_command(
        "bootstrap",
        admin="first",
        officer="second",
        admin_password_file=secret,
        officer_password_file=secret,
    )
    admin, officer = (Actor.of(User.objects.get(username=name)) for name in ("first", "second"))
    approval = proposals.create_key(actor=officer, reason=REASON)
    approvals.decide(
        actor=admin, approval_id=approval.pk, approve=True, comment="", password=PASSWORD
    )
    used = approvals.use(actor=officer, approval_id=approval.pk, secrets={"password": PASSWORD})
    assert used.state == ApprovalState.USED
    assert SigningKey.objects.get(key_id=used.result["key_id"]).person_id == (
        User.objects.get(username="second").person_id
    )
