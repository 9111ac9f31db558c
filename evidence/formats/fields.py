"""Strict reading of parsed JSON: exact keys, exact types, the place of a fault named."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from evidence.formats.errors import FormatRefused
from sealing.canonical import load_document
from sealing.errors import Invalid
from sealing.times import parse_time

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
MAX_SIDECAR_BYTES: Final = 1 << 20


def refuse(where: str, message: str) -> FormatRefused:
    """The error for a fault at a place of the document, told as a JSON pointer."""
    return FormatRefused(f"{where or 'The document'}: {message}", field=where)


class Fields:
    """One JSON object whose keys are known beforehand."""

    def __init__(
        self, value: Any, *, required: Iterable[str], optional: Iterable[str] = (), where: str = ""
    ) -> None:
        """Check the keys.

        Raises:
            FormatRefused: When the value is not an object, or has a key too many or too few.
        """
        if not isinstance(value, dict):
            raise refuse(where, "an object is expected.")
        needed = frozenset(required)
        if missing := needed - value.keys():
            raise refuse(f"{where}/{min(missing)}", "the key is missing.")
        if unknown := value.keys() - needed - frozenset(optional):
            raise refuse(f"{where}/{min(unknown)}", "there is no such key.")
        self._value: dict[str, Any] = value
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def at(self, key: str) -> str:
        """The JSON pointer of a key."""
        return f"{self.where}/{key}"

    def get(self, key: str) -> Any:
        """The value as it is; None when an optional key is absent."""
        return self._value.get(key)

    def text(self, key: str, *, empty: bool = False, limit: int = 4096) -> str:
        """A string, by default not an empty one."""
        value = self._value[key]
        if not isinstance(value, str) or (not value and not empty) or len(value) > limit:
            raise refuse(self.at(key), "a string is expected.")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string that is not empty, or null."""
        return None if self._value.get(key) is None else self.text(key)

    def constant(self, key: str, expected: str) -> str:
        """A string that has one possible value."""
        if self._value[key] != expected:
            raise refuse(self.at(key), f"'{expected}' is expected.")
        return expected

    def integer(self, key: str, *, least: int = 0) -> int:
        """A whole number that is not below ``least``."""
        value = self._value[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise refuse(self.at(key), f"a whole number from {least} is expected.")
        return value

    def optional_integer(self, key: str) -> int | None:
        """A whole number from 0, or null."""
        return None if self._value.get(key) is None else self.integer(key)

    def flag(self, key: str) -> bool:
        """A boolean."""
        value = self._value[key]
        if not isinstance(value, bool):
            raise refuse(self.at(key), "true or false is expected.")
        return value

    def digest(self, key: str) -> str:
        """``sha256:`` and 64 lower-case hex digits."""
        value = self._value[key]
        if not isinstance(value, str) or not _DIGEST.fullmatch(value):
            raise refuse(self.at(key), "a sha256 digest is expected.")
        return value

    def time(self, key: str) -> str:
        """A time in the one form that this product writes."""
        value = self.text(key)
        try:
            parse_time(value)
        except Invalid as error:
            raise refuse(self.at(key), "a time is expected.") from error
        return value

    def items(self, key: str) -> list[Any]:
        """A list."""
        value = self._value[key]
        if not isinstance(value, list):
            raise refuse(self.at(key), "a list is expected.")
        return value

    def object(self, key: str, *, required: Iterable[str], optional: Iterable[str] = ()) -> Fields:
        """An object below this one."""
        return Fields(self._value[key], required=required, optional=optional, where=self.at(key))


def document(raw: bytes, *, max_bytes: int = MAX_SIDECAR_BYTES) -> Any:
    """The value of a canonical JSON document, whose every byte is thereby determined.

    Raises:
        Invalid: When it is not JSON, or not canonical JSON followed by one line feed.
    """
    return load_document(raw, max_bytes=max_bytes)
