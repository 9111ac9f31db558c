"""`GET /api/controls` and `POST /api/controls/{control_id}/assessments`."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser

from audit.events import EventType
from reports import catalogue
from reports.models import ControlAssessment
from tests.api.evidence import Caller, fields, problem
from tests.factories import World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db
CONTROLS = "/api/controls"
ASSESS = f"{CONTROLS}/CC6.1/assessments"
JANUARY = {"startDate": "2026-01-01", "endDate": "2026-01-31"}
QUERY = {"client_id": "clinic-001", **JANUARY}
BODY = {**QUERY, "state": "compliant", "note": "Read the export of the directory."}


@pytest.fixture
def olivia(world: World) -> Caller:
    return Caller(world, "olivia")


def standing(caller: Caller, control_id: str = "CC6.1", **query: Any) -> dict[str, Any]:
    answer = caller.get(CONTROLS, {**QUERY, **query})
    assert answer.status_code == 200, answer.content
    return {item["control_id"]: item for item in answer.json()["controls"]}[control_id]


def test_what_is_told_of_the_controls(olivia: Caller) -> None:
    told = olivia.get(CONTROLS, QUERY).json()
    assert (told["framework"], told["client_id"]) == ("SOC2", "clinic-001")
    assert told["auditPeriod"] == {
        "startDate": "2026-01-01T00:00:00.000000Z",
        "endDate": "2026-02-01T00:00:00.000000Z",
    }
    known = {spec.control_id: spec for spec in catalogue.controls("SOC2")}
    for item in told["controls"]:
        assert item["label"] == known[item["control_id"]].label
        assert (item["state"], item["assessment"]) == ("not assessed", None)
        assert item["evidence_count"] == 0
    assert len(told["controls"]) >= 33, "the common criteria"


def test_an_assessment_counts_from_then_on(world: World, olivia: Caller) -> None:
    made = olivia.post(ASSESS, BODY)
    assert made.status_code == 201, made.content
    told = made.json()
    assert (told["control_id"], told["state"], told["evidence"]) == ("CC6.1", "compliant", [])
    assert told["assessor"]["name"] == "Olivia Officer"
    found = standing(Caller(world, "audrey"))
    assert (found["state"], found["assessment"]) == ("compliant", told)
    assert standing(olivia, "CC6.2")["state"] == "not assessed"
    assert standing(olivia, client_id="clinic-002")["state"] == "not assessed"
    again = olivia.post(ASSESS, {**BODY, "state": "attention", "note": "One account is shared."})
    assert standing(olivia)["assessment"]["id"] == again.json()["id"]
    assert len(helpers.events_of(EventType.REPORTS_CONTROL_ASSESSED, "SOC2:CC6.1")) == 2


def test_the_same_key_is_answered_the_same(olivia: Caller) -> None:
    first = olivia.post(ASSESS, BODY, **{"Idempotency-Key": "once"})
    second = olivia.post(ASSESS, BODY, **{"Idempotency-Key": "once"})
    assert (first.status_code, first.content) == (201, second.content)
    assert ControlAssessment.objects.count() == 1


def test_without_dates_it_is_about_the_month_before(olivia: Caller) -> None:
    told = olivia.get(CONTROLS).json()
    assert told["client_id"] is None
    start, end = told["auditPeriod"]["startDate"], told["auditPeriod"]["endDate"]
    assert start[8:] == end[8:] == "01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("who", "client", "reads", "assesses"),
    [
        ("olivia", "clinic-001", 200, 201),
        ("olivia", None, 200, 201),
        ("alice", "clinic-001", 200, 403),
        ("audrey", "clinic-001", 200, 403),
        ("audrey", None, 403, 403),
        ("omar", "clinic-001", 403, 403),
        ("svc-clinic-001", "clinic-001", 403, 403),
        ("ben", "clinic-001", 404, 404),
        ("ben", "clinic-002", 200, 201),
        ("ben", None, 403, 403),
        ("nobody", "clinic-001", 404, 404),
        ("olivia", "clinic-999", 404, 404),
    ],
)
def test_who_may(world: World, who: str, client: str | None, reads: int, assesses: int) -> None:
    caller = Caller(world, who)
    query = JANUARY if client is None else {**JANUARY, "client_id": client}
    assert caller.get(CONTROLS, query).status_code == reads
    assert caller.post(ASSESS, {**BODY, "client_id": client}).status_code == assesses
    assert ControlAssessment.objects.exists() is (assesses == 201)


def test_a_stranger_is_asked_to_sign_in() -> None:
    problem(Browser().get(CONTROLS), 401)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"framework": "HIPAA-2"}, "framework"),
        ({"startDate": None}, "startDate"),
        ({"endDate": None}, "endDate"),
        ({"endDate": "2025-01-01"}, "endDate"),
        ({"client_id": ""}, "client_id"),
        ({"state": "compliant"}, "state"),
    ],
)
def test_what_is_not_asked_so(olivia: Caller, changes: dict[str, Any], field: str) -> None:
    query = {name: value for name, value in {**QUERY, **changes}.items() if value is not None}
    assert fields(problem(olivia.get(CONTROLS, query), 400)) == {field}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"framework": "HIPAA-2"}, "framework"),
        ({"startDate": None}, "startDate"),
        ({"endDate": "2025-01-01"}, "endDate"),
        ({"startDate": "2126-01-01", "endDate": "2126-01-31"}, "startDate"),
        ({"state": "fine"}, "state"),
        ({"state": "not assessed"}, "state"),
        ({"note": ""}, "note"),
        ({"note": "x" * 2001}, "note"),
        ({"evidence": "x"}, "evidence"),
        ({"evidence": ["x"]}, "evidence"),
        ({"evidence": ["01942f4c-0000-7000-8000-000000000001"]}, "evidence"),
        ({"assessor": "alice"}, "assessor"),
    ],
)
def test_what_is_refused_names_the_field(
    olivia: Caller, changes: dict[str, Any], field: str
) -> None:
    body = {name: value for name, value in {**BODY, **changes}.items() if value is not None}
    assert fields(problem(olivia.post(ASSESS, body), 400)) == {field}
    assert not ControlAssessment.objects.exists()


@pytest.mark.parametrize("control_id", ["CC99.1", "SOC2:CC6.1", "%00", "..", "x" * 300])
def test_no_such_control(olivia: Caller, control_id: str) -> None:
    problem(olivia.post(f"{CONTROLS}/{control_id}/assessments", BODY), 404)


def test_nothing_is_kept_while_nothing_is_recorded(olivia: Caller, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    problem(olivia.post(ASSESS, BODY), 503, "audit_disabled")
    assert not ControlAssessment.objects.exists()
