"""Errors that every room shares: small named classes, each with a stable code.

What HTTP status or exit code an error becomes is decided at the door, never here.
"""

from __future__ import annotations

from collections.abc import Sequence


class StrongroomError(Exception):
    """The root of all errors that a caller is meant to understand.

    Args:
        message: what happened and what to do next, for people.
        code: replaces the class's code where one class covers several cases.
        field: the place of the fault, as a dotted name or a JSON pointer.
        errors: several faults at once, as (field, message).
    """

    code: str = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        errors: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.errors = tuple(errors)
        if code is not None:
            self.code = code


class Invalid(StrongroomError):
    """The input can't be accepted as it is."""

    code = "invalid"


class Forbidden(StrongroomError):
    """The actor may not do this."""

    code = "forbidden"


class NotFound(StrongroomError):
    """There is no such thing within what the actor may see."""

    code = "not_found"


class Conflict(StrongroomError):
    """The request contradicts what is recorded."""

    code = "conflict"


class TooLarge(StrongroomError):
    """The input is larger than this place takes."""

    code = "too_large"


class TooMany(StrongroomError):
    """More was asked for in a time than one account may.

    Attributes:
        wait: after how many seconds to try again.
    """

    code = "throttled"
    wait: float = 60.0

    def __init__(self, message: str, *, wait: float, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.wait = wait


class Unavailable(StrongroomError):
    """It can't be done now; later it may."""

    code = "unavailable"


class IntegrityFailure(StrongroomError):
    """Stored things disagree with one another."""

    code = "integrity_failure"
