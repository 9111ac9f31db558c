"""The bodies of requests to external endpoints: JSON, or JSON with a package beside it."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from sealing import canonical
from sealing.digests import tag
from sealing.errors import IntegrityFailure, NotFound
from sealing.external_forms import ArchiveRequest
from sealing.wire import Stopped

# How slowly a package may leave before that counts as standing still.
UPLOAD_BYTES_PER_SECOND = 1 << 20
_BLOCK = 1 << 18


class PackageDiffers(IntegrityFailure):
    """The package is not the one that the request tells of."""

    code = "package_differs"


class Body(Protocol):
    """What is sent, as often as it has to be.

    Attributes:
        sending_seconds: for how long the sending may take, beside the limit of the exchange.
    """

    content_type: str
    size_bytes: int
    sending_seconds: float

    def blocks(self) -> Iterator[bytes]:
        """The bytes, from the beginning."""
        ...


class JSONBody:
    """A JSON object and nothing else; see `Body`."""

    content_type = "application/json"
    sending_seconds = 0.0

    def __init__(self, document: dict[str, Any]) -> None:
        self._data = canonical.dumps(document)
        self.size_bytes = len(self._data)

    def blocks(self) -> Iterator[bytes]:
        """See `Body.blocks`."""
        yield self._data


class PackageBody:
    """A form (RFC 7578) of two parts, `request` in JSON and the file `package`; see `Body`.

    The digest of what is sent is taken on the way. The last line of the form is kept back unless
    it is the right one: without it, and with fewer bytes than announced, there is no request.
    """

    def __init__(self, request: ArchiveRequest, descriptor: int) -> None:
        self._descriptor, self._request = descriptor, request
        boundary = secrets.token_hex(24)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="request"\r\n'
            "Content-Type: application/json\r\n\r\n"
        ).encode("ascii")
        self._head += canonical.dumps(request.document())
        self._head += (
            f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="package"; '
            f'filename="{request.package_name}"\r\nContent-Type: application/zip\r\n\r\n'
        ).encode("ascii")
        self._tail = f"\r\n--{boundary}--\r\n".encode("ascii")
        self.size_bytes = len(self._head) + request.package_size_bytes + len(self._tail)
        self.sending_seconds = self.size_bytes / UPLOAD_BYTES_PER_SECOND

    def blocks(self) -> Iterator[bytes]:
        """See `Body.blocks`. Raises Stopped if the package is not the one that was meant."""
        yield self._head
        digest, at = hashlib.sha256(), 0
        while at < self._request.package_size_bytes:
            wanted = min(_BLOCK, self._request.package_size_bytes - at)
            try:
                block = os.pread(self._descriptor, wanted, at)
            except OSError as error:
                raise Stopped("package_unreadable", "the package can't be read") from error
            if not block:
                break
            digest.update(block)
            at += len(block)
            yield block
        if tag(digest.digest()) != self._request.package_sha256:
            raise Stopped("package_differs", "the package changed on its way out")
        yield self._tail


@contextmanager
def package_body(request: ArchiveRequest, package: Path) -> Iterator[PackageBody]:
    """The body of an upload, with the file open for the length of the block.

    Raises:
        NotFound: there is no such regular file. PackageDiffers: it has another size.
    """
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(package, flags)
    except OSError as error:
        raise NotFound(f"{package.name} can't be read.") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotFound(f"{package.name} is not a file.")
        if status.st_size != request.package_size_bytes:
            raise PackageDiffers(
                f"{package.name} has {status.st_size} bytes, not {request.package_size_bytes}."
            )
        yield PackageBody(request, descriptor)
    finally:
        os.close(descriptor)
