"""A store in memory, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from sealing.digests import sha256_tag
from sealing.errors import NotFound
from sealing.files import AlreadyExists
from sealing.stores.base import (
    Retention,
    Stored,
    Version,
    check_object_name,
    refuse_release,
    refuse_weaker,
)


class MemoryStore:
    """Objects are entries of a dictionary. Not for threads.

    Args:
        now: the clock by which locks end.
    """

    def __init__(self, *, now: Callable[[], datetime] | None = None) -> None:
        self._objects: dict[str, tuple[bytes, Stored]] = {}
        self._now = now

    @property
    def location(self) -> str:
        """See `Store.location`."""
        return "memory"

    def key(self, name: str) -> str:
        """See `Store.key`."""
        check_object_name(name)
        return name

    def put_new(self, name: str, data: bytes, *, retention: Retention | None = None) -> Stored:
        """See `Store.put_new`."""
        check_object_name(name)
        if name in self._objects:
            kept, stored = self._objects[name]
            if kept != data:
                raise AlreadyExists(f"{name} is there already.")
            if retention is not None:
                stored = replace(stored, retention=retention.with_at_least(stored.retention))
        else:
            stored = Stored(name, len(data), "", retention=retention, stored_at=self.clock())
        self._objects[name] = (data, stored)
        return replace(stored, sha256=sha256_tag(data))

    def read(self, name: str, *, version_id: str | None = None) -> bytes:
        """See `Store.read`."""
        return self._find(name, version_id)[0]

    def stat(self, name: str, *, version_id: str | None = None) -> Stored:
        """See `Store.stat`."""
        return self._find(name, version_id)[1]

    def exists(self, name: str) -> bool:
        """See `Store.exists`."""
        check_object_name(name)
        return name in self._objects

    def iterate(self, prefix: str = "", *, start_after: str = "") -> Iterator[str]:
        """See `Store.iterate`."""
        yield from sorted(
            name for name in self._objects if name.startswith(prefix) and name > start_after
        )

    def versions(self, prefix: str = "") -> Iterator[Version]:
        """See `Store.versions`; there is one of each object."""
        for name in self.iterate(prefix):
            stored = self.stat(name)
            assert stored.stored_at is not None
            yield Version(name, None, True, False, stored.size_bytes, stored.stored_at)

    def extend(self, name: str, retention: Retention, *, version_id: str | None = None) -> Stored:
        """See `Store.extend`."""
        data, stored = self._find(name, version_id)
        refuse_weaker(name, stored.retention, retention)
        stored = replace(stored, retention=retention)
        self._objects[name] = (data, stored)
        return stored

    def hold(self, name: str, *, on: bool, version_id: str | None = None) -> Stored:
        """See `Store.hold`."""
        data, stored = self._find(name, version_id)
        stored = replace(stored, legal_hold=on)
        self._objects[name] = (data, stored)
        return stored

    def release(self, name: str) -> None:
        """See `Store.release`."""
        refuse_release(self.stat(name), self.clock())
        del self._objects[name]

    def clock(self) -> datetime:
        """See `Store.clock`."""
        return self._now() if self._now is not None else datetime.now(UTC)

    def _find(self, name: str, version_id: str | None) -> tuple[bytes, Stored]:
        check_object_name(name)
        if version_id is not None or name not in self._objects:
            raise NotFound(f"There is no {name}.")
        return self._objects[name]
