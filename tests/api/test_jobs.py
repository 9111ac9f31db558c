"""`/ops/jobs`: exactly the fields that are promised, to whom they are due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from ops.models import Approval, Job
from sealing.errors import Invalid
from tests.api.evidence import Caller, fields, problem
from tests.factories import World
from tests.services.ops.kinds import NAME, add, job_of, kind, run_of

JOBS = "/ops/jobs"
JOB_FIELDS = {
    "id",
    "name",
    "job_type",
    "owner",
    "schedule_cron",
    "status",
    "payload",
    "description",
    "next_run_at",
    "last_run",
}
RUN_FIELDS = {
    "run_id",
    "job_id",
    "status",
    "triggered_by",
    "intended_at",
    "started_at",
    "finished_at",
    "progress",
    "error_message",
    "result_summary",
}
BODY = {
    "name": "nightly count",
    "job_type": NAME,
    "schedule_cron": "30 2 * * *",
    "payload": {"client_id": "clinic-001"},
    "description": "Counts.",
    "enabled": True,
}


def named(answer: Any) -> dict[str, dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    return {line["name"]: line for line in answer.json()}


def of_client(world: World, **fields: Any) -> Job:
    return job_of(world, {"client_id": "clinic-001"}, client=world.client(), **fields)


# --- the list -------------------------------------------------------------------------------


def test_the_list_is_a_plain_array_of_the_promised_fields(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = of_client(world, owner="alice", schedule_cron="0 3 1 * *", description="Monthly.")
    run = run_of(job, status="FAILED", finished_at=timezone.now(), error_message="Full.")
    line = named(Caller(world, "alice").get(JOBS))["counting"]
    assert line.keys() == JOB_FIELDS
    next_run_at = datetime.fromisoformat(line.pop("next_run_at"))
    assert (next_run_at.day, next_run_at.hour) == (1, 3)
    assert next_run_at > timezone.now()
    last = line.pop("last_run")
    assert (last["run_id"], last["status"], last["error_message"]) == (
        str(run.pk),
        "FAILED",
        "Full.",
    )
    assert line == {
        "id": str(job.pk),
        "name": "counting",
        "job_type": NAME,
        "owner": "alice",
        "schedule_cron": "0 3 1 * *",
        "status": "ACTIVE",
        "payload": {"client_id": "clinic-001"},
        "description": "Monthly.",
    }


def test_those_that_every_installation_has(world: World) -> None:
    line = named(Caller(world, "alice").get(JOBS))["audit_archive"]
    assert (line["owner"], line["last_run"], line["job_type"]) == (None, None, "audit_archive")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"on", "off"}),
        ({"active_only": "false"}, {"on", "off"}),
        ({"active_only": "true"}, {"on"}),
        ({"job_type": NAME}, {"on", "off"}),
        ({"job_type": "audit_archive"}, set()),
        ({"job_type": NAME, "active_only": "true"}, {"on"}),
    ],
    ids=["all", "disabled too", "active", "of a type", "of another type", "active of a type"],
)
def test_the_list_is_narrowed(
    world: World, monkeypatch: pytest.MonkeyPatch, query: dict[str, str], expected: set[str]
) -> None:
    add(monkeypatch)
    job_of(world, name="on")
    job_of(world, name="off", is_enabled=False)
    found = named(Caller(world, "alice").get(JOBS, query))
    assert {name for name in found if name in ("on", "off")} == expected
    if "off" in expected:
        assert found["off"]["status"] == "DISABLED"
        assert found["off"]["next_run_at"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"active_only": "yes"}, "active_only"),
        ({"active_only": "TRUE"}, "active_only"),
        ({"active_only": ["true", "false"]}, "active_only"),
        ({"job_type": "rm"}, "job_type"),
        ({"job_type": "\x00"}, "job_type"),
        ({"owner": "alice"}, "owner"),
        ({"page_size": "5"}, "page_size"),
    ],
    ids=str,
)
def test_unknown_values_are_refused(world: World, query: dict[str, Any], field: str) -> None:
    assert fields(problem(Caller(world, "alice").get(JOBS, query), 400)) == {field}


@pytest.mark.parametrize(
    ("who", "seen", "last"),
    [
        ("audrey", {"one"}, "alice's"),
        ("omar", {"one"}, "omar's"),
        ("ben", set(), None),
        ("svc-clinic-001", {"one"}, None),
    ],
)
def test_everybody_sees_his_own(
    world: World, monkeypatch: pytest.MonkeyPatch, who: str, seen: set[str], last: str | None
) -> None:
    """Operators and automation: the jobs that they may run, and of their runs their own alone."""
    add(monkeypatch)
    job = of_client(world, name="one")
    job_of(world, name="two")
    made = {name: run_of(job, account=world.user(name[:-2])) for name in ("omar's", "alice's")}
    found = named(Caller(world, who).get(JOBS))
    assert found.keys() == seen
    if seen:
        shown = found["one"]["last_run"]
        assert (shown and shown["run_id"]) == (str(made[last].pk) if last else None)


@pytest.mark.parametrize("who", ["nobody", "root"])
def test_who_has_no_role_sees_nothing(world: World, who: str) -> None:
    for path in (JOBS, f"{JOBS}/sla"):
        problem(Caller(world, who).get(path), 403, "forbidden")


# --- registering ----------------------------------------------------------------------------


def test_an_administrator_registers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    answer = Caller(world, "alice").post(JOBS, BODY)
    assert answer.status_code == 201, answer.content
    line = answer.json()
    assert line.keys() == JOB_FIELDS
    assert (line["owner"], line["status"], line["last_run"]) == ("alice", "ACTIVE", None)
    assert Job.objects.get(pk=line["id"]).payload == BODY["payload"]


def test_an_officer_asks_for_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    answer = Caller(world, "olivia").post(JOBS, {**BODY, "reason": "Every night."})
    assert answer.status_code == 202, answer.content
    asked = Approval.objects.get(pk=answer.json()["id"])
    assert (asked.action, asked.state) == ("job.register", "pending")
    assert not Job.objects.filter(name=BODY["name"]).exists()


@pytest.mark.parametrize("who", ["audrey", "omar", "nobody", "svc-clinic-001"])
def test_others_may_not(world: World, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    add(monkeypatch)
    problem(Caller(world, who).post(JOBS, {**BODY, "reason": "x"}), 403)
    assert not Job.objects.filter(name=BODY["name"]).exists()


def only_clients(payload: Mapping[str, Any]) -> dict[str, Any]:
    if payload.keys() - {"client_id"}:
        raise Invalid("There is no such member.", field="payload.period")
    return dict(payload)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"owner": "olivia"}, "owner"),
        ({"owner": "nobody at all"}, "owner"),
        ({"name": "../x"}, "name"),
        ({"job_type": "rm"}, "job_type"),
        ({"job_type": "audit_verify", "payload": {}}, "job_type"),
        ({"schedule_cron": "@hourly"}, "schedule_cron"),
        ({"payload": {"period": 1}}, "payload.period"),
        ({"payload": []}, "payload"),
        ({"enabled": "yes"}, "enabled"),
        ({"colour": "red"}, "colour"),
        ({"name": None}, "name"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_no_job_can_be(
    world: World, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], field: str
) -> None:
    add(monkeypatch, kind(validate=only_clients))
    answer = Caller(world, "alice").post(JOBS, {**BODY, **changes})
    assert answer.status_code in (400, 404)
    assert fields(answer.json()) == {field}


def test_a_name_is_taken_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    caller = Caller(world, "alice")
    assert caller.post(JOBS, BODY).status_code == 201
    assert fields(problem(caller.post(JOBS, BODY), 409, "already_exists")) == {"name"}
