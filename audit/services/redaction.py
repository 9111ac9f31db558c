"""Takes out of an event what a client does not want to be kept, before anything is hashed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def redact(event: dict[str, Any], pointers: Iterable[str]) -> list[str]:
    """Removes what the JSON pointers (RFC 6901) name from ``event``, in place.

    An event's ``object`` is whole or not there, so a pointer into it removes all of it.

    Returns:
        The pointers at which something was removed.
    """
    removed = []
    for pointer in pointers:
        if pointer.startswith("/object/"):
            if event.get("object") is not None:
                event["object"] = None
                removed.append("/object")
        elif _remove(event, [_unescaped(part) for part in pointer.split("/")[1:]]):
            removed.append(pointer)
    return removed


def _remove(value: Any, path: list[str]) -> bool:
    *parents, last = path
    for part in parents:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and _is_index(part, value):
            value = value[int(part)]
        else:
            return False
    if isinstance(value, dict) and last in value:
        del value[last]
        return True
    if isinstance(value, list) and _is_index(last, value):
        # The others keep their places, so that a second pointer still means what it says.
        value[int(last)] = None
        return True
    return False


def _is_index(part: str, value: list[Any]) -> bool:
    is_number = part.isascii() and part.isdigit() and (part == "0" or part[0] != "0")
    return is_number and len(part) < 10 and int(part) < len(value)


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
