"""The members of a package other than its manifest and its log lines."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

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
