"""What keeps objects: the same interface whether it is a folder, memory or S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sealing.errors import Conflict, Forbidden, Unavailable
from sealing.files import PathRefused, check_name


class StoreUnavailable(Unavailable):
    """The store can't be reached, or does not answer as it should; later it may."""

    code = "store_unavailable"


class StoreDenied(Forbidden):
    """The store refuses: the identity lacks a right, or the object is locked."""

    code = "store_denied"


class RetentionShortened(Conflict):
    """An object's lock never gets shorter or weaker."""

    code = "retention_shortened"


class NotReleasable(Conflict):
    """The object's lock has not ended, or a legal hold is on it."""

    code = "not_releasable"


class LockMode(StrEnum):
    """Who may shorten a lock: in governance mode whoever has that right, in compliance nobody."""

    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


@dataclass(frozen=True, slots=True)
class Retention:
    """Until when an object can't be removed or changed. ``until`` is in UTC, a whole second.

    Raises:
        ValueError: ``until`` has no zone or a fraction of a second: S3 keeps whole seconds, and a
            lock that is read back must equal the one that was asked for.
    """

    mode: LockMode
    until: datetime

    def __post_init__(self) -> None:
        if self.until.utcoffset() != timedelta() or self.until.microsecond:
            raise ValueError("A lock ends at a whole second in UTC.")

    def covers(self, other: Retention | None) -> bool:
        """Whether this lock is at least as strong and as long as ``other``."""
        return other is None or (
            self.until >= other.until
            and (self.mode is LockMode.COMPLIANCE or other.mode is LockMode.GOVERNANCE)
        )

    def with_at_least(self, other: Retention | None) -> Retention:
        """The weakest lock that covers both this one and ``other``."""
        if other is None or self.covers(other):
            return self
        strict = LockMode.COMPLIANCE in (self.mode, other.mode)
        return Retention(
            LockMode.COMPLIANCE if strict else LockMode.GOVERNANCE, max(self.until, other.until)
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store says of one version of an object that it keeps, read back from it.

    Attributes:
        name: below the store's root.
        size_bytes: of the bytes as they are stored.
        sha256: their digest, computed over the bytes that were read back or given
            (``sha256:<hex>``); empty where only the store's description was asked for.
        version_id: the version, where the store keeps versions.
        retention: the lock; None if there is none.
        legal_hold: whether a legal hold is on it.
        stored_at: when the store took it, by the store's clock.
        replication: the replication status, where the store has one (``COMPLETED`` …).
        kms_key_id: the key under which the store encrypts it, where it says so.
    """

    name: str
    size_bytes: int
    sha256: str
    version_id: str | None = None
    retention: Retention | None = None
    legal_hold: bool = False
    stored_at: datetime | None = None
    replication: str | None = None
    kms_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, or a marker that says it is deleted.

    Attributes:
        name: below the store's root.
        version_id: None where the store keeps no versions.
        is_latest: whether a plain read gives this one.
        is_delete_marker: whether it only hides the versions before it.
        size_bytes: 0 for a marker.
        stored_at: when the store took it.
    """

    name: str
    version_id: str | None
    is_latest: bool
    is_delete_marker: bool
    size_bytes: int
    stored_at: datetime


def check_object_name(name: str) -> None:
    """Raises PathRefused unless ``name`` may name an object, in whatever store.

    No part begins with a dot: those are files that were not finished.
    """
    check_name(name)
    if any(part.startswith(".") for part in name.split("/")):
        raise PathRefused("No part of an object's name begins with a dot.")


def covers(held: Retention | None, wanted: Retention | None) -> bool:
    """Whether a lock as ``held`` (None: no lock) is at least what is ``wanted``."""
    return wanted is None or (held is not None and held.covers(wanted))


def refuse_weaker(name: str, held: Retention | None, wanted: Retention) -> None:
    """Raises RetentionShortened if ``wanted`` is in any way less than the lock that is held."""
    if held is not None and not wanted.covers(held):
        raise RetentionShortened(
            f"{name} is locked in {held.mode} mode until {held.until:%Y-%m-%d %H:%M:%S} UTC;"
            " a lock never gets shorter or weaker."
        )


def refuse_release(stored: Stored, now: datetime) -> None:
    """Raises NotReleasable if the object is held, or locked beyond ``now``."""
    if stored.legal_hold:
        raise NotReleasable(f"{stored.name} is under a legal hold.")
    if stored.retention is not None and stored.retention.until > now:
        raise NotReleasable(
            f"{stored.name} is locked until {stored.retention.until:%Y-%m-%d %H:%M:%S} UTC."
        )


class Store(Protocol):
    """Keeps objects under names with `/`; an object is never replaced.

    Names are those that `check_object_name` lets through; others raise PathRefused. Every method
    may raise StoreUnavailable or StoreDenied.
    """

    @property
    def location(self) -> str:
        """Where it is: ``s3://bucket/prefix``, a folder's path, or ``memory``."""

    def key(self, name: str) -> str:
        """The object's whole key: with the prefix in S3, ``name`` itself elsewhere."""

    def put_new(self, name: str, data: bytes, *, retention: Retention | None = None) -> Stored:
        """Keeps an object, locked from its first moment, and reads it back.

        An equal one in place is adopted, and its lock extended where it is shorter; another one
        raises AlreadyExists.

        Returns:
            What the store keeps, with ``sha256`` of the bytes that were read back.
        """

    def read(self, name: str, *, version_id: str | None = None) -> bytes:
        """The object's bytes, of that version or else the latest. Raises NotFound."""

    def stat(self, name: str, *, version_id: str | None = None) -> Stored:
        """What the store says of the object; ``sha256`` is empty. Raises NotFound."""

    def exists(self, name: str) -> bool:
        """Whether a plain read finds an object of that name."""

    def iterate(self, prefix: str = "", *, start_after: str = "") -> Iterator[str]:
        """The names that begin with ``prefix`` and sort after ``start_after``, in order."""

    def versions(self, prefix: str = "") -> Iterator[Version]:
        """Every version below ``prefix``, by name, the oldest of each name first."""

    def extend(self, name: str, retention: Retention, *, version_id: str | None = None) -> Stored:
        """Makes the lock longer or stronger. Raises NotFound, RetentionShortened."""

    def hold(self, name: str, *, on: bool, version_id: str | None = None) -> Stored:
        """Puts a legal hold on the object, or takes it off. Raises NotFound."""

    def release(self, name: str) -> None:
        """Removes an object whose lock has ended and which nothing holds.

        Raises:
            NotFound. NotReleasable: it is locked or held. StoreDenied: this store removes nothing
            through us (S3: its lifecycle rules do).
        """

    def clock(self) -> datetime:
        """The store's own clock, in UTC."""
