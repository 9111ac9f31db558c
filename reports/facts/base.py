"""What a fact is: a number with its definition, and the stored records that it rests on.

Every fact is measured over a half-open period in UTC and over the log up to one size. A state is
told as of the period's end, or of the moment of the packet where the period is not over. What is
not stored is no fact: it reads ``no data``, and rests on nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sealing import digests
from sealing.times import format_time

NO_DATA: Final = "no data"
MAX_OBJECTS: Final = 50
Value = int | float | str


@dataclass(frozen=True, slots=True)
class Scope:
    """What the facts of a packet are about.

    Attributes:
        client_id: the client; None for the platform, which is the whole installation.
        start, end: the period, ``[start, end)``.
        tree_size: only events with smaller numbers count.
        generated_at: when the packet was planned: what is later does not count either. None where
            the period is known to be over.
    """

    client_id: str | None
    start: datetime
    end: datetime
    tree_size: int
    generated_at: datetime | None = None

    @property
    def until(self) -> datetime:
        """The moment that states are told for: the end, or the packet's own if that is earlier."""
        return self.end if self.generated_at is None else min(self.end, self.generated_at)


class Reach(StrEnum):
    """Whose records a fact counts."""

    CLIENT = "client"  # those that name the client; in the platform's packet all
    ACCOUNTS = "accounts"  # accounts that hold a grant for the client or for all clients
    LOG = "log"  # the one log of all clients, in every packet alike
    PLATFORM = "platform"  # stored without a client: no data in a client's packet
    NOT_STORED = "not stored"  # no data anywhere


@dataclass(frozen=True, slots=True)
class Events:
    """Events that a fact rests on: how many, and between which numbers of the log they lie."""

    count: int
    first_seq: int | None
    last_seq: int | None

    def as_dict(self, query: str) -> dict[str, Any]:
        """The ``source`` in the document."""
        return {
            "query": query,
            "kind": "events",
            "count": self.count,
            "firstSeq": self.first_seq,
            "lastSeq": self.last_seq,
        }


@dataclass(frozen=True, slots=True)
class Records:
    """Rows that a fact rests on, by their ids."""

    object_type: str
    ids: tuple[str, ...]

    @classmethod
    def of(cls, object_type: str, ids: Iterable[Any]) -> Records:
        """The rows of these ids, in the order in which they are hashed: as text, byte by byte."""
        return cls(object_type, tuple(sorted({str(found) for found in ids})))

    def as_dict(self, query: str) -> dict[str, Any]:
        """The ``source`` in the document: the first ids, and the digest of all of them."""
        joined = "\n".join(self.ids).encode("utf-8")
        return {
            "query": query,
            "kind": "records",
            "count": len(self.ids),
            "objectType": self.object_type,
            "objects": list(self.ids[:MAX_OBJECTS]),
            "objectsSha256": digests.tag(hashlib.sha256(joined).digest()),
        }


Source = Events | Records


@dataclass(frozen=True, slots=True)
class Measured:
    """What a fact came to.

    Attributes:
        value: a number or a word; NO_DATA where nothing is stored.
        source: what it rests on; None exactly where there is no data.
        as_of: the moment of a state; None for what happened over the period.
    """

    value: Value
    source: Source | None
    as_of: datetime | None = None


NOTHING: Final = Measured(NO_DATA, None)


@dataclass(frozen=True, slots=True)
class Population:
    """Events that are counted, and from which samples are drawn.

    Attributes:
        types: their types; empty for every type.
        outcomes: their outcomes; empty for every outcome.
        own: only those that Strongroom recorded itself. Types of its own always are; whoever else
            claims one is not believed.
        where: a further condition, as SQL without parameters.
    """

    types: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    own: bool = True
    where: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of a packet.

    Attributes:
        name: its own and its query's name, as ``sign_ins.failed``.
        label: what people read beside the value.
        unit: what is counted.
        reach: whose records it counts.
        measure: computes it; see `registry.measure`, which respects the reach.
        population: for facts that count events: which.
    """

    name: str
    label: str
    unit: str
    reach: Reach
    measure: Callable[[Scope], Measured]
    population: Population | None = None

    def applies(self, scope: Scope) -> bool:
        """Whether anything is stored that it could be measured by."""
        if self.reach is Reach.NOT_STORED:
            return False
        return self.reach is not Reach.PLATFORM or scope.client_id is None


def as_dict(fact: Fact, measured: Measured) -> dict[str, Any]:
    """A fact as the document has it."""
    return {
        "label": fact.label,
        "value": measured.value,
        "unit": fact.unit,
        "asOf": None if measured.as_of is None else format_time(measured.as_of),
        "source": None if measured.source is None else measured.source.as_dict(fact.name),
    }


def share(part: int, whole: int) -> Value:
    """``part`` of ``whole`` in per cent, rounded down to a tenth: 100 only if it is all of them."""
    if not whole:
        return NO_DATA
    tenths = part * 1000 // whole
    return tenths // 10 if tenths % 10 == 0 else tenths / 10


def not_stored(name: str, label: str, unit: str) -> Fact:
    """A figure that packets have, and for which nothing is stored yet."""
    return Fact(name, label, unit, Reach.NOT_STORED, lambda scope: NOTHING)
