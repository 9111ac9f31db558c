"""`POST /compliance/evidence/export`, and reading packages."""

from __future__ import annotations

from typing import Any

import pytest

from audit.events import EventType
from evidence.models import Package
from tests.api.evidence import EXPORT, PACKAGES, PERIOD, Caller, fields, helpers, problem
from tests.factories import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def olivia(world: World) -> Caller:
    return Caller(world, "olivia")


def test_answer_of_an_export(world: World, olivia: Caller) -> None:
    helpers.some_events()
    response = olivia.export(
        sign_bundle=True,
        retention_policy="hipaa_6y",
        vault_mode="none",
        required_countersignatures=1,
        note="Quarterly",
    )
    assert response.status_code == 201, response.content
    told = response.json()
    package = Package.objects.get()
    assert told["bundle_id"] == package.bundle_id
    assert told["package_path"] == f"clinic-001/{package.bundle_id}.zip"
    assert told["package_sha256"] == package.package_sha256
    assert told["signature_enabled"] is True
    assert told["signature"]["digest"] == package.package_sha256
    assert told["verify_url"] == "http://testserver/compliance/evidence/verify"
    assert {entry["relative_path"] for entry in told["files"]} == {
        "README.txt", "archive_policy.json", "audit_chain_verify.json", "audit_events.jsonl",
        "checkpoint", "completeness.json", "proofs.json",
    }  # fmt: skip
    nothing = ("vault_copy_path", "vault_worm_lock_path", "vault_envelope_path")
    assert [told[name] for name in nothing] == [None] * 3
    assert (told["external_worm_status"], told["external_kms_status"]) == ("SKIPPED", "SKIPPED")
    assert (told["external_worm_receipt"], told["archive_receipt"]) == (None, None)
    assert (told["events"], told["countersign_count"]) == (3, 0)
    assert told["generated_at"].endswith("Z")


def test_only_the_period_is_needed(olivia: Caller) -> None:
    response = olivia.post(EXPORT, {"client_id": "clinic-001", **PERIOD})
    told = response.json()
    assert response.status_code == 201
    assert (told["retention_policy"], told["vault_mode"]) == ("hipaa_6y", "none")
    assert told["required_countersignatures"] == 1


def test_what_is_asked_for_and_not_configured_is_said(olivia: Caller) -> None:
    told = olivia.export(external_worm=True, external_kms=True).json()
    assert (told["external_worm_status"], told["external_kms_status"]) == ("DISABLED", "DISABLED")


def test_what_must_succeed_and_can_not_is_refused(olivia: Caller) -> None:
    refused = problem(olivia.export(external_worm=True, external_require_success=True), 400)
    assert fields(refused) == {"external_worm"}
    assert not Package.objects.exists()


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000000Z"),
        ("2026-01-01T01:00:00 01:00", "2026-01-01T00:00:00.000000Z"),
        ("2025-12-31T19:30:00.5-04:30", "2026-01-01T00:00:00.500000Z"),
    ],
)
def test_times_with_an_offset(olivia: Caller, start: str, expected: str) -> None:
    told = olivia.export(period_start=start).json()
    assert told["period"]["start"] == expected


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("period_start", {"period_start": "2026-01-01"}),
        ("period_start", {"period_start": "2026-01-01T00:00:00"}),
        ("period_start", {"period_start": "2026-13-01T00:00:00Z"}),
        ("period_start", {"period_start": 5}),
        ("period_start", {"period_start": None}),
        ("period_end", {"period_end": "2026-01-01T00:00:00Z"}),
        ("vault_mode", {"vault_mode": "local"}),
        ("retention_policy", {"retention_policy": "x"}),
        ("package_prefix", {"package_prefix": "../x"}),
        ("sign_bundle", {"sign_bundle": "perhaps"}),
        ("required_countersignatures", {"required_countersignatures": 100}),
        ("required_countersignatures", {"required_countersignatures": True, "sign_bundle": False}),
        ("required_countersignatures", {"required_countersignatures": [1]}),
        ("client_id", {"client_id": ["clinic-001"]}),
        ("client_id", {"client_id": {"a": 1}}),
        ("event_types", {"event_types": "access.denied"}),
        ("event_types", {"event_types": []}),
        ("note", {"note": {}}),
        ("note", {"note": "x" * 1001}),
        ("signer", {"signer": "somebody"}),
        ("signing_key_id", {"signing_key_id": "other"}),
        ("force", {"force": True}),
    ],
)
def test_fields_that_can_not_be_accepted(
    olivia: Caller, field: str, changes: dict[str, Any]
) -> None:
    refused = problem(olivia.export(**changes), 400)
    assert any(name.split(".")[0].split("[")[0] == field for name in fields(refused)), refused
    assert not Package.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "[]",
        "null",
        "5",
        '"x"',
        "{",
        '{"client_id":"clinic-001","client_id":"clinic-002"}',
        '{"period_start":NaN}',
        '{"note":"\\u0000"}',
        '{"note":"\\ud800"}',
        '{"required_countersignatures":9007199254740993}',
        '{"required_countersignatures":1e999}',
        "[" * 100 + "]" * 100,
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
    ],
)
def test_bodies_that_are_no_strict_json(olivia: Caller, raw: str | bytes) -> None:
    problem(olivia.post(EXPORT, raw), 400)


