"""Runs on the desk: their list, one of them in each state, and how far it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone

from audit.services import sealing
from evidence.models import Package
from ops.models import Job, Run
from ops.services import runs as services
from tests.admin import jobs
from tests.admin.test_jobs_admin import LIST, RUNS, browser, page
from tests.carrying import carry_out
from tests.factories import World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db


def address(run: Run, act: str = "change") -> str:
    return f"{RUNS}{run.pk}/{act}/"


@pytest.fixture
def job(world: World) -> Job:
    return jobs.job(world)


# --- the list -------------------------------------------------------------------------------------


def test_list(world: World, job: Job) -> None:
    jobs.run(job)
    jobs.run(job, "FAILED", triggered_by="user:olivia", account=world.user("olivia"))
    text = page(world, "audrey", RUNS)
    for known in ("Monthly export", "Succeeded", "Failed", "12 s", "The schedule",
                  "Olivia Officer", "Clinic-001"):  # fmt: skip
        assert known in text, known


def test_list_of_an_operator_is_his_own(world: World, job: Job) -> None:
    mine = jobs.run(job, triggered_by="user:omar", account=world.user("omar"))
    other = jobs.run(job)
    text = page(world, "omar", RUNS)
    assert str(mine.pk) in text
    assert str(other.pk) not in text
    page(world, "omar", address(mine))
    page(world, "omar", address(other), 404)
    page(world, "omar", address(other, "progress"), 404)
    page(world, "ben", address(mine), 404)
    page(world, "nobody", RUNS, 403)


def test_an_operator_sees_of_a_job_his_own_runs_alone(world: World, job: Job) -> None:
    mine = jobs.run(job, triggered_by="user:omar", account=world.user("omar"))
    other = jobs.run(job, "FAILED")
    its_page = f"{LIST}{job.pk}/change/"
    text = page(world, "omar", its_page)
    assert str(mine.pk) in text
    assert str(other.pk) not in text
    for chart in (text, page(world, "omar", LIST)):
        assert (chart.count('<g class="success">'), chart.count('<g class="failed">')) == (1, 0)
    assert str(other.pk) in page(world, "audrey", its_page)


def test_an_empty_list(world: World) -> None:
    assert "Every time that a job is done will be listed here." in page(world, "ben", RUNS)


def test_filters(world: World, job: Job) -> None:
    done = jobs.run(job)
    failed = jobs.run(job, "FAILED")
    once = jobs.run(None, client_id="clinic-002")
    old = jobs.run(job, created_at=timezone.now() - timedelta(days=3))
    every = {run.pk for run in (done, failed, once, old)}

    def found(query: str) -> set[Any]:
        text = page(world, "alice", RUNS + query)
        return {pk for pk in every if str(pk) in text}

    assert found("") == every
    assert found("?state=FAILED") == {failed.pk}
    assert found("?type=compliance_evidence_export") == every
    assert found("?type=audit_archive") == set()
    assert found(f"?job={job.pk}") == every - {once.pk}
    assert found("?job=none") == {once.pk}
    assert found("?client=clinic-002") == {once.pk}
    assert found("?period=day") == every - {old.pk}
    assert found("?period=week&state=SUCCESS") == every - {failed.pk}
    for nonsense in ("?state=x", "?job=x", "?job=%00x", "?client=clinic-999", "?period=x"):
        response = browser(world, "alice").get(RUNS + nonsense)
        assert response.status_code in (200, 302), nonsense
        assert not any(str(pk) in response.content.decode() for pk in every), nonsense


def test_pages_by_time(world: World, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from ops.admin.runs import RunAdmin

    monkeypatch.setattr(RunAdmin, "list_per_page", 2)
    moment = timezone.now()
    # Three of the same time: the id settles which comes first.
    made = [jobs.run(job, created_at=moment - timedelta(days=max(0, n - 2))) for n in range(5)]
    order = [run.pk for run in sorted(made, key=lambda r: (r.created_at, r.pk), reverse=True)]
    found = browser(world, "alice")
    seen, url = [], f"{RUNS}?job={job.pk}"
    for _ in range(3):
        changelist = found.get(url).context["cl"]
        seen += [run.pk for run in changelist.result_list]
        url = RUNS + (changelist.older_url or "")
    assert seen == order
    back = found.get(RUNS + changelist.newer_url).context["cl"]
    assert [run.pk for run in back.result_list] == order[2:4]
    for broken in ("x", quote("MjAyNg=="), "%FF"):
        assert found.get(f"{RUNS}?before={broken}").status_code in (302, 400)


def test_list_costs_the_same_however_long_it_is(
    world: World, job: Job, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        jobs.run(job, triggered_by="user:olivia", account=world.user("olivia"))
    found = browser(world, "alice")
    with django_assert_max_num_queries(16):
        assert found.get(RUNS).status_code == 200


# --- one run --------------------------------------------------------------------------------------


def test_a_run_that_waits(world: World, job: Job) -> None:
    run = services.request_run(actor=world.actor("olivia"), job=job)
    sealing.seal_pending()
    text = page(world, "olivia", address(run))
    for known in (
        "Waits for a worker",
        "You can leave this page",
        f"{RUNS}{run.pk}/progress/",
        '<noscript><meta http-equiv="refresh" content="5"></noscript>',
        'role="status"',
        "0 of at most 3",
        "Olivia Officer",
        "ops.run.requested",
        "The month before",
    ):
        assert known in text, known


def test_a_run_under_way(world: World, job: Job) -> None:
    run = jobs.run(
        job,
        "RUNNING",
        step="writing the package",
        progress_done=1_200,
        progress_total=4_800,
        progress_unit="events",
    )
    text = page(world, "audrey", address(run))
    assert '<h2 id="progress-title">Writing the package</h2>' in text
    assert 'max="4800" value="1200"' in text
    assert "1,200 of 4,800 events" in text
    told = browser(world, "audrey").get(address(run, "progress")).json()
    assert told == {
        "status": "running",
        "is_open": True,
        "done": 1200,
        "total": 4800,
        "heading": "Writing the package",
        "words": "1,200 of 4,800 events",
    }


def test_a_step_can_not_inject(world: World, job: Job) -> None:
    run = jobs.run(job, "RUNNING", step="<script>alert(1)</script>")
    assert "<script>alert" not in page(world, "audrey", address(run))


def test_a_run_between_two_attempts(world: World, job: Job) -> None:
    run = jobs.run(
        job,
        "QUEUED",
        attempts=1,
        error_code="unavailable",
        error_message="The database did not answer.",
        not_before=timezone.now() + timedelta(minutes=2),
    )
    text = page(world, "audrey", address(run))
    assert "Attempt 1 of 3 did not succeed" in text
    assert "The database did not answer." in text
    assert "Nothing has to be done." in text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("vault_not_configured", "Have the setting that the message names corrected."),
        ("external_service_failed", "given up before anything was put into the vault"),
        ("audit_log_invalid", "Verify the log and the package in question"),
        ("storage_error", "Look at the store: space"),
        ("unheard_of", "Nothing half-made counts as evidence."),
    ],
)
def test_a_run_that_failed(world: World, job: Job, code: str, words: str) -> None:
    run = jobs.run(job, "FAILED", error_code=code, error_message="What went wrong.")
    text = page(world, "audrey", address(run))
    for known in ("What went wrong.", words, f"<code>{code}</code>", "Failed"):
        assert known in text, known
    assert "progress-title" not in text
    assert "http-equiv" not in text


def test_a_run_that_succeeded_leads_to_its_package(world: World, job: Job) -> None:
    helpers.some_events()
    run = carry_out(services.request_run(actor=world.actor("olivia"), job=job).pk)
    assert run.status == "SUCCESS", run.error_message
    package = Package.objects.get(run=run)
    sealing.seal_pending()
    text = page(world, "audrey", address(run))
    for known in (
        "What came of it",
        f"/admin/evidence/package/{package.pk}/change/",
        package.package_sha256,
        "None: not deposited",
        "Not asked for",
        "ops.run.succeeded",
    ):
        assert known in text, known
    assert f"{RUNS}{run.pk}/change/" in page(
        world, "audrey", f"/admin/evidence/package/{package.pk}/change/"
    )


def test_a_run_of_another_type_shows_its_summary(world: World) -> None:
    job = Job.objects.create(name="odd", job_type="audit_verify")
    summary = {"verdict": "VALID", "digest": jobs.DIGEST, "files": 1200, "at": None, "list": [1]}
    run = jobs.run(job, result_summary=summary)
    text = page(world, "alice", address(run))
    for known in ("Verdict", "VALID", jobs.DIGEST, "1,200", "take nothing but their name"):
        assert known in text, known


def test_nothing_is_added_changed_or_deleted(world: World, job: Job) -> None:
    run = jobs.run(job)
    found = browser(world, "alice")
    assert found.get(f"{RUNS}add/").status_code == 404
    assert found.get(address(run, "delete")).status_code == 404
    assert found.post(address(run), {"status": "FAILED"}).status_code == 403
