"""The description of the API can be browsed under the same strict policy as every page."""

from __future__ import annotations

import pytest

from tests.browser.chromium import serving, visiting
from tests.factories import World
from tests.tools import require_tool


@pytest.mark.xdist_group("browser")
def test_the_api_can_be_browsed(committed_world: World) -> None:
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        visit.sign_in("olivia", committed_world.password)
        assert visit.open("/api/docs/") == 200
        operation = visit.page.get_by_text("/compliance/evidence/countersign").first
        operation.wait_for(timeout=20_000)
        assert visit.complaints == []
