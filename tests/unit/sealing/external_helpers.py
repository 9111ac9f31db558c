"""What the tests of external endpoints share: a request, and endpoints of a server of this host."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sealing import external_asking
from sealing.digests import sha256_file, sha256_tag, untag
from sealing.external import ArchiveRequest, Endpoint, UnwrapRequest, WrapRequest
from sealing.external_forms import ArchiveReceipt, Unwrapped, WrapReceipt
from tests.servers.external import ExternalServer

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
DATA_KEY = bytes(range(32))
DIGEST = sha256_tag(b"a package")
NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
ARCHIVED = {
    "provider": "an archive",
    "archive_id": "a/1",
    "object_key": "evidence_1/evidence_1.zip",
    "lock_until": "2033-01-31T09:00:00Z",
    "request_id": "r-1",
    "package_sha256": DIGEST,
}
WRAPPED = {
    "wrapped_digest": "bm90IHRoZSBkaWdlc3Q=",
    "algorithm": "AES-256-GCM",
    "provider": "a key service",
    "key_version": "3",
    "request_id": "r-1",
}
WITH_KEY = WRAPPED | {"wrapped_key": "bm90IHRoZSBrZXk="}
BY_DIGEST = UnwrapRequest("key-1", "3", wrapped_digest="x", expected=untag(DIGEST))
BY_KEY = UnwrapRequest("key-1", "3", wrapped_key="x", expected=DATA_KEY)


def archive_at(server: ExternalServer, **named: Any) -> Endpoint:
    """The server's archive, with time enough for a slow machine."""
    return at(server, server.archive_url, **named)


def wrap_at(server: ExternalServer, **named: Any) -> Endpoint:
    """The server's key service."""
    return at(server, server.wrap_url, **named)


def at(server: ExternalServer, url: str, **named: Any) -> Endpoint:
    """An endpoint of the server."""
    settings: dict[str, Any] = {
        "token": server.token,
        "timeout_seconds": 30,
        "allowed_networks": LOOPBACK,
        "ca_file": server.ca_file,
    }
    return Endpoint(url, **(settings | named))


def archive_request(bundle_id: str = "evidence_1", **named: Any) -> ArchiveRequest:
    """A request for a package of which nothing but the digest is sent."""
    settings: dict[str, Any] = {
        "package_sha256": DIGEST,
        "package_size_bytes": 9,
        "package_name": f"{bundle_id}.zip",
        "retention_policy": "hipaa_6y",
        "kms_key_id": "key-1",
    }
    return ArchiveRequest(bundle_id, **(settings | named))


def request_for(package: Path, **named: Any) -> ArchiveRequest:
    """A request for a package that is there."""
    digest, size = sha256_file(package)
    return archive_request(package.stem, package_sha256=digest, package_size_bytes=size, **named)


def wrap_request(**named: Any) -> WrapRequest:
    """A request to wrap a digest."""
    return WrapRequest("evidence_1", DIGEST, "key-1", "hipaa_6y", **named)


def pauses_instead(
    monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object] = lambda: None
) -> list[float]:
    """The pauses between attempts, of which none is waited for."""
    found: list[float] = []

    def sleep(seconds: float) -> None:
        found.append(seconds)
        meanwhile()

    monkeypatch.setattr(external_asking, "time", SimpleNamespace(sleep=sleep))
    return found


def named_addresses(monkeypatch: pytest.MonkeyPatch, name: str, *answers: list[str]) -> list[str]:
    """Makes the resolver give a name these addresses, one list after the other, the last for good.

    Returns:
        The names that were asked for.
    """
    lookup = socket.getaddrinfo
    asked: list[str] = []
    left = list(answers)

    def resolved(host: str, port: int, *rest: Any, **named: Any) -> list[Any]:
        asked.append(host)
        if host != name:
            return lookup(host, port, *rest, **named)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    return asked


@contextmanager
def answering(*data: bytes, hold: bool = False) -> Iterator[str]:
    """A server that answers one request with these bytes whatever it is; yields its address.

    Args:
        hold: repeats the last piece until nobody listens any more.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as request:
            try:
                size = 0
                while (line := request.readline().lower()) not in (b"\r\n", b""):
                    size = int(line[15:]) if line.startswith(b"content-length:") else size
                request.read(size)
                for piece in data:
                    connection.sendall(piece)
                while hold:
                    connection.sendall(data[-1])
            except ConnectionError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # or `accept` waits on
        listener.close()
        thread.join(timeout=10)


def archived(answer: Any, **named: Any) -> ArchiveReceipt:
    """Reads a receipt of an archive."""
    return ArchiveReceipt.of(answer, archive_request(**named), NOW)


def wrapped(answer: Any) -> WrapReceipt:
    """Reads a receipt for a wrapped digest."""
    return WrapReceipt.of(answer, wrap_request())


def wrapped_with_key(answer: Any) -> WrapReceipt:
    """Reads a receipt for a wrapped digest and key."""
    return WrapReceipt.of(answer, wrap_request(data_key=DATA_KEY))


def unwrapped_digest(answer: Any) -> Unwrapped:
    """Reads what a digest was unwrapped to."""
    return Unwrapped.of(answer, BY_DIGEST)


def unwrapped_key(answer: Any) -> Unwrapped:
    """Reads what a key was unwrapped to."""
    return Unwrapped.of(answer, BY_KEY)
