"""What takes two people: asked for by one, done when another approved it, and not before."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from access.models import Client, Grant
from access.roles import Role
from audit.models import ArchiverState, LegalHold, PendingEvent
from audit.services import holds, switches
from audit.services.trail import AuditDisabled
from ops import approvable, registry
from ops.models import Approval, ApprovalState, Job
from ops.services import approvals, deciders, jobs, people, proposals
from ops.services.approval_errors import ApprovalVoid, NotADecider, NotAPerson, OwnRequest
from sealing.errors import Conflict, Forbidden, Invalid, NotFound
from tests.factories import World
from tests.services.ops.approving import decide, events

REASON = "Case 7 is looked into."


def place(world: World, by: str = "olivia", **changes: Any) -> Approval:
    given: dict[str, Any] = {"case_id": "C-7", "reason": REASON, **changes}
    return proposals.place_hold(actor=world.actor(by), **given)


def pause(world: World, by: str = "olivia", **changes: Any) -> Approval:
    given: dict[str, Any] = {"what": "archiver", "reason": REASON, **changes}
    return proposals.pause(actor=world.actor(by), **given)


def grant(world: World, by: str = "alice", **changes: Any) -> Grant | Approval:
    given: dict[str, Any] = {
        "user": world.user("nobody"),
        "role": Role.OFFICER,
        "client": world.client(),
        "reason": "She joins the team.",
        **changes,
    }
    return proposals.grant(actor=world.actor(by), **given)


def new_client(world: World, by: str = "olivia", **changes: Any) -> Client | Approval:
    given: dict[str, Any] = {"client_id": "clinic-003", "name": "Third", "reason": "New", **changes}
    return proposals.create_client(actor=world.actor(by), **given)


def builtin_job() -> Job:
    jobs.ensure_builtin_jobs()
    found = Job.objects.order_by("name").first()
    assert found is not None
    return found


def asked(found: object) -> Approval:
    assert isinstance(found, Approval)
    return found


def test_every_act_says_what_it_does() -> None:
    for act in approvable.all_acts():
        assert act.consequences, act.name
        assert all(sentence.endswith(".") for sentence in (*act.consequences, *act.irreversible))


def test_after_the_start_nothing_is_added() -> None:
    act = dataclasses.replace(approvable.all_acts()[0], name="test.sneaked_in")
    with pytest.raises(RuntimeError):
        approvable.register(act)
    kind = dataclasses.replace(registry.all_types()[0], name="sneaked-in")
    with pytest.raises(RuntimeError):
        registry.register(kind)
    assert act not in approvable.all_acts()


# --- legal holds ------------------------------------------------------------------------------


def test_a_hold_is_placed_when_another_person_has_approved_it(world: World) -> None:
    approval = place(world, start_day=date(2026, 1, 1))
    assert not LegalHold.objects.exists()
    used = decide(world, approval, "oscar")
    hold = LegalHold.objects.get()
    assert (used.state, used.result) == (ApprovalState.USED, {"hold_id": hold.pk})
    assert (hold.case_id, hold.start_day, hold.end_day) == ("C-7", date(2026, 1, 1), None)
    # It is the requester's act: the approval beside it says who approved.
    assert (hold.placed_by, hold.reason) == ("user:olivia", REASON)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"case_id": " "}, "case_id"),
        ({"case_id": "x" * 129}, "case_id"),
        ({"reason": " "}, "reason"),
        ({"start_day": date(2026, 2, 2), "end_day": date(2026, 2, 1)}, "end_day"),
    ],
    ids=["no case", "long case", "no reason", "days"],
)
def test_a_hold_that_can_not_be_is_not_asked_for(
    world: World, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        place(world, **changes)
    assert refused.value.field == field
    assert not Approval.objects.exists()


def test_a_case_that_is_held_is_not_asked_for_again(world: World) -> None:
    decide(world, place(world), "oscar")
    with pytest.raises(holds.HoldExists):
        place(world)


def test_of_two_requests_for_one_case_the_second_is_void(world: World) -> None:
    first, second = place(world), place(world, "alice")
    decide(world, first, "oscar")
    with pytest.raises(ApprovalVoid):
        decide(world, second, "oscar")
    assert LegalHold.objects.count() == 1


def test_a_hold_is_released_by_two(world: World) -> None:
    hold = holds.place(actor=world.actor("olivia"), case_id="C", reason="R")
    approval = proposals.release_hold(actor=world.actor("alice"), hold_id=hold.pk, reason="Over")
    hold.refresh_from_db()
    assert hold.released_at is None
    decide(world, approval, "olivia")
    hold.refresh_from_db()
    assert (hold.released_by, hold.release_reason) == ("user:alice", "Over")
    with pytest.raises(holds.HoldReleased):
        proposals.release_hold(actor=world.actor("alice"), hold_id=hold.pk, reason="Again")


def test_a_hold_that_is_not_there_is_not_released(world: World) -> None:
    with pytest.raises(NotFound):
        proposals.release_hold(actor=world.actor("alice"), hold_id=4711, reason="Over")


# --- pauses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["archiver", "retention_sweep"])
def test_a_pause_takes_two_and_its_end_one(world: World, what: switches.What) -> None:
    approval = pause(world, what=what)
    assert not switches.is_paused(what)
    decide(world, approval, "oscar")
    assert switches.is_paused(what)
    with pytest.raises(switches.AlreadyThere):
        pause(world, what=what)
    switches.resume(actor=world.actor("alice"), what=what, reason="Done")
    assert not switches.is_paused(what)


def test_what_was_paused_meanwhile_is_not_paused_again(world: World) -> None:
    approval = pause(world)
    switches.pause(actor=world.actor("alice"), what="archiver", reason="Other")
    with pytest.raises(ApprovalVoid):
        decide(world, approval, "oscar")
    assert ArchiverState.objects.get().pause_reason == "Other"


# --- grants -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "client_id"),
    [
        (Role.ADMIN, "clinic-001"),
        (Role.OFFICER, "clinic-001"),
        (Role.AUDITOR, None),
        (Role.OPERATOR, None),
        (Role.ADMIN, None),
    ],
)
def test_a_grant_of_much_power_takes_an_officer(
    world: World, role: Role, client_id: str | None
) -> None:
    client = world.client(client_id) if client_id else None
    approval = asked(grant(world, role=role, client=client))
    nobody = world.user("nobody")
    assert not Grant.objects.filter(user=nobody).exists()
    decide(world, approval, "olivia")
    made = Grant.objects.get(user=nobody)
    assert (made.group.name, made.client_id) == (role, client_id)
    assert made.granted_by == world.user("alice")


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.OPERATOR])
def test_a_grant_of_little_power_is_given_at_once(world: World, role: Role) -> None:
    made = grant(world, role=role)
    assert isinstance(made, Grant)
    assert not Approval.objects.exists()


def test_nobody_asks_for_rights_of_his_own(world: World) -> None:
    with pytest.raises(people.OwnGrant):
        grant(world, user=world.user("alice"), role=Role.AUDITOR, client=None)


def test_nobody_approves_rights_of_his_own(world: World) -> None:
    olivia = asked(grant(world, user=world.user("olivia2"), client=world.client()))
    for username in ("olivia", "olivia2"):
        with pytest.raises(OwnRequest):
            decide(world, olivia, username)
    decide(world, olivia, "oscar")
    assert Grant.objects.filter(user=world.user("olivia2"), client="clinic-001").exists()


def test_roles_that_exclude_each_other_are_not_asked_for(world: World) -> None:
    with pytest.raises(people.RolesConflict):
        grant(world, user=world.user("olivia2"), role=Role.ADMIN, client=None)


def test_rights_that_changed_meanwhile_void_it(world: World) -> None:
    approval = asked(grant(world))
    grant(world, role=Role.AUDITOR)
    with pytest.raises(ApprovalVoid):
        decide(world, approval, "olivia")
    assert not Grant.objects.filter(user=world.user("nobody"), group__name=Role.OFFICER).exists()


def test_an_officer_proposes_no_grants(world: World) -> None:
    with pytest.raises(Forbidden):
        grant(world, "olivia")


# --- clients ----------------------------------------------------------------------------------


def test_an_administrator_creates_a_client_alone(world: World) -> None:
    assert isinstance(new_client(world, "alice"), Client)
    assert not Approval.objects.exists()


def test_an_officer_asks_an_administrator_for_one(world: World) -> None:
    approval = asked(new_client(world, redaction_pointers=["/data/secret"]))
    assert not Client.objects.filter(pk="clinic-003").exists()
    with pytest.raises(NotADecider):
        decide(world, approval, "oscar")
    decide(world, approval, "alice")
    client = Client.objects.get(pk="clinic-003")
    assert (client.name, client.redaction_pointers) == ("Third", ["/data/secret"])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "../etc"}, Invalid),
        ({"client_id": "platform"}, Invalid),
        ({"redaction_pointers": ["data"]}, Invalid),
        ({"client_id": "clinic-001"}, people.AlreadyThere),
    ],
    ids=["path", "platform", "pointer", "taken"],
)
def test_a_client_that_can_not_be_is_not_asked_for(
    world: World, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        new_client(world, **changes)


def test_an_officer_of_one_client_asks_for_no_other(world: World) -> None:
    with pytest.raises(Forbidden):
        new_client(world, "ben")


# --- jobs -------------------------------------------------------------------------------------


def test_a_job_is_disabled_by_two(world: World) -> None:
    job = builtin_job()
    approval = proposals.disable_job(actor=world.actor("alice"), job=job, reason=REASON)
    job.refresh_from_db()
    assert job.is_enabled
    decide(world, approval, "olivia")
    job.refresh_from_db()
    assert not job.is_enabled
    (event,) = events("ops.job.disabled")  # type: ignore[arg-type]
    assert (event["actor"]["id"], event["data"]["reason"]) == ("user:alice", REASON)
    with pytest.raises(Conflict):
        proposals.disable_job(actor=world.actor("alice"), job=job, reason=REASON)


def test_a_job_that_changed_meanwhile_is_not_disabled(world: World) -> None:
    job = builtin_job()
    approval = proposals.disable_job(actor=world.actor("alice"), job=job, reason=REASON)
    Job.objects.filter(pk=job.pk).update(schedule_cron="1 2 3 * *")
    with pytest.raises(ApprovalVoid):
        decide(world, approval, "olivia")
    job.refresh_from_db()
    assert job.is_enabled


# --- whoever asks and decides -----------------------------------------------------------------

ASKING: dict[str, Callable[..., Any]] = {
    "place": place,
    "pause": pause,
    "client": new_client,
    "disable": lambda world, by: proposals.disable_job(
        actor=world.actor(by), job=builtin_job(), reason=REASON
    ),
}


@pytest.mark.parametrize("name", list(ASKING))
@pytest.mark.parametrize("username", ["audrey", "omar", "nobody", "root"])
def test_who_may_not_ask(world: World, name: str, username: str) -> None:
    with pytest.raises(Forbidden):
        ASKING[name](world, username)
    assert not Approval.objects.exists()


@pytest.mark.parametrize("name", list(ASKING))
def test_a_service_asks_for_nothing(world: World, name: str) -> None:
    with pytest.raises((NotAPerson, Forbidden)):
        ASKING[name](world, "svc-clinic-001")


@pytest.mark.parametrize("name", list(ASKING))
def test_nobody_decides_his_own_request(world: World, name: str) -> None:
    approval = asked(ASKING[name](world, "olivia"))
    for username in ("olivia", "olivia2"):
        with pytest.raises(OwnRequest):
            decide(world, approval, username)
    assert Approval.objects.get().state == ApprovalState.PENDING


@pytest.mark.parametrize("name", list(ASKING))
def test_nothing_is_asked_for_unrecorded(world: World, settings: Any, name: str) -> None:
    builtin_job()
    settings.AUDIT_ENABLED = False
    before = PendingEvent.objects.count()
    with pytest.raises(AuditDisabled):
        ASKING[name](world, "olivia")
    assert not Approval.objects.exists()
    assert PendingEvent.objects.count() == before


def test_whoever_asks_learns_who_can_decide(world: World) -> None:
    assert deciders.in_words(place(world)) == "Oscar Officer can decide on it."
    assert deciders.in_words(place(world, "alice", case_id="C-8")) == (
        "Olivia Officer or Oscar Officer can decide on it."
    )
    approval = asked(new_client(world))
    assert deciders.in_words(approval) == "Alice Admin can decide on it."
    people.revoke_grant(actor=world.actor("alice"), grant=world.user("oscar").grants.get())
    # With one officer left, an administrator stands in.
    alone = place(world, case_id="C-9")
    assert deciders.in_words(alone) == "Alice Admin can decide on it."
    Grant.objects.filter(user__username="alice").update(revoked_at=timezone.now())
    assert deciders.in_words(alone).startswith("Nobody can decide on it now")


def test_whoever_has_decided_is_not_among_those_who_can(world: World) -> None:
    approval = place(world, "alice")
    approvals.decide(
        actor=world.actor("olivia"),
        approval_id=approval.pk,
        approve=False,
        comment="No",
        password=world.password,
    )
    assert [person.display_name for person in deciders.people_for(approval)] == ["Oscar Officer"]
