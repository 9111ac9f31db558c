"""Lists in code of what can be chosen by name: filled at start-up, then closed."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from sealing.errors import NotFound


class Named(Protocol):
    """Something that is chosen by its name."""

    @property
    def name(self) -> str:
        """It never changes: what was stored names it for ever."""


T = TypeVar("T", bound=Named)


class ClosedList(Generic[T]):
    """What rooms to the left add to a room on the right, each from its ``AppConfig.ready``.

    Args:
        what: what an entry is called in errors.
        unknown: raised, with ``field``, for a name that there is not.
        field: of requests that name an entry.
    """

    def __init__(self, what: str, *, unknown: type[NotFound], field: str) -> None:
        self._what, self._unknown, self._field = what, unknown, field
        self._entries: dict[str, T] = {}
        self._is_frozen = False

    def register(self, entry: T) -> None:
        """Adds an entry.

        Raises:
            RuntimeError: two entries have one name, or start-up is over.
        """
        if self._is_frozen or entry.name in self._entries:
            raise RuntimeError(f"{self._what} {entry.name} can't be registered any more, or again.")
        self._entries[entry.name] = entry

    def freeze(self) -> None:
        """Ends start-up (called by the leftmost room): from now on nothing can be added."""
        self._is_frozen = True

    def get(self, name: str) -> T:
        """The entry of that name; or the error for unknown ones, naming those that there are."""
        if name not in self._entries:
            known = ", ".join(sorted(self._entries))
            raise self._unknown(
                f"There is no {self._what.lower()} {name}; there are {known}.", field=self._field
            )
        return self._entries[name]

    def all(self) -> tuple[T, ...]:
        """Every entry, by name."""
        return tuple(self._entries[name] for name in sorted(self._entries))
