"""`POST /api/compliance/packets` and `…/countersign`, and the certificate of the key that signs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser

from audit.events import EventType
from ops.models import Run
from reports.models import Certificate, PacketCountersignature
from reports.services import certificates, packets
from tests.api.evidence import Caller, fields, problem
from tests.api.packets import (
    CERTIFICATE,
    JANUARY,
    PACKETS,
    countersign,
    packing,
    service_key,
    stored,
)
from tests.factories import PASSWORD, World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db
BODY = {"client_id": "clinic-001", **JANUARY}


@pytest.fixture
def olivia(world: World) -> Caller:
    return Caller(world, "olivia")


# --- making ---------------------------------------------------------------------------------------


def test_one_that_is_there_is_not_made_again(world: World, olivia: Caller) -> None:
    packet = stored(world)
    answer = olivia.post(PACKETS, BODY)
    assert (answer.status_code, answer.json()["name"]) == (200, packet.name)
    assert Run.objects.count() == 0


def test_what_takes_longer_goes_on(olivia: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "wait_for", lambda run, seconds: run)
    answer = olivia.post(PACKETS, BODY)
    run = Run.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {"run_id": str(run.pk), "status": "QUEUED"}
    assert (answer["Location"], answer["Retry-After"]) == (f"/ops/jobs/runs/{run.pk}", "10")


def test_the_same_key_is_answered_the_same(
    world: World, olivia: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets, "wait_for", lambda run, seconds: run)
    first = olivia.post(PACKETS, BODY, **{"Idempotency-Key": "once"})
    stored(world)
    second = olivia.post(PACKETS, BODY, **{"Idempotency-Key": "once"})
    assert (second.status_code, second.content) == (202, first.content)
    assert Run.objects.count() == 1
    other = {**BODY, "endDate": "2026-01-30"}
    problem(
        olivia.post(PACKETS, other, **{"Idempotency-Key": "once"}), 409, "idempotency_key_reused"
    )


@pytest.mark.parametrize(
    ("who", "client", "status"),
    [
        ("audrey", "clinic-001", 403),
        ("omar", "clinic-001", 403),
        ("svc-clinic-001", "clinic-001", 403),
        ("ben", "clinic-001", 404),
        ("ben", None, 403),
        ("nobody", "clinic-001", 404),
        ("root", None, 403),
        ("olivia", "clinic-999", 404),
    ],
)
def test_who_may_not_have_one_made(world: World, who: str, client: str | None, status: int) -> None:
    problem(Caller(world, who).post(PACKETS, {**BODY, "client_id": client}), status)
    assert Run.objects.count() == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"startDate": None}, "startDate"),
        ({"startDate": 20260101}, "startDate"),
        ({"endDate": "2026-01-01T00:00:00Z"}, "endDate"),
        ({"startDate": "2126-01-01", "endDate": "2126-01-31"}, "startDate"),
        ({"client_id": 7}, "client_id"),
        ({"client_id": "x\ud800"}, "client_id"),
        ({"revise": "true"}, "revise"),
        ({"revise": True}, "reason"),
        ({"revise": True, "reason": " "}, "reason"),
        ({"reason": "Why not"}, "reason"),
        ({"revise": True, "reason": "x" * 1001}, "reason"),
        ({"format": "pdf"}, "format"),
    ],
)
def test_what_is_refused_names_the_field(
    world: World, olivia: Caller, changes: dict[str, Any], field: str
) -> None:
    stored(world)
    body = {name: value for name, value in {**BODY, **changes}.items() if value is not None}
    found = fields(problem(olivia.post(PACKETS, body), 400))
    assert {name.strip("/") for name in found} == {field}
    assert Run.objects.count() == 0


def test_a_revision_follows_a_packet(olivia: Caller) -> None:
    body = {**BODY, "revise": True, "reason": "A late arrival."}
    problem(olivia.post(PACKETS, body), 409, "nothing_to_revise")


def test_nothing_is_made_while_nothing_is_recorded(olivia: Caller, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    problem(olivia.post(PACKETS, BODY), 503, "audit_disabled")
    assert Run.objects.count() == 0


# --- countersigning -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "changes", "status", "code"),
    [
        ("olivia", {}, 403, "countersigner_is_maker"),
        ("olivia2", {"signing_key_id": "olivia"}, 403, "countersigner_is_maker"),
        ("oscar", {"signing_key_id": "olivia"}, 403, "key_is_not_yours"),
        ("oscar", {"signer": "olivia"}, 403, "signer_is_not_you"),
        ("oscar", {"password": "guess"}, 403, "reauthentication_failed"),
        ("alice", {"signing_key_id": "oscar"}, 403, "forbidden"),
        ("audrey", {"signing_key_id": "oscar"}, 403, "forbidden"),
        ("omar", {"signing_key_id": "oscar"}, 404, "not_found"),
        ("svc-clinic-001", {"signing_key_id": "oscar"}, 404, "not_found"),
        ("ben", {}, 404, "not_found"),
        ("nobody", {"signing_key_id": "oscar"}, 404, "not_found"),
    ],
)
def test_who_may_not_countersign(
    world: World, who: str, changes: dict[str, str], status: int, code: str
) -> None:
    packet = stored(world)
    if "signing_key_id" in changes:
        key = packing.key_of(world, changes["signing_key_id"])
        changes = {**changes, "signing_key_id": key.key_id}
    problem(countersign(world, who, packet, **changes), status, code)
    assert not PacketCountersignature.objects.exists()


def test_a_packet_that_does_not_verify_is_not_countersigned(world: World) -> None:
    packet = stored(world)
    problem(countersign(world, "oscar", packet), 409, "packet_not_valid")
    [event] = helpers.events_of(EventType.REPORTS_PACKET_COUNTERSIGN_REFUSED, packet.name)
    assert (event["outcome"], event["data"]["code"]) == ("denied", "packet_not_valid")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"password": None}, "password"),
        ({"signing_key_id": None}, "signing_key_id"),
        ({"meaning": ""}, "meaning"),
        ({"meaning": "x" * 201}, "meaning"),
        ({"note": "x" * 1001}, "note"),
        ({"note": "\x00"}, "note"),
        ({"countersign_path": "x"}, "countersign_path"),
    ],
)
def test_what_a_countersignature_may_not_say(
    world: World, changes: dict[str, Any], field: str
) -> None:
    packet = stored(world)
    body = {"password": PASSWORD, "signing_key_id": packing.key_of(world, "oscar").key_id}
    body = {name: value for name, value in {**body, **changes}.items() if value is not None}
    answer = Caller(world, "oscar").post(f"{PACKETS}/{packet.name}/countersign", body)
    assert {name.strip("/") for name in fields(problem(answer, 400))} == {field}


def test_passwords_are_not_tried_for_ever(world: World) -> None:
    packet = stored(world)
    key = packing.key_of(world, "oscar").key_id
    oscar = Caller(world, "oscar")
    body = {"password": "", "signing_key_id": key}
    answers = [oscar.post(f"{PACKETS}/{packet.name}/countersign", body) for _ in range(21)]
    assert {answer.status_code for answer in answers[:20]} == {400}
    assert int(answers[20]["Retry-After"]) > 0
    problem(answers[20], 429)


# --- the certificate ------------------------------------------------------------------------------


def test_anybody_may_have_the_certificate(world: World) -> None:
    problem(Browser().get(CERTIFICATE), 404, "certificate_not_issued")
    key = service_key()
    [pem] = certificates.service_chain(actor=world.actor("olivia"))
    answer = Browser().get(CERTIFICATE, headers={"Accept": "application/x-pem-file"})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/x-pem-file"
    assert answer.content.decode().strip() == pem.strip()
    assert Certificate.objects.get().key == key
