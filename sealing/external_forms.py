"""What is sent to external archives and key services, and what they must answer.

The requests and receipts are those of docs/formats.md §5. A receipt is read strictly; members that
are not named there are tolerated, since the whole answer is kept beside it.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sealing.digests import DigestRefused, b64, unb64, untag
from sealing.errors import Invalid
from sealing.times import TimeRefused, format_time, parse_rfc3339

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}\Z", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Nanoseconds, as some languages write them; six digits are what a time has here.
_LONG_FRACTION = re.compile(r"(\.\d{6})\d{1,12}(?=[Zz+\-])", re.ASCII)
MAX_WRAPPED_BYTES = 4096
DATA_KEY_BYTES = 32


class RequestRefused(Invalid):
    """The request can't be sent to an external endpoint."""

    code = "external_request_invalid"


class ReceiptRefused(Invalid):
    """The answer is no receipt for what was asked; ``code`` is the reason of the failure."""

    code = "malformed"


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """A package for an external archive.

    Attributes:
        package_sha256: `sha256:` and hex.
        lock_at_least: until when the archive must lock it; None if any future time will do. It is
            not sent.
    """

    bundle_id: str
    package_sha256: str
    package_size_bytes: int
    package_name: str
    retention_policy: str
    kms_key_id: str | None = None
    lock_at_least: datetime | None = None

    def __post_init__(self) -> None:
        _check_id("bundle_id", self.bundle_id)
        _check_id("package_name", self.package_name)
        _check_digest("package_sha256", self.package_sha256)

    def document(self) -> dict[str, Any]:
        """What is sent."""
        return {
            "bundle_id": self.bundle_id,
            "package_sha256": self.package_sha256,
            "package_size_bytes": self.package_size_bytes,
            "package_name": self.package_name,
            "retention_policy": self.retention_policy,
            "kms_key_id": self.kms_key_id,
        }


@dataclass(frozen=True, slots=True)
class ArchiveReceipt:
    """What an external archive vouches for."""

    provider: str
    archive_id: str
    object_key: str
    lock_until: datetime
    request_id: str
    package_sha256: str

    def document(self) -> dict[str, Any]:
        """The receipt as JSON."""
        return asdict(self) | {"lock_until": format_time(self.lock_until)}

    @classmethod
    def of(cls, answer: Any, request: ArchiveRequest, now: datetime) -> ArchiveReceipt:
        """Reads a receipt. Raises ReceiptRefused unless it is one for ``request``."""
        members = _object(answer)
        receipt = cls(
            provider=_text(members, "provider", 128),
            archive_id=_text(members, "archive_id", 1024),
            object_key=_text(members, "object_key", 1024),
            lock_until=_time(members, "lock_until"),
            request_id=_text(members, "request_id", 256),
            package_sha256=_text(members, "package_sha256", 71),
        )
        if receipt.package_sha256 != request.package_sha256:
            raise ReceiptRefused("The receipt is for another digest.", code="digest_differs")
        if receipt.lock_until <= now:
            raise ReceiptRefused("lock_until is in the past.", code="lock_too_short")
        if request.lock_at_least is not None and receipt.lock_until < request.lock_at_least:
            raise ReceiptRefused(
                f"lock_until is before {format_time(request.lock_at_least)}.",
                code="lock_too_short",
            )
        return receipt


@dataclass(frozen=True, slots=True)
class WrapRequest:
    """A digest for an external key service, and with it the key of an encrypted copy, if any.

    Attributes:
        digest: `sha256:` and hex.
        data_key: 32 bytes to be wrapped as well; an extension that not every service knows.
    """

    bundle_id: str
    digest: str
    kms_key_id: str | None
    retention_policy: str
    data_key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_id("bundle_id", self.bundle_id)
        _check_digest("digest", self.digest)
        if self.data_key is not None and len(self.data_key) != DATA_KEY_BYTES:
            raise RequestRefused("A data key has 32 bytes.", field="data_key")

    def document(self) -> dict[str, Any]:
        """What is sent."""
        sent: dict[str, Any] = {
            "bundle_id": self.bundle_id,
            "digest": self.digest,
            "kms_key_id": self.kms_key_id,
            "retention_policy": self.retention_policy,
        }
        if self.data_key is not None:
            sent["data_key"] = b64(self.data_key)
        return sent


