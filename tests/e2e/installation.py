"""A web server and a worker as an operator runs them, and whoever calls them over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tests.factories import PASSWORD, World
from tests.servers.external import ExternalServer
from tests.servers.ports import free_ports
from tests.servers.tsa import Authority

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
SECRET = "COMPLIANCE_EVIDENCE_SIGNING_SECRET"
PAYLOAD = {
    "client_id": "clinic-001",
    "period_start": "2026-01-01T00:00:00Z",
    "period_end": "2026-02-01T00:00:00Z",
    "external_worm": True,
    "external_kms": True,
    "external_require_success": True,
}


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Nothing here redirects."""


class Caller:
    """Somebody with a bearer token, or an API key, of his own."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url, self._token = url, token
        self._opener = build_opener(_NoRedirects)

    @property
    def token(self) -> str:
        """The token, for those who call otherwise."""
        return self._token

    def get(self, path: str) -> Answer:
        """Asks for something."""
        return self._send(Request(self._url + path))

    def post(self, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> Answer:
        """Sends JSON."""
        request = Request(self._url + path, json.dumps(body or {}).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        return self._send(request)

    def finished(self, path: str) -> dict[str, Any]:
        """Asks for a run until it has ended."""
        end = time.monotonic() + SECONDS
        while True:
            told: dict[str, Any] = self.get(path).json
            if told["status"] in ("SUCCESS", "FAILED"):
                return told
            assert time.monotonic() < end, f"it did not end: {told}"
            time.sleep(0.1)

    def register(self, name: str, **changes: Any) -> dict[str, Any]:
        """A new job of the caller's own."""
        body = {
            "name": name,
            "job_type": "compliance_evidence_export",
            "schedule_cron": "",
            "payload": PAYLOAD,
            "description": "Evidence of a clinic",
            "enabled": True,
            **changes,
        }
        answer = self.post("/ops/jobs", body)
        assert answer.status == 201, answer.body
        return dict(answer.json)

    def run(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """A run of a job, when it has ended."""
        asked = self.post(f"/ops/jobs/{job['id']}/run")
        assert asked.status == 202, asked.body
        return self.finished(asked.headers["Location"])

    def _send(self, request: Request) -> Answer:
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        response: HTTPResponse | HTTPError
        try:
            response = self._opener.open(request, timeout=SECONDS)
        except HTTPError as error:
            response = error
        with response:
            return Answer(response.status or 0, response.headers, response.read())


@dataclass
class Installation:
    """What runs, where it keeps what, and who is who in it."""

    folder: Path
    url: str
    environment: dict[str, str]
    external: ExternalServer
    authority: Authority
    world: World = field(default_factory=World.load)
    worker: subprocess.Popen[bytes] | None = None
    _callers: dict[str, Caller] = field(default_factory=dict)

    @property
    def packages(self) -> Path:
        """The working folder."""
        return self.folder / "packages"

    @property
    def vault(self) -> Path:
        """The local vault."""
        return self.folder / "vault"

    def caller(self, username: str) -> Caller:
        """Somebody who has signed in by the API; a service account has its key."""
        if username not in self._callers:
            if self.world.user(username).is_service:
                token = self.world.api_key(username)
            else:
                body = {"username": username, "password": PASSWORD}
                token = Caller(self.url).post("/api/token/", body).json["access"]
            self._callers[username] = Caller(self.url, token)
        return self._callers[username]

    def working(self) -> set[str]:
        """The files in the working folder."""
        return {path.name for path in self.packages.rglob("*") if path.is_file()}

    def kept(self) -> set[str]:
        """The names of all files in the vault that have their place there."""
        below = (path for path in self.vault.rglob("*") if path.is_file())
        return {path.name for path in below if ".staging" not in path.parts}

    def start_worker(self, **changes: str) -> None:
        """Has runs carried out from now on, with some other settings if given."""
        command = [sys.executable, "manage.py", "worker"]
        self.worker = start(self.folder, "worker", command, {**self.environment, **changes})

    def stop_worker(self) -> None:
        """Ends the worker as an operator would; the next test begins with one again."""
        if self.worker is not None:
            self.worker.terminate()
            # Told so early that it did not listen yet, it ends at once.
            assert self.worker.wait(timeout=SECONDS) in (0, -signal.SIGTERM)
            end(self.worker)
            self.worker = None


def start(
    folder: Path, name: str, command: list[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Starts a process in a group of its own, with a log."""
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=PROJECT, env=dict(environment), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def end(process: subprocess.Popen[bytes] | None) -> None:
    """Leaves nothing of a process's group behind."""
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def serving(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The web server, once it answers; its address."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "gunicorn", "config.wsgi:application", "--threads", "4",
               "--bind", f"127.0.0.1:{port}"]  # fmt: skip
    process = start(folder, "web", command, environment)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + SECONDS
    try:
        while True:
            said = (folder / "web.log").read_text(errors="replace")
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            with contextlib.suppress(URLError, ConnectionError):
                if Caller(url).get("/healthz").status == 200:
                    break
            time.sleep(0.1)
        yield url
    finally:
        end(process)


def environment_of(
    folder: Path, database_url: str, external: ExternalServer, authority: Authority
) -> dict[str, str]:
    """The settings of an installation with a vault, an archive and a key service of others."""
    certificates = folder / "tsa.pem"
    certificates.write_bytes(authority.certificates)
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url,
        "AUDIT_SIGNER_STATE": str(folder / "signer-state.json"),
        "AUDIT_STORAGE_PATH": str(folder / "archive"),
        "EVIDENCE_PACKAGE_DIR": str(folder / "packages"),
        "EVIDENCE_VAULT_ENCRYPTION": "local",
        SECRET: "a secret that was shared once",
        "COMPLIANCE_EVIDENCE_VAULT_DIR": str(folder / "vault"),
        "COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT": external.archive_url,
        "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT": external.wrap_url,
        "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT": external.unwrap_url,
        "COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN": external.token,
        "COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS": "127.0.0.0/8",
        "COMPLIANCE_EVIDENCE_EXTERNAL_TIMEOUT_SECONDS": "1",
        "TSA_URL": authority.url,
        "TSA_CERTIFICATES": str(certificates),
    }
