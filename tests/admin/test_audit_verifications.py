"""Verifications at the desk: asking for a window, following it, and reading what it came to."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Segment, Storage, VerificationRequest, VerificationRun
from audit.services import requests
from audit.services.archive_verification import verify_archived
from tests.admin.test_audit_admin import signed_in, text
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.audit.helpers import seal
from tests.services.audit.trails import ACTOR, archive, in_s3

RUNS = "/admin/audit/verificationrun/"
REQUESTS = "/admin/audit/verificationrequest/"
Status = VerificationRequest.Status


def test_one_click_leads_to_a_window_of_seven_days(world: World) -> None:
    desk = signed_in(world)
    assert f'href="{REQUESTS}new/"' in text(desk.get(RUNS))
    page, today = text(desk.get(f"{REQUESTS}new/")), timezone.now().date()
    assert f'value="{today - timedelta(days=6)}"' in page
    assert f'value="{today}"' in page
    chosen = re.findall(r'<option value="(\w+)"( selected)?>', page)
    assert ("database", "") in chosen
    assert ("local", " selected") in chosen
    assert "s3" not in dict(chosen)


def test_a_window_is_asked_for_and_its_page_shows_the_progress(world: World) -> None:
    desk = signed_in(world, "audrey")
    today = timezone.now().date().isoformat()
    given = {"storage": "database", "start_day": today, "end_day": today}
    response = desk.post(f"{REQUESTS}new/", given)
    asked = VerificationRequest.objects.get()
    assert response["Location"] == f"{REQUESTS}{asked.pk}/change/"
    assert (asked.actor_id, asked.storage) == ("user:audrey", "database")
    page = text(desk.get(response["Location"]))
    for said in (
        "Waits for the worker",
        "You can leave this page",
        "strongroom/progress.js",
        '<noscript><meta http-equiv="refresh" content="5"></noscript>',
        f'data-progress-url="{REQUESTS}{asked.pk}/progress/"',
    ):
        assert said in page, said
    VerificationRequest.objects.update(status=Status.RUNNING, done=1_500, total=6_000)
    page = text(desk.get(response["Location"]))
    assert 'max="6000" value="1500"' in page
    assert "1,500 of 6,000 events" in page
    answer = desk.get(f"{REQUESTS}{asked.pk}/progress/")
    assert answer.json() == {"status": "running", "done": 1_500, "total": 6_000}
    assert "no-store" in answer["Cache-Control"]


def test_once_it_is_done_the_page_shows_the_verdict(committed_world: World) -> None:
    seal(3)
    archive()
    desk = signed_in(committed_world)
    desk.post(f"{REQUESTS}new/", {"storage": "local", "start_day": "", "end_day": ""})
    requests.run_next_request()
    asked = VerificationRequest.objects.get()
    page = text(desk.get(f"{REQUESTS}{asked.pk}/change/"))
    assert ">VALID<" in page
    assert "progress.js" not in page
    assert f"{RUNS}{asked.run.pk}/change/" in page
    assert f"{RUNS}{asked.run.pk}/change/" in text(desk.get(REQUESTS))


def test_locks_in_s3_are_compared_with_the_settings(
    world: World, settings: Any, locked_bucket: Bucket
) -> None:
    in_s3(settings, locked_bucket)
    signed_in(world).post(f"{REQUESTS}new/", {"storage": "s3"})
    asked = VerificationRequest.objects.get()
    assert (asked.lock_mode, asked.lock_days) == ("compliance", 30)
    page = text(signed_in(world).get(f"{REQUESTS}{asked.pk}/change/"))
    assert "Compliance, at least 30 days" in page


def test_a_request_that_failed_says_so(world: World) -> None:
    asked = requests.ask(actor=ACTOR, storage=Storage.DATABASE)
    VerificationRequest.objects.update(status=Status.FAILED, error_message=requests.LOST)
    page = text(signed_in(world).get(f"{REQUESTS}{asked.pk}/change/"))
    assert requests.LOST in page
    assert "This says nothing about the log" in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"storage": "s3"}, "Select a valid choice"),
        ({"storage": "local", "start_day": "soon"}, "Enter a valid date."),
        (
            {"storage": "local", "start_day": "2026-02-01", "end_day": "2026-01-01"},
            "The last day is before the first.",
        ),
        ({"storage": "local", "start_day": "0001-01-01"}, "There is no log of that day."),
    ],
)
def test_what_is_no_window_is_refused(world: World, given: dict[str, str], said: str) -> None:
    assert said in text(signed_in(world).post(f"{REQUESTS}new/", given), 400)
    assert not VerificationRequest.objects.exists()


def test_operators_see_verifications_and_start_none(world: World) -> None:
    desk = signed_in(world, "omar")
    assert f"{REQUESTS}new/" not in text(desk.get(RUNS))
    assert desk.post(f"{REQUESTS}new/", {"storage": "database"}).status_code == 403
    assert desk.post(f"{RUNS}verify/").status_code == 403
    assert not VerificationRequest.objects.exists()
    assert not VerificationRun.objects.exists()


def test_a_run_names_the_failing_place(committed_world: World, settings: Any) -> None:
    seal(3)
    archive()
    segment = Segment.objects.get()
    file = settings.AUDIT_STORAGE_PATH / segment.object_name
    file.chmod(0o640)
    file.write_bytes(file.read_bytes().replace(b'"seq":2,', b'"seq":7,', 1))
    run = verify_archived(actor=ACTOR, storage=Storage.LOCAL)
    page = text(signed_in(committed_world, "audrey").get(f"{RUNS}{run.pk}/change/"))
    assert "Trust ends at event 2" in page
    assert segment.object_name in page
    assert "Local archive" in page
    assert str(settings.AUDIT_STORAGE_PATH) in re.sub("<wbr>", "", page)
    assert run.archived_as in re.sub("<wbr>", "", page)


def test_what_is_worth_knowing_is_no_check(world: World) -> None:
    now = timezone.now()
    run = VerificationRun.objects.create(
        started_at=now,
        finished_at=now,
        actor_id="user:olivia",
        storage="s3",
        start_day=date(2026, 3, 1),
        start_seq=0,
        end_seq=1,
        checked_events=1,
        verdict="VALID",
        message="1 events hold.",
        findings=[
            {"code": "chain", "ok": True, "message": "All chained.", "where": None},
            {
                "code": "delete_marker",
                "ok": True,
                "message": "A marker hides the original.",
                "where": "a.jsonl",
                "notice": True,
            },
        ],
    )
    page = text(signed_in(world).get(f"{RUNS}{run.pk}/change/"))
    assert "Worth knowing" in page
    assert "A marker hides the original." in page
    assert page.count("Passed") == 1
    assert "2026-03-01 to the end" in page
