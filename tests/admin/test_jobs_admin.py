"""Jobs on the desk: their list, their page, and each act with its decision page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client as Browser

from audit.events import EventType
from ops.models import Approval, Job, Run
from tests.admin import jobs
from tests.factories import World
from tests.services.evidence.helpers import events_of

pytestmark = pytest.mark.django_db
LIST, RUNS = "/admin/ops/job/", "/admin/ops/run/"


def browser(world: World, username: str) -> Browser:
    found = Browser()
    found.force_login(world.user(username))
    return found


def page(world: World, username: str, address: str, status: int = 200) -> str:
    response = browser(world, username).get(address)
    assert response.status_code == status, response.content.decode()
    return text_of(response)


def text_of(response: Any) -> str:
    """The page; long words have places where they may be broken."""
    text: str = response.content.decode()
    return text.replace("<wbr>", "")


def address(job: Job, act: str = "change") -> str:
    return f"{LIST}{job.pk}/{act}/"


@pytest.fixture
def job(world: World) -> Job:
    return jobs.job(world)


# --- looking --------------------------------------------------------------------------------------


def test_list(world: World, job: Job) -> None:
    jobs.nightly(job, "sfs")
    text = page(world, "audrey", LIST)
    for known in (
        "Monthly export",
        "compliance_evidence_export",
        "On day 1 of every month at 03:00 UTC",
        '<code class="cron">0 3 1 * *</code>',
        "Clinic-001",
        "Succeeded",
        "Active",
        "The last 3 runs: 2 succeeded, 1 failed; the longest took 12 s.",
        f"{LIST}{job.pk}/change/#runs",
    ):
        assert known in text, known
    assert "Register a job" not in text
    assert "Register a job" in page(world, "alice", LIST)


def test_empty_list(world: World) -> None:
    text = page(world, "ben", LIST)
    assert "Jobs that are done by a schedule or on demand will be listed here." in text


def test_list_costs_the_same_however_long_it_is(
    world: World, job: Job, django_assert_max_num_queries: Any
) -> None:
    found = browser(world, "alice")
    jobs.nightly(job, "s" * 25)
    with django_assert_max_num_queries(17):
        assert found.get(LIST).status_code == 200
    for number in range(4):
        jobs.nightly(jobs.job(world, f"Another {number}"), "sfr")
    with django_assert_max_num_queries(17):
        assert found.get(LIST).status_code == 200


def test_list_is_in_scope(world: World, job: Job) -> None:
    jobs.job(world, "For the platform", payload={"period": "previous_month"})
    assert "Monthly export" in page(world, "omar", LIST)
    for username in ("omar", "audrey"):
        assert "For the platform" not in page(world, username, LIST)
    assert "Monthly export" not in page(world, "ben", LIST)
    page(world, "nobody", LIST, 403)
    page(world, "root", LIST, 403)
    page(world, "ben", address(job), 404)


def test_filters(world: World, job: Job) -> None:
    jobs.job(world, "Asleep", enabled=False)
    jobs.job(world, "Platform", payload={"period": "previous_day"})

    def names(query: str) -> set[str]:
        text = page(world, "alice", LIST + query)
        known = ("Monthly export", "Asleep", "Platform", "audit_archive")
        return {name for name in known if f'<code title="{name}">' in text or f">{name} <" in text}

    assert "Asleep" in names("?state=DISABLED")
    assert "Monthly export" not in names("?state=DISABLED")
    assert "Asleep" not in names("?state=ACTIVE")
    assert names("?type=compliance_evidence_export") == {"Monthly export", "Asleep", "Platform"}
    assert names("?client=clinic-001") == {"Monthly export", "Asleep"}
    assert "Platform" in names("?client=platform")
    assert names("?q=monthly") == {"Monthly export"}
    for nonsense in ("?state=x", "?type=x", "?client=clinic-999"):
        assert names(nonsense) == set()


def test_page(world: World, job: Job) -> None:
    jobs.nightly(job, "ssf")
    text = page(world, "audrey", address(job))
    for known in (
        "For the board",
        "Alice Admin",
        "The month before",
        "hipaa_6y",
        "Failed",
        "The schedule",
        "12 s",
        f"{RUNS}?job={job.pk}",
    ):
        assert known in text, known
    rows = re.findall(r'data-label="State"><span class="pill (\w+)', text)
    assert rows == ["refused", "verified", "verified"]  # newest first


def test_page_of_a_job_that_never_ran(world: World, job: Job) -> None:
    text = page(world, "alice", address(job))
    assert "It has not run yet." in text
    assert '<svg class="spark"' not in text


def test_a_disabled_job_has_no_next_run(world: World) -> None:
    job = jobs.job(world, enabled=False)
    text = page(world, "alice", address(job))
    assert "None while disabled" in text
    assert "Disabled" in text


def test_nothing_is_added_changed_or_deleted(world: World, job: Job) -> None:
    found = browser(world, "alice")
    assert found.get(f"{LIST}add/").status_code == 404
    assert found.get(address(job, "delete")).status_code == 404
    assert found.post(address(job), {"name": "x"}).status_code == 403


# --- the chart ------------------------------------------------------------------------------------


def test_the_chart_shows_outcome_by_shape_and_says_it_in_words(world: World, job: Job) -> None:
    jobs.nightly(job, "sfrq")
    text = page(world, "alice", address(job))
    chart = text[text.index('<svg class="spark"') : text.index("</svg>", text.index("<svg class"))]
    chart = text.split('<svg class="spark"')[1].split("</svg>")[0]
    assert [chart.count(f'<g class="{state}">') for state in
            ("success", "failed", "running", "queued")] == [1, 1, 1, 1]  # fmt: skip
    assert chart.count("<path") == 1  # the cross over the one that failed
    assert chart.count("<circle") == 2  # a dot over what is not at its end
    assert 'role="img"' in chart
    assert "The last 4 runs: 1 succeeded, 1 failed, 1 under way, 1 waiting" in chart
    assert "2026-01-02 03:00 UTC: failed, 12 s" in chart
    assert "style=" not in chart


def test_the_chart_holds_the_last_twenty(world: World, job: Job) -> None:
    jobs.nightly(job, "f" * 5 + "s" * 20)
    text = page(world, "alice", address(job))
    assert text.count('<g class="success">') == 20
    assert '<g class="failed">' not in text


# --- run now --------------------------------------------------------------------------------------


def test_run_now(world: World, job: Job) -> None:
    found = browser(world, "olivia")
    text = text_of(found.get(address(job, "run")))
    assert "Run Monthly export now" in text
    assert "Clinic-001" in text
    assert not Run.objects.filter(job=job).exists()
    response = found.post(address(job, "run"), follow=True)
    run = Run.objects.get(job=job)
    assert response.redirect_chain == [(f"{RUNS}{run.pk}/change/", 302)]
    assert (run.status, run.triggered_by) == ("QUEUED", "user:olivia")
    assert "Queued a run of Monthly export." in text_of(response)
    (event,) = events_of(EventType.OPS_RUN_REQUESTED, str(run.pk))
    assert event["actor"]["id"] == "user:olivia"


def test_run_now_says_that_another_is_under_way(world: World, job: Job) -> None:
    jobs.run(job, "RUNNING")
    assert "this is another" in page(world, "olivia", address(job, "run"))


@pytest.mark.parametrize(
    ("username", "status"), [("audrey", 403), ("omar", 403), ("ben", 404), ("nobody", 403)]
)
def test_run_now_is_not_for_everybody(world: World, job: Job, username: str, status: int) -> None:
    found = browser(world, username)
    assert found.get(address(job, "run")).status_code == status
    assert found.post(address(job, "run")).status_code == status
    assert not Run.objects.filter(job=job).exists()


def test_run_now_needs_a_token(world: World, job: Job) -> None:
    found = Browser(enforce_csrf_checks=True)
    found.force_login(world.user("olivia"))
    assert found.post(address(job, "run")).status_code == 403
    assert not Run.objects.filter(job=job).exists()


def test_a_disabled_job_can_not_be_run(world: World) -> None:
    job = jobs.job(world, enabled=False)
    assert "Enable it first" in page(world, "alice", address(job, "run"), 409)
    response = browser(world, "alice").post(address(job, "run"))
    assert response.status_code == 409
    assert not Run.objects.filter(job=job).exists()


# --- enable and disable ---------------------------------------------------------------------------


def test_enable(world: World) -> None:
    job = jobs.job(world, enabled=False)
    response = browser(world, "alice").post(address(job, "enable"), follow=True)
    assert "Enabled Monthly export." in text_of(response)
    job.refresh_from_db()
    assert job.is_enabled
    assert len(events_of(EventType.OPS_JOB_ENABLED, str(job.pk))) == 1
    assert "active already" in page(world, "alice", address(job, "enable"), 409)


def test_enable_by_the_administrator_of_the_client(world: World) -> None:
    jobs.of_one_client(world, "nobody")
    job = jobs.job(world, enabled=False)
    foreign = jobs.job(
        world, "Foreign", enabled=False, payload={**jobs.PAYLOAD, "client_id": "clinic-002"}
    )
    found = browser(world, "nobody")
    assert "Enabled Monthly export." in text_of(found.post(address(job, "enable"), follow=True))
    assert found.post(address(foreign, "enable")).status_code == 404


@pytest.mark.parametrize("username", ["olivia", "audrey", "omar"])
def test_enable_is_the_administrator_s(world: World, username: str) -> None:
    job = jobs.job(world, enabled=False)
    assert browser(world, username).post(address(job, "enable")).status_code == 403
    job.refresh_from_db()
    assert not job.is_enabled


def test_disable_is_asked_for_and_changes_nothing_yet(world: World, job: Job) -> None:
    text = page(world, "alice", address(job, "disable"))
    assert "Ask to disable Monthly export" in text
    assert "another person has to approve it" in text
    response = browser(world, "alice").post(
        address(job, "disable"), {"reason": "Superseded"}, follow=True
    )
    asked = Approval.objects.get()
    assert response.redirect_chain == [(f"/admin/ops/approval/{asked.pk}/change/", 302)]
    assert (asked.action, asked.reason) == ("job.disable", "Superseded")
    job.refresh_from_db()
    assert job.is_enabled


def test_disable_wants_a_reason(world: World, job: Job) -> None:
    response = browser(world, "alice").post(address(job, "disable"), {"reason": " "})
    assert response.status_code == 400
    assert not Approval.objects.exists()
    assert browser(world, "audrey").post(address(job, "disable")).status_code == 403


# --- read-only ------------------------------------------------------------------------------------


def test_read_only(world: World, job: Job, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    found = browser(world, "alice")
    assert found.get(address(job)).status_code == 200
    for act in ("run", "enable", "disable"):
        assert found.post(address(job, act), {"reason": "x"}).status_code == 503
    assert found.post(f"{LIST}new/", {"name": "x"}).status_code == 503
