"""Jobs: who may register, enable and disable them, and with whose authority they act."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django_q.models import Schedule

from access.policy import OutOfScope
from access.roles import Action
from audit.events import EventType
from audit.models import PendingEvent
from audit.services.trail import AuditDisabled
from ops.cron import InvalidCron
from ops.models import Job
from ops.registry import UnknownJobType
from ops.services import jobs
from sealing.errors import Forbidden, Invalid
from tests.factories import World
from tests.services.ops.kinds import NAME, add, job_of, kind


def register(world: World, who: str = "alice", **changes: Any) -> Job:
    return jobs.register_job(
        **{
            "actor": world.actor(who),
            "name": "nightly count",
            "job_type": NAME,
            "schedule_cron": "30  2 * * *",
            "payload": {"client_id": "clinic-001"},
            "description": "Counts.",
            "enabled": True,
            "owner": world.user(who),
            **changes,
        }
    )


def last_event() -> dict[str, Any]:
    event: dict[str, Any] = json.loads(PendingEvent.objects.order_by("-id")[0].event)
    return event


def test_a_job_is_registered_scheduled_and_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    before = timezone.now()
    job = register(world)
    assert (job.client_id, job.owner, job.schedule_cron) == (
        "clinic-001",
        world.user("alice"),
        "30 2 * * *",
    )
    assert abs(job.windows_through - before) < timedelta(minutes=1), "nothing is made up for"
    assert Schedule.objects.get(name=job.name).next_run > before
    event = last_event()
    assert event["type"] == EventType.OPS_JOB_CREATED
    assert event["object"] == {"type": "job", "id": str(job.pk)}
    assert event["data"]["payload"] == {"client_id": "clinic-001"}


def refuse(payload: Mapping[str, Any]) -> dict[str, Any]:
    raise Invalid("There is no such period.", field="payload.period")


REFUSED = {
    "empty-name": ({"name": ""}, "name"),
    "long-name": ({"name": "x" * 101}, "name"),
    "strange-name": ({"name": "a\nb"}, "name"),
    "slash": ({"name": "../x"}, "name"),
    "cron": ({"schedule_cron": "@daily"}, "schedule_cron"),
    "never": ({"schedule_cron": "0 0 31 2 *"}, "schedule_cron"),
    "description": ({"description": "x" * 501}, "description"),
    "unknown-type": ({"job_type": "rm"}, "job_type"),
    "built-in-type": ({"job_type": "audit_archive", "payload": {}}, "job_type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_job_can_be(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    add(monkeypatch)
    changes, field = REFUSED[name]
    with pytest.raises((Invalid, UnknownJobType)) as refused:
        register(world, **changes)
    assert refused.value.field == field
    assert not Job.objects.filter(owner__isnull=False).exists()


def test_the_type_checks_the_payload(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, kind(validate=refuse))
    with pytest.raises(Invalid) as refused:
        register(world)
    assert refused.value.field == "payload.period"


def test_names_are_taken_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    register(world)
    for name in ("nightly count", "audit_archive"):
        with pytest.raises(jobs.JobExists) as refused:
            register(world, name=name)
        assert (refused.value.field, refused.value.code) == ("name", "already_exists")


@pytest.mark.parametrize(
    "name", [NAME, "compliance_evidence_export", "generate-soc2-evidence", "generate-hipaa-packets"]
)
def test_names_of_strongroom_s_own_jobs_are_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    add(monkeypatch)
    with pytest.raises(jobs.JobExists) as refused:
        register(world, name=name)
    assert refused.value.field == "name"


def test_a_built_in_job_is_recorded_and_takes_over_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(name="late", is_builtin=True))
    taken = job_of(world, name="taken")
    add(monkeypatch, kind(name="taken", is_builtin=True, default_cron="7 * * * *"))
    assert jobs.ensure_builtin_jobs() == 1
    event = last_event()
    assert (event["type"], event["actor"]["id"]) == (EventType.OPS_JOB_CREATED, "service:worker")
    assert event["data"]["name"] == "late"
    taken.refresh_from_db()
    assert (taken.job_type, taken.schedule_cron) == (NAME, "")


@pytest.mark.parametrize("who", ["audrey", "omar", "nobody", "root", "svc-clinic-001"])
def test_who_may_not_register(world: World, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    add(monkeypatch)
    with pytest.raises(Forbidden):
        register(world, who)


def test_nobody_makes_a_job_for_somebody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    with pytest.raises(jobs.ForeignOwner) as refused:
        register(world, owner=world.user("olivia"))
    assert refused.value.field == "owner"
    actor = world.actor("alice")
    assert jobs.owner_named(actor=actor, username=None) == world.user("alice")
    assert jobs.owner_named(actor=actor, username="alice") == world.user("alice")
    with pytest.raises(jobs.ForeignOwner):
        jobs.owner_named(actor=actor, username="olivia")


def test_the_owner_may_do_himself_what_the_job_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(permission=Action.INGEST))
    with pytest.raises(Forbidden):
        register(world)
    with pytest.raises(OutOfScope):
        jobs.valid_job(
            name="x",
            job_type=NAME,
            schedule_cron="",
            payload={"client_id": "clinic-001"},
            description="",
            enabled=True,
            owner=world.user("ben"),
        )


# --- enabling and disabling -----------------------------------------------------------------


def test_disabling_and_enabling(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job = job_of(world, schedule_cron="* * * * *")
    job = jobs.disable_job(actor=world.actor("olivia"), job=job, reason="Moving house")
    assert not job.is_enabled
    assert last_event()["data"] == {"name": job.name, "reason": "Moving house"}
    assert not Schedule.objects.filter(name=job.name).exists()
    with pytest.raises(jobs.AlreadyThere):
        jobs.disable_job(actor=world.actor("olivia"), job=job, reason="again")
    before = timezone.now()
    job = jobs.enable_job(actor=world.actor("alice"), job=job)
    assert job.is_enabled
    assert job.windows_through > before - timedelta(minutes=1), "the pause is not made up for"
    assert last_event()["type"] == EventType.OPS_JOB_ENABLED
    assert Schedule.objects.get(name=job.name).next_run > before - timedelta(minutes=1)
    with pytest.raises(jobs.AlreadyThere):
        jobs.enable_job(actor=world.actor("alice"), job=job)


def test_a_reason_is_needed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid) as refused:
        jobs.disable_job(actor=world.actor("alice"), job=job_of(world), reason="  ")
    assert refused.value.field == "reason"


@pytest.mark.parametrize("who", ["olivia", "audrey", "omar", "root", "svc-clinic-001"])
def test_who_may_not_enable(world: World, who: str) -> None:
    job = job_of(world, is_enabled=False)
    with pytest.raises(Forbidden):
        jobs.enable_job(actor=world.actor(who), job=job)


@pytest.mark.parametrize("who", ["audrey", "omar", "root", "svc-clinic-001"])
def test_who_may_not_even_propose_to_disable(world: World, who: str) -> None:
    with pytest.raises(Forbidden):
        jobs.disable_job(actor=world.actor(who), job=job_of(world), reason="x")


def test_where_nothing_is_recorded_nothing_is_changed(
    world: World, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    add(monkeypatch)
    settings.AUDIT_ENABLED = False
    with pytest.raises(AuditDisabled):
        register(world)
    with pytest.raises(AuditDisabled):
        jobs.enable_job(actor=world.actor("alice"), job=job_of(world, is_enabled=False))


# --- seeing ---------------------------------------------------------------------------------

SEEN = {
    "alice": {"one", "two", "three"},
    "audrey": {"one"},
    "omar": {"one"},
    "ben": {"two"},
    "svc-clinic-001": {"one"},
    "nobody": set(),
    "root": set(),
}


@pytest.mark.parametrize("who", SEEN)
def test_who_sees_which(world: World, who: str) -> None:
    """Whoever may look at a client's things, or may run its jobs, has to know them."""
    made = [
        job_of(world, name="one", client=world.client()),
        job_of(world, name="two", client=world.client("clinic-002")),
        job_of(world, name="three"),
    ]
    found = jobs.visible_jobs(world.user(who)).filter(pk__in=[job.pk for job in made])
    assert {job.name for job in found} == SEEN[who]
    for job in made:
        if job.name in SEEN[who]:
            assert jobs.get_job(actor=world.actor(who), job_id=job.pk) == job
        else:
            with pytest.raises(jobs.JobNotFound):
                jobs.get_job(actor=world.actor(who), job_id=job.pk)


# --- the database ---------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["name", "job_type", "owner_id", "client_id"])
def test_a_job_never_turns_into_another(world: World, column: str) -> None:
    job = job_of(world)
    value: Any = {"owner_id": world.user("alice").pk, "client_id": "clinic-001"}.get(column, "x")
    with pytest.raises(IntegrityError, match="records of fact"), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(**{column: value})


def test_a_job_is_never_deleted(world: World) -> None:
    job = job_of(world)
    with (
        pytest.raises(IntegrityError, match="records of fact"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM ops_job WHERE id = %s", [job.pk])


def test_invalid_schedules_are_told_by_their_own_code(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    with pytest.raises(InvalidCron) as refused:
        register(world, schedule_cron="x")
    assert refused.value.code == "invalid_cron"
