"""A server with the endpoints that docs/operators/external-endpoints.md describes.

It keeps what it is given and wraps what it is asked to; it can also be told to misbehave.

    python -m tests.servers.external --folder /tmp/external --token-file token --port 8099
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import hmac
import json
import secrets
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers.external_archive import Archive, Incoming, Refused
from tests.servers.external_faults import Fault, Kind, misbehave
from tests.servers.external_keys import KeyService
from tests.servers.external_tls import make_certificates

_MAX_JSON = 1 << 16


class Seen(NamedTuple):
    """A request that came: where to, its headers (names in lower case), and its size."""

    path: str
    headers: dict[str, str]
    size_bytes: int


class ExternalServer:
    """An archive and a key service on one port of this host.

    Args:
        folder: for everything that is kept.
        token: the bearer token that is asked for; a new one if not given.
        port: a free one if 0.
        tls_names: the names and addresses of a certificate made for it; none for plain http.

    Attributes:
        seen: all requests, in order.
        ca_file: what whoever connects has to trust; None for plain http.
    """

    def __init__(
        self,
        folder: Path,
        *,
        token: str = "",
        port: int = 0,
        tls_names: tuple[str, ...] = (),
    ) -> None:
        self.archive, self.keys = Archive(folder / "objects"), KeyService(folder / "keys")
        self.token = token or secrets.token_urlsafe(24)
        self.seen: list[Seen] = []
        self.stopping = threading.Event()
        self._faults: list[Fault] = []
        self._answers: dict[tuple[str, str], dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._server = _Server(
            ("127.0.0.1", port), type("Handler", (_Handler,), {"external": self})
        )
        self.ca_file: Path | None = None
        if tls_names:
            made = make_certificates(folder / "tls", tls_names)
            self.ca_file = made.ca
            self._server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._server.context.load_cert_chain(made.server)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"{'https' if self.ca_file else 'http'}://127.0.0.1:{self.port}"

    @property
    def archive_url(self) -> str:
        """Takes packages."""
        return f"{self.url}/archive"

    @property
    def wrap_url(self) -> str:
        """Wraps."""
        return f"{self.url}/wrap"

    @property
    def unwrap_url(self) -> str:
        """Unwraps."""
        return f"{self.url}/unwrap"

    def inject(self, kind: Kind, **named: Any) -> Fault:
        """Adds a fault (see `Fault`); the first that meets a request is the one that it gets."""
        fault = Fault(kind, **named)
        with self._lock:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Takes all faults away."""
        with self._lock:
            self._faults.clear()

    @contextmanager
    def serving(self) -> Iterator[ExternalServer]:
        """Answers until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join(timeout=10)

    def take(self, seen: Seen) -> Fault | None:
        """Notes a request, and says what befalls it."""
        with self._lock:
            self.seen.append(seen)
            return next((each for each in self._faults if each.meets(seen.path)), None)

    def remembered(
        self, key: str, request: dict[str, Any], work: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        """The answer to a request; that given before, if it is a repeat."""
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        with self._lock:
            answer = self._answers.get((key, digest)) or work(request)
            if key:
                self._answers[key, digest] = answer
            return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shakes hands first, in the thread of the connection."""
        # Whoever called may not trust us, or may have had enough of an answer.
        with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
            if self.context is None:
                super().finish_request(request, client_address)
                return
            with self.context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)


class _Handler(BaseHTTPRequestHandler):
    external: ExternalServer
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    @property
    def stopping(self) -> threading.Event:
        """Set when the server ends."""
        return self.external.stopping

    def do_POST(self) -> None:
        """Answers a request, or does what a fault says."""
        self.close_connection = True
        headers = {name.lower(): value for name, value in self.headers.items()}
        size = self.headers.get("Content-Length", "")
        length = int(size) if size.isascii() and size.isdigit() else 0
        fault = self.external.take(Seen(self.path, headers, length))
        incoming = Incoming(self.rfile, length)
        asked: dict[str, Any] = {"headers": headers, "request": {}}
        if fault is not None and fault.kind is Kind.EARLY:
            misbehave(fault, self, {}, asked)
            return
        try:
            is_done = fault is None or not fault.is_before
            answer = self._work(incoming, asked) if is_done else {}
            _drain(incoming)
        except Refused as refused:
            self._refuse(refused, incoming)
            return
        if fault is not None:
            misbehave(fault, self, answer, asked)
        else:
            self.respond(200, json.dumps(answer).encode(), {})

    def _work(self, incoming: Incoming, asked: dict[str, Any]) -> dict[str, Any]:
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.external.token}".encode()):
            raise Refused(401, "a bearer token is needed")
        key, kind = self.headers.get("Idempotency-Key", ""), self.headers.get("Content-Type", "")
        if self.path == "/archive":
            return self.external.archive.take(key, kind, incoming)
        if self.path not in ("/wrap", "/unwrap"):
            raise Refused(404, "there is no such endpoint")
        if kind != "application/json":
            raise Refused(415, "application/json is needed")
        try:
            request = json.loads(incoming.block(_MAX_JSON))
        except ValueError as error:
            raise Refused(400, "the request is not JSON") from error
        if not isinstance(request, dict):
            raise Refused(400, "the request is not an object")
        asked["request"] = request
        keys = self.external.keys
        if self.path == "/unwrap":
            return keys.unwrap(request)
        return self.external.remembered(key, request, keys.wrap)

    def _refuse(self, refused: Refused, incoming: Incoming) -> None:
        headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
        # Read to its end, or the answer may be lost on whoever is still sending.
        with contextlib.suppress(Refused):
            _drain(incoming)
        self.respond(refused.status, json.dumps({"error": refused.words}).encode(), headers)

    def respond(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Sends an answer."""
        self.send_response(status)
        every = {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}
        for name, value in {**every, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.write(body)

    def write(self, data: bytes) -> None:
        """Sends bytes."""
        self.wfile.write(data)

    def finish(self) -> None:
        """A connection that was reset has nothing left to flush."""
        if self.connection.fileno() != -1:
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: `ExternalServer.seen` has it all."""


def _drain(incoming: Incoming) -> None:
    while incoming.rest:
        incoming.block(1 << 16)


def main(argv: list[str] | None = None) -> int:
    """Serves until it is told to stop (SIGINT, SIGTERM)."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.external", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--port", type=int, default=0, help="a free one if not given")
    parser.add_argument("--token-file", type=Path, help="the bearer token; a new one if not given")
    parser.add_argument("--https", action="store_true", help="with a certificate made on the spot")
    parser.add_argument("--fault", choices=list(Kind), help="misbehave, each time")
    options = parser.parse_args(argv)
    server = ExternalServer(
        options.folder,
        token=options.token_file.read_text().strip() if options.token_file else "",
        port=options.port,
        tls_names=("127.0.0.1", "localhost") if options.https else (),
    )
    if options.fault:
        kind = Kind(options.fault)
        server.inject(kind, seconds=600 if kind is Kind.HANG else 0.2, location="/elsewhere")
    if options.token_file is None:
        path = options.folder / "token"
        path.touch(mode=0o600)
        path.write_text(server.token)
        print(f"token   {path}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stopping.set())
    with server.serving():
        print(
            f"archive {server.archive_url}\nwrap    {server.wrap_url}\nunwrap  {server.unwrap_url}"
        )
        if server.ca_file:
            print(f"trust   {server.ca_file}")
        print(flush=True)
        server.stopping.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