def test_a_body_that_is_too_large(olivia: Caller) -> None:
    problem(olivia.post(EXPORT, '{"note":"' + "x" * (1 << 20) + '"}'), 413)


@pytest.mark.parametrize("text", ["x\ty", "a\x7f", "\x1b[31m", "\r"])
def test_control_characters(olivia: Caller, text: str) -> None:
    body = olivia.export(note=f"a{text}b")
    assert fields(problem(body, 400)) == {"note"}


@pytest.mark.parametrize(
    "text",
    ["Ω≈ç√∫", "\U0001d54f \U0001f600", "\u202eright to left", "<script>", "'; DROP TABLE", "a\nb"],
)
def test_naughty_but_harmless_text_is_kept_as_it_is(olivia: Caller, text: str) -> None:
    told = olivia.export(note=text).json()
    assert told["note"] == text
    assert helpers.member(Package.objects.get(), "manifest.json")["request"]["note"] == text


@pytest.mark.parametrize(
    ("who", "client", "status"),
    [
        ("alice", "clinic-001", 201),
        ("ben", "clinic-002", 201),
        ("ben", "clinic-001", 404),
        ("olivia", "clinic-999", 404),
        ("olivia", "../clinic-001", 404),
        ("olivia", "platform", 404),
        ("olivia", "", 400),
        ("audrey", "clinic-001", 403),
        ("audrey", "clinic-002", 404),
        ("omar", "clinic-001", 403),
        ("ben", None, 403),
        ("olivia", None, 201),
        ("root", "clinic-001", 404),
        ("nobody", "clinic-001", 404),
        ("svc-clinic-001", "clinic-001", 403),
    ],
)
def test_who_may_export_what(world: World, who: str, client: str | None, status: int) -> None:
    response = Caller(world, who).export(client_id=client)
    assert response.status_code == status, response.content


def test_nobody_without_signing_in(world: World, client: Any) -> None:
    body = {"client_id": "clinic-001", **PERIOD}
    problem(client.post(EXPORT, body, content_type="application/json"), 401)


def test_same_idempotency_key_same_package(olivia: Caller) -> None:
    first = olivia.post(EXPORT, {"client_id": "clinic-001", **PERIOD}, **{"idempotency-key": "k1"})
    again = olivia.post(EXPORT, {"client_id": "clinic-001", **PERIOD}, **{"idempotency-key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert Package.objects.count() == 1
    other = {"client_id": "clinic-002", **PERIOD}
    problem(olivia.post(EXPORT, other, **{"idempotency-key": "k1"}), 409)


def test_read_only(olivia: Caller, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    problem(olivia.export(), 503, "audit_disabled")
    assert not Package.objects.exists()


# --- reading --------------------------------------------------------------------------------------


@pytest.fixture
def packages(world: World) -> list[Package]:
    return [
        helpers.export(world, client=client, sign_bundle=False)
        for client in ("clinic-001", "clinic-002", None, "clinic-001")
    ]


def listed(caller: Caller, **query: Any) -> list[str]:
    response = caller.get(PACKAGES, query)
    assert response.status_code == 200, response.content
    return [item["bundle_id"] for item in response.json()["results"]]


def test_list_is_newest_first_and_in_scope(world: World, packages: list[Package]) -> None:
    ids = [package.bundle_id for package in reversed(packages)]
    assert listed(Caller(world, "alice")) == ids
    assert listed(Caller(world, "audrey")) == [ids[0], ids[3]]
    assert listed(Caller(world, "ben")) == [ids[2]]
    assert listed(Caller(world, "omar")) == []
    problem(Caller(world, "nobody").get(PACKAGES), 403)


def test_list_is_paged(world: World, packages: list[Package]) -> None:
    alice = Caller(world, "alice")
    page = alice.get(PACKAGES, {"page_size": 3}).json()
    assert (len(page["results"]), page["previous"]) == (3, None)
    rest = alice.get(page["next"]).json()
    assert [item["bundle_id"] for item in rest["results"]] == [packages[0].bundle_id]


def test_list_is_filtered(world: World, packages: list[Package]) -> None:
    alice = Caller(world, "alice")
    assert listed(alice, client_id="clinic-002") == [packages[1].bundle_id]
    assert len(listed(alice, status="complete")) == 4
    assert listed(alice, status="failed") == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"cursor": "garbage"}, 400),
        ({"cursor": "cD1ub3QtYS10aW1l"}, 400),
        ({"cursor": "cj0xJnA9MjAyNg=="}, 400),
        ({"cursor": "\x00"}, 400),
        ({"page_size": "0"}, 400),
        ({"page_size": "-1"}, 400),
        ({"page_size": "many"}, 400),
        ({"status": "lost"}, 400),
        ({"status": "\x00"}, 400),
        ({"client_id": "\x00"}, 404),
        ({"client_id": "../x"}, 404),
        ({"client_id": "clinic-999"}, 200),
    ],
)
def test_list_refuses_what_makes_no_sense(world: World, query: dict[str, str], status: int) -> None:
    assert Caller(world, "alice").get(PACKAGES, query).status_code == status


