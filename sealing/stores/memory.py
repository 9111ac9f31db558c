"""A store in memory, for tests."""

from __future__ import annotations

from collections.abc import Iterator

from sealing.digests import sha256_tag
from sealing.errors import NotFound
from sealing.files import AlreadyExists
from sealing.stores.base import Stored, check_object_name


class MemoryStore:
    """Objects are entries of a dictionary."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def put_new(self, name: str, data: bytes) -> Stored:
        """See `Store.put_new`."""
        check_object_name(name)
        if self._objects.setdefault(name, data) != data:
            raise AlreadyExists(f"{name} is there already.")
        return Stored(name, len(data), sha256_tag(data))

    def read(self, name: str) -> bytes:
        """See `Store.read`."""
        check_object_name(name)
        try:
            return self._objects[name]
        except KeyError as error:
            raise NotFound(f"There is no {name}.") from error

    def exists(self, name: str) -> bool:
        """See `Store.exists`."""
        check_object_name(name)
        return name in self._objects

    def iterate(self, prefix: str = "") -> Iterator[str]:
        """See `Store.iterate`."""
        yield from sorted(name for name in self._objects if name.startswith(prefix))
