"""``<bundle_id>.worm-lock-0001.json``: until when a package in the vault may not be touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from evidence.formats import names
from evidence.formats.errors import FormatRefused
from evidence.formats.fields import Fields, document, refuse
from sealing.canonical import document as encode
from sealing.stores.base import LockMode, Retention
from sealing.times import parse_time

MAX_HOLDS: Final = 1000
MAX_HOLD_CHARACTERS: Final = 128
_KEYS: Final = (
    "bundle_id", "locked_at", "retention_policy", "retain_until", "mode", "package_sha256",
    "signature_path", "legal_holds",
)  # fmt: skip


class LockSequenceRefused(FormatRefused):
    """The lock documents of a package contradict one another."""

    code = "lock_sequence_refused"


@dataclass(frozen=True, slots=True)
class WormLock:
    """One lock document. A change of the lock is a new one, under the next number.

    Attributes:
        retain_until: the end of the lock, a whole second: that is what stores keep.
        signature_path: the vault's name of the package's ``.zip.sig``; None if it is unsigned.
        legal_holds: the ids of the holds that are on it, ascending. Ids and no reasons: what is
            written here can't be erased.
    """

    bundle_id: str
    locked_at: str
    retention_policy: str
    retain_until: str
    mode: LockMode
    package_sha256: str
    signature_path: str | None
    legal_holds: tuple[str, ...] = ()

    def build(self) -> bytes:
        """The bytes of the file.

        Raises:
            Invalid: When they could not be read back.
        """
        raw = encode({key: getattr(self, key) for key in _KEYS} | self._plain())
        WormLock.parse(raw)
        return raw

    def _plain(self) -> dict[str, Any]:
        return {"mode": str(self.mode), "legal_holds": list(self.legal_holds)}

    @classmethod
    def parse(cls, raw: bytes) -> WormLock:
        """Read the file.

        Raises:
            Invalid: With the place of the fault.
        """
        top = Fields(document(raw), required=_KEYS)
        return cls(
            bundle_id=bundle_id_of(top),
            locked_at=top.time("locked_at"),
            retention_policy=top.text("retention_policy"),
            retain_until=whole_second(top, "retain_until"),
            mode=lock_mode(top, "mode"),
            package_sha256=top.digest("package_sha256"),
            signature_path=top.optional_text("signature_path"),
            legal_holds=_holds(top),
        )

    @property
    def retention(self) -> Retention:
        """The lock as stores understand it."""
        return Retention(self.mode, parse_time(self.retain_until))

    def releasable_at(self, now: datetime) -> bool:
        """Whether the lock has ended and nothing holds the package."""
        return not self.legal_holds and parse_time(self.retain_until) <= now


def ruling(locks: Mapping[int, WormLock]) -> WormLock:
    """The lock that counts: the one with the highest number.

    Args:
        locks: every lock document of one package, by the number in its name.

    Raises:
        LockSequenceRefused: There is none, a number is missing, another package is meant, or a
            later one is shorter or weaker than one before. A hold may have been taken off.
    """
    numbers = sorted(locks)
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise LockSequenceRefused(
            "Lock documents are numbered from 1 without a gap.", code="lock_number_missing"
        )
    first = last = locks[1]
    for number in numbers[1:]:
        lock = locks[number]
        if (lock.bundle_id, lock.package_sha256) != (first.bundle_id, first.package_sha256):
            raise LockSequenceRefused(
                f"Lock {number} is of another package than the first.", code="lock_of_another"
            )
        if not lock.retention.covers(last.retention):
            raise LockSequenceRefused(
                f"Lock {number} is shorter or weaker than the one before.", code="lock_shortened"
            )
        last = lock
    return last


def bundle_id_of(top: Fields) -> str:
    """The document's bundle id."""
    value = top.text("bundle_id")
    if not names.is_bundle_id(value):
        raise refuse(top.at("bundle_id"), "a bundle id is expected.")
    return value


def whole_second(top: Fields, key: str) -> str:
    """A time without a fraction of a second."""
    value = top.time(key)
    if parse_time(value).microsecond:
        raise refuse(top.at(key), "a whole second is expected.")
    return value


def lock_mode(top: Fields, key: str) -> LockMode:
    """``governance`` or ``compliance``."""
    value = top.text(key)
    if value not in list(LockMode):
        raise refuse(top.at(key), "'governance' or 'compliance' is expected.")
    return LockMode(value)


def _holds(top: Fields) -> tuple[str, ...]:
    holds = top.items("legal_holds")
    if len(holds) > MAX_HOLDS:
        raise refuse(top.at("legal_holds"), f"at most {MAX_HOLDS} are expected.")
    for index, hold in enumerate(holds):
        if not isinstance(hold, str) or not 0 < len(hold) <= MAX_HOLD_CHARACTERS:
            raise refuse(f"{top.at('legal_holds')}/{index}", "the id of a hold is expected.")
    if holds != sorted(set(holds)):
        raise refuse(top.at("legal_holds"), "ids are expected in ascending order, each once.")
    return tuple(holds)
