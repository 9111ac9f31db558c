"""A connection of which no step outlasts the exchange that it is for."""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sealing.addresses import Address

MAX_HEAD_BYTES = 1 << 16
_SEND_BYTES = 1 << 16


class Stopped(Exception):
    """An exchange ended before its time.

    Args:
        reason: a stable word.
        words: for people, without a full stop; never what the other side said.
    """

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason, self.words = reason, words


class Clock:
    """The time that an exchange has left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds left; below 0 when they are over."""
        return self._end - time.monotonic()

    def rest(self) -> float:
        """The seconds left. Raises TimeoutError when there are none."""
        rest = self.left()
        if rest <= 0:
            raise TimeoutError("it took too long")
        return rest

    @contextmanager
    def standing(self, seconds: float) -> Iterator[None]:
        """Lets the clock stand within the block, for ``seconds`` at most."""
        start = time.monotonic()
        self._end += seconds
        try:
            yield
        finally:
            self._end -= max(0.0, seconds - (time.monotonic() - start))


class Line:
    """A connection to one of the addresses that were looked at before, whatever a name says now.

    Attributes:
        head_only: while set, no more than `MAX_HEAD_BYTES` are taken in.
    """

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._sock, self._clock = sock, clock
        self._received = 0
        self.head_only = True

    def send(self, blocks: Iterable[bytes]) -> bool:
        """Sends a request; False if the other side hung up before it had all of it."""
        with explained("cut", "the connection broke off"):
            for block in blocks:
                for start in range(0, len(block), _SEND_BYTES):
                    self._sock.settimeout(self._clock.rest())
                    try:
                        self._sock.sendall(block[start : start + _SEND_BYTES])
                    except ConnectionError:
                        # Perhaps it has answered already, and says why.
                        return False
        return True

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `http.client.HTTPResponse` reads from."""
        return io.BufferedReader(_Incoming(self), 1 << 14)

    def receive_into(self, buffer: Any) -> int:
        """Receives what there is, waiting no longer than the clock says."""
        self._sock.settimeout(self._clock.rest())
        count = self._sock.recv_into(buffer)
        self._received += count
        if self.head_only and self._received > MAX_HEAD_BYTES:
            raise Stopped(
                "too_large", f"the head of the answer is larger than {MAX_HEAD_BYTES} bytes"
            )
        return count

    def close(self) -> None:
        """Hangs up."""
        self._sock.close()


class _Incoming(io.RawIOBase):
    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def readable(self) -> bool:
        """See `io.IOBase.readable`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase.readinto`."""
        return self._line.receive_into(buffer)


def connect(
    host: str, addresses: list[Address], clock: Clock, context: ssl.SSLContext | None
) -> Line:
    """Connects to the first address that answers, with TLS if there is a ``context``.

    Raises:
        Stopped: `no_connection`, `tls`, `timeout` or `cut`.
    """
    sock = _reached(addresses, clock)
    if context is None:
        return Line(sock, clock)
    try:
        with explained("cut", "the connection broke off"):
            sock.settimeout(clock.rest())
            return Line(context.wrap_socket(sock, server_hostname=host), clock)
    except Stopped:
        sock.close()
        raise


@contextmanager
def explained(reason: str, words: str) -> Iterator[None]:
    """Makes what goes wrong within the block a Stopped, for ``reason`` if for no better one."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        said = f"its certificate is not trusted ({error.verify_message})"
        raise Stopped("tls", said) from error
    except TimeoutError as error:
        raise Stopped("timeout", "it took too long") from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise Stopped(reason, words) from error
    except ssl.SSLError as error:
        said = f"no TLS connection ({error.reason or 'unknown'})"
        raise Stopped("tls", said) from error
    except OSError as error:
        said = f"{words} ({error.strerror})" if error.strerror else words
        raise Stopped(reason, said) from error


def _reached(addresses: list[Address], clock: Clock) -> socket.socket:
    failure: OSError = OSError("it has no address")
    for number, address in enumerate(addresses):
        try:
            # Each gets its share, so that a silent one leaves time for the next.
            share = clock.rest() / (len(addresses) - number)
            return _connected(address, share)
        except OSError as error:
            failure = error  # a name may have an address at which nobody listens
    said = "no connection in time" if isinstance(failure, TimeoutError) else None
    words = said or failure.strerror or str(failure)
    raise Stopped("no_connection", words) from failure


def _connected(address: Address, seconds: float) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect(address.socket_address)
        # Head and body may be two packets: the second must not wait for an acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        sock.close()
        raise
    return sock
