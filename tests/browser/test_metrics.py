"""The page of metrics in a real browser: charts that can be read, their tables one click away."""

from __future__ import annotations

import pytest

from tests.browser.chromium import PHONE, WIDE, serving, visiting
from tests.factories import World
from tests.tools import require_tool


@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_chart_has_its_table_one_click_away(
    committed_world: World, size: tuple[int, int]
) -> None:
    with (
        serving() as address,
        visiting(require_tool("chromium"), address, size=size) as visit,
    ):
        visit.sign_in("alice", committed_world.password)
        assert visit.open("/admin/ops/runtally/") == 200
        chart = visit.page.locator("section#runs")
        image = chart.get_by_role("img")
        assert image.is_visible()
        assert "Runs per day." in (image.get_attribute("aria-label") or "")
        table = chart.get_by_role("table")
        assert not table.is_visible()
        chart.get_by_text("As a table").click()
        assert table.is_visible()
        assert table.get_by_role("row").count() == 15
        assert visit.overflow() == 0
        assert visit.complaints == []
