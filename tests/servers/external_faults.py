"""What can be wrong with an external service, one thing at a time."""

from __future__ import annotations

import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

ENDLESS_BYTES = 2 << 30
OTHER_DIGEST = "sha256:" + "0" * 64


class Kind(StrEnum):
    """What goes wrong. Where not said otherwise the request has been done by then."""

    ANSWER = "answer"  # `status` and no more; nothing was done
    DIGEST = "digest"  # the receipt is for another digest, or another thing is unwrapped
    UNWRAPPED = "unwrapped"  # the digest comes back as it went, as `wrapped_digest`
    EXPIRED = "expired"  # the lock ended yesterday
    MISSING = "missing"  # the receipt lacks its `request_id`
    REDIRECT = "redirect"  # 307 to `location`; nothing was done
    DRIP = "drip"  # a byte of the body every `seconds`
    DRIP_HEAD = "drip-head"  # a byte of the answer's head every `seconds`
    ENDLESS = "endless"  # an answer of 2 GiB
    CUT = "cut"  # the connection is reset within the answer's body
    LOST = "lost"  # it is closed before the answer
    TYPE = "type"  # text/html
    NOT_JSON = "not-json"  # text where JSON was announced
    DUPLICATE = "duplicate"  # a member twice
    COMPRESSED = "compressed"  # Content-Encoding: gzip
    HANG = "hang"  # nothing is said, for `seconds`
    HEADERS = "headers"  # 100 KiB of headers
    ECHO = "echo"  # the answer repeats the request's headers and body
    ECHO_ESCAPED = "echo-escaped"  # the same, each character of the token as \uXXXX
    EARLY = "early"  # `status` before the body was read, then the connection is closed
    GREETING = "greeting"  # a line that is not HTTP


@dataclass
class Fault:
    """A fault for some requests.

    Attributes:
        times: for how many; None for all.
        path: for requests to this one only; empty for all.
        headers: beside the answer's own, for `ANSWER`.
    """

    kind: Kind
    times: int | None = None
    path: str = ""
    status: int = 500
    seconds: float = 0.2
    location: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    met: int = 0

    def meets(self, path: str) -> bool:
        """Whether it is this request's turn; counts it if so."""
        if self.path not in ("", path) or (self.times is not None and self.met >= self.times):
            return False
        self.met += 1
        return True

    @property
    def is_before(self) -> bool:
        """Whether nothing is done of what the request asks for."""
        return self.kind in (Kind.ANSWER, Kind.REDIRECT, Kind.EARLY)


class Way(Protocol):
    """The way back to whoever asked."""

    connection: socket.socket
    close_connection: bool

    @property
    def stopping(self) -> threading.Event:
        """Set when the server ends."""

    def respond(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Sends an answer."""

    def write(self, data: bytes) -> None:
        """Sends bytes."""


def misbehave(fault: Fault, way: Way, answer: dict[str, Any], asked: dict[str, Any]) -> None:
    """Answers as the fault says.

    Args:
        answer: what would have been right.
        asked: the request, for whoever repeats it.
    """
    way.close_connection = True
    if fault.kind in (Kind.ANSWER, Kind.EARLY):
        way.respond(fault.status, b'{"error": "as told to"}', fault.headers)
    elif fault.kind is Kind.REDIRECT:
        way.respond(307, b"{}", {"Location": fault.location})
    elif fault.kind in (Kind.LOST, Kind.HANG):
        if fault.kind is Kind.HANG:
            way.stopping.wait(fault.seconds)
        reset(way)
    elif changed := _changed(fault.kind, answer, asked):
        way.respond(200, *changed)
    else:
        _raw(fault, way, json.dumps(answer).encode())


def reset(way: Way) -> None:
    """Closes with RST, so that it can't be taken for an answer's end."""
    way.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    way.connection.close()


_HEADERS: dict[Kind, dict[str, str]] = {
    Kind.TYPE: {"Content-Type": "text/html"},
    Kind.COMPRESSED: {"Content-Encoding": "gzip"},
    Kind.HEADERS: {f"X-Padding-{number}": "x" * 5000 for number in range(20)},
}


def _changed(
    kind: Kind, answer: dict[str, Any], asked: dict[str, Any]
) -> tuple[bytes, dict[str, str]] | None:
    """A well-formed HTTP answer that says something else; None if the fault is below HTTP."""
    body, data = dict(answer), None
    if kind is Kind.DIGEST:
        body |= dict.fromkeys(("package_sha256", "digest"), OTHER_DIGEST)
        body["data_key"] = "A" * 43 + "="
    elif kind is Kind.UNWRAPPED:
        body["wrapped_digest"] = asked["request"].get("digest")
    elif kind is Kind.EXPIRED:
        body["lock_until"] = "2020-01-01T00:00:00Z"
    elif kind is Kind.MISSING:
        del body["request_id"]
    elif kind is Kind.ECHO:
        body["asked"] = asked
    elif kind is Kind.ECHO_ESCAPED:
        token = asked["headers"].get("authorization", "").removeprefix("Bearer ")
        escaped = "".join(f"\\u{ord(each):04x}" for each in token)
        data = json.dumps(body | {"asked": asked}).replace(token, escaped)
    elif kind is Kind.NOT_JSON:
        data = "Archived, thank you"
    elif kind is Kind.DUPLICATE:
        data = json.dumps(body)[:-1] + ', "request_id": "another"}'
    elif kind not in _HEADERS:
        return None
    return (data or json.dumps(body)).encode(), _HEADERS.get(kind, {})


def _raw(fault: Fault, way: Way, body: bytes) -> None:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {ENDLESS_BYTES if fault.kind is Kind.ENDLESS else len(body)}\r\n\r\n"
    ).encode()
    if fault.kind is Kind.GREETING:
        way.write(b"220 mail.example.org ESMTP\r\n")
    elif fault.kind is Kind.DRIP_HEAD:
        _drip(way, head + body, fault.seconds)
    else:
        way.write(head)
    if fault.kind is Kind.DRIP:
        _drip(way, body, fault.seconds)
    elif fault.kind is Kind.ENDLESS:
        for _ in range(ENDLESS_BYTES >> 16):
            way.write(b" " * (1 << 16))
    elif fault.kind is Kind.CUT:
        way.write(body[: len(body) // 2])
        reset(way)


def _drip(way: Way, data: bytes, seconds: float) -> None:
    for at in range(len(data)):
        if way.stopping.wait(seconds):
            return
        way.write(data[at : at + 1])
