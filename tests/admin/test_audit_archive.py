"""The archive at the desk: the state of the trail, segments, holds, duties, pauses."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.admin.desk import overdue_duties
from audit.models import (
    ArchiverState,
    AuditEvent,
    CustodyRecord,
    Duty,
    DutyRecord,
    RelayState,
    Segment,
)
from audit.services import sealing, switches
from audit.services.archive_verification import verify_archived
from tests.admin.approvals import approved, asked
from tests.admin.approvals import page as page_of
from tests.admin.test_audit_admin import Asked, signed_in, text
from tests.factories import World
from tests.services.audit.helpers import seal
from tests.services.audit.trails import ACTOR, archive, seal_on

STATE = "/admin/audit/archiverstate/"
SEGMENTS = "/admin/audit/segment/"
DUTIES = "/admin/audit/dutyrecord/"
OLD = date(2026, 3, 2)


def recorded(kind: str) -> AuditEvent:
    sealing.seal_pending()
    return AuditEvent.objects.filter(type=kind).latest("seq")


def words(page: str) -> str:
    """The text of a page, with single spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# --- the state of the trail ------------------------------------------------------------------


def test_the_state_of_a_trail_that_is_whole(committed_world: World) -> None:
    seal(3)
    through = archive().through_seq
    verify_archived(actor=ACTOR, storage="local", archived=False)
    page = words(text(signed_in(committed_world).get(STATE)))
    for said in (
        "strongroom.test/audit",
        f"Archived up to number {through:,}.",
        "1 segment",
        "No stream is configured.",
        f"Can load up to number {through:,}",
        "Never verified",
        "Yearly disaster recovery drill",
        "Not due yet",
    ):
        assert said in page, said
    assert "paused" not in page.replace("pause", "", 0).lower().replace("pause the", "")


def test_what_is_wrong_stands_on_top(world: World, settings: Any) -> None:
    seal()
    switches.tell_failure(actor=ACTOR, code="store_denied", message="AccessDenied on PutObject")
    switches.pause(actor=world.actor("alice"), what="archiver", reason="Case 7 is looked into.")
    switches.pause(actor=world.actor("alice"), what="retention_sweep", reason="Policy changes.")
    ArchiverState.objects.update(lock_mismatches=12, stamp_failing_since=timezone.now())
    RelayState.objects.create(
        topic="trail", next_seq=0, head=bytes(32), is_failing=True, last_error="No broker"
    )
    page = words(text(signed_in(world, "audrey").get(STATE)))
    for said in (
        "The archiver is paused",
        "“Case 7 is looked into.”",
        "By Alice Admin alice",
        "The retention sweep is paused",
        "The last run of the archiver failed",
        "AccessDenied on PutObject",
        "12 mismatches",
        "No broker",
    ):
        assert said in page, said


def test_a_log_that_does_not_add_up_still_has_a_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal()
    monkeypatch.setattr("django.conf.settings.AUDIT_ORIGIN", "other.test/audit")
    page = text(signed_in(world).get(STATE))
    assert "origin_mismatch" in page
    assert "Nothing is sealed or signed until this is understood." in page


def test_the_page_asks_a_bounded_number_of_small_questions(committed_world: World) -> None:
    seal(5)
    desk = signed_in(committed_world)
    archive()
    DutyRecord.objects.create(duty=Duty.KEY_REVIEW, actor_id="user:alice", note="Looked.")
    desk.get(STATE)
    with CaptureQueriesContext(connection) as few:
        desk.get(STATE)
    for day in range(20):
        seal(3, client=None)
        archive()
        DutyRecord.objects.create(duty=Duty.KEY_REVIEW, actor_id="user:alice", note=str(day))
        verify_archived(actor=ACTOR, storage="local", archived=False)
    sealing.seal_pending()
    with CaptureQueriesContext(connection) as many:
        assert desk.get(STATE).status_code == 200
    about_trail = [query["sql"] for query in many if "audit_" in query["sql"]]
    assert len(many) <= len(few)
    assert len(about_trail) <= 16
    about_events = [query["sql"] for query in many if '"audit_events"' in query["sql"]]
    assert all("LIMIT" in sql or "WHERE seq =" in sql for sql in about_events), about_events


def test_the_page_is_for_whoever_may_verify(world: World) -> None:
    for username in ("alice", "audrey", "omar", "ben"):
        assert signed_in(world, username).get(STATE).status_code == 200
    assert signed_in(world, "nobody").get(STATE).status_code == 403


