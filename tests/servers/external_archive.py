"""An archive that keeps packages in a folder: never overwritten, and the same answer to a repeat.

This is an example. The read-only bit below stands where a real archive has its lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BufferedIOBase
from pathlib import Path
from typing import Any

PROVIDER = "reference-archive"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}\Z", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z", re.ASCII)
_DAYS = {"hipaa_6y": 2192, "regulatory_7y": 2557}
_CUSTOM = re.compile(r"custom_[a-z0-9]+_([1-9][0-9]{0,4})d\Z", re.ASCII)
_MAX_LINE, _MAX_JSON, _BLOCK = 4096, 1 << 16, 1 << 18


class Refused(Exception):
    """The request is answered with ``status`` and nothing is kept."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class Incoming:
    """The body of a request, of which no more is read than was announced."""

    def __init__(self, file: BufferedIOBase, size: int) -> None:
        self._file, self.rest = file, size

    def line(self) -> bytes:
        """The next line, with its end."""
        return self._counted(self._file.readline(min(self.rest, _MAX_LINE)))

    def block(self, size: int) -> bytes:
        """The next bytes, ``size`` of them unless the sender hung up."""
        return self._counted(self._file.read(min(self.rest, size)))

    def _counted(self, data: bytes) -> bytes:
        if not data and self.rest:
            raise Refused(400, "the request broke off")
        self.rest -= len(data)
        return data


class Archive:
    """Packages by their bundle's id, each with the receipt that was given for it.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, key: str, content_type: str, incoming: Incoming) -> dict[str, Any]:
        """Keeps what was sent, and gives the receipt for it.

        Args:
            key: of the request (`Idempotency-Key`); empty if it has none.
        """
        if content_type == "application/json":
            request, upload = _request(incoming.block(_MAX_JSON)), None
        else:
            request, tail = _form(content_type, incoming)
            upload = _file(incoming, tail)
        place = self.folder / request["bundle_id"]
        if place.is_dir():
            return _repeated(place, key, request)
        scratch = self.folder / f".{uuid.uuid4().hex}"
        scratch.mkdir()
        try:
            if upload is not None:
                _store(scratch / request["package_name"], upload, request)
            receipt = _receipt(request)
            record = {"key": key, "request": request, "receipt": receipt}
            (scratch / ".receipt.json").write_text(json.dumps(record, indent=1))
            # Never replaces a folder that has something in it.
            os.rename(scratch, place)
        except OSError as error:
            if place.is_dir():
                return _repeated(place, key, request)
            raise Refused(507, "there is no room") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return receipt


def _receipt(request: dict[str, Any]) -> dict[str, Any]:
    # Counted from now and not from when the package was made, and a day more: clocks differ.
    lock_until = datetime.now(UTC) + timedelta(days=_days(request["retention_policy"]) + 1)
    return {
        "provider": PROVIDER,
        "archive_id": f"{PROVIDER}/{uuid.uuid4()}",
        "object_key": f"{request['bundle_id']}/{request['package_name']}",
        "lock_until": lock_until.isoformat(),
        "request_id": str(uuid.uuid4()),
        "package_sha256": request["package_sha256"],
    }


def _days(policy: str) -> int:
    if match := _CUSTOM.match(policy):
        return int(match[1])
    if policy not in _DAYS:
        raise Refused(422, "the retention policy is not known")
    return _DAYS[policy]


def _repeated(place: Path, key: str, request: dict[str, Any]) -> dict[str, Any]:
    """The receipt that was given before; nothing is kept a second time, or replaced."""
    record = json.loads((place / ".receipt.json").read_text())
    if key and record["key"] == key and record["request"] == request:
        receipt: dict[str, Any] = record["receipt"]
        return receipt
    raise Refused(409, "there is a package of this id")


def _request(data: bytes) -> dict[str, Any]:
    try:
        request = json.loads(data)
    except ValueError as error:
        raise Refused(400, "the request is not JSON") from error
    if not isinstance(request, dict):
        raise Refused(400, "the request is not an object")
    texts = {"bundle_id": _NAME, "package_name": _NAME, "package_sha256": _DIGEST}
    for name, pattern in texts.items():
        if not isinstance(request.get(name), str) or not pattern.match(request[name]):
            raise Refused(422, f"{name} is not of its form")
    size = request.get("package_size_bytes")
    if type(size) is not int or size < 0 or not isinstance(request.get("retention_policy"), str):
        raise Refused(422, "package_size_bytes or retention_policy is not of its form")
    return request


def _form(content_type: str, incoming: Incoming) -> tuple[dict[str, Any], bytes]:
    """The part `request`, and what ends the form; the file `package` comes next."""
    match = re.match(r"multipart/form-data; boundary=([A-Za-z0-9_-]{1,70})\Z", content_type)
    if match is None:
        raise Refused(415, "application/json or multipart/form-data is needed")
    start = b"--" + match[1].encode()
    if incoming.line() != start + b"\r\n":
        raise Refused(400, "the form does not begin with its boundary")
    _part(incoming, "request")
    data = b""
    while (line := incoming.line()) != start + b"\r\n":
        data += line
        if len(data) > _MAX_JSON:
            raise Refused(413, "the part request is too large")
    _part(incoming, "package")
    return _request(data), b"\r\n" + start + b"--\r\n"


def _part(incoming: Incoming, name: str) -> None:
    head = b""
    while (line := incoming.line()) != b"\r\n":
        head += line
        if len(head) > _MAX_LINE:
            raise Refused(400, "a part's head is too long")
    if f'name="{name}"'.encode() not in head:
        raise Refused(400, f"the part {name} is missing")


def _file(incoming: Incoming, tail: bytes) -> Iterator[bytes]:
    """The file, which fills the form up to what ends it."""
    while incoming.rest > len(tail):
        yield incoming.block(min(_BLOCK, incoming.rest - len(tail)))
    if incoming.block(len(tail)) != tail:
        raise Refused(400, "the form does not end with its boundary")


def _store(path: Path, blocks: Iterator[bytes], request: dict[str, Any]) -> None:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for block in blocks:
            digest.update(block)
            file.write(block)
        size = file.tell()
        os.fsync(file.fileno())
    if size != request["package_size_bytes"]:
        raise Refused(422, "the package has another size")
    if f"sha256:{digest.hexdigest()}" != request["package_sha256"]:
        raise Refused(422, "the package has another digest")
    path.chmod(0o444)
