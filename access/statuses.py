"""Domain error to HTTP status: the one table that every HTTP door looks in."""

from __future__ import annotations

from sealing import errors

# The first category that matches decides.
STATUS: tuple[tuple[type[errors.StrongroomError], int], ...] = (
    (errors.Invalid, 400),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.IntegrityFailure, 409),
    (errors.TooLarge, 413),
    (errors.TooMany, 429),
    (errors.Unavailable, 503),
)


def status_of(error: errors.StrongroomError) -> int:
    """The HTTP status of a domain error; 500 for one of no category."""
    return next((code for kind, code in STATUS if isinstance(error, kind)), 500)
