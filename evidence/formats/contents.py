"""The members of a package other than its manifest and its log lines."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from evidence.formats.fields import Fields, document, refuse
from sealing import digests
from sealing.canonical import document as encode
from sealing.results import Verdict

ARCHIVE_POLICY: Final = "archive_policy.json"
CHAIN_VERIFY: Final = "audit_chain_verify.json"
EVENTS: Final = "audit_events.jsonl"
CHECKPOINT: Final = "checkpoint"
COMPLETENESS: Final = "completeness.json"
PROOFS: Final = "proofs.json"
README: Final = "README.txt"
REQUIRED: Final = frozenset(
    {ARCHIVE_POLICY, CHAIN_VERIFY, EVENTS, CHECKPOINT, COMPLETENESS, PROOFS, README}
)

MAX_CONTENT_BYTES: Final = 256 << 20
LATE_AFTER_SECONDS: Final = 86_400


class VaultMode(StrEnum):
    """Where a package is locked away."""

    NONE = "none"
    LOCAL = "local"  # a folder of this host: read-only, create-only files with lock records
    S3 = "s3"  # a bucket with Object Lock in compliance mode


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """``archive_policy.json``."""

    retention_policy: str
    vault_mode: str
    kms_key_id: str | None

    def build(self) -> bytes:
        """The bytes of the member."""
        return encode(
            {
                "retention_policy": self.retention_policy,
                "vault_mode": self.vault_mode,
                "kms_key_id": self.kms_key_id,
            }
        )

    @classmethod
    def parse(cls, raw: bytes) -> ArchivePolicy:
        """Read the member.

        Raises:
            Invalid: When it is not canonical or not of this form.
        """
        top = Fields(document(raw), required=("retention_policy", "vault_mode", "kms_key_id"))
        return cls(
            retention_policy=top.text("retention_policy"),
            vault_mode=top.text("vault_mode"),
            kms_key_id=top.optional_text("kms_key_id"),
        )


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """``audit_chain_verify.json``: what the exporter found when it verified the lines."""

    verdict: Verdict
    checked_events: int
    checked_links: int
    first_bad_seq: int | None
    tree_size: int
    message: str

    def build(self) -> bytes:
        """The bytes of the member."""
        return encode(
            {
                "verdict": self.verdict.value,
                "checked_events": self.checked_events,
                "checked_links": self.checked_links,
                "first_bad_seq": self.first_bad_seq,
                "tree_size": self.tree_size,
                "message": self.message,
            }
        )

    @classmethod
    def parse(cls, raw: bytes) -> ChainVerdict:
        """Read the member.

        Raises:
            Invalid: When it is not canonical or not of this form.
        """
        keys = (
            "verdict", "checked_events", "checked_links", "first_bad_seq", "tree_size", "message",
        )  # fmt: skip
        top = Fields(document(raw), required=keys)
        if top.get("verdict") not in list(Verdict):
            raise refuse("/verdict", "a verdict is expected.")
        return cls(
            verdict=Verdict(top.text("verdict")),
            checked_events=top.integer("checked_events"),
            checked_links=top.integer("checked_links"),
            first_bad_seq=top.optional_integer("first_bad_seq"),
            tree_size=top.integer("tree_size"),
            message=top.text("message"),
        )


@dataclass(frozen=True, slots=True)
class Completeness:
    """``completeness.json``: what is known about what the package may lack.

    Attributes:
        log_size: Events in the whole log when the package was made.
        pending: Events acknowledged but without a place in the log at that moment, all clients.
        set_aside: Events that could not be given a place, all clients.
        included: Events in this package.
        late: The numbers of included events sealed more than a day after they occurred, as
            ranges with both ends included.
        period_over: Whether the period had ended.
    """

    log_size: int
    pending: int
    set_aside: int
    included: int
    late: tuple[tuple[int, int], ...]
    period_over: bool

    def build(self) -> bytes:
        """The bytes of the member."""
        return encode(
            {
                "log_size_at_export": self.log_size,
                "pending_at_export": self.pending,
                "set_aside": self.set_aside,
                "events_included": self.included,
                "late_arrivals": {
                    "later_than_seconds": LATE_AFTER_SECONDS,
                    "count": sum(last - first + 1 for first, last in self.late),
                    "ranges": [list(pair) for pair in self.late],
                },
                "period_over_at_export": self.period_over,
            }
        )

    @classmethod
    def parse(cls, raw: bytes) -> Completeness:
        """Read the member.

        Raises:
            Invalid: When it is not canonical or not of this form.
        """
        keys = (
            "log_size_at_export", "pending_at_export", "set_aside", "events_included",
            "late_arrivals", "period_over_at_export",
        )  # fmt: skip
        top = Fields(document(raw, max_bytes=MAX_CONTENT_BYTES), required=keys)
        late = top.object("late_arrivals", required=("later_than_seconds", "count", "ranges"))
        result = cls(
            log_size=top.integer("log_size_at_export"),
            pending=top.integer("pending_at_export"),
            set_aside=top.integer("set_aside"),
            included=top.integer("events_included"),
            late=tuple(_pairs(late.items("ranges"))),
            period_over=top.flag("period_over_at_export"),
        )
        # Whatever was said twice must agree: the bytes follow from the values.
        if result.build() != raw:
            raise refuse("/late_arrivals", "the count is not that of the ranges.")
        return result


def _pairs(items: Sequence[Any]) -> Iterable[tuple[int, int]]:
    floor = -2
    for index, item in enumerate(items):
        fine = isinstance(item, list) and len(item) == 2 and all(type(n) is int for n in item)
        if not fine or not floor + 1 < item[0] <= item[1]:
            raise refuse(f"/late_arrivals/ranges/{index}", "an ascending range is expected.")
        floor = item[1]
        yield item[0], item[1]


class Ranges:
    """Collects ascending numbers as ranges with both ends included."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, number: int) -> None:
        """Take the next number, which is greater than all before."""
        if self._ranges and self._ranges[-1][1] == number - 1:
            self._ranges[-1] = (self._ranges[-1][0], number)
        else:
            self._ranges.append((number, number))

    def as_tuple(self) -> tuple[tuple[int, int], ...]:
        """The ranges so far."""
        return tuple(self._ranges)


@dataclass(frozen=True, slots=True)
class Proofs:
    """``proofs.json``: one compact proof for all lines of the package."""

    tree_size: int
    indexes: tuple[int, ...]
    hashes: tuple[bytes, ...]

    def build(self) -> bytes:
        """The bytes of the member."""
        return encode(
            {
                "tree_size": self.tree_size,
                "indexes": list(self.indexes),
                "hashes": [digests.tag(item) for item in self.hashes],
            }
        )

    @classmethod
    def parse(cls, raw: bytes) -> Proofs:
        """Read the member.

        Raises:
            Invalid: When it is not canonical or not of this form.
        """
        top = Fields(
            document(raw, max_bytes=MAX_CONTENT_BYTES),
            required=("tree_size", "indexes", "hashes"),
        )
        tree_size = top.integer("tree_size")
        indexes = top.items("indexes")
        if not all(type(number) is int for number in indexes):
            raise refuse("/indexes", "whole numbers are expected.")
        ends = [-1, *indexes, tree_size]
        if any(later <= earlier for earlier, later in itertools.pairwise(ends)):
            raise refuse("/indexes", "numbers ascend and lie below the size of the tree.")
        hashes = top.items("hashes")
        if not all(isinstance(item, str) for item in hashes):
            raise refuse("/hashes", "digests are expected.")
        return cls(tree_size, tuple(indexes), tuple(digests.untag(item) for item in hashes))
