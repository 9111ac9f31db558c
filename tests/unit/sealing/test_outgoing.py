"""One exchange with a service outside: what every limit stops, and what is not HTTP."""

from __future__ import annotations

import tracemalloc

import pytest

from sealing import outgoing
from sealing.outgoing import AddressRefused, Exchange, NoAnswer, Question
from sealing.wire import Clock, Stopped
from tests.unit.sealing.external_helpers import answering

OK = b"HTTP/1.1 200 OK\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = OK + JSON + b"Transfer-Encoding: chunked\r\n\r\n"


def ask(url: str, seconds: float = 30) -> Exchange:
    return outgoing.exchange(
        Question(url, {"Accept": "application/json"}, [b"{", b"}"], 2),
        clock=Clock(seconds),
        permits=lambda scheme, ip: True,
    )


def reason(found: Exchange) -> str:
    assert found.failure is not None
    return found.failure.reason


@pytest.mark.parametrize(
    "answer",
    [
        OK + JSON + b"Content-Length: 2\r\n\r\n{}",
        OK + JSON + b"Content-Length: 2\r\n\r\n{} and more",
        OK + JSON + b"\r\n{}",
        CHUNKED + b"1\r\n{\r\n1;note=x\r\n}\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + JSON + b"Content-Length: 2\r\n\r\n{}",
    ],
    ids=["a length", "more than the length", "no length", "in chunks", "after a continue"],
)
def test_answers_that_are_whole(answer: bytes) -> None:
    with answering(answer) as url:
        found = ask(url)
    assert (found.status, bytes(found.body), found.failure) == (200, b"{}", None)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", "cut"),
        (b"HTTP/1.1 2", "not_http"),
        (b"220 mail.example.org ESMTP\r\n", "not_http"),
        (b"{}", "not_http"),
        (b"HTTP/2 200 OK\r\n\r\n", "not_http"),
        (b"HTTP/1.1 two OK\r\n\r\n", "not_http"),
        (OK + b"X: x\r\n" * 200 + b"\r\n", "not_http"),
        (OK + b"X: " + b"x" * (1 << 16) + b"\r\n\r\n", "too_large"),
        (OK + JSON + b"Content-Length: 3\r\n\r\n{}", "cut"),
        (CHUNKED + b"2\r\n{}\r\n", "cut"),
        (CHUNKED + b"5\r\n{}", "cut"),
        (CHUNKED + b"what\r\n{}", "cut"),
        (CHUNKED + b"1" * (1 << 17), "too_large"),
        (OK + JSON + b"\r\n" + b" " * ((1 << 20) + 1), "too_large"),
        (OK + JSON + b"Content-Length: 1048577\r\n\r\n" + b" " * ((1 << 20) + 1), "too_large"),
    ],
    ids=[
        "nothing",
        "part of a line",
        "another protocol",
        "no head",
        "another version",
        "no number",
        "two hundred headers",
        "a long header",
        "less than the length",
        "no last chunk",
        "part of a chunk",
        "no size of a chunk",
        "an endless size of a chunk",
        "too much without a length",
        "too much with its length",
    ],
)
def test_answers_that_are_not(answer: bytes, expected: str) -> None:
    with answering(answer) as url:
        assert reason(ask(url)) == expected


def test_what_was_read_of_a_broken_answer_is_there() -> None:
    with answering(OK + JSON + b"Content-Length: 9\r\n\r\n{} and") as url:
        found = ask(url)
    assert (found.status, bytes(found.body)) == (200, b"{} and")


@pytest.mark.parametrize(
    "pieces",
    [
        (OK, b"X: x\r\n"),
        (OK + b"X: ", b"x" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK + JSON + b"\r\n", b" " * 1000),
        (CHUNKED, b"1\r\n \r\n"),
        (CHUNKED, b"3e8\r\n" + b" " * 1000 + b"\r\n"),
        (CHUNKED + b"0\r\n", b"X: x\r\n"),
    ],
    ids=["headers", "a header", "continues", "a body", "small chunks", "chunks", "trailers"],
)
def test_what_never_ends_is_ended_in_little_memory(pieces: tuple[bytes, ...]) -> None:
    tracemalloc.start()
    try:
        with answering(*pieces, hold=True) as url:
            found = ask(url, seconds=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reason(found) in ("too_large", "timeout", "not_http")
    assert len(found.body) <= outgoing.MAX_BYTES
    assert peak < 8 << 20


def test_a_clock_stands_no_longer_than_it_may() -> None:
    clock = Clock(1000)
    with clock.standing(500):
        assert 1499 < clock.left() <= 1500
    assert 999 < clock.left() <= 1000


def test_the_request_as_it_is_sent() -> None:
    question = Question("https://[2606:4700::1111]:8443/a?b=c", {"X-More": "x"}, [b"{", b"}"], 2)
    sent = b"".join(outgoing._written(outgoing.checked_url(question.url), question))
    assert sent == (
        b"POST /a?b=c HTTP/1.1\r\nHost: [2606:4700::1111]:8443\r\nUser-Agent: strongroom\r\n"
        b"Accept-Encoding: identity\r\nConnection: close\r\nContent-Length: 2\r\n"
        b"X-More: x\r\n\r\n{}"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///path",
        "https://:443/",
        "gopher://archive.example.org/",
        "//archive.example.org/",
        "https://user@archive.example.org/",
        "https://user:password@archive.example.org/",
        "https://archive.example.org:99999/",
        "https://archive.example.org:0/",
        "https://archive.example.org:port/",
        "https://[::1/",
        "https://archive.example.org/a b",
        "https://archive.example.org/a\r\nX-Header: x",
        "https://archive.example.org\\@other.example.org/",
        "https://archiv\u00e9.example.org/",
        "https://archive.example.org/\x00",
    ],
)
def test_addresses_of_another_form(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        outgoing.checked_url(url)
    assert "example" not in refused.value.message


def test_post_gives_up_on_a_head_that_drips_on() -> None:
    with answering(OK, b"X: x\r\n", hold=True) as url, pytest.raises(NoAnswer):
        outgoing.post(url, b"", content_type="a/b", accept="a/b", timeout_seconds=1)


def test_blocks_that_can_not_be_read_stop_the_exchange() -> None:
    def blocks() -> object:
        yield b"{"
        raise Stopped("package_differs", "the package changed")

    with answering(b"") as url:
        found = outgoing.exchange(
            Question(url, {}, blocks(), 2),  # type: ignore[arg-type]
            clock=Clock(30),
            permits=lambda scheme, ip: True,
        )
    assert (found.status, reason(found)) == (None, "package_differs")
