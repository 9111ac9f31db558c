"""Requests to services outside: where configuration says, with limits, following nothing."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from sealing import addresses, wire
from sealing.addresses import IPAddress
from sealing.errors import Invalid, Unavailable
from sealing.wire import Clock, Stopped

TIMEOUT_SECONDS = 10.0
MAX_BYTES = 1 << 20
_BLOCK = 1 << 14


class AddressRefused(Invalid):
    """The address is not one that may be asked."""

    code = "address_refused"


class NoAnswer(Unavailable):
    """There was no usable answer; later there may be one."""

    code = "no_answer"


@dataclass(frozen=True, slots=True)
class Question:
    """A request.

    Attributes:
        url: what `checked_url` accepts.
        headers: beside those that every request has; names and values without line breaks.
        size_bytes: of the body, all ``blocks`` together.
        sending_seconds: for which the clock stands while the body is sent.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    blocks: Iterable[bytes] = field(repr=False)
    size_bytes: int
    sending_seconds: float = 0.0


@dataclass(slots=True)
class Exchange:
    """What was had of an answer, whole or not.

    Attributes:
        status: None if no answer began.
        body: what was read of it.
        failure: why there is not all of it; None if there is.
    """

    status: int | None = None
    headers: Message = field(default_factory=Message)
    body: bytearray = field(default_factory=bytearray)
    failure: Stopped | None = None


def checked_url(url: str) -> SplitResult:
    """The parts of an http or https address. Raises AddressRefused; says nothing of the address."""
    try:
        parts = urlsplit(url)
        is_usable = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise AddressRefused("This is not an address.") from error
    if parts.scheme not in ("http", "https") or not is_usable or "@" in parts.netloc:
        raise AddressRefused("An https address without a user name is needed.")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise AddressRefused("An address has no spaces, and nothing but ASCII.")
    return parts


def exchange(
    question: Question,
    *,
    clock: Clock,
    permits: Callable[[str, IPAddress], bool],
    ca_file: Path | None = None,
    max_bytes: int = MAX_BYTES,
) -> Exchange:
    """Asks once. The name is resolved once, and only what was looked at then is connected to.

    Args:
        clock: for the whole exchange, from the name to the last byte of the answer.
        permits: whether an address may be asked by a scheme, `http` or `https`. One of several
            that may not be asked is enough for none to be.
        ca_file: the authorities to be trusted, in PEM; the system's if None.
    """
    found = Exchange()
    try:
        _converse(question, found, clock, permits, ca_file, max_bytes)
    except Stopped as stopped:
        found.failure = stopped
    return found


def post(
    url: str,
    body: bytes,
    *,
    content_type: str,
    accept: str,
    timeout_seconds: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> bytes:
    """The body of the answer to a POST, which must be a 200 of type ``accept``.

    https only, or http to this host itself; the name is resolved once and that address is the one
    connected to; redirects are not followed; the whole exchange has ``timeout_seconds``.

    Raises:
        AddressRefused: the address is not allowed. NoAnswer: no usable answer came.
    """
    host = checked_url(url).hostname
    found = exchange(
        Question(url, {"Content-Type": content_type, "Accept": accept}, [body], len(body)),
        clock=Clock(timeout_seconds),
        permits=lambda scheme, ip: scheme == "https" or ip.is_loopback,
        max_bytes=max_bytes,
    )
    stopped = found.failure
    if stopped is not None and stopped.reason == "address_refused":
        raise AddressRefused("http is for this host itself; anything else needs https.")
    if found.status is not None and found.status != 200:
        raise NoAnswer(f"{host} answered {found.status}.")
    given = found.headers.get_content_type()
    if found.status is not None and given != accept:
        raise NoAnswer(f"{host} answered with {given[:80]}, not {accept}.")
    if stopped is not None:
        raise NoAnswer(f"{host} gave no answer: {stopped.words}.") from stopped
    return bytes(found.body)


def _converse(
    question: Question,
    found: Exchange,
    clock: Clock,
    permits: Callable[[str, IPAddress], bool],
    ca_file: Path | None,
    max_bytes: int,
) -> None:
    parts = checked_url(question.url)
    host = str(parts.hostname)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    context = _trust(ca_file) if parts.scheme == "https" else None
    reached = _permitted(parts.scheme, host, port, clock, permits)
    line = wire.connect(host, reached, clock, context)
    try:
        with clock.standing(question.sending_seconds):
            is_whole = line.send(_written(parts, question))
        with _readable():
            answer = http.client.HTTPResponse(cast("Any", line), method="POST")
            answer.begin()
            line.head_only = False
            if not is_whole and answer.status < 300:
                raise Stopped("cut", "it hung up before it had the whole request")
            found.status, found.headers = answer.status, answer.headers
            _read(answer, found.body, max_bytes)
    finally:
        line.close()


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise Stopped("ca_file", "the file of trusted authorities can't be read") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _permitted(
    scheme: str, host: str, port: int, clock: Clock, permits: Callable[[str, IPAddress], bool]
) -> list[addresses.Address]:
    try:
        found = addresses.resolve(host, port, clock.rest())
    except OSError as error:
        words = error.strerror or str(error)
        raise Stopped("no_connection", words) from error
    for address in found:
        if not permits(scheme, address.ip):
            words = f"the address {address.ip} may not be asked by {scheme}"
            raise Stopped("address_refused", words)
    return found


def _written(parts: SplitResult, question: Question) -> Iterator[bytes]:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "Host": parts.netloc,
        "User-Agent": "strongroom",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Content-Length": str(question.size_bytes),
        **question.headers,
    }
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    yield ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    yield from question.blocks


@contextmanager
def _readable() -> Iterator[None]:
    """Makes of every way in which an answer can be none the one that is told of."""
    try:
        with wire.explained("cut", "the connection broke off"):
            yield
    except http.client.LineTooLong as error:
        raise Stopped("too_large", "a line of the answer's head is too long") from error
    except http.client.IncompleteRead as error:
        raise Stopped("cut", "the answer broke off") from error
    except (http.client.HTTPException, ValueError) as error:
        # Not the error's own words, which are the server's.
        raise Stopped("not_http", "the answer is not HTTP") from error


def _read(answer: http.client.HTTPResponse, body: bytearray, max_bytes: int) -> None:
    """The body, in blocks; what was read before something went wrong stays."""
    while block := answer.read1(min(_BLOCK, max_bytes + 1 - len(body))):
        body += block
        if len(body) > max_bytes:
            del body[max_bytes:]
            raise Stopped("too_large", f"the answer is larger than {max_bytes} bytes")
    if answer.length:
        raise Stopped("cut", "the answer broke off")
