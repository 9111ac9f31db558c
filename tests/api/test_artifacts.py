"""Artefacts over HTTP: who hands in and takes what, and that what leaves is what came."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from audit.events import EventType
from evidence.models import Artifact, Deposit
from evidence.services import submissions
from sealing import digests
from tests.api.artifacts import PATH, PERIOD, RAW, form, keep
from tests.api.evidence import Caller, fields, problem
from tests.factories import World
from tests.services.evidence import deposits, helpers, vaults
from tests.services.evidence.vaults import local_vault, s3_vault  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_vault")]


def body(raw: bytes = RAW, **changes: Any) -> dict[str, Any]:
    fields_of_form = form(file=None)
    return {
        **fields_of_form,
        "file_name": "groups.csv",
        "media_type": "text/csv",
        "content": base64.b64encode(raw).decode(),
        **changes,
    }


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content)


# --- handing in ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["form", "json"])
def test_an_artefact_is_kept_and_told(world: World, kind: str) -> None:
    caller = Caller(world, "olivia")
    sent = {"origin": "Okta export", "note": "Monthly"}
    if kind == "form":
        response = caller.upload(PATH, form(**sent))
    else:
        response = caller.post(PATH, body(**sent))
    assert response.status_code == 201, response.content
    told = response.json()
    artifact = Artifact.objects.get()
    assert response["Location"] == f"{PATH}/{artifact.pk}"
    assert (told["id"], told["client_id"], told["framework"], told["control"]) == (
        str(artifact.pk), "clinic-001", "SOC2", "CC6.1",
    )  # fmt: skip
    assert (told["title"], told["origin"], told["note"]) == ("Groups", "Okta export", "Monthly")
    assert (told["period_start"], told["period_end"]) == (
        "2026-01-01T00:00:00.000000Z",
        "2026-02-01T00:00:00.000000Z",
    )
    assert (told["file_name"], told["media_type"], told["size_bytes"]) == (
        "groups.csv", "text/csv", len(RAW),
    )  # fmt: skip
    assert told["sha256"] == digests.sha256_tag(RAW)
    assert told["received_from"]["account"] == "olivia"
    vault = told["vault"]
    day = f"{artifact.created_at:%Y/%m/%d}"
    assert vault["path"] == f"clinic-001/{day}/artifact_{artifact.pk}/groups.csv"
    assert (vault["mode"], vault["retention_policy"]) == ("local", "regulatory_7y")
    assert deposits.path(artifact.deposit, "groups.csv").read_bytes() == RAW
    (event,) = helpers.events_of(EventType.EVIDENCE_ARTIFACT_RECEIVED, str(artifact.pk))
    assert (event["actor"]["id"], event["client_id"]) == ("user:olivia", "clinic-001")
    assert event["data"]["sha256"] == told["sha256"]
    assert event["data"]["control"] == "CC6.1"
    assert caller.get(f"{PATH}/{artifact.pk}").json() == told
    assert caller.get(PATH).json()["results"] == [told]


# Who may hand in for clinic-001; an operator and a service see their own, and take nothing.
WHO = {
    "alice": (201, 200, 200),
    "olivia": (201, 200, 200),
    "audrey": (403, None, None),
    "omar": (201, 200, 403),
    "ben": (404, None, None),
    "nobody": (403, None, None),
    "root": (403, None, None),
    "svc-clinic-001": (201, 200, 403),
    "svc-clinic-002": (404, None, None),
}


@pytest.mark.parametrize("who", WHO)
def test_who_hands_in_and_takes(world: World, who: str) -> None:
    caller, (hands_in, sees, takes) = Caller(world, who), WHO[who]
    response = caller.upload(PATH, form())
    # Whoever holds no role at all is refused the same, whatever there is.
    assert response.status_code == hands_in or {response.status_code, hands_in} == {403, 404}
    assert Artifact.objects.exists() is (hands_in == 201)
    if hands_in != 201:
        assert not Deposit.objects.exists()
        return
    own = response.json()["id"]
    assert caller.get(f"{PATH}/{own}").status_code == sees
    assert caller.get(f"{PATH}/{own}/content").status_code == takes
    if who == "svc-clinic-001":
        assert response.json()["received_from"] == {
            "account": "svc-clinic-001", "person": None, "name": None,
        }  # fmt: skip


SEES = {
    "alice": (200, 200), "olivia": (200, 200), "audrey": (200, 200), "omar": (404, 404),
    "ben": (404, 404), "nobody": (404, 404), "svc-clinic-001": (404, 404),
}  # fmt: skip


@pytest.mark.parametrize("who", SEES)
def test_who_sees_what_somebody_else_handed_in(world: World, who: str) -> None:
    artifact = keep(world)
    caller, (sees, takes) = Caller(world, who), SEES[who]
    assert caller.get(f"{PATH}/{artifact.pk}").status_code == sees
    assert caller.get(f"{PATH}/{artifact.pk}/content").status_code == takes
    if sees == 200:
        assert len(caller.get(PATH).json()["results"]) == 1
    elif who != "nobody":
        assert caller.get(PATH).json()["results"] == []


def test_the_installations_own(world: World) -> None:
    assert Caller(world, "omar").upload(PATH, form(client_id=None)).status_code == 403
    told = Caller(world, "olivia").upload(PATH, form(client_id=None)).json()
    assert told["client_id"] is None
    assert told["vault"]["path"].startswith("platform/")
    assert Caller(world, "omar").get(f"{PATH}/{told['id']}").status_code == 404


def test_an_unknown_client_is_not_there(world: World) -> None:
    for client in ("clinic-999", "../clinic-001", "platform"):
        problem(Caller(world, "alice").upload(PATH, form(client_id=client)), 404, "not_found")
    assert not Deposit.objects.exists()


REFUSED = [
    ({"control": "CC99.9"}, "control"),
    ({"control": None}, "control"),
    ({"framework": "ISO"}, "framework"),
    ({"title": None}, "title"),
    ({"title": "  "}, "title"),
    ({"title": "x" * 201}, "title"),
    ({"title": "two\nlines"}, "title"),
    ({"title": "bell\x07"}, "title"),
    ({"note": "x" * 1001}, "note"),
    ({"note": "nul\x00"}, "note"),
    ({"origin": "half\ud800"}, "origin"),
    ({"period_start": "2026-01-01"}, "period_start"),
    ({"period_end": "2026-01-01T00:00:00Z"}, "period_end"),
    ({"period_end": "2030-01-01T00:00:00Z"}, "period_end"),
    ({"more": "x"}, "more"),
]


@pytest.mark.parametrize(("change", "field"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_is_refused_names_its_field(world: World, change: dict[str, Any], field: str) -> None:
    caller = Caller(world, "olivia")
    given = {name: value for name, value in body(**change).items() if value is not None}
    response = caller.post(PATH, given)
    # What JSON itself may not hold is named by its place in the body.
    assert field in {name.lstrip("/") for name in fields(problem(response, 400))}
    assert not Deposit.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"file": None}, "file"),
        ({"file": SimpleUploadedFile("a.csv", b"")}, "file"),
        ({"file": "text"}, "file"),
    ],
    ids=["none", "empty", "text"],
)
def test_a_form_without_a_file(world: World, change: dict[str, Any], field: str) -> None:
    response = Caller(world, "olivia").upload(PATH, form(**change))
    assert field in fields(problem(response, 400))


def test_a_form_names_each_field_once(world: World) -> None:
    files = [SimpleUploadedFile("a.csv", b"a"), SimpleUploadedFile("b.csv", b"b")]
    response = Caller(world, "olivia").upload(PATH, form(file=files))
    assert fields(problem(response, 400)) == {"file"}
    assert not Artifact.objects.exists()


@pytest.mark.parametrize("text", ["****", "YWJj\n", "YWI", "YWJj====", "ä", 7, None])
def test_content_is_base64(world: World, text: Any) -> None:
    response = Caller(world, "olivia").post(PATH, body(content=text))
    assert fields(problem(response, 400)) == {"content"}


def test_no_content_is_an_empty_file(world: World) -> None:
    response = Caller(world, "olivia").post(PATH, body(content=""))
    assert fields(problem(response, 400)) == {"file"}


def test_the_largest_file(world: World, settings: Any) -> None:
    settings.EVIDENCE_ARTIFACT_MAX_BYTES = 1000
    caller = Caller(world, "olivia")
    assert caller.upload(PATH, form(b"x" * 1000)).status_code == 201
    assert caller.post(PATH, body(b"x" * 1000)).status_code == 201
    problem(caller.upload(PATH, form(b"x" * 1001)), 413, "artifact_too_large")
    problem(caller.post(PATH, body(b"x" * 1001)), 413, "artifact_too_large")
    problem(caller.upload(PATH, form(b"x" * (2 << 20))), 413, "body_too_large")
    problem(caller.post(PATH, body(b"x" * (4 << 20))), 413, "body_too_large")
    assert Artifact.objects.count() == 2


def test_without_a_vault_it_says_what_to_set(world: World, settings: Any) -> None:
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    told = problem(Caller(world, "olivia").upload(PATH, form()), 409, "vault_not_configured")
    assert "set COMPLIANCE_EVIDENCE_VAULT_DIR or EVIDENCE_VAULT_S3_BUCKET" in told["detail"]


# --- names and kinds ----------------------------------------------------------------------------

NAMES = {
    "../../etc/passwd": "passwd",
    "C:\\Users\\alice\\Zugriffsprüfung 2026.pdf": "Zugriffsprufung_2026.pdf",
    "a\x00b.csv": None,
    "監査.pdf": "artefact.pdf",
    ".htaccess": "artefact.htaccess",
    "report.tar.gz": "report_tar.gz",
    "x" * 250 + ".csv": "x" * 103 + ".csv",
    "-rf.sh": "rf.sh",
    "nul.txt": "artefact_nul.txt",
    "con": "artefact_con",
    'a"b\r\nSet-Cookie: x=1.csv': "a_b_Set-Cookie_x_1.csv",
    "\u202egnp.exe": "gnp.exe",
    "...": "artefact",
    "a.b/..": "artefact",
}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_names_are_made_harmless(world: World, name: str) -> None:
    caller, wanted = Caller(world, "olivia"), NAMES[name]
    response = caller.post(PATH, body(file_name=name))
    if wanted is None:
        assert fields(problem(response, 400)) == {"/file_name"}
        return
    told = response.json()
    assert told["file_name"] == wanted
    taken = caller.get(told["content_url"])
    assert taken["Content-Disposition"] == f'attachment; filename="{wanted}"'
    assert content(taken) == RAW


@pytest.mark.parametrize(
    ("sent", "kept", "served"),
    [
        ("text/csv", "text/csv", "text/csv"),
        ("Application/PDF; name=x", "application/pdf", "application/pdf"),
        ("text/html", "text/html", "application/octet-stream"),
        ("image/svg+xml", "image/svg+xml", "application/octet-stream"),
        ("text/javascript", "text/javascript", "application/octet-stream"),
        ("text/html\r\nX: y", "application/octet-stream", "application/octet-stream"),
        ("nonsense", "application/octet-stream", "application/octet-stream"),
        ("", "application/octet-stream", "application/octet-stream"),
    ],
)
def test_nothing_is_shown_by_a_browser(world: World, sent: str, kept: str, served: str) -> None:
    caller, raw = Caller(world, "olivia"), b"<script>alert(1)</script>"
    told = caller.post(PATH, body(raw, file_name="page.html", media_type=sent)).json()
    assert told["media_type"] == kept
    taken = caller.get(told["content_url"])
    assert taken["Content-Type"] == served
    assert taken["Content-Disposition"].startswith("attachment;")
    assert taken["X-Content-Type-Options"] == "nosniff"
    assert taken["Cache-Control"] == "private, no-store"
    assert content(taken) == raw


# --- taking -------------------------------------------------------------------------------------


def test_taking_is_recorded_first(world: World) -> None:
    artifact = keep(world)
    taken = Caller(world, "audrey").get(f"{PATH}/{artifact.pk}/content", Accept="text/csv")
    (event,) = helpers.events_of(EventType.EVIDENCE_ARTIFACT_DOWNLOADED, str(artifact.pk))
    assert (event["actor"]["id"], event["data"]["sha256"]) == ("user:audrey", artifact.sha256)
    assert content(taken) == RAW
    assert (taken["ETag"], taken["Content-Length"]) == (f'"{artifact.sha256}"', str(len(RAW)))


def test_what_was_changed_does_not_leave(world: World) -> None:
    artifact = keep(world)
    path = deposits.path(artifact.deposit, artifact.file_name)
    vaults.loosen(path.parent)
    path.chmod(0o644)
    path.write_bytes(RAW[::-1])
    response = Caller(world, "audrey").get(f"{PATH}/{artifact.pk}/content")
    problem(response, 409, "vault_differs")
    assert not helpers.events_of(EventType.EVIDENCE_ARTIFACT_DOWNLOADED)


def test_what_there_is_not(world: World) -> None:
    caller = Caller(world, "olivia")
    problem(caller.get(f"{PATH}/{uuid.uuid4()}"), 404, "not_found")
    problem(caller.get(f"{PATH}/{uuid.uuid4()}/content"), 404, "not_found")
    assert caller.get(f"{PATH}/1").status_code == 404


def test_lists_are_narrowed(world: World) -> None:
    keep(world, control_id="CC6.2")
    mine = keep(world, client_id=None, control_id="CC7.1")
    caller = Caller(world, "olivia")
    assert [item["control"] for item in caller.get(PATH).json()["results"]] == ["CC7.1", "CC6.2"]
    assert caller.get(PATH, {"control": "CC7.1"}).json()["results"][0]["id"] == str(mine.pk)
    assert len(caller.get(PATH, {"client_id": "clinic-001"}).json()["results"]) == 1
    assert caller.get(PATH, {"framework": "HIPAA"}).json()["results"] == []
    first = caller.get(PATH, {"page_size": "1"}).json()
    assert len(first["results"]) == 1 and first["next"]
    problem(caller.get(PATH, {"more": "1"}), 400)
    problem(Caller(world, "ben").get(PATH, {"client_id": "clinic-001"}), 404, "not_found")


# --- twice --------------------------------------------------------------------------------------


def test_the_same_file_twice_is_received_twice(world: World) -> None:
    """Each receipt is a fact of its own."""
    first, second = keep(world), keep(world)
    assert first.sha256 == second.sha256
    assert first.deposit.folder != second.deposit.folder


def test_a_request_that_is_sent_again(world: World) -> None:
    """Browsers and curl put another text between the parts of a form each time."""
    caller = Caller(world, "olivia")

    def send(boundary: str, raw: bytes = RAW) -> Any:
        start = f"--{boundary}\r\nContent-Disposition: form-data; name="
        parts = b"".join(
            f'{start}"{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in form(file=None).items()
        )
        parts += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n'
            "Content-Type: text/csv\r\n\r\n"
        ).encode()
        return caller.http.post(
            PATH,
            data=parts + raw + f"\r\n--{boundary}--\r\n".encode(),
            content_type=f"multipart/form-data; boundary={boundary}",
            headers={**caller.headers, "Idempotency-Key": "one"},
        )

    first, again = send("aaa"), send("bbb")
    assert (first.status_code, again.status_code) == (201, 201), first.content
    assert again["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    problem(send("ccc", b"other"), 409, "idempotency_key_reused")
    assert Artifact.objects.count() == 1
    assert deposits.path(Artifact.objects.get().deposit, "a.csv").read_bytes() == RAW


def test_json_that_is_sent_again(world: World) -> None:
    caller = Caller(world, "svc-clinic-001")
    first = caller.post(PATH, body(), **{"Idempotency-Key": "one"})
    again = caller.post(PATH, body(), **{"Idempotency-Key": "one"})
    assert first.json() == again.json() and Artifact.objects.count() == 1
    other = caller.post(PATH, body(title="Other"), **{"Idempotency-Key": "one"})
    problem(other, 409, "idempotency_key_reused")


def test_a_large_form_goes_by_way_of_the_disk(world: World, settings: Any, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    raw = bytes(range(256)) * 100
    caller = Caller(world, "olivia")
    told = caller.upload(PATH, form(raw, "scan.bin", "application/x-scan")).json()
    assert content(caller.get(told["content_url"])) == raw
    assert told["period_start"] == PERIOD["period_start"].replace("Z", ".000000Z")


def test_too_many_in_a_day_are_told_when_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "MAX_PER_DAY", 1)
    caller = Caller(world, "svc-clinic-001")
    assert caller.post(PATH, body()).status_code == 201
    response = caller.post(PATH, body())
    problem(response, 429, "too_many_artifacts")
    assert 0 < int(response["Retry-After"]) <= 86_401
    assert Artifact.objects.count() == Deposit.objects.count() == 1
