"""`make screenshots`: pictures of the main pages over the demo's data, in var/screenshots.

Light and dark at 1280 pixels, and light at the width of a phone. The demo has to have run before,
since its package is what the pictures show.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo.installation import data_folder
from demo.server import running

ROOT = Path(__file__).resolve().parent.parent
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# name of the window, colours, width, height
WINDOWS = (
    ("light", "light", 1280, 800),
    ("dark", "dark", 1280, 800),
    ("phone", "light", 390, 844),
)
PACKAGES = "/admin/evidence/package/"
PACKETS = "/admin/reports/packet/"
CONTROLS = "/admin/reports/control/"
JOBS = "/admin/ops/job/"
RUNS = "/admin/audit/verificationrun/"
# What the worker needs to carry out a verification of the demo's log.
VERIFY_MILLISECONDS = 60_000


def main() -> int:
    """Takes the pictures; returns the process's exit code."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Pictures need Chromium: run `make tools` as root.", file=sys.stderr)
        return 3
    home = data_folder(ROOT)
    credentials = home / "credentials.json"
    if not credentials.exists():
        print("There is nothing to show yet: run `make demo` first.", file=sys.stderr)
        return 3
    accounts = json.loads(credentials.read_text(encoding="utf-8"))["accounts"]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    target = ROOT / "var" / "screenshots"
    target.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    with running(home / "logs") as base_url, sync_playwright() as playwright:
        fill_the_archive()
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name, scheme, width, height in WINDOWS:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page = context.new_page()

            def shoot(what: str, window: str = name, page: Any = page) -> None:
                page.screenshot(path=target / f"{what}-{window}.png", full_page=True)

            public(page, base_url, home / "packages", shoot)
            walk(page, base_url, accounts, shoot)
            context.close()
        browser.close()
    print(f"{len(list(target.glob('*.png')))} pictures in {os.path.relpath(target)}")
    return 0


def fill_the_archive() -> None:
    """Archives the demo's log and verifies it as the schedule would, so that there is a state."""
    for command in (["manage.py", "audit_archive"], ["-m", "audit.jobs"]):
        subprocess.run([sys.executable, *command], cwd=ROOT, check=False, stdout=subprocess.DEVNULL)


def walk(page: Any, base_url: str, accounts: dict[str, Any], shoot: Callable[[str], None]) -> None:
    """Goes through the pages as two officers would, with a picture of each."""
    page.goto(f"{base_url}/admin/")
    shoot("login")
    sign_in(page, accounts, "olivia")
    export(page, base_url, shoot)
    page.context.clear_cookies()
    page.goto(f"{base_url}/admin/")
    sign_in(page, accounts, "oscar")
    shoot("desk")
    page.goto(base_url + PACKAGES)
    shoot("packages")
    first = page.locator("#result_list tbody th a").first
    if not first.count():
        return
    with page.expect_navigation():
        first.click()
    shoot("package")
    detail = page.url
    page.goto(detail.replace("/change/", "/countersign/"))
    shoot("countersign")
    page.goto(detail.replace("/change/", "/verify/"))
    shoot("verify")
    with page.expect_navigation():
        page.locator("form.act button.primary").click()
    shoot("verdict")
    packets(page, base_url, shoot)
    controls(page, base_url, shoot)
    verify_a_window(page, base_url, shoot)
    jobs(page, base_url, shoot)
    lists(page, base_url, shoot)


def public(page: Any, base_url: str, packages: Path, shoot: Callable[[str], None]) -> None:
    """The page for everybody, and its verdict on the demo's newest package."""
    page.goto(f"{base_url}/verify/")
    shoot("public")
    found = sorted(packages.glob("*/*.zip"), key=lambda path: path.stat().st_mtime)
    if not found:
        return
    beside = sorted(found[-1].parent.glob(f"{found[-1].stem}.*"))
    page.locator("#files").set_input_files([str(path) for path in beside])
    shoot("public-chosen")
    with page.expect_navigation():
        page.get_by_role("button", name="Verify").click()
    shoot("public-verdict")


