"""`/api/audit/verify`: what the settings name and nothing else, at once or by the worker."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from audit.models import AuditEvent, Segment, VerificationRequest, VerificationRun
from audit.services import requests, sealing
from tests.api.audit import Api, fields, problem
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.audit.helpers import seal
from tests.services.audit.trails import archive, in_s3, seal_on

VERIFY = "/api/audit/verify"
DATABASE = {"storage": "database"}
MEMBERS = {"ok", "verdict", "checked_events", "first_bad_seq", "message"}


@pytest.fixture
def api(world: World) -> Api:
    return Api(world, "olivia")


def test_the_database_is_verified_at_once(api: Api) -> None:
    seal(5)
    response = api.post(DATABASE, VERIFY)
    assert response.status_code == 200, response.content
    body = response.json()
    run = VerificationRun.objects.get()
    assert set(body) == MEMBERS
    assert (body["ok"], body["verdict"], body["first_bad_seq"]) == (True, "VALID", None)
    assert body["checked_events"] == run.checked_events
    assert run.actor_id == "user:olivia"


@pytest.mark.parametrize("day", ["2026-03-02", "2026/03/02"])
def test_days_are_understood_as_people_write_them(api: Api, day: str) -> None:
    seal_on(date(2026, 3, 2), 3)
    seal(2)
    body = api.post({**DATABASE, "start": day, "end": day}, VERIFY).json()
    run = VerificationRun.objects.get()
    assert (run.start_day, run.end_day) == (date(2026, 3, 2), date(2026, 3, 2))
    assert body["verdict"] == "VALID"


def test_the_archive_is_verified_where_the_settings_say(
    committed_world: World, settings: Any
) -> None:
    seal(5)
    through = archive().through_seq
    api = Api(committed_world, "olivia")
    for named in ({}, {"path": str(settings.AUDIT_STORAGE_PATH)}):
        body = api.post({"storage": "local", **named}, VERIFY).json()
        assert (body["verdict"], body["checked_events"]) == ("VALID", through + 1)


def test_a_bad_event_is_named(committed_world: World, settings: Any) -> None:
    seal(5)
    archive()
    file = settings.AUDIT_STORAGE_PATH / Segment.objects.get().object_name
    file.chmod(0o640)
    file.write_bytes(file.read_bytes().replace(b'"seq":3,', b'"seq":4,', 1))
    body = Api(committed_world, "olivia").post({"storage": "local"}, VERIFY).json()
    assert (body["ok"], body["verdict"], body["first_bad_seq"]) == (False, "INVALID", 3)


def test_nothing_to_check_is_inconclusive(committed_world: World) -> None:
    body = Api(committed_world, "olivia").post({"storage": "local"}, VERIFY).json()
    assert (body["ok"], body["verdict"], body["checked_events"]) == (False, "INCONCLUSIVE", 0)


def test_locks_in_s3(committed_world: World, settings: Any, locked_bucket: Bucket) -> None:
    in_s3(settings, locked_bucket)
    seal()
    archive()
    api = Api(committed_world, "olivia")
    named = {"storage": "s3", "bucket": locked_bucket.name, "prefix": f"{locked_bucket.prefix}/"}
    assert api.post(named, VERIFY).json()["verdict"] == "VALID"
    same = {"object_lock_mode": "COMPLIANCE", "object_lock_days": 30}
    assert api.post({**named, **same}, VERIFY).json()["verdict"] == "VALID"
    longer = api.post({**named, **same, "object_lock_days": 31}, VERIFY).json()
    assert longer["verdict"] == "INVALID"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, ["storage"]),
        ({"storage": "tape"}, ["storage"]),
        ({"storage": None}, ["storage"]),
        ({"storage": "s3"}, ["storage"]),
        ({"storage": "local", "path": "/etc"}, ["path"]),
        ({"storage": "local", "path": "/etc/passwd"}, ["path"]),
        ({"storage": "local", "path": "../"}, ["path"]),
        ({"storage": "local", "path": "s3://b/p"}, ["path"]),
        ({"storage": "database", "path": "/etc"}, ["path"]),
        ({"storage": "s3", "bucket": "somebody-elses"}, ["bucket"]),
        ({"storage": "s3", "prefix": "169.254.169.254"}, ["prefix"]),
        ({"storage": "local", "bucket": "b", "prefix": "p"}, ["bucket", "prefix"]),
        ({"storage": "local", "object_lock_mode": "compliance"}, ["object_lock_mode"]),
        ({"storage": "database", "object_lock_days": 1}, ["object_lock_days"]),
        ({"storage": "s3", "object_lock_mode": "loose"}, ["object_lock_mode"]),
        ({"storage": "s3", "object_lock_days": 0}, ["object_lock_days"]),
        ({"storage": "s3", "object_lock_days": 10**9}, ["object_lock_days"]),
        ({"storage": "s3", "object_lock_days": "30"}, ["object_lock_days"]),
        ({**DATABASE, "start": "2026-13-01"}, ["start"]),
        ({**DATABASE, "start": "2026-03/01"}, ["start"]),
        ({**DATABASE, "end": "yesterday"}, ["end"]),
        ({**DATABASE, "end": 20260301}, ["end"]),
        ({**DATABASE, "start": "٢٠٢٦-03-01"}, ["start"]),
        ({**DATABASE, "start": "0001-01-01"}, ["start"]),
        ({**DATABASE, "end": "9999-12-31"}, ["end"]),
        ({**DATABASE, "start": "2026-03-02", "end": "2026-03-01"}, ["end"]),
        ({**DATABASE, "endpoint_url": "http://127.0.0.1"}, ["endpoint_url"]),
    ],
)
def test_what_can_not_be_meant_is_refused_by_name(
    api: Api, body: dict[str, Any], named: list[str]
) -> None:
    assert fields(api.post(body, VERIFY)) == named
    assert not VerificationRun.objects.exists()


def test_nothing_tells_what_is_on_the_server(api: Api) -> None:
    there = api.post({"storage": "local", "path": "/etc"}, VERIFY)
    nowhere = api.post({"storage": "local", "path": "/nonexistent"}, VERIFY)
    answers = [problem(response, 400) for response in (there, nowhere)]
    assert answers[0]["errors"] == answers[1]["errors"]


@pytest.mark.parametrize("username", ["omar", "nobody", "root", "svc-clinic-001"])
def test_whoever_sees_only_his_own_may_not(world: World, username: str) -> None:
    response = Api(world, username).post({"storage": "local", "path": "/etc"}, VERIFY)
    problem(response, 403)
    assert not VerificationRun.objects.exists()


@pytest.mark.parametrize("username", ["alice", "audrey", "ben"])
def test_admins_auditors_and_officers_may(world: World, username: str) -> None:
    seal()
    assert Api(world, username).post(DATABASE, VERIFY).status_code == 200


def test_nobody_verifies_without_signing_in(world: World) -> None:
    problem(Api(world).post(DATABASE, VERIFY), 401)
    problem(Api(world).get(f"{VERIFY}/1"), 401)


def test_too_much_for_one_answer_is_left_to_the_worker(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "AT_ONCE_EVENTS", 3)
    seal(10)
    api = Api(committed_world, "olivia")
    response = api.post(DATABASE, VERIFY)
    assert response.status_code == 202, response.content
    body, waiting = response.json(), VerificationRequest.objects.get()
    assert response["Location"] == f"{VERIFY}/{waiting.pk}"
    assert (body["id"], body["status"], body["result"]) == (waiting.pk, "queued", None)
    assert body["progress"] == {"done": 0, "total": None, "unit": "events"}
    assert api.get(response["Location"]).json() == body
    requests.run_next_request()
    done = api.get(response["Location"]).json()
    assert done["status"] == "done"
    assert set(done["result"]) == MEMBERS
    assert done["result"]["verdict"] == "VALID"
    assert done["progress"]["done"] == done["result"]["checked_events"]


def test_a_queue_that_is_full_is_a_conflict(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "AT_ONCE_EVENTS", 0)
    monkeypatch.setattr(requests, "MAX_OPEN", 1)
    seal()
    assert api.post(DATABASE, VERIFY).status_code == 202
    assert api.post(DATABASE, VERIFY).status_code == 202
    other = {**DATABASE, "start": timezone.now().date().isoformat()}
    problem(api.post(other, VERIFY), 409, "too_many_verifications")


@pytest.mark.parametrize("number", [0, 10**30])
def test_a_request_that_is_not_there(api: Api, number: int) -> None:
    problem(api.get(f"{VERIFY}/{number}"), 404, "not_found")


def test_the_progress_is_for_those_who_may_ask(world: World) -> None:
    asked = requests.ask(actor=world.actor("olivia"), storage=requests.Storage.DATABASE)
    assert Api(world, "ben").get(f"{VERIFY}/{asked.pk}").status_code == 200
    problem(Api(world, "omar").get(f"{VERIFY}/{asked.pk}"), 403)


def test_an_idempotency_key_verifies_once(api: Api) -> None:
    seal()
    first = api.post(DATABASE, VERIFY, **{"Idempotency-Key": "verify-0001"})
    again = api.post(DATABASE, VERIFY, **{"Idempotency-Key": "verify-0001"})
    assert first.json() == again.json()
    assert VerificationRun.objects.count() == 1


def test_it_is_recorded_who_asked(api: Api) -> None:
    seal()
    api.post(DATABASE, VERIFY)
    sealing.seal_pending()
    event = AuditEvent.objects.get(type="audit.verification.finished")
    assert event.actor_id == "user:olivia"
    assert json.loads(event.event)["source"]["ip"] == "127.0.0.1"
