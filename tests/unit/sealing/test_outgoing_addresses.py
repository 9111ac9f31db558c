"""Which addresses may be asked: by what they are, and only those that were looked at."""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing import addresses
from sealing.external import Endpoint, archive
from tests.servers.external import ExternalServer
from tests.servers.external_faults import Kind
from tests.unit.sealing.external_helpers import (
    LOOPBACK,
    archive_at,
    archive_request,
    named_addresses,
    pauses_instead,
)

PUBLIC = ["1.1.1.1", "8.8.8.8", "193.0.6.139", "2606:4700:4700::1111", "2a00:1450:4001::1"]
NOT_PUBLIC = {
    "this host": "0.0.0.0",
    "private 10": "10.0.0.1",
    "private 172": "172.16.0.1",
    "private 192": "192.168.1.1",
    "shared": "100.64.0.1",
    "loopback": "127.0.0.1",
    "another loopback": "127.255.255.254",
    "link-local": "169.254.169.254",
    "protocols": "192.0.0.9",
    "documentation": "192.0.2.1",
    "relays": "192.88.99.1",
    "benchmarks": "198.18.0.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "unspecified 6": "::",
    "loopback 6": "::1",
    "mapped private": "::ffff:10.0.0.1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped public": "::ffff:8.8.8.8",
    "compatible": "::7f00:1",
    "translated": "64:ff9b::7f00:1",
    "translated locally": "64:ff9b:1::7f00:1",
    "6to4": "2002:7f00:1::",
    "Teredo": "2001:0:7f00:1::",
    "documentation 6": "2001:db8::1",
    "new documentation 6": "3fff::1",
    "unique local": "fd00::1",
    "link-local 6": "fe80::1",
    "link-local 6 with its zone": "fe80::1%eth0",
    "site-local": "fec0::1",
    "multicast 6": "ff02::1",
    "global multicast 6": "ff0e::1",
}


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses(text: str) -> None:
    assert addresses.is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", NOT_PUBLIC.values(), ids=NOT_PUBLIC)
def test_addresses_that_are_not_public(text: str) -> None:
    assert not addresses.is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_address_in_disguise_is_not_public(ip: ipaddress.IPv4Address) -> None:
    for prefix in ("::ffff:0:0", "::", "64:ff9b::"):
        disguised = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(ip))
        assert not addresses.is_public(disguised)
        assert not addresses.is_within(disguised, [ipaddress.ip_network("0.0.0.0/0")])


@pytest.mark.parametrize("text", NOT_PUBLIC.values(), ids=NOT_PUBLIC)
def test_an_endpoint_at_such_an_address_is_not_asked(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody_connects(monkeypatch)
    named_addresses(monkeypatch, "archive.example.org", [text])
    found = archive(Endpoint("https://archive.example.org/"), archive_request())
    assert found.reason == "address_refused"
    ip = ipaddress.ip_address(text)
    assert found.status == f"FAILED: address_refused: The address {ip} may not be asked by https."
    assert len(found.attempts) == 1


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:7f00:1]",
     "localhost", "0"],
)  # fmt: skip
def test_spellings_of_this_host(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_connects(monkeypatch)
    found = archive(Endpoint(f"https://{host}/"), archive_request())
    # Not every resolver reads the odd ones; none may be asked.
    assert found.reason in ("address_refused", "no_connection")


def test_a_network_must_be_named(external: ExternalServer) -> None:
    assert archive(archive_at(external, allowed_networks=()), archive_request()).reason == (
        "address_refused"
    )
    others = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::/0"))
    assert archive(archive_at(external, allowed_networks=others), archive_request()).reason == (
        "address_refused"
    )
    assert external.seen == []
    only = (ipaddress.ip_network("127.0.0.1/32"),)
    assert archive(archive_at(external, allowed_networks=only), archive_request()).is_ok


def test_http_is_for_this_host_only(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_connects(monkeypatch)
    named = (ipaddress.ip_network("10.0.0.0/8"),)
    for host in ("10.0.0.1", "8.8.8.8"):
        endpoint = Endpoint(f"http://{host}/", allowed_networks=named)
        assert archive(endpoint, archive_request()).reason == "address_refused"


def test_one_address_that_may_not_be_asked_is_enough(
    external: ExternalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    named_addresses(monkeypatch, "archive.test", ["127.0.0.1", "10.0.0.1"])
    endpoint = archive_at(external)
    found = archive(renamed(endpoint, "archive.test"), archive_request())
    assert found.reason == "address_refused"
    assert external.seen == []


def test_a_name_is_looked_up_once(
    external: ExternalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever owns the name answers with another address the second time."""
    asked = named_addresses(monkeypatch, "archive.test", ["127.0.0.1"], ["127.0.0.2"])
    assert archive(renamed(archive_at(external), "archive.test"), archive_request()).is_ok
    assert asked.count("archive.test") == 1


def test_the_address_that_was_looked_at_is_connected_to(
    external: ExternalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a public address, then this host: neither within an attempt nor with the next one."""
    pauses_instead(monkeypatch)
    named_addresses(monkeypatch, "archive.test", ["8.8.8.8"], ["127.0.0.1"])
    reached = nobody_connects(monkeypatch)
    found = archive(Endpoint(f"https://archive.test:{external.port}/archive"), archive_request())
    assert reached == [("8.8.8.8", external.port)]
    assert [each.outcome.split(": ")[1] for each in found.attempts] == [
        "no_connection",
        "address_refused",
    ]
    assert external.seen == []


def test_a_redirect_is_not_followed(external: ExternalServer, other: ExternalServer) -> None:
    external.inject(Kind.REDIRECT, location=other.archive_url)
    found = archive(archive_at(external), archive_request())
    assert found.status == "FAILED: redirect: The answer was 307; redirects are not followed."
    assert (len(external.seen), other.seen) == (1, [])


def test_proxies_of_the_environment_are_not_used(
    external: ExternalServer, other: ExternalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, other.url)
    assert archive(archive_at(external), archive_request()).is_ok
    assert other.seen == []


def test_an_address_at_which_nobody_listens_is_passed_over(
    external: ExternalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    named_addresses(monkeypatch, "archive.test", ["127.0.0.2", "127.0.0.1"])
    found = archive(renamed(archive_at(external), "archive.test"), archive_request())
    assert (found.status, len(found.attempts)) == ("OK", 1)


def test_a_resolver_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses_instead(monkeypatch)
    silence = threading.Event()

    def resolved(*_: Any, **__: Any) -> list[Any]:
        silence.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    endpoint = Endpoint("https://archive.example.org/", timeout_seconds=0.5)
    found = archive(endpoint, archive_request())
    silence.set()
    assert found.reason == "no_connection"


def renamed(endpoint: Endpoint, name: str) -> Endpoint:
    url = endpoint.url.replace("127.0.0.1", name)
    return Endpoint(url, endpoint.token, endpoint.timeout_seconds, LOOPBACK)


def nobody_connects(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Nothing of a test leaves this host: the addresses that would have been connected to."""
    reached: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        reached.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return reached