def packets(page: Any, base_url: str, shoot: Callable[[str], None]) -> None:
    """What would be made, a packet with its preview, and each act on it; nothing is made."""
    page.goto(f"{base_url}{PACKETS}generate/")
    shoot("packet-generate")
    with page.expect_navigation():
        page.locator("form.act button.primary").click()
    shoot("packet-confirm")
    page.goto(base_url + PACKETS)
    shoot("packets")
    first = page.locator("#result_list tbody th a").first
    if not first.count():
        return
    with page.expect_navigation():
        first.click()
    shoot("packet")
    detail = page.url
    for act in ("preview", "countersign", "revise", "download"):
        page.goto(detail.replace("/change/", f"/{act}/"))
        shoot(f"packet-{act}")
    page.goto(detail)
    with page.expect_navigation():
        page.get_by_role("button", name="Verify now").click()
    shoot("packet-verdict")


def controls(page: Any, base_url: str, shoot: Callable[[str], None]) -> None:
    """Last month's controls, one of them, and assessing it; nothing is assessed."""
    page.goto(base_url + CONTROLS)
    shoot("controls")
    with page.expect_navigation():
        page.get_by_role("link", name="CC6.1", exact=True).click()
    shoot("control")
    with page.expect_navigation():
        page.get_by_role("link", name="Assess", exact=True).click()
    shoot("control-assess")


def jobs(page: Any, base_url: str, shoot: Callable[[str], None]) -> None:
    """Registering a job, and running and disabling one."""
    page.goto(f"{base_url}{JOBS}new/")
    shoot("job-new")
    page.goto(base_url + JOBS)
    first = page.locator("#result_list tbody th a").first
    if not first.count():
        return
    with page.expect_navigation():
        first.click()
    detail = page.url
    for act in ("run", "disable"):
        page.goto(detail.replace("/change/", f"/{act}/"))
        shoot(f"job-{act}")


def verify_a_window(page: Any, base_url: str, shoot: Callable[[str], None]) -> None:
    """Asks for a verification and follows it to its verdict."""
    page.goto(base_url + RUNS)
    with page.expect_navigation():
        page.get_by_role("link", name="Verify a window").first.click()
    shoot("verify-window")
    with page.expect_navigation():
        page.locator("form.act button.primary").click()
    shoot("progress")
    page.locator("section.verdict").wait_for(timeout=VERIFY_MILLISECONDS)
    shoot("window-verified")


def sign_in(page: Any, accounts: dict[str, Any], username: str) -> None:
    """Signs in by the form."""
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(accounts[username]["password"])
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()


def export(page: Any, base_url: str, shoot: Callable[[str], None]) -> None:
    """Makes a package of the demo's events, unless one waits for a countersignature already."""
    page.goto(f"{base_url}{PACKAGES}export/")
    shoot("export")
    page.goto(base_url + PACKAGES)
    if page.get_by_text("Awaiting countersignature").count():
        return
    page.goto(f"{base_url}{PACKAGES}export/")
    page.locator("select[name=client_id]").select_option("clinic-001")
    page.get_by_label("First day").fill("2023-07-10")
    page.get_by_label("Last day").fill("2023-07-10")
    with page.expect_navigation():
        page.locator("form.act button.primary").click()


def lists(page: Any, base_url: str, shoot: Callable[[str], None]) -> None:
    """Every other list, and the first record of each."""
    links = page.locator("#navigation a").evaluate_all("all => all.map(a => a.pathname)")
    for path in links:
        if path in ("/admin/", PACKAGES, PACKETS, CONTROLS):
            continue
        page.goto(base_url + path)
        kind = path.strip("/").rsplit("/", maxsplit=1)[-1]
        shoot(f"list-{kind}")
        first = page.locator("#result_list tbody th a").first
        if first.count():
            with page.expect_navigation():
                first.click()
            shoot(f"one-{kind}")


if __name__ == "__main__":
    sys.exit(main())