# --- pausing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "column", "kinds"),
    [
        ("archiver", "paused_at", ("audit.archiver.paused", "audit.archiver.resumed")),
        ("retention-sweep", "sweep_paused_at", ("audit.sweep.paused", "audit.sweep.resumed")),
    ],
)
def test_pausing_and_resuming_is_recorded_with_its_reason(
    world: World, what: str, column: str, kinds: tuple[str, str]
) -> None:
    desk = signed_in(world, "alice")
    assert f"pause-{what}/" in text(desk.get(STATE))
    assert "another person has to approve" in text(desk.get(f"{STATE}pause-{what}/"))
    approval = asked(desk, f"{STATE}pause-{what}/", {"reason": "Case 7 is looked into."})
    assert "Olivia Officer or Oscar Officer can decide on it." in text(desk.get(page_of(approval)))
    assert not ArchiverState.objects.exclude(**{column: None}).exists()
    approved(world, approval)
    assert getattr(ArchiverState.objects.get(), column) is not None
    assert recorded(kinds[0]).actor_id == "user:alice"
    state = text(desk.get(STATE))
    assert f"resume-{what}/" in state
    assert f"pause-{what}/" not in state
    assert desk.get(f"{STATE}pause-{what}/").status_code == 409
    # What restores the protection is done by one person.
    assert "Case 7 is looked into." in text(desk.get(f"{STATE}resume-{what}/"))
    desk.post(f"{STATE}resume-{what}/", {"reason": "It was nothing."})
    assert getattr(ArchiverState.objects.get(), column) is None
    assert recorded(kinds[1]).actor_id == "user:alice"


def test_a_pause_needs_a_reason(world: World) -> None:
    response = signed_in(world, "alice").post(f"{STATE}pause-archiver/", {"reason": " "})
    assert response.status_code == 400
    assert not ArchiverState.objects.filter(paused_at__isnull=False).exists()


@pytest.mark.parametrize("username", ["audrey", "omar", "ben"])
def test_only_those_who_answer_for_retention_pause(world: World, username: str) -> None:
    desk = signed_in(world, username)
    assert "pause-archiver/" not in text(desk.get(STATE))
    response = desk.post(f"{STATE}pause-archiver/", {"reason": "Because."})
    assert response.status_code == 403
    assert not ArchiverState.objects.filter(paused_at__isnull=False).exists()


# --- segments --------------------------------------------------------------------------------


@pytest.fixture
def archived(committed_world: World) -> World:
    """A log of two days, archived."""
    seal_on(OLD, 4)
    seal(4)
    archive()
    return committed_world


def listed(page: str) -> list[int]:
    return [int(pk) for pk in re.findall(rf"{SEGMENTS}(\d+)/change/", page)]


def test_segments_are_listed_newest_first(archived: World) -> None:
    newest = list(Segment.objects.order_by("-first_seq").values_list("pk", flat=True))
    assert listed(text(signed_in(archived, "audrey").get(SEGMENTS))) == newest


def test_a_segment_tells_its_custody(archived: World) -> None:
    segment = Segment.objects.earliest("first_seq")
    page = text(signed_in(archived).get(f"{SEGMENTS}{segment.pk}/change/"))
    told = words(page)
    for said in (
        f"Events 0 to {segment.last_seq} cut from the log",
        f"Checkpoint over {segment.last_seq + 1} events signed",
        "Written, locked and read back",
        "Locked in compliance mode until",
        segment.stored_sha256,
        segment.companions[0]["name"],
    ):
        assert said in page or said in told, said
    assert segment.object_key in page


def test_a_segment_that_could_not_be_written_says_why(archived: World) -> None:
    last = Segment.objects.latest("first_seq")
    segment = Segment.objects.create(
        first_seq=last.last_seq + 1,
        last_seq=last.last_seq + 9,
        day=OLD,
        raw_sha256="sha256:" + "0" * 64,
        raw_bytes=10,
        newest_event_at=timezone.now(),
        object_name="2026/03/02/x.jsonl",
        attempts=3,
        last_error="AccessDenied",
        last_attempt_at=timezone.now(),
    )
    page = words(text(signed_in(archived).get(f"{SEGMENTS}{segment.pk}/change/")))
    assert "Not archived yet" in page
    assert "AccessDenied Tried 3 times." in page
    assert "Written, locked" not in page


def test_a_lock_that_is_short_by_policy_is_told(archived: World, settings: Any) -> None:
    settings.AUDIT_S3_OBJECT_LOCK_DAYS += 100
    segment = Segment.objects.latest("first_seq")
    page = words(text(signed_in(archived).get(f"{SEGMENTS}{segment.pk}/change/")))
    assert "Policy asks for a lock until" in page


