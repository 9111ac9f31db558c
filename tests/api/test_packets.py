"""`GET /api/compliance/soc2-packet`: who gets it, in which form, and with which headers."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.test import Client as Browser

from audit.events import EventType
from ops.models import Run
from reports.models import Packet
from reports.services import packets
from sealing import digests
from sealing.signers.local import LocalSigner
from tests.api.evidence import Caller, fields, problem
from tests.api.packets import (
    DOOR,
    JANUARY,
    QUERY,
    countersigned,
    file,
    month,
    packing,
    service_key,
    stored,
)
from tests.factories import World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db


@pytest.fixture
def packet(world: World) -> Packet:
    return stored(world)


def check_signature(raw: bytes, signature: str, browser: Any, key_id: str) -> None:
    """As a stranger does: with the key that anybody can fetch, and nothing of ours."""
    pem = browser.get("/api/compliance/public-key", {"key_id": key_id}).content
    key = serialization.load_pem_public_key(pem)
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.b64decode(signature, validate=True), raw, padding.PKCS1v15(), hashes.SHA256())


# --- what is answered -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "suffix", "media_type"),
    [(None, ".json", "application/json"), ("json", ".json", "application/json"),
     ("pdf", ".pdf", "application/pdf")],
)  # fmt: skip
def test_the_stored_bytes_and_their_signature(
    world: World, packet: Packet, client: Any, form: str | None, suffix: str, media_type: str
) -> None:
    query = QUERY if form is None else {**QUERY, "format": form}
    answer = Caller(world, "olivia").get(DOOR, query)
    raw = file(packet, suffix).read_bytes()
    assert (answer.status_code, answer.content) == (200, raw)
    digest = digests.sha256(raw)
    expected = {
        "Content-Type": media_type,
        "Content-Length": str(len(raw)),
        "Content-Disposition": f'attachment; filename="{packet.name}{suffix}"',
        "ETag": f'"{digests.tag(digest)}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Evidence-Key-Id": service_key().key_id,
        "X-Evidence-Signature": file(packet, f"{suffix}.sig").read_text().removesuffix("\n"),
    }
    assert {name: answer[name] for name in expected} == expected
    check_signature(raw, answer["X-Evidence-Signature"], client, answer["X-Evidence-Key-Id"])
    [event] = helpers.events_of(EventType.REPORTS_PACKET_DOWNLOADED, packet.name)
    assert event["data"] == {
        "file": f"{packet.name}{suffix}",
        "sha256": digests.tag(digest),
        "size_bytes": len(raw),
    }


def test_the_countersigned_pdf_takes_the_place_of_the_first(
    world: World, packet: Packet, client: Any, settings: Any
) -> None:
    settings.SIGNING_PRIVATE_KEY = LocalSigner.generate("rsa-sha256").private_pem()
    assert service_key().key_id != packet.signing_key.key_id, "the key was rotated meanwhile"
    pdf = countersigned(world, packet)
    olivia = Caller(world, "olivia")
    answer = olivia.get(DOOR, {**QUERY, "format": "pdf"})
    assert answer.content == pdf
    assert answer["Content-Disposition"].endswith(f'"{packet.name}.countersigned.pdf"')
    assert answer["X-Evidence-Key-Id"] == service_key().key_id
    check_signature(pdf, answer["X-Evidence-Signature"], client, answer["X-Evidence-Key-Id"])
    answer = olivia.get(DOOR, QUERY)
    assert answer["X-Evidence-Key-Id"] == packet.signing_key.key_id
    check_signature(
        answer.content, answer["X-Evidence-Signature"], client, answer["X-Evidence-Key-Id"]
    )


@pytest.mark.parametrize(
    "end",
    [
        "2026-01-31T23:59:59.999Z",
        "2026-01-31T23:59:59Z",
        "2026-01-31",
        "2026-02-01T00:00:00Z",
        "2026-02-01T01:00:00+01:00",
        "2026-02-01T01:00:00 01:00",
    ],
)
def test_all_ways_to_write_a_month_mean_the_same(world: World, packet: Packet, end: str) -> None:
    answer = Caller(world, "olivia").get(DOOR, {**QUERY, "endDate": end})
    assert answer.content == file(packet, ".json").read_bytes()


def test_what_one_has_is_not_sent_again(world: World, packet: Packet) -> None:
    olivia = Caller(world, "olivia")
    etag = olivia.get(DOOR, QUERY)["ETag"]
    told = len(helpers.events_of(EventType.REPORTS_PACKET_DOWNLOADED, packet.name))
    for known in (etag, f'"other", W/{etag}', "*"):
        answer = olivia.get(DOOR, QUERY, **{"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer["ETag"] == etag
        # Whoever names no digest need not have the file, and gets nothing that proves it.
        assert ("X-Evidence-Signature" in answer.headers) is (known != "*")
        assert ("X-Evidence-Key-Id" in answer.headers) is (known != "*")
    assert len(helpers.events_of(EventType.REPORTS_PACKET_DOWNLOADED, packet.name)) == told
    for known in ('"other"', etag.strip('"'), "nonsense"):
        assert olivia.get(DOOR, QUERY, **{"If-None-Match": known}).status_code == 200
    pdf = olivia.get(DOOR, {**QUERY, "format": "pdf"}, **{"If-None-Match": etag})
    assert pdf.status_code == 200, "the other form is another thing"


def test_revisions(world: World, packet: Packet) -> None:
    second = stored(world, revision=2)
    olivia = Caller(world, "olivia")
    newest = olivia.get(DOOR, QUERY)
    assert newest["Content-Disposition"].endswith(f'"{second.name}.json"')
    first = olivia.get(DOOR, {**QUERY, "revision": "1"})
    assert first["Content-Disposition"].endswith(f'"{packet.name}.json"')
    refused = problem(olivia.get(DOOR, {**QUERY, "revision": "3"}), 404, "packet_not_stored")
    assert fields(refused) == {"revision"}
    assert Run.objects.count() == 0, "nothing is made for a revision that nobody gave a reason for"


# --- what is not there ----------------------------------------------------------------------------


def test_a_session_is_told_where_to_make_one(world: World) -> None:
    browser = Browser()
    browser.force_login(world.user("olivia"))
    body = problem(browser.get(DOOR, QUERY), 404, "packet_not_stored")
    assert "POST /api/compliance/packets" in body["detail"]
    assert (Run.objects.count(), Packet.objects.count()) == (0, 0)
    stored(world)
    assert browser.get(DOOR, QUERY).status_code == 200


def test_a_bearer_token_has_it_made_and_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def waits(run: Run, seconds: float) -> Run:
        """By then the worker has made it."""
        waited.append(seconds)
        made = stored(world, run=run)
        run.status, run.result_summary = "SUCCESS", {"packets": [{"id": str(made.pk)}]}
        return run

    monkeypatch.setattr(packets, "wait_for", waits)
    answer = Caller(world, "olivia").get(DOOR, QUERY)
    assert (answer.status_code, waited) == (200, [30.0])
    assert answer.content == file(Packet.objects.get(), ".json").read_bytes()
    [run] = Run.objects.all()
    assert (run.payload["client_id"], run.payload["period_end"]) == (
        "clinic-001", "2026-02-01T00:00:00.000000Z",
    )  # fmt: skip
    assert Caller(world, "alice").get(DOOR, QUERY).content == answer.content
    assert Run.objects.count() == 1


def test_what_was_made_before_the_end_is_revised_by_a_token_and_not_by_a_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = stored(world, at=packing.JANUARY.end - timedelta(seconds=1))
    raw = file(half, ".json").read_bytes()

    def waits(run: Run, seconds: float) -> Run:
        """By then the worker has made it."""
        made = stored(world, run=run, revision=2)
        run.status, run.result_summary = "SUCCESS", {"packets": [{"id": str(made.pk)}]}
        return run

    monkeypatch.setattr(packets, "wait_for", waits)
    browser = Browser()
    browser.force_login(world.user("olivia"))
    assert browser.get(DOOR, QUERY).content == raw
    olivia = Caller(world, "olivia")
    assert olivia.get(DOOR, {**QUERY, "revision": "1"}).content == raw
    assert Run.objects.count() == 0
    answer = olivia.get(DOOR, QUERY)
    whole = Packet.objects.get(revision=2)
    assert answer.content == file(whole, ".json").read_bytes() != raw
    assert Run.objects.get().payload["revise"] is False
    assert olivia.get(DOOR, QUERY).content == browser.get(DOOR, QUERY).content == answer.content
    assert Run.objects.count() == 1


def test_what_takes_longer_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "wait_for", lambda run, seconds: run)
    olivia = Caller(world, "olivia")
    answer = olivia.get(DOOR, QUERY)
    run = Run.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {"run_id": str(run.pk), "status": "QUEUED"}
    assert answer["Retry-After"] == "10"
    assert olivia.get(answer["Location"]).json()["status"] == "QUEUED"
    again = olivia.get(DOOR, QUERY)
    assert (again.status_code, again.json()["run_id"]) == (202, str(run.pk))


def test_a_run_that_failed_says_why(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(run: Run, seconds: float) -> Run:
        run.status, run.error_code, run.error_message = "FAILED", "vault_differs", "It differs."
        return run

    monkeypatch.setattr(packets, "wait_for", fails)
    body = problem(Caller(world, "olivia").get(DOOR, QUERY), 409, "vault_differs")
    assert body["detail"] == "It differs."


# --- who ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "client", "status"),
    [
        ("alice", "clinic-001", 200),
        ("olivia", "clinic-001", 200),
        ("audrey", "clinic-001", 403),
        ("omar", "clinic-001", 403),
        ("svc-clinic-001", "clinic-001", 403),
        ("ben", "clinic-001", 404),
        ("nobody", "clinic-001", 404),
        ("root", "clinic-001", 404),
        ("olivia", None, 200),
        ("ben", None, 403),
        ("audrey", None, 403),
        ("olivia", "clinic-999", 404),
        ("ben", "clinic-999", 404),
    ],
)
def test_who_gets_it(world: World, who: str, client: str | None, status: int) -> None:
    stored(world)
    stored(world, client=None)
    query = JANUARY if client is None else {**JANUARY, "client_id": client}
    answer = Caller(world, who).get(DOOR, query)
    if status != 200:
        problem(answer, status)
    assert answer.status_code == status
    assert Run.objects.count() == 0


def test_a_stranger_is_asked_to_sign_in(world: World, packet: Packet) -> None:
    problem(Browser().get(DOOR, QUERY), 401)


def test_nothing_leaves_while_nothing_is_recorded(
    world: World, packet: Packet, settings: Any
) -> None:
    olivia = Caller(world, "olivia")
    settings.AUDIT_ENABLED = False
    problem(olivia.get(DOOR, QUERY), 503, "audit_disabled")
    problem(
        olivia.get(f"/api/compliance/packets/{packet.name}/files/{packet.name}.json"),
        503, "audit_disabled",
    )  # fmt: skip


# --- input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"startDate": None}, "startDate"),
        ({"endDate": None}, "endDate"),
        ({"startDate": ""}, "startDate"),
        ({"startDate": "yesterday"}, "startDate"),
        ({"startDate": "2026-01-01T00:00:00"}, "startDate"),
        ({"startDate": "2026-02-30"}, "startDate"),
        ({"endDate": "2026-13-01"}, "endDate"),
        ({"endDate": "2026-01-01T00:00:00Z"}, "endDate"),
        ({"endDate": "2025-12-31T23:59:59Z", "startDate": "2026-01-01"}, "endDate"),
        ({"endDate": "2126-01-01"}, "endDate"),
        ({"startDate": "2026-01-01T00:00:00.5Z"}, "startDate"),
        ({"startDate": "2126-01-01", "endDate": "2126-01-31"}, "startDate"),
        ({"format": "xml"}, "format"),
        ({"format": "PDF"}, "format"),
        ({"format": ""}, "format"),
        ({"revision": "0"}, "revision"),
        ({"revision": "-1"}, "revision"),
        ({"revision": "latest"}, "revision"),
        ({"revision": "99999999999999999999"}, "revision"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "x\x00"}, "client_id"),
        ({"start_date": "2026-01-01"}, "start_date"),
        ({"format": ["pdf", "json"]}, "format"),
    ],
)
def test_what_is_refused_names_the_field(world: World, changes: dict[str, Any], field: str) -> None:
    query = {name: value for name, value in {**QUERY, **changes}.items() if value is not None}
    body = problem(Caller(world, "olivia").get(DOOR, query), 400)
    assert fields(body) == {field}
    assert Run.objects.count() == 0


@pytest.mark.parametrize("method", ["head", "post", "put", "delete"])
def test_it_is_only_asked_for(world: World, packet: Packet, method: str) -> None:
    caller = Caller(world, "olivia")
    answer = getattr(caller.http, method)(DOOR, headers=caller.headers)
    assert answer.status_code == 405


def test_a_period_that_goes_on_is_told_so(world: World) -> None:
    early = stored(world, at=packing.JANUARY.start)
    over = stored(world, period=month(12))
    olivia = Caller(world, "olivia")
    told = {
        found.name: olivia.get(f"/api/compliance/packets/{found.name}").json()["period_was_over"]
        for found in (early, over)
    }
    assert told == {early.name: False, over.name: True}


def test_a_changed_file_never_leaves(world: World, packet: Packet) -> None:
    file(packet, ".json").write_bytes(b"{}\n")
    problem(Caller(world, "olivia").get(DOOR, QUERY), 409, "packet_file_missing")
    assert helpers.events_of(EventType.REPORTS_PACKET_DOWNLOADED, packet.name) == []
