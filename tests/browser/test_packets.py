"""A month's end in a real browser: generate, follow the run, countersign; and pages that fit."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from ops.models import Run
from reports.admin import months
from tests.browser.chromium import PHONE, WIDE, serving, visiting
from tests.browser.test_progress import elsewhere
from tests.carrying import carry_out
from tests.factories import World
from tests.reports_rows import artifact, assessment
from tests.services.evidence import helpers
from tests.services.evidence.vaults import local_vault  # noqa: F401
from tests.services.reports import packing
from tests.tools import require_tool

pytestmark = pytest.mark.xdist_group("browser")


def finish() -> None:
    assert carry_out(Run.objects.get().pk).status == "SUCCESS"


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_from_generate_to_the_countersignature(
    committed_world: World,
    local_vault: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    from reports.services import packets

    monkeypatch.setattr(packets, "wait_for", lambda run, seconds: run)
    last = months.last_month()
    helpers.record(*(last.start + timedelta(hours=hour) for hour in range(40)))
    packing.key_of(committed_world, "oscar")
    with serving() as address, visiting(require_tool("chromium"), address, size=size) as visit:
        page = visit.page
        visit.sign_in("olivia", committed_world.password)
        visit.open("/admin/reports/packet/")
        visit.follow(page.get_by_role("link", name="Generate a packet").first)
        page.locator("select[name=client_id]").select_option("clinic-001")
        visit.follow(page.get_by_role("button", name="Show what would be made"))
        name = f"SOC2_Evidence_clinic-001_{last.start:%Y-%m-%d}_{last.last_day:%Y-%m-%d}"
        assert visit.overflow() <= 0
        visit.follow(page.get_by_role("button", name=f"Generate {name}"))
        assert re.fullmatch(r"/admin/ops/run/[0-9a-f-]{36}/change/", visit.path)
        assert page.get_by_role("heading", name="Waits for a worker").is_visible()
        elsewhere(finish)
        page.get_by_role("heading", name="What came of it").wait_for()
        visit.follow(page.get_by_role("link", name=name))
        assert page.get_by_text("You made this packet: another person").is_visible()
        assert page.get_by_role("link", name="Countersign").count() == 0
        visit.page.context.clear_cookies()
        visit.sign_in("oscar", committed_world.password)
        visit.follow(page.get_by_role("link", name="Packets for my countersignature"))
        visit.follow(page.get_by_role("link", name=name))
        assert visit.overflow() <= 0
        visit.follow(page.get_by_role("link", name="Countersign", exact=True))
        page.get_by_label("Your password").fill(committed_world.password)
        visit.follow(page.get_by_role("button", name=f"Countersign {name}"))
        assert page.get_by_text("It has both of its signatures.").is_visible()
        visit.follow(page.get_by_role("button", name="Verify now"))
        assert page.get_by_role("heading", name="VALID", exact=True).is_visible()
        assert visit.complaints == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_pages_fit_and_the_pdf_opens_beside_them(
    committed_world: World,
    local_vault: Path,  # noqa: F811
    size: tuple[int, int],
) -> None:
    last = months.last_month()
    helpers.record(*(last.start + timedelta(hours=7 * hour) for hour in range(60)))
    assessment(committed_world, period=last, state="attention")
    artifact(committed_world, period=last)
    packing.key_of(committed_world, "oscar")
    packet = packing.make(committed_world, period=last)
    query = f"?client=clinic-001&month={months.text_of(last)}"
    listed, detail = "/admin/reports/packet/", f"/admin/reports/packet/{packet.pk}/"
    controls = "/admin/reports/control/"
    with serving() as address, visiting(require_tool("chromium"), address, size=size) as visit:
        page = visit.page
        visit.sign_in("oscar", committed_world.password)
        for path in (
            "/admin/",
            listed,
            f"{listed}generate/",
            f"{detail}countersign/",
            f"{detail}revise/",
            f"{detail}preview/",
            f"{controls}{query}",
            f"{controls}SOC2_3ACC6.1/change/{query}",
            f"{controls}SOC2_3ACC6.1/assess/{query}",
            f"{detail}change/",
        ):
            assert visit.open(path) == 200, path
            assert visit.overflow() <= 0, path
        page.get_by_text("As a table").first.click()
        assert page.get_by_role("table", name="Events per week").is_visible()
        with page.expect_popup() as opened:
            page.get_by_role("button", name="Open the PDF in a new tab").click()
        assert opened.value.url.endswith("/read/")
        assert page.url.endswith("/change/")
        assert visit.complaints == []