def test_segments_are_found_by_number_and_by_day(archived: World) -> None:
    desk = signed_in(archived)
    old, new = Segment.objects.order_by("first_seq")
    for term, expected in (
        ("0", old),
        (str(old.last_seq), old),
        (str(new.first_seq), new),
        ("2026-03-02", old),
        ("2026/03/02", old),
    ):
        assert listed(text(desk.get(SEGMENTS, {"q": term}))) == [expected.pk], term
    for term in (str(new.last_seq + 1), "9" * 40, "2026-02-30", "x", "-1", "٣"):
        assert listed(text(desk.get(SEGMENTS, {"q": term}))) == [], term
    assert listed(text(desk.get(SEGMENTS, {"sealed": "week"}))) == [new.pk]
    assert listed(text(desk.get(SEGMENTS, {"status__exact": "cut"}))) == []


# --- copies taken ----------------------------------------------------------------------------


def test_a_copy_shows_what_was_taken(world: World) -> None:
    copied = {
        "name": "2026/03/02/a.jsonl",
        "version_id": "v1",
        "sha256": "sha256:" + "ab" * 32,
        "size_bytes": 2048,
        "stored_at": "2026-03-02T12:00:00.000000Z",
        "copied_to": "C-7/2026/03/02/a.jsonl",
    }
    record = CustodyRecord.objects.create(
        case_id="C-7",
        reason="Hash mismatch",
        source="s3://b/audit",
        target="s3://f/forensic",
        items=[copied],
        document="C-7/custody.json",
        document_sha256="sha256:" + "cd" * 32,
        actor_id="user:alice",
    )
    page = text(signed_in(world).get(f"/admin/audit/custodyrecord/{record.pk}/change/"))
    for said in (copied["name"], copied["copied_to"], "version v1", "Hash mismatch"):
        assert said in page, said
    assert signed_in(world, "audrey").get("/admin/audit/custodyrecord/").status_code == 403


# --- duties ----------------------------------------------------------------------------------


def test_a_duty_is_recorded_from_the_checklist(world: World) -> None:
    desk = signed_in(world, "alice")
    address = f"{DUTIES}record/?duty=key_review"
    assert address in text(desk.get(STATE))
    assert '<option value="key_review" selected>' in text(desk.get(address))
    given = {"duty": "key_review", "ok": "yes", "note": "Rotated on 1 March.", "reference": ""}
    response = desk.post(address, given)
    assert (response.status_code, response["Location"]) == (302, STATE)
    record = DutyRecord.objects.get()
    assert (record.duty, record.ok, record.actor_id) == ("key_review", True, "user:alice")
    assert "Rotated on 1 March." in text(desk.get(f"{DUTIES}{record.pk}/change/"))
    assert recorded("audit.duty.recorded").object_id == "key_review"


@pytest.mark.parametrize("missing", ["duty", "ok", "note"])
def test_a_duty_is_not_recorded_without_saying_what(world: World, missing: str) -> None:
    given = {"duty": "key_review", "ok": "no", "note": "Looked."}
    del given[missing]
    assert signed_in(world, "alice").post(f"{DUTIES}record/", given).status_code == 400
    assert not DutyRecord.objects.exists()


def test_others_see_the_checklist_and_record_nothing(world: World) -> None:
    desk = signed_in(world, "audrey")
    page = text(desk.get(STATE))
    assert "Quarterly review of KMS key rotation" in page
    assert f"{DUTIES}record/" not in page
    given = {"duty": "key_review", "ok": "yes", "note": "x"}
    assert desk.post(f"{DUTIES}record/", given).status_code == 403


def test_the_desk_names_duties_that_wait(world: World) -> None:
    began = timezone.now() - timedelta(days=40)
    seal_on(began.date())
    panel = overdue_duties(Asked(world, "olivia"))  # type: ignore[arg-type]
    assert panel is not None
    assert {row[0] for row in panel.rows} == {
        "Daily verification of the look-back window",
        "Weekly verification of a full month",
        "Monthly review of retention against policy",
    }
    assert "Duties that wait" in text(signed_in(world).get("/admin/"))
    assert overdue_duties(Asked(world, "audrey")) is None  # type: ignore[arg-type]


def test_a_desk_without_duties_that_wait_does_not_mention_them(world: World) -> None:
    assert "Duties that wait" not in text(signed_in(world).get("/admin/"))
