"""A real Prometheus and a real Alertmanager, over our rules and routes, and who is told by them."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from tests.servers.ports import free_ports
from tests.tools import require_tool

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "strongroom.rules.yml"
ROUTES = DEPLOY / "alertmanager" / "alertmanager.example.yml"
_SECONDS = 30.0


@dataclass
class Told:
    """What each receiver of the example was sent, by its name."""

    by_receiver: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def alerts(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """Everything that was sent of one alert: receiver and alert."""
        return [
            (receiver, alert)
            for receiver, sent in list(self.by_receiver.items())
            for notice in list(sent)
            for alert in notice["alerts"]
            if alert["labels"]["alertname"] == name
        ]


@dataclass
class Monitoring:
    """The two servers, and what was told."""

    prometheus_url: str
    told: Told
    folder: Path

    def value(self, query: str) -> float | None:
        """What a query finds now; None where it finds nothing."""
        address = f"{self.prometheus_url}/api/v1/query?{urlencode({'query': query})}"
        with urllib.request.urlopen(address, timeout=10) as response:
            found = json.load(response)["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def logs(self) -> str:
        """What both said, for a test that failed."""
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))


@contextlib.contextmanager
def monitoring(folder: Path, target: str, token: str) -> Iterator[Monitoring]:
    """Scrapes ``target`` (host:port) every second, and evaluates our rules as often."""
    prometheus, alertmanager = require_tool("prometheus"), require_tool("prometheus-alertmanager")
    scrape_port, alert_port = free_ports(2)
    with _receiving() as (told, port), contextlib.ExitStack() as stack:
        routes = folder / "alertmanager.yml"
        routes.write_text(yaml.safe_dump(_routes(port)))
        settings = folder / "prometheus.yml"
        settings.write_text(yaml.safe_dump(_settings(folder, target, token, alert_port)))
        stack.enter_context(
            _running(
                folder / "alertmanager.log",
                f"http://127.0.0.1:{alert_port}/-/ready",
                alertmanager,
                f"--config.file={routes}",
                f"--storage.path={folder / 'alerts'}",
                f"--web.listen-address=127.0.0.1:{alert_port}",
                "--cluster.listen-address=",
            )
        )
        url = f"http://127.0.0.1:{scrape_port}"
        stack.enter_context(
            _running(
                folder / "prometheus.log",
                f"{url}/-/ready",
                prometheus,
                f"--config.file={settings}",
                f"--storage.tsdb.path={folder / 'series'}",
                f"--web.listen-address=127.0.0.1:{scrape_port}",
            )
        )
        yield Monitoring(url, told, folder)


def _routes(port: int) -> dict[str, Any]:
    """The example's routes, with a receiver of the test in the place of each channel."""
    found: dict[str, Any] = yaml.safe_load(ROUTES.read_text())
    del found["global"]
    found["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    found["receivers"] = [
        {
            "name": receiver["name"],
            "webhook_configs": [
                {"url": f"http://127.0.0.1:{port}/{receiver['name'].removeprefix('#')}"}
            ],
        }
        for receiver in found["receivers"]
    ]
    return found


def _settings(folder: Path, target: str, token: str, alert_port: int) -> dict[str, Any]:
    """As the example has it, but faster; the rules are those of the file, without waiting."""
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    (folder / "token").write_text(token)
    found: dict[str, Any] = yaml.safe_load(
        (DEPLOY / "prometheus" / "prometheus.example.yml").read_text()
    )
    found["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    found["rule_files"] = [str(folder / "rules.yml")]
    [scraped] = found["scrape_configs"]
    scraped |= {"scheme": "http", "static_configs": [{"targets": [target]}]}
    scraped["authorization"]["credentials_file"] = str(folder / "token")
    found["alerting"]["alertmanagers"] = [
        {"static_configs": [{"targets": [f"127.0.0.1:{alert_port}"]}]}
    ]
    return found


@contextlib.contextmanager
def _receiving() -> Iterator[tuple[Told, int]]:
    told = Told()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.by_receiver.setdefault(body["receiver"], []).append(body)
            assert self.path == f"/{body['receiver'].removeprefix('#')}"
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield told, server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def _running(log: Path, ready_url: str, *command: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=log.parent, start_new_session=True
        )
    try:
        end = time.monotonic() + _SECONDS
        while True:
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < end, log.read_text(errors="replace")
            with contextlib.suppress(OSError), urllib.request.urlopen(ready_url, timeout=5) as said:
                if said.status == 200:
                    break
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
