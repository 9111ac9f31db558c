"""Packets for those who look at them and take them away: the list, one, its files."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser

from audit.events import EventType
from reports.models import Packet
from tests.api.evidence import Caller, fields, problem
from tests.api.packets import PACKETS, countersigned, file, month, packing, plan, stored
from tests.factories import World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db
FOUR = [".json", ".json.sig", ".pdf", ".pdf.sig"]
SIX = [*FOUR, ".countersigned.pdf", ".countersigned.pdf.sig"]


@pytest.fixture
def packet(world: World) -> Packet:
    return stored(world)


@pytest.fixture
def olivia(world: World) -> Caller:
    return Caller(world, "olivia")


def listed(caller: Caller, **query: Any) -> list[str]:
    answer = caller.get(PACKETS, query)
    assert answer.status_code == 200, answer.content
    return [item["name"] for item in answer.json()["results"]]


# --- one ------------------------------------------------------------------------------------------


def test_what_is_told_of_a_packet(olivia: Caller, packet: Packet) -> None:
    told = olivia.get(f"{PACKETS}/{packet.name}").json()
    assert told["name"] == "SOC2_Evidence_clinic-001_2026-01-01_2026-01-31"
    assert (told["framework"], told["client_id"], told["revision"]) == ("SOC2", "clinic-001", 1)
    assert told["auditPeriod"] == {
        "startDate": "2026-01-01T00:00:00.000000Z",
        "endDate": "2026-02-01T00:00:00.000000Z",
    }
    assert (told["status"], told["reason"], told["countersignature"]) == ("complete", None, None)
    assert told["maker"]["name"] == "Olivia Officer"
    assert told["json_sha256"] == packet.json_sha256
    assert told["signing_key_id"] == packet.signing_key.key_id
    assert told["verify_url"] == "http://testserver/api/compliance/packets/verify"
    assert [entry["name"].removeprefix(packet.name) for entry in told["files"]] == FOUR
    for entry in told["files"]:
        answer = olivia.get(entry["url"].removeprefix("http://testserver"))
        assert (answer.status_code, len(answer.content)) == (200, entry["size_bytes"])
        assert answer["ETag"] == f'"{entry["sha256"]}"'


def test_what_is_told_of_a_countersigned_one(world: World, olivia: Caller, packet: Packet) -> None:
    pdf = countersigned(world, packet)
    told = olivia.get(f"{PACKETS}/{packet.name}").json()
    signed = told["countersignature"]
    assert (signed["signer"], signed["name"]) == ("oscar", "Oscar Officer")
    assert signed["signing_key_id"] == packing.key_of(world, "oscar").key_id
    assert [entry["name"].removeprefix(packet.name) for entry in told["files"]] == SIX
    *_, second, sig = told["files"]
    assert (second["size_bytes"], sig["size_bytes"]) == (len(pdf), None)
    assert olivia.get(second["url"].removeprefix("http://testserver")).content == pdf


def test_what_is_told_of_one_that_failed(world: World, olivia: Caller) -> None:
    failed = plan("clinic-001", packing.JANUARY.start, packing.JANUARY.end)
    Packet.objects.filter(pk=failed.pk).update(
        status="failed",
        completed_at=failed.generated_at,
        error_code="storage_error",
        error_message="The disk is full.",
    )
    told = olivia.get(f"{PACKETS}/{failed.name}").json()
    assert (told["status"], told["error_code"]) == ("failed", "storage_error")
    assert (told["error_message"], told["files"]) == ("The disk is full.", [])
    assert (told["json_sha256"], told["maker"]) == (None, None)
    problem(olivia.get(f"{PACKETS}/{failed.name}/files/{failed.name}.json"), 409)
    again = stored(world)
    assert again.name == failed.name
    assert olivia.get(f"{PACKETS}/{failed.name}").json()["status"] == "complete"


@pytest.mark.parametrize("name", [
    "verify", "SOC2_Evidence_clinic-001_2026-01-01_2026-01-30", "..", "%2e%2e", "x" * 300,
    "SOC2_Evidence_clinic-001_2026-01-01_2026-01-31.json",
])  # fmt: skip
def test_no_such_packet(olivia: Caller, packet: Packet, name: str) -> None:
    problem(olivia.get(f"{PACKETS}/{name}/files/{packet.name}.json"), 404)
    if name != "verify":
        problem(olivia.get(f"{PACKETS}/{name}"), 404)


# --- the list -------------------------------------------------------------------------------------


def test_who_sees_which(world: World, packet: Packet) -> None:
    other = stored(world, client="clinic-002", by="alice").name
    platform = stored(world, client=None, by=None).name
    assert listed(Caller(world, "olivia")) == [platform, other, packet.name]
    assert listed(Caller(world, "audrey")) == [packet.name]
    assert listed(Caller(world, "ben")) == [other]
    for nothing in ("omar", "svc-clinic-001"):
        assert listed(Caller(world, nothing)) == [], "they made none"
    problem(Caller(world, "nobody").get(PACKETS), 403)
    problem(Browser().get(PACKETS), 401)
    ben = Caller(world, "ben")
    for name in (packet.name, platform):
        problem(ben.get(f"{PACKETS}/{name}"), 404)
        problem(ben.get(f"{PACKETS}/{name}/files/{name}.json"), 404)
    problem(ben.get(PACKETS, {"client_id": "clinic-001"}), 404)


def test_it_can_be_narrowed(world: World, olivia: Caller, packet: Packet) -> None:
    other = stored(world, client="clinic-002", by="alice")
    failed = plan("clinic-002", month(3).start, month(3).end)
    assert listed(olivia, client_id="clinic-002") == [failed.name, other.name]
    assert listed(olivia, status="complete") == [other.name, packet.name]
    assert listed(olivia, status="writing", framework="SOC2") == [failed.name]
    moment = other.created_at.isoformat()
    assert listed(olivia, since=moment) == [failed.name, other.name]
    assert listed(olivia, since="2126-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("framework", "HIPAA-2"),
        ("status", "done"),
        ("since", "yesterday"),
        ("since", "2026-01-01"),
        ("client_id", ""),
        ("page_size", "0"),
        ("page_size", "many"),
        ("cursor", "nonsense"),
        ("state", "complete"),
    ],
)
def test_what_it_can_not_be_narrowed_by(olivia: Caller, name: str, value: str) -> None:
    assert fields(problem(olivia.get(PACKETS, {name: value}), 400)) == {name}


def test_pages(world: World, olivia: Caller) -> None:
    names = [stored(world, period=month(number)).name for number in (1, 2, 3)]
    first = olivia.get(PACKETS, {"page_size": 2, "client_id": "clinic-001"}).json()
    assert [item["name"] for item in first["results"]] == names[:0:-1]
    second = olivia.get(first["next"].removeprefix("http://testserver")).json()
    assert [item["name"] for item in second["results"]] == names[:1]
    assert second["next"] is None


def test_a_page_takes_the_same_few_queries_however_long_it_is(world: World, olivia: Caller) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for number in (1, 2, 3):
        countersigned(world, stored(world, period=month(number)))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(listed(olivia)) == number
        counts.append(len(queries))
    assert len(set(counts)) == 1


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SIX)
def test_an_auditor_takes_every_file(world: World, packet: Packet, suffix: str) -> None:
    countersigned(world, packet)
    answer = Caller(world, "audrey").get(f"{PACKETS}/{packet.name}/files/{packet.name}{suffix}")
    raw = file(packet, suffix).read_bytes()
    assert (answer.status_code, answer.content) == (200, raw)
    assert answer["Content-Disposition"] == f'attachment; filename="{packet.name}{suffix}"'
    assert answer["Cache-Control"] == "private, no-store"
    kinds = {".json": "application/json", ".pdf": "application/pdf"}
    expected = kinds.get(f".{suffix.rsplit('.', 1)[1]}", "text/plain; charset=us-ascii")
    assert answer["Content-Type"] == expected
    [event] = helpers.events_of(EventType.REPORTS_PACKET_DOWNLOADED, packet.name)
    assert (event["actor"]["id"], event["data"]["file"]) == (
        "user:audrey", f"{packet.name}{suffix}",
    )  # fmt: skip


def test_who_may_not_take_one(world: World, packet: Packet) -> None:
    address = f"{PACKETS}/{packet.name}/files/{packet.name}.json"
    for who, status in (("ben", 404), ("omar", 404), ("nobody", 404), ("svc-clinic-001", 404)):
        problem(Caller(world, who).get(address), status)
    problem(Browser().get(address), 401)
    assert helpers.events_of(EventType.REPORTS_PACKET_DOWNLOADED, packet.name) == []


@pytest.mark.parametrize("name", [
    "x.json", "..", "%2e%2e%2fx",
    "SOC2_Evidence_clinic-001_2026-01-01_2026-01-31.countersigned.pdf",
    "SOC2_Evidence_clinic-001_2026-01-01_2026-01-31.txt", "%00", "a" * 400,
])  # fmt: skip
def test_no_such_file(olivia: Caller, packet: Packet, name: str) -> None:
    problem(olivia.get(f"{PACKETS}/{packet.name}/files/{name}"), 404)
