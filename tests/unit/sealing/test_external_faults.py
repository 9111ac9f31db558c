"""External services that misbehave, one way at a time: what is said, tried again, and not told."""

from __future__ import annotations

import base64
import json
import re
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing import external as ext
from sealing import outgoing
from sealing.external import ArchiveReceipt, Endpoint, Outcome, UnwrapRequest
from sealing.external_asking import _retry_after
from tests.servers.external import ExternalServer
from tests.servers.external_faults import Kind
from tests.servers.ports import free_ports
from tests.unit.sealing.external_helpers import (
    DATA_KEY,
    LOOPBACK,
    archive_at,
    archive_request,
    at,
    pauses_instead,
    wrap_at,
    wrap_request,
)

# What both kinds of endpoints can do wrong, and the reason that is told.
COMMON: dict[Kind, str] = {
    Kind.ANSWER: "http_500",
    Kind.DIGEST: "digest_differs",
    Kind.MISSING: "malformed",
    Kind.REDIRECT: "redirect",
    Kind.DRIP: "timeout",
    Kind.DRIP_HEAD: "timeout",
    Kind.ENDLESS: "too_large",
    Kind.CUT: "cut",
    Kind.LOST: "cut",
    Kind.TYPE: "wrong_type",
    Kind.NOT_JSON: "not_json",
    Kind.DUPLICATE: "malformed",
    Kind.COMPRESSED: "wrong_type",
    Kind.HANG: "timeout",
    Kind.HEADERS: "too_large",
    Kind.ECHO: "secret_echoed",
    Kind.ECHO_ESCAPED: "secret_echoed",
    Kind.GREETING: "not_http",
}
# Each of these lasts far longer than the time that it gets.
SLOW = {Kind.DRIP: 0.2, Kind.DRIP_HEAD: 0.2, Kind.HANG: 60.0}


def broken(server: ExternalServer, kind: Kind) -> float:
    """Injects a fault; returns a time limit that suits it."""
    server.inject(kind, seconds=SLOW.get(kind, 0), location=server.archive_url)
    return 2 if kind in SLOW else 30


def test_every_fault_is_tried() -> None:
    # The last one is tried with an upload, in test_external.py.
    assert set(COMMON) | {Kind.EXPIRED, Kind.UNWRAPPED, Kind.EARLY} == set(Kind)


@pytest.mark.parametrize(("kind", "reason"), COMMON.items(), ids=COMMON)
def test_an_archive_that(kind: Kind, reason: str, external: ExternalServer) -> None:
    endpoint = archive_at(external, timeout_seconds=broken(external, kind))
    told(ext.archive(endpoint, archive_request()), reason, external)


WRAPPING = {k: reason for k, reason in COMMON.items() if k not in (Kind.DRIP_HEAD, Kind.HANG)}


@pytest.mark.parametrize(("kind", "reason"), WRAPPING.items(), ids=WRAPPING)
def test_a_key_service_that(kind: Kind, reason: str, external: ExternalServer) -> None:
    endpoint = wrap_at(external, timeout_seconds=broken(external, kind))
    told(ext.wrap(endpoint, wrap_request()), reason, external)


# What is unwrapped comes without a `request_id`. Time is the same for all.
UNWRAPPING = {
    kind: reason
    for kind, reason in COMMON.items()
    if kind not in (Kind.MISSING, Kind.DUPLICATE, *SLOW)
}


@pytest.mark.parametrize(("kind", "reason"), UNWRAPPING.items(), ids=UNWRAPPING)
def test_a_key_service_that_unwraps_and(kind: Kind, reason: str, external: ExternalServer) -> None:
    receipt = ext.wrap(wrap_at(external), wrap_request(data_key=DATA_KEY)).receipt
    assert receipt is not None
    external.seen.clear()
    limit = broken(external, kind)
    asked = UnwrapRequest(
        "key-1", receipt.key_version, wrapped_key=receipt.wrapped_key, expected=DATA_KEY
    )
    found = ext.unwrap(at(external, external.unwrap_url, timeout_seconds=limit), asked)
    told(found, reason, external)
    assert found.attempts[0].body == b""