def test_one_package(world: World, packages: list[Package]) -> None:
    told = Caller(world, "audrey").get(f"{PACKAGES}/{packages[0].bundle_id}").json()
    assert told["status"] == "complete"
    assert told["maker"]["name"] == "Olivia Officer"
    assert told["downloads"] == [
        f"{PACKAGES}/{packages[0].bundle_id}/files/{packages[0].bundle_id}.zip"
    ]


@pytest.mark.parametrize("who", ["ben", "omar", "nobody", "root", "svc-clinic-001"])
def test_another_client_s_package_is_not_there(
    world: World, packages: list[Package], who: str
) -> None:
    caller = Caller(world, who)
    there = caller.get(f"{PACKAGES}/{packages[0].bundle_id}")
    nowhere = caller.get(f"{PACKAGES}/evidence_20000101T000000Z_00000000")
    body, other = problem(there, 404), problem(nowhere, 404)
    del body["instance"], other["instance"]
    assert body == other


@pytest.mark.parametrize("name", ["x", "%00", "..", "%2e%2e%2f", "a%20b", "%ff"])
def test_ids_that_are_none(world: World, name: str) -> None:
    assert Caller(world, "alice").get(f"{PACKAGES}/{name}").status_code == 404


def test_download(world: World, packages: list[Package]) -> None:
    package = packages[0]
    name = f"{package.bundle_id}.zip"
    path = f"{PACKAGES}/{package.bundle_id}/files/{name}"
    response = Caller(world, "audrey").get(path, accept="application/zip")
    raw = b"".join(response.streaming_content)
    assert raw == helpers.file(package).read_bytes()
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response["Content-Length"] == str(len(raw))
    assert response["ETag"] == f'"{package.package_sha256}"'
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_DOWNLOADED, package.bundle_id)
    assert event["source"]["ip"] == "127.0.0.1"


def test_media_types_of_sidecars(world: World) -> None:
    package = helpers.export(world)
    helpers.countersign(world, package)
    alice = Caller(world, "alice")
    told = alice.get(f"{PACKAGES}/{package.bundle_id}").json()
    types = {path.rpartition(package.bundle_id)[2]: alice.get(path)["Content-Type"]
             for path in told["downloads"]}  # fmt: skip
    assert types == {
        ".zip": "application/zip",
        ".zip.sig": "text/plain; charset=us-ascii",
        ".signature.json": "application/json",
        ".countersign.json": "application/json",
    }


@pytest.mark.parametrize("name", ["x.zip", "{b}.tsr", "..%2f..%2fetc%2fpasswd", "{b}.zip%00"])
def test_files_that_there_are_none_of(world: World, packages: list[Package], name: str) -> None:
    bundle = packages[0].bundle_id
    path = f"{PACKAGES}/{bundle}/files/{name.format(b=bundle)}"
    assert Caller(world, "alice").get(path).status_code == 404
    assert helpers.events_of(EventType.EVIDENCE_PACKAGE_DOWNLOADED) == []


def test_looking_takes_nothing(world: World, packages: list[Package]) -> None:
    """HEAD would answer without the bytes: it is not offered, so nothing false is recorded."""
    bundle = packages[0].bundle_id
    caller = Caller(world, "alice")
    path = f"{PACKAGES}/{bundle}/files/{bundle}.zip"
    assert caller.http.head(path, headers=caller.headers).status_code == 405
    assert helpers.events_of(EventType.EVIDENCE_PACKAGE_DOWNLOADED) == []
