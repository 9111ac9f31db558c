"""The public page in a real browser: files chosen, dropped, too large, and without any script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evidence.models import Package
from tests.browser.chromium import PHONE, WIDE, Visit, serving, visiting
from tests.factories import World
from tests.services.evidence import helpers
from tests.tools import require_tool

pytestmark = pytest.mark.xdist_group("browser")
SUFFIXES = (".zip", ".zip.sig", ".signature.json", ".countersign.json")
# A drop as the browser hands it over, of a file made in the page itself.
DROP = """(area, name) => {
    const data = new DataTransfer();
    data.items.add(new File(["not a zip"], name));
    area.dispatchEvent(new DragEvent("dragover", { bubbles: true, dataTransfer: data }));
    area.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: data }));
}"""


@pytest.fixture
def package(committed_world: World) -> Package:
    helpers.some_events()
    found = helpers.export(committed_world)
    helpers.countersign(committed_world, found)
    return found


def choose(visit: Visit, paths: list[Path]) -> None:
    visit.page.get_by_label("every file that lies beside it").set_input_files(
        [str(path) for path in paths]
    )


def verdict(visit: Visit, word: str) -> bool:
    return visit.page.get_by_role("heading", name=word, exact=True).is_visible()


def send(visit: Visit) -> None:
    visit.follow(visit.page.get_by_role("button", name="Verify"))


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
def test_a_stranger_verifies_a_package(
    package: Package, size: tuple[int, int], scripts: bool
) -> None:
    files = [helpers.file(package, suffix) for suffix in SUFFIXES]
    chromium = require_tool("chromium")
    with serving() as address, visiting(chromium, address, size=size, scripts=scripts) as visit:
        visit.open("/verify/")
        assert visit.overflow() == 0
        choose(visit, files)
        if scripts:
            assert visit.page.locator("[data-chosen] li").count() == 4
        send(visit)
        assert verdict(visit, "VALID")
        assert visit.overflow() == 0
        choose(visit, files[:1])
        send(visit)
        assert verdict(visit, "INVALID")
        assert visit.page.get_by_role("heading", name="Some files were not sent").is_visible()
        assert visit.overflow() == 0
        assert visit.complaints == []


def test_files_are_dropped(package: Package) -> None:
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        visit.open("/verify/")
        area = visit.page.locator("[data-drop]")
        area.evaluate(DROP, "dropped.zip")
        assert visit.page.get_by_text("dropped.zip").is_visible()
        send(visit)
        assert verdict(visit, "INVALID")
        assert visit.complaints == []


def test_what_can_not_do_is_said_before_it_is_sent(
    package: Package, settings: Any, tmp_path: Path
) -> None:
    settings.EVIDENCE_UPLOAD_MAX_BYTES = 4096
    other = tmp_path / "report.txt"
    other.write_bytes(b"Figures")
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        page = visit.page
        visit.open("/verify/")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.method))
        button = page.get_by_role("button", name="Verify")
        choose(visit, [other])
        assert page.get_by_text("There is no package among them yet").is_visible()
        button.click()
        choose(visit, [helpers.file(package)])
        assert page.get_by_text("this page takes 4 KiB").is_visible()
        button.click()
        page.wait_for_timeout(300)
        assert "POST" not in sent
        assert page.get_by_role("alert").filter(has_text="this page takes").is_visible()


def test_the_verdict_is_printed_without_the_form(package: Package) -> None:
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        visit.open("/verify/")
        choose(visit, [helpers.file(package, suffix) for suffix in SUFFIXES])
        send(visit)
        visit.page.emulate_media(media="print")
        assert verdict(visit, "VALID")
        assert visit.page.get_by_text(package.package_sha256[7:]).is_visible()
        assert not visit.page.get_by_role("button", name="Verify").is_visible()
