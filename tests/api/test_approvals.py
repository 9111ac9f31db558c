"""Approvals over REST: lists, decisions, and every refusal as a problem."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from access.models import Client, IdempotencyRecord
from audit.events import EventType
from ops.models import Approval, ApprovalDecision
from sealing import digests
from sealing.errors import Conflict
from tests.api.evidence import Caller, fields, problem
from tests.factories import PASSWORD, World
from tests.services.ops.approving import Acts, approved, ask, events, outlive

pytestmark = pytest.mark.django_db
APPROVALS = "/api/approvals"


@pytest.fixture(autouse=True)
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    return Acts.registered(monkeypatch)


def act_on(
    world: World, approval: Approval, act: str = "approve", by: str = "olivia", **body: Any
) -> Any:
    given = {"comment": "Seen.", "password": PASSWORD, **body}
    return Caller(world, by).post(f"{APPROVALS}/{approval.pk}/{act}", given)


def test_one_request(world: World) -> None:
    approval = ask(world)
    answer = Caller(world, "olivia").get(f"{APPROVALS}/{approval.pk}")
    assert answer.status_code == 200
    body = answer.json()
    assert digests.sha256_tag(body["request_text"].encode()) == body["request_sha256"]
    assert json.loads(body["request_text"]) == body["request"]
    assert body["request"]["params"] == {"client_id": "clinic-001", "name": "New name"}
    assert body["requester"] == {
        "person": str(world.person("alice").pk),
        "name": "Alice Admin",
        "account": "alice",
    }
    told = ("action", "title", "client_id", "state", "reason", "needed", "needs", "decisions")
    assert {name: body[name] for name in told} == {
        "action": "test.rename",
        "title": "Rename a client",
        "client_id": "clinic-001",
        "state": "pending",
        "reason": "It moved.",
        "needed": 1,
        "needs": [],
        "decisions": [],
    }


def test_lists(world: World) -> None:
    one, two = ask(world), ask(world, params={"name": "x", "client_id": "clinic-002"})
    late = ask(world, left=timedelta(microseconds=1))
    outlive(late)
    act_on(world, two, "reject", comment="No.")

    def ids(by: str = "olivia", **query: Any) -> list[str]:
        answer = Caller(world, by).get(APPROVALS, query)
        assert answer.status_code == 200
        return [row["id"] for row in answer.json()["results"]]

    # The late one was asked for long ago, as far as it knows.
    assert ids() == [str(row.pk) for row in (two, one, late)]
    assert ids(state="pending") == [str(one.pk)]
    assert ids(state="rejected") == [str(two.pk)]
    assert ids(state="expired") == [str(late.pk)]
    assert ids(client_id="clinic-002") == [str(two.pk)]
    assert ids("ben") == [str(two.pk)]
    assert ids("audrey") == [str(one.pk), str(late.pk)]
    assert ids("omar") == []


def test_pages(world: World) -> None:
    asked = [str(ask(world).pk) for _ in range(3)]
    caller = Caller(world, "olivia")
    first = caller.get(APPROVALS, {"page_size": 2}).json()
    second = caller.get(first["next"]).json()
    found = [row["id"] for page in (first, second) for row in page["results"]]
    assert found == asked[::-1] and second["next"] is None


@pytest.mark.parametrize(
    ("by", "query", "status", "code"),
    [
        ("root", {}, 403, "forbidden"),
        ("nobody", {}, 403, "forbidden"),
        ("olivia", {"state": "open"}, 400, "invalid"),
        ("olivia", {"cursor": "x"}, 400, "cursor_invalid"),
        ("ben", {"client_id": "clinic-001"}, 404, "not_found"),
        ("olivia", {"client_id": "a\x00"}, 404, "not_found"),
    ],
)
def test_lists_that_are_refused(
    world: World, by: str, query: dict[str, str], status: int, code: str
) -> None:
    problem(Caller(world, by).get(APPROVALS, query), status, code)


@pytest.mark.parametrize("by", ["ben", "omar", "root", "nobody", "svc-clinic-001"])
@pytest.mark.parametrize("act", ["", "/approve", "/reject", "/withdraw", "/use"])
def test_what_somebody_may_not_see_is_not_there(world: World, by: str, act: str) -> None:
    address = f"{APPROVALS}/{ask(world).pk}{act}"
    caller = Caller(world, by)
    body = {"comment": "x", "password": PASSWORD} if act in ("/approve", "/reject") else {}
    problem(caller.post(address, body) if act else caller.get(address), 404, "not_found")


@pytest.mark.parametrize("wrong", ["x", "00000000-0000-4000-8000-000000000000", "%00"])
def test_what_is_not_there(world: World, wrong: str) -> None:
    caller = Caller(world, "olivia")
    problem(caller.get(f"{APPROVALS}/{wrong}"), 404, "not_found")
    body = {"password": PASSWORD}
    problem(caller.post(f"{APPROVALS}/{wrong}/approve", body), 404, "not_found")


def test_approving(world: World, acts: Acts) -> None:
    approval = ask(world)
    answer = act_on(world, approval, request_sha256=approval.request_sha256)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["state"], body["result"]) == ("used", {"name": "New name"})
    (decision,) = body["decisions"]
    assert (decision["account"], decision["approves"], decision["comment"]) == (
        "olivia",
        True,
        "Seen.",
    )
    assert len(acts.done) == 1 and PASSWORD not in answer.content.decode()


def test_approving_without_a_comment_or_digest(world: World) -> None:
    address = f"{APPROVALS}/{ask(world).pk}/approve"
    answer = Caller(world, "olivia").post(address, {"password": PASSWORD})
    assert answer.json()["state"] == "used"


def test_rejecting(world: World, acts: Acts) -> None:
    approval = ask(world)
    assert fields(problem(act_on(world, approval, "reject", comment=""), 400)) == {"comment"}
    address = f"{APPROVALS}/{approval.pk}/reject"
    refused = problem(Caller(world, "olivia").post(address, {"password": PASSWORD}), 400)
    assert fields(refused) == {"comment"}
    assert act_on(world, approval, "reject", comment="No.").json()["state"] == "rejected"
    assert not acts.done


@pytest.mark.parametrize(
    ("by", "body", "status", "code"),
    [
        ("alice", {}, 403, "own_request"),
        ("audrey", {}, 403, "not_a_decider"),
        ("olivia", {"password": "wrong"}, 403, "reauthentication_failed"),
        ("olivia", {"request_sha256": f"sha256:{'0' * 64}"}, 409, "request_digest_mismatch"),
        ("olivia", {"password": 7}, 400, "invalid"),
        ("olivia", {"more": "x"}, 400, "invalid"),
        ("olivia", {"comment": "x" * 1001}, 400, "invalid"),
        ("olivia", {"comment": 7}, 400, "invalid"),
    ],
)
@pytest.mark.parametrize("act", ["approve", "reject"])
def test_decisions_that_are_refused(
    world: World, acts: Acts, act: str, by: str, body: dict[str, Any], status: int, code: str
) -> None:
    approval = ask(world)
    problem(act_on(world, approval, act, by, **body), status, code)
    approval.refresh_from_db()
    assert approval.state == "pending" and not ApprovalDecision.objects.exists()
    refused = [event["data"]["code"] for event in events(EventType.OPS_APPROVAL_REFUSED)]
    assert refused == ([] if status == 400 else [code])


def test_what_is_over_is_refused(world: World, acts: Acts) -> None:
    used, late, changed = ask(world), ask(world, left=timedelta(microseconds=1)), ask(world)
    outlive(late)
    problem(act_on(world, late), 409, "approval_expired")
    act_on(world, used)
    problem(act_on(world, used, by="oscar"), 409, "approval_closed")
    problem(act_on(world, changed), 409, "approval_void")
    assert len(acts.done) == 1


def test_taking_it_back(world: World) -> None:
    approval = ask(world)
    problem(act_on(world, approval, "withdraw"), 400, "invalid")
    address = f"{APPROVALS}/{approval.pk}/withdraw"
    problem(Caller(world, "olivia").post(address, {}), 403, "not_your_request")
    answer = Caller(world, "alice").post(address, {"reason": "A mistake."})
    body = answer.json()
    assert (body["state"], body["outcome_note"]) == ("withdrawn", "A mistake.")


def test_carrying_it_out_with_a_secret(world: World, acts: Acts) -> None:
    acts.change(needs=("password",))
    pending = ask(world)
    approval = approved(world, acts)
    caller, secret = Caller(world, "alice"), {"secrets": {"password": "of mine"}}

    def use(found: Approval, body: Any) -> Any:
        return caller.post(f"{APPROVALS}/{found.pk}/use", body)

    assert caller.get(f"{APPROVALS}/{approval.pk}").json()["needs"] == ["password"]
    problem(use(pending, secret), 409, "not_approved")
    assert fields(problem(use(approval, {}), 400)) == {"password"}
    assert fields(problem(use(approval, {"secrets": {"pin": "1"}}), 400)) == {"password"}
    problem(use(approval, {"secrets": "x"}), 400, "invalid")
    other = Caller(world, "olivia").post(f"{APPROVALS}/{approval.pk}/use", secret)
    problem(other, 403, "not_your_request")
    done = use(approval, secret)
    assert done.json()["state"] == "used" and "of mine" not in done.content.decode()
    problem(use(approval, secret), 409, "approval_closed")
    assert len(acts.done) == 1


def test_an_act_that_fails_is_told(world: World, acts: Acts) -> None:
    acts.failure = Conflict("It is not possible.", code="impossible")
    body = act_on(world, ask(world)).json()
    told = (body["state"], body["outcome_code"], body["outcome_note"])
    assert told == ("failed", "impossible", "It is not possible.")


def test_the_same_decision_twice_is_answered_the_same(world: World, acts: Acts) -> None:
    approval = ask(world)
    caller = Caller(world, "olivia")
    address, body = f"{APPROVALS}/{approval.pk}/approve", {"password": PASSWORD}
    first = caller.post(address, body, **{"Idempotency-Key": "k-1"})
    again = caller.post(address, body, **{"Idempotency-Key": "k-1"})
    assert first.content == again.content and again["Idempotent-Replayed"] == "true"
    assert len(acts.done) == 1
    record = IdempotencyRecord.objects.get()
    assert PASSWORD not in str(record.__dict__)


def test_passwords_are_asked_for_twenty_times_a_minute(world: World) -> None:
    approval = ask(world)
    for _ in range(20):
        assert act_on(world, approval, password="wrong").status_code == 403
    refused = act_on(world, approval)
    assert refused.status_code == 429 and int(refused["Retry-After"]) > 0


def test_an_act_of_another_version_stays_readable(world: World, acts: Acts) -> None:
    approval = ask(world)
    acts.monkeypatch.undo()
    body = Caller(world, "olivia").get(f"{APPROVALS}/{approval.pk}").json()
    assert (body["title"], body["needs"]) == ("test.rename", [])
    problem(act_on(world, approval), 404, "unknown_action")


def test_nothing_is_decided_unrecorded(world: World, settings: Any) -> None:
    approval = ask(world)
    caller = Caller(world, "olivia")
    settings.AUDIT_ENABLED = False
    for act in ("approve", "reject", "withdraw", "use"):
        answer = caller.post(f"{APPROVALS}/{approval.pk}/{act}", {"password": PASSWORD})
        problem(answer, 503, "audit_disabled")
    assert caller.get(APPROVALS).status_code == 200


def test_a_changed_subject_is_void_and_stays_so(world: World) -> None:
    approval = ask(world)
    Client.objects.filter(pk="clinic-001").update(name="Changed")
    problem(act_on(world, approval), 409, "approval_void")
    body = Caller(world, "olivia").get(f"{APPROVALS}/{approval.pk}").json()
    assert (body["state"], body["outcome_code"]) == ("void", "subject_changed")
