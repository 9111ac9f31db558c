"""Jobs and runs in a real browser: followed to their end, with our script and without any."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from ops.models import Job, Run
from ops.services import runs
from tests.admin import jobs
from tests.browser.chromium import PHONE, WIDE, serving, visiting
from tests.browser.test_progress import elsewhere
from tests.carrying import carry_out
from tests.factories import World
from tests.services.evidence import helpers
from tests.tools import require_tool

pytestmark = pytest.mark.xdist_group("browser")


def under_way() -> None:
    now = timezone.now()
    Run.objects.update(
        status="RUNNING",
        lease="3f9c0f1e-0000-4000-8000-000000000001",
        lease_expires_at=now + timedelta(minutes=1),
        started_at=now,
        step="writing the package",
        progress_done=1_200,
        progress_total=4_800,
        progress_unit="events",
    )


def back_to_the_queue() -> None:
    Run.objects.update(status="QUEUED", lease=None, lease_expires_at=None)


def finish() -> None:
    back_to_the_queue()
    carry_out(Run.objects.get().pk)


@pytest.fixture
def job(committed_world: World) -> Job:
    helpers.some_events()
    return jobs.job(committed_world)


def test_run_now_is_followed_to_the_package(committed_world: World, job: Job) -> None:
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        page = visit.page
        visit.sign_in("olivia", committed_world.password)
        visit.open("/admin/ops/job/")
        visit.follow(page.get_by_role("link", name=re.compile("Monthly export")).first)
        visit.follow(page.get_by_role("link", name="Run now"))
        visit.follow(page.get_by_role("button", name="Run Monthly export now"))
        assert re.fullmatch(r"/admin/ops/run/[0-9a-f-]{36}/change/", visit.path)
        assert page.get_by_role("heading", name="Waits for a worker").is_visible()
        elsewhere(under_way)
        page.get_by_text("1,200 of 4,800 events").wait_for()
        bar = page.get_by_role("progressbar", name="Writing the package")
        assert bar.evaluate("bar => bar.position") == pytest.approx(0.25)
        assert page.get_by_role("status").last.inner_text() == "1,200 of 4,800 events"
        elsewhere(finish)
        page.get_by_role("heading", name="What came of it").wait_for()
        assert page.get_by_role("progressbar").count() == 0
        visit.follow(page.get_by_role("link", name=re.compile("^evidence_")))
        assert page.get_by_role("heading", name="Custody").is_visible()
        assert visit.complaints == []


def test_the_script_stops_asking_when_the_run_has_ended(committed_world: World, job: Job) -> None:
    run = runs.request_run(actor=committed_world.actor("olivia"), job=job)
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        visit.sign_in("olivia", committed_world.password)
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        with visit.page.expect_request("**/progress/"):
            visit.open(f"/admin/ops/run/{run.pk}/change/")
        elsewhere(finish)
        visit.page.get_by_role("heading", name="What came of it").wait_for()
        asked.clear()
        visit.page.wait_for_timeout(3_000)
        assert [url for url in asked if url.endswith("/progress/")] == []


def test_without_scripts_the_page_reloads_itself(committed_world: World, job: Job) -> None:
    run = runs.request_run(actor=committed_world.actor("olivia"), job=job)
    chromium = require_tool("chromium")
    with serving() as address, visiting(chromium, address, scripts=False) as visit:
        visit.sign_in("olivia", committed_world.password)
        visit.open(f"/admin/ops/run/{run.pk}/change/")
        elsewhere(under_way)
        visit.page.get_by_text("1,200 of 4,800 events").wait_for()
        elsewhere(finish)
        visit.follow(visit.page.get_by_role("link", name="Look again"))
        assert visit.page.get_by_role("heading", name="What came of it").is_visible()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_pages_fit_and_charts_lead_to_their_table(
    committed_world: World, job: Job, size: tuple[int, int]
) -> None:
    jobs.nightly(job, "s" * 18 + "fr", timezone.now() - timedelta(days=19))
    failed = Run.objects.get(status="FAILED")
    paths = [
        "/admin/ops/job/",
        f"/admin/ops/job/{job.pk}/change/",
        f"/admin/ops/job/{job.pk}/run/",
        f"/admin/ops/job/{job.pk}/disable/",
        "/admin/ops/job/new/",
        "/admin/ops/run/",
        f"/admin/ops/run/{failed.pk}/change/",
    ]
    with serving() as address, visiting(require_tool("chromium"), address, size=size) as visit:
        visit.sign_in("alice", committed_world.password)
        for path in paths:
            assert visit.open(path) == 200, path
            assert visit.overflow() == 0, path
            for box in visit.page.locator(".results").all():
                assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0, path
        visit.open("/admin/ops/job/")
        chart = visit.page.get_by_role("img", name=re.compile("^The last 20 runs: 18 succeeded"))
        visit.follow(chart)
        assert visit.path == f"/admin/ops/job/{job.pk}/change/"
        assert visit.page.url.endswith("#runs")
        assert visit.page.get_by_role("row").count() == 21
        assert visit.complaints == []


def test_a_job_is_registered_from_words(committed_world: World) -> None:
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        page = visit.page
        visit.sign_in("alice", committed_world.password)
        visit.open("/admin/ops/job/")
        visit.follow(page.get_by_role("link", name="Register a job").first)
        page.get_by_label("Name", exact=True).fill("Every quarter")
        page.get_by_label("Schedule").fill("0 4 1 1,4,7,10 *")
        page.locator("select[name=client_id]").select_option("clinic-001")
        page.get_by_label("Period").select_option(label="The quarter before")
        visit.follow(page.get_by_role("button", name="Register the job"))
        assert visit.path.endswith("/change/"), page.locator("main").inner_text()
        assert page.get_by_role("heading", name="Every quarter").is_visible()
        assert page.get_by_text("On day 1 in January, April, July and October").is_visible()
        assert visit.complaints == []
