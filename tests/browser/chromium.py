"""A real browser against a real server over a database in which commits are real."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from playwright.sync_api import Locator, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, PHONE = (1280, 800), (390, 844)


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        return None


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serves the installation on a free port of the loopback; yields its address."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), _QuietHandler)
    server.daemon_threads = True
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Visit:
    """A page of the browser, and what its console complained about."""

    page: Page
    base_url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> int:
        """Opens an address of the installation; returns the status."""
        response = self.page.goto(self.base_url + path)
        assert response is not None
        return response.status

    def follow(self, target: Locator) -> None:
        """Clicks what leads to another page, and waits until that is there."""
        with self.page.expect_navigation():
            target.click()

    def sign_in(self, username: str, password: str) -> None:
        """Signs in by the form, as a person does."""
        self.open("/admin/")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.follow(self.page.get_by_role("button", name="Sign in"))
        assert self.path == "/admin/", f"signing in led to {self.path}"

    @property
    def path(self) -> str:
        """The path of the page that is shown."""
        return urlsplit(self.page.url).path

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(
            self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )


@contextlib.contextmanager
def visiting(
    executable: str,
    base_url: str,
    *,
    size: tuple[int, int] = WIDE,
    scheme: str = "light",
    scripts: bool = True,
) -> Iterator[Visit]:
    """A browser window; no test touches the database while it is open.

    Args:
        executable: the path of Chromium.
        base_url: the address that `serving` gave.
        size: width and height of the window.
        scheme: the colours that the system prefers, light or dark.
        scripts: whether scripts run at all.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=scripts,
        )
        page = context.new_page()
        page.set_default_timeout(15_000)
        visit = Visit(page, base_url)
        page.on("console", lambda said: _note(visit, said.type, said.text))
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        try:
            yield visit
        finally:
            browser.close()


def _note(visit: Visit, kind: str, text: str) -> None:
    # A page that answers 4xx is reported by the browser as a failed load: tests look at that.
    if kind in ("error", "warning") and "the server responded with a status of 4" not in text:
        visit.complaints.append(f"{visit.page.url}: {text}")
