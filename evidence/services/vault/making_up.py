"""What rooms to the left make up in the vault before an audit compares it.

A room that adds files to its deposits later, such as a packet's countersigned PDF, registers here
what finds and adds those that did not reach the vault. It is called by each audit, before it
compares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from audit.events import Actor
from ops.closed import ClosedList
from sealing.errors import NotFound


@dataclass(frozen=True, slots=True)
class MadeUp:
    """What came of it.

    Attributes:
        repaired: what was added, by name with a word for what was done.
        failures: name and reason, where it could not be; tried again by the next audit.
    """

    repaired: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class MakeUp:
    """Something to make up: ``run`` is called with who audits, and raises only what nobody
    expects."""

    name: str
    run: Callable[[Actor], MadeUp]


class UnknownMakeUp(NotFound):
    """Nothing of that name is registered."""

    code = "unknown_make_up"


_all: ClosedList[MakeUp] = ClosedList("Repair", unknown=UnknownMakeUp, field="name")
register = _all.register
freeze = _all.freeze
registered = _all.all
