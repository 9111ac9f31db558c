"""A key service that wraps digests and data keys: AES-256-GCM under keys that have versions."""

from __future__ import annotations

import base64
import json
import os
import re
import uuid
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.servers.external_archive import Refused

PROVIDER = "reference-keys"
ALGORITHM = "AES-256-GCM"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z", re.ASCII)
_NONCE_BYTES, _KEY_BYTES = 12, 32


class KeyService:
    """Wraps and unwraps. What was wrapped under an older version is still unwrapped.

    Args:
        folder: where the versions are kept.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        if not self.version:
            self.rotate()

    @property
    def version(self) -> str:
        """The newest version; empty before there is one."""
        found = sorted(self._folder.glob("v*.key"))
        return found[-1].stem if found else ""

    def rotate(self) -> None:
        """Makes another version, under which is wrapped from now on."""
        number = int(self.version[1:] or 0) + 1 if self.version else 1
        path = self._folder / f"v{number:04}.key"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))

    def wrap(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request to wrap a digest, and a data key where there is one."""
        digest = request.get("digest")
        if not isinstance(digest, str) or not _DIGEST.match(digest):
            raise Refused(422, "digest is not of its form")
        version, key_id = self.version, request.get("kms_key_id")
        answer = {
            "wrapped_digest": self._sealed(version, key_id, "digest", bytes.fromhex(digest[7:])),
            "algorithm": ALGORITHM,
            "provider": PROVIDER,
            "key_version": version,
            "request_id": str(uuid.uuid4()),
        }
        if "data_key" in request:
            data_key = _decoded(request["data_key"], "data_key")
            if len(data_key) != _KEY_BYTES:
                raise Refused(422, "data_key does not have 32 bytes")
            answer["wrapped_key"] = self._sealed(version, key_id, "data_key", data_key)
        return answer

    def unwrap(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request to unwrap one or the other."""
        version, key_id = request.get("key_version"), request.get("kms_key_id")
        if "wrapped_key" in request:
            data_key = self._opened(version, key_id, "data_key", request["wrapped_key"])
            return {"data_key": base64.b64encode(data_key).decode()}
        digest = self._opened(version, key_id, "digest", request.get("wrapped_digest"))
        return {"digest": f"sha256:{digest.hex()}"}

    def _sealed(self, version: str, key_id: Any, kind: str, value: bytes) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        box = nonce + AESGCM(self._key(version)).encrypt(nonce, value, _context(key_id, kind))
        return base64.b64encode(box).decode()

    def _opened(self, version: Any, key_id: Any, kind: str, text: Any) -> bytes:
        box = _decoded(text, f"wrapped {kind}")
        nonce, ciphertext = box[:_NONCE_BYTES], box[_NONCE_BYTES:]
        try:
            return AESGCM(self._key(version)).decrypt(nonce, ciphertext, _context(key_id, kind))
        except (InvalidTag, ValueError) as error:
            raise Refused(422, "this was not wrapped here, or under another key") from error

    def _key(self, version: Any) -> bytes:
        if not isinstance(version, str) or not re.fullmatch(r"v\d{4}", version, re.ASCII):
            raise Refused(422, "key_version is not known")
        try:
            secret = (self._folder / f"{version}.key").read_bytes()
        except FileNotFoundError as error:
            raise Refused(422, "key_version is not known") from error
        return HKDF(hashes.SHA256(), _KEY_BYTES, None, b"reference-keys/v1").derive(secret)


def _context(key_id: Any, kind: str) -> bytes:
    """What a wrapped value is bound to: its kind, and the key that was asked for."""
    return json.dumps({"kms_key_id": key_id, "kind": kind}, sort_keys=True).encode()


def _decoded(text: Any, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise Refused(422, f"{name} is not base64") from error
