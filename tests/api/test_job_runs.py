"""`/ops/jobs/{id}/run`, runs and breaches: exactly the promised fields, to whom they are due."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from access.roles import Action
from ops.models import Job, Run
from ops.services.execution import execute
from tests.api.evidence import Caller, fields, problem
from tests.api.test_jobs import JOBS, RUN_FIELDS, of_client
from tests.factories import World
from tests.services.ops.kinds import add, job_of, kind, run_of

# --- running --------------------------------------------------------------------------------


def test_a_run_is_queued(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job = of_client(world)
    caller = Caller(world, "omar")
    answer = caller.post(f"{JOBS}/{job.pk}/run", {})
    assert answer.status_code == 202
    run = Run.objects.get()
    assert answer.json() == {"run_id": str(run.pk), "status": "QUEUED"}
    assert answer["Location"] == f"{JOBS}/runs/{run.pk}"
    shown = caller.get(answer["Location"]).json()
    assert shown.keys() == RUN_FIELDS
    assert (shown["job_id"], shown["triggered_by"]) == (str(job.pk), "user:omar")
    assert shown["progress"] == {"done": 0, "total": None, "unit": ""}
    assert (shown["started_at"], shown["error_message"], shown["result_summary"]) == (
        None,
        None,
        {},
    )


@pytest.mark.parametrize("content_type", ["", "application/x-www-form-urlencoded"], ids=repr)
def test_it_can_be_run_without_a_body(
    world: World, monkeypatch: pytest.MonkeyPatch, content_type: str
) -> None:
    """As `curl -X POST` and `curl -d ''` send it."""
    add(monkeypatch)
    path = f"{JOBS}/{of_client(world).pk}/run"
    caller = Caller(world, "alice")
    answer = caller.http.generic("POST", path, b"", content_type, headers=caller.headers)
    assert answer.status_code == 202, answer.content


def test_waiting_for_the_end(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    add(monkeypatch)
    client = committed_world.client()
    payload = {"client_id": client.pk, "folder": str(tmp_path)}
    job = job_of(committed_world, payload, client=client)

    def work() -> None:
        while not (run := Run.objects.first()):
            time.sleep(0.05)
        execute(run.pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    answer = Caller(committed_world, "alice").post(f"{JOBS}/{job.pk}/run?wait=30", {})
    thread.join()
    assert answer.status_code == 200
    shown = answer.json()
    assert shown.keys() == RUN_FIELDS
    assert (shown["status"], shown["result_summary"]) == (
        "SUCCESS",
        {"made": f"made-{shown['run_id']}"},
    )
    assert shown["progress"] == {"done": 4, "total": 4, "unit": "steps"}
    assert shown["started_at"] <= shown["finished_at"]


def test_waiting_in_vain(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job = of_client(committed_world)
    answer = Caller(committed_world, "alice").post(f"{JOBS}/{job.pk}/run?wait=1", {})
    assert answer.status_code == 202
    assert answer.json().keys() == {"run_id", "status"}


@pytest.mark.parametrize("wait", ["31", "-1", "1.5", "x", "", "٣", "100"])
def test_how_long_may_be_waited(world: World, monkeypatch: pytest.MonkeyPatch, wait: str) -> None:
    add(monkeypatch)
    answer = Caller(world, "alice").post(f"{JOBS}/{of_client(world).pk}/run?wait={wait}", {})
    assert fields(problem(answer, 400)) == {"wait"}
    assert not Run.objects.exists()


def test_what_is_run_can_t_be_changed_by_whoever_runs_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    path = f"{JOBS}/{of_client(world).pk}/run"
    answer = Caller(world, "alice").post(path, {"payload": {"client_id": "clinic-002"}})
    assert fields(problem(answer, 400)) == {"payload"}


@pytest.mark.parametrize(
    ("who", "status"), [("audrey", 403), ("ben", 404), ("svc-clinic-002", 404), ("nobody", 404)]
)
def test_who_may_not_run_it(
    world: World, monkeypatch: pytest.MonkeyPatch, who: str, status: int
) -> None:
    add(monkeypatch)
    problem(Caller(world, who).post(f"{JOBS}/{of_client(world).pk}/run", {}), status)
    assert not Run.objects.exists()


def test_the_type_s_own_permission_applies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, kind(permission=Action.EXPORT, job_permission=Action.EXPORT_ON_SCHEDULE))
    path = f"{JOBS}/{of_client(world).pk}/run"
    problem(Caller(world, "omar").post(path, {}), 403, "forbidden")
    assert Caller(world, "svc-clinic-001").post(path, {}).status_code == 202


def test_one_key_is_one_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    path = f"{JOBS}/{of_client(world).pk}/run"
    caller = Caller(world, "alice")
    first, second = (caller.post(path, {}, **{"Idempotency-Key": "k-1"}) for _ in range(2))
    assert first.json() == second.json()
    assert (second["Idempotent-Replayed"], second["Location"]) == ("true", first["Location"])
    assert Run.objects.count() == 1
    assert OrmQ.objects.count() == 1


def test_a_disabled_job_is_not_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    path = f"{JOBS}/{of_client(world, is_enabled=False).pk}/run"
    problem(Caller(world, "alice").post(path, {}), 409, "job_disabled")


# --- reading runs ---------------------------------------------------------------------------


def test_runs_are_paged_newest_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job = of_client(world)
    made = [str(run_of(job).pk) for _ in range(5)]
    caller = Caller(world, "audrey")
    page = caller.get(f"{JOBS}/{job.pk}/runs", {"page_size": 3}).json()
    assert [run["run_id"] for run in page["results"]] == made[:1:-1]
    rest = caller.get(page["next"].removeprefix("http://testserver")).json()
    assert [run["run_id"] for run in rest["results"]] == made[1::-1]
    assert rest["next"] is None
    problem(caller.get(f"{JOBS}/{job.pk}/runs", {"cursor": "x"}), 400, "cursor_invalid")


@pytest.mark.parametrize(("who", "count"), [("alice", 2), ("omar", 1), ("svc-clinic-001", 0)])
def test_some_see_their_own_runs_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, who: str, count: int
) -> None:
    add(monkeypatch)
    job = of_client(world)
    made = [run_of(job, account=world.user(name)) for name in ("omar", "alice")]
    caller = Caller(world, who)
    assert len(caller.get(f"{JOBS}/{job.pk}/runs").json()["results"]) == count
    found = [caller.get(f"{JOBS}/runs/{run.pk}").status_code for run in made]
    assert found.count(200) == count
    assert found.count(404) == 2 - count


@pytest.mark.parametrize("who", ["ben", "nobody", "root"])
def test_another_client_s_are_not_there(
    world: World, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    add(monkeypatch)
    job = of_client(world)
    caller = Caller(world, who)
    problem(caller.get(f"{JOBS}/{job.pk}/runs"), 404, "job_not_found")
    problem(caller.get(f"{JOBS}/runs/{run_of(job).pk}"), 404, "run_not_found")


@pytest.mark.parametrize("path", ["runs/x", f"runs/{uuid.UUID(int=1)}", f"{uuid.UUID(int=1)}/runs"])
def test_what_is_not_there(world: World, path: str) -> None:
    problem(Caller(world, "alice").get(f"{JOBS}/{path}"), 404)


# --- enabling, disabling, breaches ----------------------------------------------------------


def test_disabling_is_asked_for_and_enabling_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = of_client(world)
    caller = Caller(world, "alice")
    answer = caller.post(f"{JOBS}/{job.pk}/disable", {"reason": "Moving."})
    assert answer.status_code == 202, answer.content
    assert answer.json()["action"] == "job.disable"
    job.refresh_from_db()
    assert job.is_enabled
    problem(caller.post(f"{JOBS}/{job.pk}/enable", {}), 409)
    Job.objects.filter(pk=job.pk).update(is_enabled=False)
    answer = caller.post(f"{JOBS}/{job.pk}/enable", {})
    assert answer.status_code == 200
    assert answer.json()["status"] == "ACTIVE"


@pytest.mark.parametrize("act", ["enable", "disable"])
@pytest.mark.parametrize(("who", "status"), [("audrey", 403), ("omar", 403), ("ben", 404)])
def test_who_may_do_neither(
    world: World, monkeypatch: pytest.MonkeyPatch, act: str, who: str, status: int
) -> None:
    add(monkeypatch)
    job = of_client(world, is_enabled=act == "disable")
    body = {"reason": "x"} if act == "disable" else {}
    problem(Caller(world, who).post(f"{JOBS}/{job.pk}/{act}", body), status)


def test_a_reason_is_needed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    path = f"{JOBS}/{of_client(world).pk}/disable"
    for body in ({}, {"reason": ""}):
        assert fields(problem(Caller(world, "alice").post(path, body), 400)) == {"reason"}


def test_breaches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job = of_client(world, schedule_cron="0 * * * *", windows_through=timezone.now())
    ended = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    run = run_of(job, status="FAILED", finished_at=ended, error_message="Full.")
    [breach] = Caller(world, "audrey").get(f"{JOBS}/sla").json()["breaches"]
    assert breach == {
        "code": "LATEST_RUN_FAILED",
        "job_id": str(job.pk),
        "job": "counting",
        "run_id": str(run.pk),
        "since": "2026-02-03T04:05:06.000000Z",
        "message": "Full.",
    }


@pytest.mark.parametrize(
    "path", ["", f"/{uuid.UUID(int=1)}/run", f"/{uuid.UUID(int=1)}/enable"], ids=str
)
def test_a_read_only_installation_changes_nothing(world: World, settings: Any, path: str) -> None:
    caller = Caller(world, "alice")
    settings.AUDIT_ENABLED = False
    problem(caller.post(f"{JOBS}{path}", {}), 503, "audit_disabled")
    assert caller.get(JOBS).status_code == 200
