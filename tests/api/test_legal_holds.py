"""`/api/legal-holds`: what is held, and requests to hold or release, which two people decide."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from audit.models import LegalHold
from audit.services import holds
from ops.models import Approval
from tests.api.audit import Api, fields, problem
from tests.factories import PASSWORD, World

HOLDS = "/api/legal-holds"
PLACE = {"case_id": "C-7", "start_day": "2026-01-01", "reason": "Litigation"}


def hold(world: World, case_id: str = "C-1") -> LegalHold:
    return holds.place(actor=world.actor("olivia"), case_id=case_id, reason="Litigation")


def approve(world: World, answer: Any, by: str = "oscar") -> Any:
    body = {"password": PASSWORD, "request_sha256": answer.json()["request_sha256"]}
    return Api(world, by).post(body, f"{answer['Location']}/approve")


def test_a_hold_is_asked_for_and_placed_when_another_person_approves(world: World) -> None:
    answer = Api(world, "olivia").post(PLACE, HOLDS)
    assert answer.status_code == 202
    asked = answer.json()
    assert (asked["action"], asked["state"]) == ("legal_hold.place", "pending")
    assert answer["Location"] == f"/api/approvals/{asked['id']}"
    assert not LegalHold.objects.exists()
    used = approve(world, answer)
    assert (used.status_code, used.json()["state"]) == (200, "used")
    placed = LegalHold.objects.get()
    assert used.json()["result"] == {"hold_id": placed.pk}
    assert (placed.start_day, placed.end_day, placed.placed_by) == (
        date(2026, 1, 1),
        None,
        "user:olivia",
    )


def test_a_hold_is_released_so_too(world: World) -> None:
    held = hold(world)
    body = {"action": "release", "hold_id": held.pk, "reason": "Settled"}
    answer = Api(world, "alice").post(body, HOLDS)
    assert answer.status_code == 202
    held.refresh_from_db()
    assert held.released_at is None
    assert approve(world, answer, "olivia").json()["state"] == "used"
    held.refresh_from_db()
    assert (held.released_by, held.release_reason) == ("user:alice", "Settled")
    problem(Api(world, "alice").post(body, HOLDS), 409, "hold_released")


def test_holds_are_listed_newest_first(world: World) -> None:
    first, second = hold(world), hold(world, "C-2")
    holds.release(actor=world.actor("olivia"), hold=first, reason="Settled")
    found = Api(world, "olivia").get(HOLDS).json()["results"]
    assert [row["id"] for row in found] == [second.pk, first.pk]
    assert [row["state"] for row in found] == ["active", "released"]
    assert (found[0]["released_at"], found[1]["release_reason"]) == (None, "Settled")
    for state, expected in (("active", [second.pk]), ("released", [first.pk])):
        rows = Api(world, "alice").get(HOLDS, {"state": state}).json()["results"]
        assert [row["id"] for row in rows] == expected
    assert fields(Api(world, "alice").get(HOLDS, {"state": "lost"})) == ["state"]
    page = Api(world, "alice").get(HOLDS, {"page_size": 1}).json()
    assert len(page["results"]) == 1
    assert page["next"] is not None


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ["reason"]),
        ({"reason": "x"}, ["case_id"]),
        ({**PLACE, "reason": ""}, ["reason"]),
        ({**PLACE, "case_id": " "}, ["case_id"]),
        ({**PLACE, "case_id": "x" * 129}, ["case_id"]),
        ({**PLACE, "start_day": "yesterday"}, ["start_day"]),
        ({**PLACE, "end_day": "2025-12-31"}, ["end_day"]),
        ({**PLACE, "hold_id": 1}, ["hold_id"]),
        ({**PLACE, "surprise": 1}, ["surprise"]),
        ({**PLACE, "action": "extend"}, ["action"]),
        ({"action": "release", "reason": "x"}, ["hold_id"]),
        ({"action": "release", "hold_id": "1", "reason": "x"}, ["hold_id"]),
        ({"action": "release", "hold_id": 1, "case_id": "C", "reason": "x"}, ["case_id"]),
        (
            {"action": "release", "hold_id": 1, "start_day": "2026-01-01", "reason": "x"},
            ["start_day"],
        ),
    ],
    ids=range(14),
)
def test_what_can_not_be_asked_for_names_the_field(
    world: World, body: dict[str, Any], wrong: list[str]
) -> None:
    assert fields(Api(world, "olivia").post(body, HOLDS)) == wrong
    assert not Approval.objects.exists()


def test_what_is_not_there_is_not_released(world: World) -> None:
    body = {"action": "release", "hold_id": 4711, "reason": "x"}
    problem(Api(world, "olivia").post(body, HOLDS), 404)


def test_a_case_is_held_once(world: World) -> None:
    hold(world, "C-7")
    problem(Api(world, "olivia").post(PLACE, HOLDS), 409, "hold_exists")


@pytest.mark.parametrize("username", ["audrey", "omar", "ben", "nobody", "root", "svc-clinic-001"])
def test_who_does_not_look_after_the_installation(world: World, username: str) -> None:
    api = Api(world, username)
    problem(api.get(HOLDS), 403)
    problem(api.post(PLACE, HOLDS), 403)
    assert not Approval.objects.exists()


def test_without_signing_in_there_is_nothing(world: World) -> None:
    problem(Api(world).get(HOLDS), 401)
    problem(Api(world).post(PLACE, HOLDS), 401)


def test_the_same_request_sent_twice_is_one(world: World) -> None:
    api = Api(world, "olivia")
    first, second = (api.post(PLACE, HOLDS, **{"Idempotency-Key": "hold-1"}) for _ in range(2))
    assert first.json() == second.json()
    assert second["Location"] == first["Location"]
    assert Approval.objects.count() == 1
