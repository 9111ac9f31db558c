"""Requests to services outside: where configuration says, with limits, following nothing."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from urllib.parse import urlsplit

from sealing.errors import Invalid, Unavailable

TIMEOUT_SECONDS = 10.0
MAX_BYTES = 1 << 20
_BLOCK = 1 << 14


class AddressRefused(Invalid):
    """The address is not one that may be asked."""

    code = "address_refused"


class NoAnswer(Unavailable):
    """There was no usable answer; later there may be one."""

    code = "no_answer"


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
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise AddressRefused("An https address without a user name is needed.")
    deadline = time.monotonic() + timeout_seconds
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": content_type, "Accept": accept, "Connection": "close"}
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = _resolved(parts.hostname, port, loopback_only=parts.scheme == "http")
        connection = _Pinned(parts.hostname, port, addresses, parts.scheme == "https", deadline)
        try:
            connection.request("POST", target, body, headers)
            connection.sock.settimeout(_rest(deadline))
            answer = connection.getresponse()
            if answer.status != 200:
                raise NoAnswer(f"{parts.hostname} answered {answer.status}.")
            given = answer.headers.get_content_type()
            if given != accept:
                raise NoAnswer(f"{parts.hostname} answered with {given[:80]}, not {accept}.")
            return _read(answer, connection, deadline, max_bytes)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(f"{parts.hostname} gave no answer: {_reason(error)}.") from error


class _Pinned(http.client.HTTPConnection):
    """A connection to addresses that were looked at before, whatever the name says by now."""

    def __init__(
        self, host: str, port: int, addresses: list[str], is_https: bool, deadline: float
    ) -> None:
        super().__init__(host, port)
        self._addresses, self._is_https, self._deadline = addresses, is_https, deadline

    def connect(self) -> None:
        """See `http.client.HTTPConnection.connect`."""
        sock = self._reached()
        if self._is_https:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            sock.settimeout(_rest(self._deadline))
            try:
                sock = context.wrap_socket(sock, server_hostname=self.host)
            except BaseException:
                sock.close()
                raise
        self.sock = sock

    def _reached(self) -> socket.socket:
        *others, last = self._addresses
        for address in others:
            try:
                return socket.create_connection((address, self.port), _rest(self._deadline))
            except ConnectionRefusedError:
                continue  # a name may have an address at which nobody listens
        return socket.create_connection((last, self.port), _rest(self._deadline))


def _resolved(host: str, port: int, *, loopback_only: bool) -> list[str]:
    """The addresses of a name. Raises AddressRefused if they must be this host's and are not."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    is_here = all(ipaddress.ip_address(item.partition("%")[0]).is_loopback for item in addresses)
    if loopback_only and not is_here:
        raise AddressRefused("http is for this host itself; anything else needs https.")
    return addresses


def _read(
    answer: http.client.HTTPResponse, connection: _Pinned, deadline: float, max_bytes: int
) -> bytes:
    """The body, read in blocks so that a slow drip can't outlast the deadline."""
    data = b""
    while True:
        # Without "keep-alive" the answer owns the socket by now and the connection has none.
        if connection.sock is not None:
            connection.sock.settimeout(_rest(deadline))
        _rest(deadline)
        block = answer.read1(_BLOCK)
        if not block:
            return data
        data += block
        if len(data) > max_bytes:
            raise NoAnswer(f"The answer is larger than {max_bytes} bytes.")


def _rest(deadline: float) -> float:
    rest = deadline - time.monotonic()
    if rest <= 0:
        raise TimeoutError("it took too long")
    return rest


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
