"""``<bundle_id>.worm-receipt.json``: what archives answered, and what reading back showed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from evidence.formats.fields import Fields, document, refuse
from evidence.formats.vault_lock import bundle_id_of, lock_mode, whole_second
from sealing.canonical import document as encode
from sealing.stores.base import LockMode
from sealing.times import parse_time

MAX_COPIES: Final = 100
_KEYS: Final = ("bundle_id", "created_at", "package_sha256", "copies")
_COPY_KEYS: Final = (
    "kind", "provider", "archive_id", "object_key", "version_id", "mode", "lock_until",
    "request_id", "package_sha256", "object_sha256", "checked",
)  # fmt: skip
_CHECKED_KEYS: Final = (
    "at", "sha256", "size_bytes", "version_id", "mode", "lock_until", "legal_hold", "replication",
)  # fmt: skip


class CopyKind(StrEnum):
    """What took a copy."""

    EXTERNAL = "external"  # an archive that answers with a receipt
    S3 = "s3"  # a bucket with Object Lock, which we read back ourselves


@dataclass(frozen=True, slots=True)
class Checked:
    """What reading a copy back showed.

    Attributes:
        sha256: of the bytes that were read.
        legal_hold: whether one is on the object.
        replication: the status, where the store has one.
    """

    at: str
    sha256: str
    size_bytes: int
    version_id: str | None
    mode: LockMode | None
    lock_until: str | None
    legal_hold: bool
    replication: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {key: getattr(self, key) for key in _CHECKED_KEYS} | {"mode": _text(self.mode)}


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy outside the local vault, as its keeper confirmed it.

    Attributes:
        provider: who keeps it, in the keeper's words; ``s3`` for a bucket.
        archive_id: the archive's id of the copy; the bucket for S3.
        mode: the lock's; None where the archive does not say.
        lock_until: the end of the lock, as the keeper confirmed it.
        package_sha256: the package that it is a copy of.
        object_sha256: of the object's own bytes: another digest only for the encrypted copy.
        checked: what reading back showed; None where the keeper offers no reading back, so that
            its receipt is all there is.
    """

    kind: CopyKind
    provider: str
    archive_id: str
    object_key: str
    version_id: str | None
    mode: LockMode | None
    lock_until: str
    request_id: str | None
    package_sha256: str
    object_sha256: str
    checked: Checked | None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {key: getattr(self, key) for key in _COPY_KEYS} | {
            "kind": str(self.kind),
            "mode": _text(self.mode),
            "checked": None if self.checked is None else self.checked.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class WormReceipt:
    """The receipt of one package: one copy or more."""

    bundle_id: str
    created_at: str
    package_sha256: str
    copies: tuple[Copy, ...]

    def build(self) -> bytes:
        """The bytes of the file.

        Raises:
            Invalid: When they could not be read back.
        """
        raw = encode(
            {key: getattr(self, key) for key in _KEYS}
            | {"copies": [copy.as_dict() for copy in self.copies]}
        )
        WormReceipt.parse(raw)
        return raw

    @classmethod
    def parse(cls, raw: bytes) -> WormReceipt:
        """Read the file: its form, and that what was read back is what was confirmed.

        Raises:
            Invalid: With the place of the fault.
        """
        top = Fields(document(raw), required=_KEYS)
        items = top.items("copies")
        if not 0 < len(items) <= MAX_COPIES:
            raise refuse("/copies", f"1 to {MAX_COPIES} copies are expected.")
        receipt = cls(
            bundle_id=bundle_id_of(top),
            created_at=top.time("created_at"),
            package_sha256=top.digest("package_sha256"),
            copies=tuple(_copy(item, f"/copies/{index}") for index, item in enumerate(items)),
        )
        for index, copy in enumerate(receipt.copies):
            if copy.package_sha256 != receipt.package_sha256:
                raise refuse(f"/copies/{index}/package_sha256", "this is another package.")
        return receipt


def _copy(value: Any, where: str) -> Copy:
    fields = Fields(value, required=_COPY_KEYS, where=where)
    if fields.get("kind") not in list(CopyKind):
        raise refuse(fields.at("kind"), "'external' or 's3' is expected.")
    copy = Copy(
        kind=CopyKind(fields.text("kind")),
        provider=fields.text("provider"),
        archive_id=fields.text("archive_id"),
        object_key=fields.text("object_key"),
        version_id=fields.optional_text("version_id"),
        mode=_optional_mode(fields),
        lock_until=whole_second(fields, "lock_until"),
        request_id=fields.optional_text("request_id"),
        package_sha256=fields.digest("package_sha256"),
        object_sha256=fields.digest("object_sha256"),
        checked=None if fields.get("checked") is None else _checked(fields),
    )
    if copy.checked is None:
        if copy.kind is CopyKind.S3:
            raise refuse(fields.at("checked"), "what is in S3 is read back.")
    else:
        _compare(copy, copy.checked, fields.at("checked"))
    return copy


def _checked(fields: Fields) -> Checked:
    inner = fields.object("checked", required=_CHECKED_KEYS)
    until = inner.get("lock_until")
    return Checked(
        at=inner.time("at"),
        sha256=inner.digest("sha256"),
        size_bytes=inner.integer("size_bytes"),
        version_id=inner.optional_text("version_id"),
        mode=_optional_mode(inner),
        lock_until=None if until is None else whole_second(inner, "lock_until"),
        legal_hold=inner.flag("legal_hold"),
        replication=inner.optional_text("replication"),
    )


def _compare(copy: Copy, checked: Checked, where: str) -> None:
    """A receipt is written when all is well: what was read back must bear out the answer."""
    if checked.sha256 != copy.object_sha256:
        raise refuse(f"{where}/sha256", "other bytes were read back.")
    if checked.version_id != copy.version_id:
        raise refuse(f"{where}/version_id", "another version was read back.")
    if checked.mode != copy.mode:
        raise refuse(f"{where}/mode", "another lock was read back.")
    if checked.lock_until is None or parse_time(checked.lock_until) < parse_time(copy.lock_until):
        raise refuse(f"{where}/lock_until", "a shorter lock was read back.")


def _optional_mode(fields: Fields) -> LockMode | None:
    return None if fields.get("mode") is None else lock_mode(fields, "mode")


def _text(mode: LockMode | None) -> str | None:
    return None if mode is None else str(mode)
