"""`/api/keys`: the public halves for whoever may see them, and changes, which are requests."""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import KeyStatus, SigningKey
from audit.services import keys
from ops.models import Approval, ApprovalState
from sealing.keys import key_id
from tests.api.audit import Api, fields, problem
from tests.factories import PASSWORD, World

KEYS = "/api/keys"
REASON = "I start on Monday."


def ask(world: World, by: str = "olivia", **body: Any) -> Any:
    return Api(world, by).post({"reason": REASON, **body}, KEYS)


def approve(world: World, answer: Any, by: str = "oscar") -> Any:
    assert answer.status_code == 202, answer.content
    return Api(world, by).post({"password": PASSWORD}, f"{answer['Location']}/approve")


def use(world: World, answer: Any, by: str = "olivia", **secrets: str) -> Any:
    return Api(world, by).post({"secrets": secrets}, f"{answer['Location']}/use")


def checkpoint_key() -> SigningKey:
    return SigningKey.objects.get(purposes=["checkpoint"], status=KeyStatus.ACTIVE)


# --- looking ---------------------------------------------------------------------------------


def test_keys_are_listed_with_their_public_halves(world: World) -> None:
    own = world.key("olivia")
    answer = Api(world, "audrey").get(KEYS)
    rows = answer.json()["results"]
    assert [row["key_id"] for row in rows] == list(
        SigningKey.objects.order_by("-id").values_list("key_id", flat=True)
    )
    assert (rows[0]["person"], rows[0]["purposes"]) == (str(own.person_id), ["countersign"])
    assert all(key_id(row["public_key_pem"]) == row["key_id"] for row in rows)
    assert b"PRIVATE" not in answer.content
    assert b"private_box" not in answer.content


def test_a_list_of_keys_is_narrowed_and_paged(world: World) -> None:
    retired = keys.retire_key(actor=world.actor("alice"), key=world.key("olivia"))
    api = Api(world, "alice")
    rows = api.get(KEYS, {"status": "retired"}).json()["results"]
    assert [row["key_id"] for row in rows] == [retired.key_id]
    assert fields(api.get(KEYS, {"status": "lost"})) == ["status"]
    page = api.get(KEYS, {"page_size": 1}).json()
    assert (len(page["results"]), page["next"] is not None) == (1, True)


# --- one's own -------------------------------------------------------------------------------


def test_a_key_is_made_in_three_steps_by_two_people(world: World) -> None:
    answer = ask(world, action="create")
    assert (answer.json()["action"], answer.json()["needs"]) == ("key.create", ["password"])
    problem(use(world, answer, password=PASSWORD), 409, "not_approved")
    assert approve(world, answer).json()["state"] == "approved"
    problem(use(world, answer, password="wrong"), 403, "wrong_password")
    problem(use(world, answer, "oscar", password=PASSWORD), 403, "not_your_request")
    assert keys.active_key_of(world.person("olivia")) is None
    used = use(world, answer, password=PASSWORD)
    key = keys.active_key_of(world.person("olivia"))
    assert key is not None
    assert used.json()["result"] == {"key_id": key.key_id}
    problem(use(world, answer, password=PASSWORD), 409, "approval_closed")
    problem(ask(world, action="create"), 409, "key_exists")


def test_ones_own_key_is_rotated(world: World) -> None:
    old = world.key("olivia")
    answer = ask(world, action="rotate", key_id=old.key_id)
    approve(world, answer)
    used = use(world, answer, password=PASSWORD)
    assert used.json()["result"]["key_id"] != old.key_id
    old.refresh_from_db()
    assert old.status == KeyStatus.RETIRED


def test_a_password_has_no_place_in_the_request(world: World) -> None:
    assert fields(ask(world, action="create", password=PASSWORD)) == ["password"]


# --- any key ---------------------------------------------------------------------------------


def test_the_checkpoint_key_is_rotated(world: World) -> None:
    old = checkpoint_key()
    answer = ask(world, "alice", action="rotate", key_id=old.key_id)
    assert checkpoint_key() == old
    assert approve(world, answer).json()["state"] == "used"
    assert checkpoint_key() != old


def test_a_key_is_retired(world: World) -> None:
    key = world.key("oscar")
    answer = ask(world, "olivia", action="retire", key_id=key.key_id)
    assert approve(world, answer, "oscar").json()["state"] == "used"
    key.refresh_from_db()
    assert key.status == KeyStatus.RETIRED


def test_a_key_is_marked_as_compromised(world: World) -> None:
    key = world.key("oscar")
    since = {"compromised_at": "2026-01-31T09:00:00+01:00"}
    answer = ask(world, "olivia", action="compromise", key_id=key.key_id, **since)
    params = answer.json()["request"]["params"]
    assert params["compromised_at"] == "2026-01-31T08:00:00.000000Z"
    approve(world, answer)
    key.refresh_from_db()
    assert key.status == KeyStatus.COMPROMISED


def test_nobody_approves_his_own_request(world: World) -> None:
    answer = ask(world, action="create")
    problem(approve(world, answer, "olivia"), 403, "own_request")
    problem(approve(world, answer, "olivia2"), 403, "own_request")
    problem(approve(world, answer, "alice"), 403, "not_a_decider")
    problem(approve(world, answer, "ben"), 404)
    assert Approval.objects.get().state == ApprovalState.PENDING


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ["action"]),
        ({"action": "delete"}, ["action"]),
        ({"action": "create", "key_id": "x"}, ["key_id"]),
        ({"action": "rotate"}, ["key_id"]),
        ({"action": "retire"}, ["key_id"]),
        ({"action": "retire", "key_id": "x", "compromised_at": "2026-01-01T00:00:00Z"},
         ["compromised_at"]),
        ({"action": "compromise", "key_id": "x"}, ["compromised_at"]),
        ({"action": "compromise", "key_id": "x", "compromised_at": "2026-01-01"},
         ["compromised_at"]),
        ({"action": "create", "reason": " "}, ["reason"]),
        ({"action": "create", "person": "x"}, ["person"]),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_can_not_be_asked_for_names_the_field(
    world: World, body: dict[str, Any], wrong: list[str]
) -> None:
    assert fields(ask(world, **body)) == wrong
    assert not Approval.objects.exists()


def test_a_compromise_lies_not_in_the_future(world: World) -> None:
    body = {"key_id": world.key("oscar").key_id, "compromised_at": "2999-01-01T00:00:00Z"}
    assert fields(ask(world, action="compromise", **body)) == ["compromised_at"]


@pytest.mark.parametrize("action", ["rotate", "retire", "compromise"])
def test_a_key_that_is_not_there(world: World, action: str) -> None:
    more = {"compromised_at": "2026-01-01T00:00:00Z"} if action == "compromise" else {}
    problem(ask(world, action=action, key_id="sha256:" + "0" * 64, **more), 404)


@pytest.mark.parametrize("username", ["audrey", "omar", "nobody", "root", "svc-clinic-001"])
def test_who_changes_no_keys(world: World, username: str) -> None:
    key = world.key("oscar")
    problem(ask(world, username, action="create"), 403)
    problem(ask(world, username, action="retire", key_id=key.key_id), 403)
    assert not Approval.objects.exists()


def test_who_sees_no_keys(world: World) -> None:
    for username in ("omar", "nobody", "root", "svc-clinic-001"):
        problem(Api(world, username).get(KEYS), 403)
    problem(Api(world).get(KEYS), 401)
