"""An HTTP proxy before an S3 server that misbehaves as it is told to."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.servers.buckets import S3Server

_CODES = {
    403: "AccessDenied",
    500: "InternalError",
    503: "SlowDown",
    409: "OperationAborted",
    412: "PreconditionFailed",
}


class Kind(StrEnum):
    """What can go wrong with a request."""

    ANSWER = "answer"  # an S3 error with `status`; the server behind never hears of it
    SLOW = "slow"  # only `seconds`: they pass before the request goes on, whatever the kind
    RESET_BEFORE = "reset_before"  # the connection is reset; the server never hears of it
    RESET_AFTER = "reset_after"  # the server has done it, then the connection is reset
    CUT_BODY = "cut_body"  # half of the answer's body, then the connection is reset
    LOST = "lost"  # 200 and nothing else; the server never hears of it
    WITHOUT_LOCK = "without_lock"  # the Object Lock headers get lost on the way
    WITHOUT_CONDITION = "without_condition"  # `If-None-Match` gets lost, as with RADOS
    OTHER_BYTES = "other_bytes"  # the answer's first byte is another
    OVERTAKEN = "overtaken"  # the same PUT, with `body` if there is one, comes just before it


@dataclass
class Fault:
    """A fault for some requests.

    Attributes:
        times: for how many requests; None for all.
        methods: for which methods.
        containing: only for requests whose target contains this.
    """

    kind: Kind
    times: int | None = 1
    methods: frozenset[str] = frozenset({"PUT"})
    containing: str = ""
    status: int = 500
    seconds: float = 0.0
    body: bytes | None = None
    met: int = 0

    def meets(self, method: str, target: str) -> bool:
        """Whether it is this request's turn; counts it if so."""
        if method not in self.methods or self.containing not in target:
            return False
        if self.times is not None and self.met >= self.times:
            return False
        self.met += 1
        return True


class Request(NamedTuple):
    """What came, and with which headers (their names in lower case)."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass
class FaultyProxy:
    """Passes requests on to ``behind``, and meddles where a fault says so.

    Attributes:
        requests: all that came, in order.
    """

    behind: str
    requests: list[Request] = field(default_factory=list)
    _faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def endpoint_url(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def inject(
        self,
        kind: Kind,
        *,
        times: int | None = 1,
        methods: str = "PUT",
        containing: str = "",
        status: int = 500,
        seconds: float = 0.0,
        body: bytes | None = None,
    ) -> Fault:
        """Adds a fault; the first that meets a request is the one that it gets."""
        fault = Fault(kind, times, frozenset(methods.split()), containing, status, seconds, body)
        with self._lock:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Takes all faults away."""
        with self._lock:
            self._faults.clear()

    def stop(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def count(self, method: str, containing: str = "") -> int:
        """How many requests of that method came whose target contains that."""
        return sum(r.method == method and containing in r.target for r in self.requests)

    def take(self, request: Request) -> Fault | None:
        """Notes a request, and says what befalls it."""
        with self._lock:
            self.requests.append(request)
            return next(
                (each for each in self._faults if each.meets(request.method, request.target)), None
            )


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"
    timeout = 60
    # Head and body are two packets: the second must not wait for the first one's acknowledgement.
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.proxy.take(Request(self.command, self.path, headers))
        kind = None if fault is None else fault.kind
        if fault is not None:
            time.sleep(fault.seconds)
        if fault is not None and kind is Kind.ANSWER:
            return self._refuse(fault.status)
        if kind is Kind.LOST:
            return self._answer(200, [("Date", self.date_time_string())], b"", cut=False)
        if kind is Kind.RESET_BEFORE:
            return self._reset()
        if kind is Kind.WITHOUT_LOCK:
            headers = {k: v for k, v in headers.items() if "object-lock" not in k}
        if kind in {Kind.WITHOUT_CONDITION, Kind.OVERTAKEN}:
            headers.pop("if-none-match", None)
        if fault is not None and kind is Kind.OVERTAKEN:
            self._pass_on(body if fault.body is None else fault.body, headers)
        status, answered, data = self._pass_on(body, headers)
        if kind is Kind.RESET_AFTER:
            return self._reset()
        if kind is Kind.OTHER_BYTES and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        self._answer(status, answered, data, cut=kind is Kind.CUT_BODY)
        return None

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815

    def _pass_on(
        self, body: bytes, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.proxy.behind).netloc, timeout=60)
        try:
            sent = headers | {"content-length": str(len(body))} if body else headers
            connection.request(self.command, self.path, body or None, sent)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], data: bytes, *, cut: bool
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        told = next((v for k, v in headers if k.lower() == "content-length"), "0")
        self.send_header(
            "Content-Length", told if self.command == "HEAD" and not data else str(len(data))
        )
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.wfile.flush()
            self._reset()

    def _refuse(self, status: int) -> None:
        code = _CODES.get(status, "Error")
        data = f"<Error><Code>{code}</Code><Message>as told to</Message></Error>".encode()
        self._answer(
            status,
            [("Content-Type", "application/xml"), ("Date", self.date_time_string())],
            b"" if self.command == "HEAD" else data,
            cut=False,
        )

    def _reset(self) -> None:
        """Closes with RST, so that the client can't take it for an answer's end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def finish(self) -> None:
        """A reset connection has nothing left to flush."""
        if self.connection.fileno() != -1:
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: `FaultyProxy.requests` has it all."""


@pytest.fixture
def faulty_s3(moto_server: S3Server) -> Iterator[FaultyProxy]:
    """A proxy of this test's own before moto, without faults yet."""
    proxy = FaultyProxy(moto_server.endpoint_url)
    try:
        yield proxy
    finally:
        proxy.stop()
