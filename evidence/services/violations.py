"""What a violated constraint of the database means to whoever asked."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import IntegrityError

from sealing.errors import StrongroomError


def refusal_of(
    error: IntegrityError,
    constraints: Mapping[str, type[StrongroomError]],
    messages: Mapping[str, type[StrongroomError]] | None = None,
) -> Exception:
    """The refusal of a countersignature behind a violation; the error itself for any other.

    Args:
        constraints: what each constraint means, by its name.
        messages: what the messages of triggers mean, by a part of them.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    refusal = constraints.get(getattr(diagnosis, "constraint_name", None) or "")
    told = getattr(diagnosis, "message_primary", None) or ""
    for part, meaning in (messages or {}).items():
        if part in told:
            refusal = meaning
    return error if refusal is None else refusal("The database refuses this countersignature.")
