"""Following a verification in a real browser: with our script, and without any."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest
from django.db import connections

from audit.models import VerificationRequest
from audit.services import requests
from tests.browser.chromium import Visit, serving, visiting
from tests.factories import World
from tests.services.audit.helpers import seal
from tests.services.audit.trails import archive
from tests.tools import require_tool

pytestmark = pytest.mark.xdist_group("browser")


def elsewhere(work: Callable[[], object]) -> None:
    """Does something with the database while a browser is open: in a thread of its own."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=30)
    assert not failed, failed


def ask(visit: Visit) -> None:
    visit.open("/admin/audit/verificationrun/")
    visit.follow(visit.page.get_by_role("link", name="Verify a window").first)
    visit.page.get_by_label("Which copy").select_option("local")
    visit.follow(visit.page.get_by_role("button", name="Verify these days"))
    assert re.fullmatch(r"/admin/audit/verificationrequest/\d+/change/", visit.path)


def under_way() -> None:
    VerificationRequest.objects.update(status="running", done=1_200, total=4_800)


def queued() -> None:
    VerificationRequest.objects.update(status="queued", done=0, total=None)


def test_the_page_follows_a_verification_to_its_verdict(committed_world: World) -> None:
    seal(20)
    archive()
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        visit.sign_in("olivia", committed_world.password)
        ask(visit)
        assert visit.page.get_by_role("heading", name="Waits for the worker").is_visible()
        elsewhere(under_way)
        visit.page.get_by_text("1,200 of 4,800 events").wait_for()
        assert visit.page.get_by_role("heading", name="Checking line by line").is_visible()
        bar = visit.page.get_by_role("progressbar", name="Checking line by line")
        assert bar.evaluate("bar => bar.position") == pytest.approx(0.25)
        elsewhere(lambda: (queued(), requests.run_next_request()))
        visit.page.get_by_role("heading", name="VALID").wait_for()
        assert visit.page.get_by_role("progressbar").count() == 0
        assert visit.complaints == []


def test_without_scripts_the_page_reloads_itself(committed_world: World) -> None:
    seal(20)
    archive()
    with (
        serving() as address,
        visiting(require_tool("chromium"), address, scripts=False) as visit,
    ):
        visit.sign_in("olivia", committed_world.password)
        ask(visit)
        elsewhere(under_way)
        visit.page.get_by_text("1,200 of 4,800 events").wait_for()
        elsewhere(lambda: (queued(), requests.run_next_request()))
        visit.follow(visit.page.get_by_role("link", name="Look again"))
        assert visit.page.get_by_role("heading", name="VALID").is_visible()
