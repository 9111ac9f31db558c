"""Asking for runs, and who may see which."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from access.policy import OutOfScope
from access.roles import Action
from audit.events import Actor, EventType
from audit.models import PendingEvent
from audit.services.trail import AuditDisabled
from ops.models import Job, Run
from ops.registry import UnknownJobType
from ops.services.runs import (
    JobDisabled,
    RunNotFound,
    get_run,
    request_once,
    request_run,
    visible_runs,
    wait_for,
)
from sealing.errors import Forbidden, Invalid
from tests.factories import World
from tests.services.ops.kinds import NAME, add, job_of, kind, run_of


def of_client(world: World, client_id: str = "clinic-001", **fields: Any) -> Job:
    return job_of(world, {"client_id": client_id}, client=world.client(client_id), **fields)


def test_a_run_is_queued_and_recorded_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(max_attempts=7))
    job = of_client(world, owner="alice")
    run = request_run(actor=world.actor("olivia"), job=job)
    run.refresh_from_db()
    assert (run.status, run.attempts, run.max_attempts) == ("QUEUED", 0, 7)
    assert (run.job, run.client_id, run.payload) == (job, "clinic-001", job.payload)
    assert (run.triggered_by, run.account) == ("user:olivia", world.user("olivia"))
    assert OrmQ.objects.get().payload == str(run.pk)
    event = json.loads(PendingEvent.objects.order_by("-id")[0].event)
    assert event["type"] == EventType.OPS_RUN_REQUESTED
    assert (event["actor"]["id"], event["client_id"]) == ("user:olivia", "clinic-001")
    assert event["object"] == {"type": "run", "id": str(run.pk)}


WHO = {
    #           alice olivia audrey omar ben  svc1 svc2 nobody
    "plain": "   yes   yes    no    yes  404  yes  404  404",
    "export": "  yes   yes    no    no   404  yes  404  404",
    "platform": "yes   yes    no    no   no   no   no   no",
}
PEOPLE = ("alice", "olivia", "audrey", "omar", "ben", "svc-clinic-001", "svc-clinic-002", "nobody")


@pytest.mark.parametrize(
    ("what", "who", "expected"),
    [
        (what, who, expected)
        for what, line in WHO.items()
        for who, expected in zip(PEOPLE, line.split(), strict=True)
    ],
)
def test_who_may_run_what(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str, who: str, expected: str
) -> None:
    export = {"permission": Action.EXPORT, "job_permission": Action.EXPORT_ON_SCHEDULE}
    add(monkeypatch, kind(**(export if what == "export" else {})))
    job = job_of(world) if what == "platform" else of_client(world)
    if expected == "yes":
        assert request_run(actor=world.actor(who), job=job).account == world.user(who)
        return
    with pytest.raises(OutOfScope if expected == "404" else Forbidden):
        request_run(actor=world.actor(who), job=job)
    assert not Run.objects.exists()
    assert not OrmQ.objects.exists()


def test_neither_nobody_nor_a_closed_account(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job = job_of(world)
    closed = world.actor("alice")
    assert closed.account is not None
    closed.account.is_active = False
    for actor in (Actor.anonymous(None), Actor.system("x"), closed):
        with pytest.raises(Forbidden):
            request_run(actor=actor, job=job)


def test_a_disabled_job_is_run_by_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    with pytest.raises(JobDisabled):
        request_run(actor=world.actor("alice"), job=job_of(world, is_enabled=False))


def test_also_where_it_was_read_before_it_was_disabled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = job_of(world)
    Job.objects.update(is_enabled=False)
    with pytest.raises(JobDisabled):
        request_run(actor=world.actor("alice"), job=job)
    assert not job.runs.exists()


def test_where_nothing_is_recorded_nothing_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    add(monkeypatch)
    settings.AUDIT_ENABLED = False
    with pytest.raises(AuditDisabled):
        request_run(actor=world.actor("alice"), job=job_of(world))
    with pytest.raises(AuditDisabled):
        request_once(actor=world.actor("alice"), job_type=NAME, payload={})


# --- without a job --------------------------------------------------------------------------


def only_known(payload: Mapping[str, Any]) -> dict[str, Any]:
    if payload.keys() - {"client_id"}:
        raise Invalid("There is no such member.", field="payload.x")
    return {"client_id": None, **payload}


def test_once_what_is_done_is_said_then(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, kind(validate=only_known))
    run = request_once(
        actor=world.actor("olivia"), job_type=NAME, payload={"client_id": "clinic-001"}
    )
    run.refresh_from_db()
    assert (run.job, run.client_id, run.payload) == (
        None,
        "clinic-001",
        {"client_id": "clinic-001"},
    )
    assert OrmQ.objects.get().payload == str(run.pk)


def test_once_needs_the_type_s_own_permission(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(permission=Action.EXPORT, job_permission=Action.EXPORT_ON_SCHEDULE))
    payload = {"client_id": "clinic-001"}
    with pytest.raises(Forbidden):
        request_once(actor=world.actor("svc-clinic-001"), job_type=NAME, payload=payload)
    with pytest.raises(OutOfScope):
        request_once(actor=world.actor("ben"), job_type=NAME, payload=payload)


def test_once_the_payload_is_checked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, kind(validate=only_known))
    with pytest.raises(Invalid) as refused:
        request_once(actor=world.actor("alice"), job_type=NAME, payload={"x": 1})
    assert refused.value.field == "payload.x"
    with pytest.raises(UnknownJobType) as unknown:
        request_once(actor=world.actor("alice"), job_type="rm", payload={})
    assert unknown.value.field == "job_type"
    assert not Run.objects.exists()


# --- waiting and seeing ---------------------------------------------------------------------


def test_waiting_ends_with_the_run(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(job_of(committed_world))

    def end() -> None:
        time.sleep(0.3)
        Run.objects.filter(pk=run.pk).update(status="SUCCESS", finished_at=timezone.now())
        connection.close()

    thread = threading.Thread(target=end)
    thread.start()
    begun = time.monotonic()
    assert wait_for(run, 60).status == "SUCCESS"
    assert time.monotonic() - begun < 30
    thread.join()


def test_waiting_ends_with_the_patience(world: World) -> None:
    assert wait_for(run_of(job_of(world)), 0.1).status == "QUEUED"


SEEN = {
    "alice": {"omar's", "alice's", "of 002", "the platform's"},
    "olivia": {"omar's", "alice's", "of 002", "the platform's"},
    "audrey": {"omar's", "alice's"},
    "omar": {"omar's"},
    "ben": {"of 002"},
    "svc-clinic-001": set(),
    "nobody": set(),
    "root": set(),
}


@pytest.mark.parametrize("who", SEEN)
def test_who_sees_which(world: World, who: str) -> None:
    one, two = of_client(world), of_client(world, "clinic-002", name="two")
    made = {
        "omar's": run_of(one, account=world.user("omar")),
        "alice's": run_of(one, account=world.user("alice")),
        "of 002": run_of(two),
        "the platform's": run_of(job_of(world, name="three")),
    }
    names = {run.pk: name for name, run in made.items()}
    assert {names[run.pk] for run in visible_runs(world.user(who))} == SEEN[who]
    for name, run in made.items():
        if name in SEEN[who]:
            assert get_run(actor=world.actor(who), run_id=run.pk) == run
        else:
            with pytest.raises(RunNotFound):
                get_run(actor=world.actor(who), run_id=run.pk)


def test_what_is_not_there_is_answered_like_what_may_not_be_seen(world: World) -> None:
    with pytest.raises(RunNotFound):
        get_run(actor=world.actor("alice"), run_id=uuid.UUID(int=1))