def test_an_archive_whose_lock_is_over(external: ExternalServer) -> None:
    external.inject(Kind.EXPIRED)
    told(ext.archive(archive_at(external), archive_request()), "lock_too_short", external)


def test_a_key_service_that_wraps_nothing(external: ExternalServer) -> None:
    external.inject(Kind.UNWRAPPED)
    told(ext.wrap(wrap_at(external), wrap_request()), "not_wrapped", external)


def test_a_token_that_is_not_known(external: ExternalServer) -> None:
    endpoint = archive_at(external, token="another-token")
    told(ext.archive(endpoint, archive_request()), "http_401", external)
    external.seen.clear()
    told(ext.archive(archive_at(external, token=""), archive_request()), "http_401", external)
    assert "authorization" not in external.seen[0].headers


def told(found: Outcome[Any], reason: str, server: ExternalServer) -> None:
    """The reason is told, once is enough, and nobody learns the token from it."""
    assert found.reason == reason
    assert found.status.startswith(f"FAILED: {reason}: ")
    assert found.status.endswith(".")
    assert found.receipt is None
    assert len(found.attempts) == len(server.seen) == 1
    text = repr(found) + json.dumps([each.document() for each in found.attempts])
    plain = re.sub(r"\\+u00([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)
    assert server.token not in text + plain


# Its base64 has both characters that base64url spells otherwise.
KEY = bytes(range(224, 256))
SPELLINGS = {
    "url": base64.urlsafe_b64encode(KEY).decode(),
    "unpadded": base64.urlsafe_b64encode(KEY).decode().rstrip("="),
    "wrapped": base64.encodebytes(KEY).decode().replace("+", "+\n"),
    "capitals": KEY.hex().upper(),
    "groups": KEY.hex(":"),
    "of hex": base64.b64encode(KEY.hex().encode()).decode(),
}


class TestData:
    def test_a_key_that_comes_back_in_clear(self, external: ExternalServer) -> None:
        """The request, with the data key in it, is repeated to somebody who sent no token."""
        external.inject(Kind.ECHO)
        found = ext.wrap(wrap_at(external), wrap_request(data_key=DATA_KEY))
        assert (found.reason, found.attempts[0].body) == ("secret_echoed", b"")

    @pytest.mark.parametrize("spelled", SPELLINGS)
    def test_a_key_in_another_spelling(
        self, external: ExternalServer, monkeypatch: pytest.MonkeyPatch, spelled: str
    ) -> None:
        """Beside a receipt that is good: the whole answer would be kept, and the key with it."""
        honest = outgoing.exchange

        def echoing(*args: Any, **options: Any) -> outgoing.Exchange:
            found = honest(*args, **options)
            body = json.dumps(json.loads(bytes(found.body)) | {"echo": SPELLINGS[spelled]})
            return replace(found, body=bytearray(body, "ascii"))

        monkeypatch.setattr(outgoing, "exchange", echoing)
        found = ext.wrap(wrap_at(external), wrap_request(data_key=KEY))
        assert (found.reason, found.attempts[0].body) == ("secret_echoed", b"")

    def test_a_refusal_that_repeats_the_token_is_kept_without_it(
        self, external: ExternalServer
    ) -> None:
        external.inject(Kind.ANSWER, status=403, headers={"X-You-Sent": external.token})
        found = ext.archive(archive_at(external), archive_request())
        assert found.attempts[0].body == b'{"error": "as told to"}'
        assert external.token not in repr(found)


class TestAgain:
    @pytest.mark.parametrize("status", [429, 503])
    def test_not_now(
        self, status: int, external: ExternalServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses = pauses_instead(monkeypatch)
        external.inject(Kind.ANSWER, status=status, times=2)
        found = ext.archive(archive_at(external), archive_request())
        assert [each.http_status for each in found.attempts] == [status, status, 200]
        assert [each.outcome.split(":")[0] for each in found.attempts] == ["FAILED", "FAILED", "OK"]
        assert found.is_ok
        assert pauses == [0.5, 2.0]
        assert {each.headers["idempotency-key"] for each in external.seen} == {"evidence_1"}

    def test_not_now_and_not_later(
        self, external: ExternalServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses_instead(monkeypatch)
        external.inject(Kind.ANSWER, status=503)
        found = ext.archive(archive_at(external), archive_request())
        assert (found.reason, len(found.attempts), len(external.seen)) == ("http_503", 3, 3)

    def test_an_upload_begins_anew(
        self, external: ExternalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses_instead(monkeypatch)
        external.inject(Kind.ANSWER, status=503, times=1)
        package = tmp_path / "evidence_1.zip"
        package.write_bytes(b"a package")
        found = ext.archive(archive_at(external, upload=True), archive_request(), package)
        assert (found.status, len(found.attempts)) == ("OK", 2)
        assert (external.archive.folder / "evidence_1/evidence_1.zip").read_bytes() == b"a package"

    @pytest.mark.parametrize(
        ("value", "pauses"),
        [
            ("7", [7.0]),
            ("0", [0.5]),
            ("3600", []),
            ("9" * 30, []),
            ("-5", [0.5]),
            ("soon", [0.5]),
            ("", [0.5]),
            ("Wed, 21 Oct 2015 07:28:00 GMT", [0.5]),
            ("Wed, 21 Oct 2015 07:28:00 -0000", [0.5]),
            ("Wed, 21 Oct 2099 07:28:00 GMT", []),
        ],
    )
    def test_when_to_come_back(
        self,
        value: str,
        pauses: list[float],
        external: ExternalServer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        waited = pauses_instead(monkeypatch)
        external.inject(Kind.ANSWER, status=429, times=1, headers={"Retry-After": value})
        found = ext.archive(archive_at(external), archive_request())
        assert waited == pauses
        assert len(found.attempts) == len(pauses) + 1

    def test_when_to_come_back_as_a_date(
        self, external: ExternalServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited = pauses_instead(monkeypatch)
        moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
        external.inject(Kind.ANSWER, status=429, times=1, headers={"Retry-After": moment})
        found = ext.archive(archive_at(external), archive_request())
        assert found.is_ok
        assert 0.5 <= waited[0] <= 60

    @given(
        st.lists(
            st.sampled_from(
                ["Wed,", "21", "Oct", "2015", "07:28:00", "GMT", "-0000", "+9999", "::", "9" * 40]
            ),
            max_size=8,
        )
    )
    def test_whatever_it_says_is_a_number_of_seconds(self, words: list[str]) -> None:
        for text in (" ".join(words), "".join(words)):
            headers = Message()
            headers["Retry-After"] = text
            assert isinstance(_retry_after(headers), float)

    def test_nobody_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pauses = pauses_instead(monkeypatch)
        (port,) = free_ports(1)
        found = archived(f"http://127.0.0.1:{port}/archive")
        assert found.status == "FAILED: no_connection: Connection refused."
        assert (len(found.attempts), pauses) == (3, [0.5, 2.0])
        assert [each.http_status for each in found.attempts] == [None] * 3

    def test_somebody_there_a_little_later(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (port,) = free_ports(1)
        server: list[Any] = []

        def start() -> None:
            server.append(ExternalServer(tmp_path, token="a-known-token", port=port).serving())
            server[0].__enter__()

        pauses_instead(monkeypatch, start)
        found = archived(f"http://127.0.0.1:{port}/archive", token="a-known-token")
        server[0].__exit__(None, None, None)
        assert (found.status, len(found.attempts)) == ("OK", 2)

    def test_a_name_that_nobody_knows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pauses_instead(monkeypatch)

        def unknown(*_: Any, **__: Any) -> list[Any]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        found = archived("https://archive.example.org/")
        assert found.status == "FAILED: no_connection: Name or service not known."
        assert len(found.attempts) == 3

    def test_the_time_for_all_is_limited(
        self, external: ExternalServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No pause reaches beyond what all attempts together have."""
        waited = pauses_instead(monkeypatch)
        external.inject(Kind.ANSWER, status=503, headers={"Retry-After": "91"})
        found = ext.archive(archive_at(external, timeout_seconds=30), archive_request())
        assert (len(found.attempts), waited) == (1, [])


def archived(url: str, token: str = "") -> Outcome[ArchiveReceipt]:
    return ext.archive(Endpoint(url, token, 30, LOOPBACK), archive_request())
