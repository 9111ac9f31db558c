"""What a JSON value must look like: exact keys, exact types, the place of a fault named."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from evidence.formats.fields import refuse
from sealing.errors import Invalid
from sealing.times import parse_time

Check = Callable[[Any, str], None]
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")


def obj(**members: Check) -> Check:
    """An object with exactly these keys."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise refuse(where, "an object is expected.")
        if missing := members.keys() - value.keys():
            raise refuse(f"{where}/{min(missing)}", "the key is missing.")
        if unknown := value.keys() - members.keys():
            raise refuse(f"{where}/{min(unknown)}", "there is no such key.")
        for key, inner in members.items():
            inner(value[key], f"{where}/{key}")

    return check


def mapping(of: Check, *, key: re.Pattern[str]) -> Check:
    """An object whose keys are names of some form and whose values are alike."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise refuse(where, "an object is expected.")
        for name, inner in value.items():
            if not key.match(name):
                raise refuse(f"{where}/{name[:80]}", "there is no such key.")
            of(inner, f"{where}/{name}")

    return check


def items(of: Check, *, at_most: int | None = None) -> Check:
    """A list of values that are alike."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise refuse(where, "a list is expected.")
        if at_most is not None and len(value) > at_most:
            raise refuse(where, f"{at_most} entries at most.")
        for index, inner in enumerate(value):
            of(inner, f"{where}/{index}")

    return check


def or_null(of: Check) -> Check:
    """The value, or null."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            of(value, where)

    return check


def text(*, limit: int = 4096, empty: bool = False, form: re.Pattern[str] | None = None) -> Check:
    """A string, by default not an empty one."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or (not value and not empty) or len(value) > limit:
            raise refuse(where, "a string is expected.")
        if form is not None and not form.match(value):
            raise refuse(where, "the string does not have the form that is expected.")

    return check


def one_of(values: Collection[Any]) -> Check:
    """One of some strings or whole numbers."""

    def check(value: Any, where: str) -> None:
        if not any(type(value) is type(known) and value == known for known in values):
            raise refuse(where, "the value is none of those that there are.")

    return check


def whole(*, least: int = 0) -> Check:
    """A whole number."""

    def check(value: Any, where: str) -> None:
        if type(value) is not int or value < least:
            raise refuse(where, f"a whole number from {least} is expected.")

    return check


def number(value: Any, where: str) -> None:
    """A number, with a fraction or without."""
    if type(value) not in (int, float):
        raise refuse(where, "a number is expected.")


def flag(value: Any, where: str) -> None:
    """A boolean."""
    if type(value) is not bool:
        raise refuse(where, "true or false is expected.")


def digest(value: Any, where: str) -> None:
    """``sha256:`` and 64 lower-case hex digits."""
    if not isinstance(value, str) or not _DIGEST.match(value):
        raise refuse(where, "a sha256 digest is expected.")


def time(value: Any, where: str) -> None:
    """A time in the one form that this product writes."""
    try:
        parse_time(value)
    except Invalid as error:
        raise refuse(where, "a time is expected.") from error


def by(key: str, kinds: Mapping[str, Check]) -> Check:
    """An object whose form depends on what stands under a key."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict) or not isinstance(value.get(key), str):
            raise refuse(f"{where}/{key}", "the kind is missing.")
        if value[key] not in kinds:
            raise refuse(f"{where}/{key}", "there is no such kind.")
        kinds[value[key]](value, where)

    return check
