"""The desk in a real browser: no console complaint under the strict CSP, at every width."""

from __future__ import annotations

import re

import pytest

from access.admin.site import site
from tests.browser.chromium import PHONE, WIDE, serving, visiting
from tests.factories import World
from tests.tools import require_tool

pytestmark = pytest.mark.xdist_group("browser")


def lists() -> list[str]:
    return [f"/admin/{m._meta.app_label}/{m._meta.model_name}/" for m in site._registry]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_page_fits_and_the_browser_complains_of_nothing(
    committed_world: World, scheme: str, size: tuple[int, int]
) -> None:
    chromium = require_tool("chromium")
    with (
        serving() as address,
        visiting(chromium, address, size=size, scheme=scheme) as visit,
    ):
        visit.open("/accounts/login/")
        assert visit.overflow() == 0
        visit.sign_in("alice", committed_world.password)
        for path in ["/admin/", *lists(), "/accounts/2fa/", "/accounts/password/change/"]:
            assert visit.open(path) == 200, path
            assert visit.overflow() == 0, path
            first = visit.page.locator("#result_list tbody th a").first
            if first.count():
                visit.follow(first)
                assert visit.path.endswith("/change/"), path
                assert visit.overflow() == 0, path
        visit.open("/admin/no-such-page/")
        assert visit.page.get_by_role("heading", name="Not found").is_visible()
        assert visit.complaints == []


def test_an_inline_script_or_style_would_not_run(committed_world: World) -> None:
    """The policy itself, so that an empty console above means something."""
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        visit.open("/accounts/login/")
        visit.page.evaluate(
            """() => {
                const script = document.createElement('script');
                script.textContent = 'document.title = "taken over"';
                document.head.append(script);
                document.body.insertAdjacentHTML('beforeend', '<p id="x" style="color: red">x</p>');
            }"""
        )
        assert visit.page.title() != "taken over"
        colour = visit.page.eval_on_selector("#x", "e => getComputedStyle(e).color")
        assert colour != "rgb(255, 0, 0)"
        assert len([text for text in visit.complaints if "Content Security Policy" in text]) >= 2


def test_the_client_is_chosen_in_the_header(committed_world: World) -> None:
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        visit.sign_in("olivia", committed_world.password)
        with visit.page.expect_navigation():
            visit.page.get_by_label("Client", exact=True).select_option("clinic-002")
        visit.open("/admin/")
        assert visit.page.get_by_label("Client", exact=True).input_value() == "clinic-002"


def test_colours_follow_the_system_until_the_switch_is_used(committed_world: World) -> None:
    with serving() as address, visiting(require_tool("chromium"), address, scheme="dark") as visit:
        visit.open("/accounts/login/")
        background = "getComputedStyle(document.body).backgroundColor"
        dark = visit.page.evaluate(background)
        visit.page.get_by_role("button", name=re.compile("^Colours")).click()
        light = visit.page.evaluate(background)
        assert dark != light
        visit.page.reload()
        assert visit.page.evaluate(background) == light


def test_the_keyboard_reaches_the_content_first(committed_world: World) -> None:
    with serving() as address, visiting(require_tool("chromium"), address) as visit:
        visit.sign_in("olivia", committed_world.password)
        visit.open("/admin/")
        visit.page.keyboard.press("Tab")
        focused = visit.page.locator(":focus")
        assert focused.inner_text() == "Skip to the content"
        assert focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
        visit.page.keyboard.press("Enter")
        assert visit.page.evaluate("document.activeElement.id") == "content"


def test_the_narrow_menu_opens_and_leads_on(committed_world: World) -> None:
    chromium = require_tool("chromium")
    with serving() as address, visiting(chromium, address, size=PHONE) as visit:
        visit.sign_in("olivia", committed_world.password)
        navigation = visit.page.get_by_role("navigation", name="Sections")
        assert not navigation.is_visible()
        visit.page.get_by_role("button", name="Navigation").click()
        assert navigation.is_visible()
        link = navigation.get_by_role("link").nth(1)
        target = link.get_attribute("href")
        visit.follow(link)
        assert visit.path == target


def test_without_scripts_everything_still_works(committed_world: World) -> None:
    chromium = require_tool("chromium")
    with serving() as address, visiting(chromium, address, scripts=False) as visit:
        visit.sign_in("olivia", committed_world.password)
        assert not visit.page.locator(".theme-toggle").is_visible()
        visit.page.get_by_label("Client", exact=True).select_option("clinic-001")
        visit.follow(visit.page.get_by_role("button", name="Switch"))
        assert visit.page.get_by_label("Client", exact=True).input_value() == "clinic-001"
        visit.page.locator(".account-menu summary").click()
        visit.follow(visit.page.get_by_role("button", name="Sign out"))
        assert visit.path == "/accounts/login/"
