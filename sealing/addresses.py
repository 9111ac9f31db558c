"""Which addresses a name has, and which of them may be asked."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_GLOBAL_UNICAST_6 = ipaddress.ip_network("2000::/3")
# Global by the registry, yet a tunnel or a special service: behind such an address there may be
# any other. Nor does every version of `ipaddress` know that 3fff::/20 is for documentation.
_SPECIAL: tuple[Network, ...] = (
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("2001::/23"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("3fff::/20"),
)


class Address(NamedTuple):
    """An address that a name has, as a socket takes it."""

    ip: IPAddress
    family: socket.AddressFamily
    socket_address: Any


def is_public(ip: IPAddress) -> bool:
    """Whether an address is one of the open Internet, as IANA's registries have it.

    Private, loopback, link-local, shared (RFC 6598), multicast, unspecified, reserved and
    documentation addresses are not, nor are IPv6 addresses that stand for IPv4 ones (mapped,
    compatible, NAT64, 6to4, Teredo): what they lead to is decided elsewhere.
    """
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_UNICAST_6:
        return False
    if any(ip in network for network in _SPECIAL):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def is_within(ip: IPAddress, networks: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks; an IPv4 address is in no IPv6 one."""
    return any(ip in network for network in networks)


def resolve(host: str, port: int, seconds: float) -> list[Address]:
    """The addresses of a name, each once, in the order in which they should be tried.

    Raises:
        OSError: it has none. TimeoutError: the resolver, which knows no limit, took longer.
    """
    # A name server that says nothing would hold up whoever asks for as long as it likes.
    answers: list[list[Any] | OSError | UnicodeError] = []

    def ask() -> None:
        try:
            answers.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.append(error)

    asking = threading.Thread(target=ask, daemon=True, name="resolve")
    asking.start()
    asking.join(seconds)
    if not answers:
        raise TimeoutError("its name was not resolved in time")
    found = answers[0]
    if isinstance(found, UnicodeError):
        raise OSError("its name can't be looked up") from found
    if isinstance(found, OSError):
        raise found
    return list(dict.fromkeys(_address(family, to) for family, _, _, _, to in found))


def _address(family: socket.AddressFamily, socket_address: Any) -> Address:
    return Address(ipaddress.ip_address(str(socket_address[0])), family, socket_address)