@dataclass(frozen=True, slots=True)
class WrapReceipt:
    """What an external key service made of a digest.

    Attributes:
        wrapped_key: the wrapped data key, where one was sent; else None.
    """

    wrapped_digest: str
    algorithm: str
    provider: str
    key_version: str
    request_id: str
    wrapped_key: str | None = None

    def document(self) -> dict[str, Any]:
        """The receipt as JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def of(cls, answer: Any, request: WrapRequest) -> WrapReceipt:
        """Reads a receipt. Raises ReceiptRefused unless it can be one for ``request``."""
        members = _object(answer)
        receipt = cls(
            wrapped_digest=_text(members, "wrapped_digest", MAX_WRAPPED_BYTES),
            algorithm=_text(members, "algorithm", 128),
            provider=_text(members, "provider", 128),
            key_version=_text(members, "key_version", 256),
            request_id=_text(members, "request_id", 256),
            wrapped_key=(
                None
                if request.data_key is None
                else _text(members, "wrapped_key", MAX_WRAPPED_BYTES)
            ),
        )
        if "digest" in members and members["digest"] != request.digest:
            raise ReceiptRefused("The receipt is for another digest.", code="digest_differs")
        if _is_same(receipt.wrapped_digest, untag(request.digest), request.digest):
            raise ReceiptRefused("wrapped_digest is the digest itself.", code="not_wrapped")
        if request.data_key is not None and _is_same(receipt.wrapped_key or "", request.data_key):
            raise ReceiptRefused("wrapped_key is the key itself.", code="not_wrapped")
        return receipt


@dataclass(frozen=True, slots=True)
class UnwrapRequest:
    """Something wrapped, to be had back: exactly one of ``wrapped_digest`` and ``wrapped_key``.

    Attributes:
        expected: what must come back: the 32 bytes of the digest or data key; None if unknown.
    """

    kms_key_id: str | None
    key_version: str
    wrapped_digest: str | None = None
    wrapped_key: str | None = None
    expected: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.wrapped_digest is None) == (self.wrapped_key is None):
            raise RequestRefused("Either a wrapped digest or a wrapped key is needed.")

    def document(self) -> dict[str, Any]:
        """What is sent."""
        name = "wrapped_key" if self.wrapped_digest is None else "wrapped_digest"
        return {
            name: self.wrapped_digest if self.wrapped_key is None else self.wrapped_key,
            "kms_key_id": self.kms_key_id,
            "key_version": self.key_version,
        }


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """What came back: 32 bytes, of a digest or of a data key. Never kept, never printed."""

    value: bytes = field(repr=False)

    def document(self) -> dict[str, Any]:
        """What may be kept of it: nothing."""
        return {}

    @classmethod
    def of(cls, answer: Any, request: UnwrapRequest) -> Unwrapped:
        """Reads an answer. Raises ReceiptRefused unless it is what was wrapped."""
        members = _object(answer)
        try:
            if request.wrapped_key is None:
                value = untag(_text(members, "digest", 71))
            else:
                value = unb64(_text(members, "data_key", 64))
        except DigestRefused as error:
            raise ReceiptRefused("What came back is not of the form that was wrapped.") from error
        if len(value) != DATA_KEY_BYTES:
            raise ReceiptRefused("What came back does not have 32 bytes.")
        if request.expected is not None and value != request.expected:
            raise ReceiptRefused("What came back is not what was wrapped.", code="digest_differs")
        return cls(value)


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise ReceiptRefused("The answer is not a JSON object.")
    return answer


def _text(members: dict[str, Any], name: str, max_bytes: int) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise ReceiptRefused(f"{name} is not text.", field=name)
    if not value.strip() or len(value.encode("utf-8")) > max_bytes or _CONTROLS.search(value):
        raise ReceiptRefused(
            f"{name} is empty, longer than {max_bytes} bytes, or has control characters.",
            field=name,
        )
    return value


def _time(members: dict[str, Any], name: str) -> datetime:
    text = _LONG_FRACTION.sub(r"\1", _text(members, name, 64))
    try:
        # A space for a plus sign is for query strings only.
        return parse_rfc3339("" if " " in text else text)
    except TimeRefused as error:
        raise ReceiptRefused(f"{name} is not a time with an offset.", field=name) from error


def _is_same(text: str, value: bytes, spelling: str = "") -> bool:
    """Whether ``text`` is ``value`` in a spelling that hides nothing."""
    plain = {value.hex(), b64(value).rstrip("="), b64(value.hex().encode()).rstrip("=")}
    if spelling:
        plain |= {spelling.lower(), b64(spelling.encode()).rstrip("=")}
    given = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    return given in plain or text.strip().lower() in plain


def _check_id(name: str, value: str) -> None:
    if not isinstance(value, str) or not _ID.match(value):
        raise RequestRefused(f"{name} has other characters than letters, digits, _ . -", field=name)


def _check_digest(name: str, value: str) -> None:
    try:
        untag(value)
    except DigestRefused as error:
        raise RequestRefused(error.message, field=name) from error
