"""What keeps objects: the same interface whether it is a folder, memory or S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from sealing.files import PathRefused, check_name


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store says of an object that it keeps."""

    name: str
    size_bytes: int
    sha256: str


def check_object_name(name: str) -> None:
    """Raises PathRefused unless ``name`` may name an object, in whatever store.

    No part begins with a dot: those are files that were not finished.
    """
    check_name(name)
    if any(part.startswith(".") for part in name.split("/")):
        raise PathRefused("No part of an object's name begins with a dot.")


class Store(Protocol):
    """Keeps objects under names with `/`; an object is never replaced.

    Names are those that `check_object_name` lets through; others raise PathRefused.
    """

    def put_new(self, name: str, data: bytes) -> Stored:
        """Keeps an object. An equal one in place is adopted; another raises AlreadyExists."""

    def read(self, name: str) -> bytes:
        """The object's bytes. Raises NotFound."""

    def exists(self, name: str) -> bool:
        """Whether there is an object of that name."""

    def iterate(self, prefix: str = "") -> Iterator[str]:
        """The names that begin with ``prefix``, in order."""
