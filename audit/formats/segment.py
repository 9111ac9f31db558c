"""The names and frontier files of an archive (docs/formats.md §3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sealing.digests import b64, unb64
from sealing.errors import Invalid
from sealing.merkle import Frontier

SUFFIXES: Final = (".jsonl", ".jsonl.gz")
CHECKPOINT_SUFFIX: Final = ".checkpoint"
FRONTIER_SUFFIX: Final = ".frontier"
TIMESTAMP_SUFFIX: Final = ".checkpoint.tsr"
_STEM = re.compile(r"([0-9]{16})-([0-9]{16})\Z", re.ASCII)
_DAY = re.compile(r"(?:.*/)?([0-9]{4})/([0-9]{2})/([0-9]{2})/[^/]*\Z", re.ASCII | re.DOTALL)


class FrontierRefused(Invalid):
    """The text is not a frontier of the size that it should be of."""

    code = "frontier_invalid"


@dataclass(frozen=True, slots=True)
class Range:
    """The sequence numbers that a segment's name promises, both inclusive."""

    first: int
    last: int

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return f"{self.first:016d}-{self.last:016d}"


def range_of(name: str) -> Range | None:
    """What a file's name promises; None if it is not named as a segment is."""
    match = _STEM.match(name.partition(".")[0])
    if match is None:
        return None
    first, last = int(match.group(1)), int(match.group(2))
    return Range(first, last) if first <= last else None


def day_of(path: str) -> str | None:
    """The day, as YYYY-MM-DD, of a path that ends with YYYY/MM/DD/<name>."""
    match = _DAY.match(path)
    return "-".join(match.groups()) if match else None


def frontier_document(frontier: Frontier) -> bytes:
    """The bytes of a frontier file: base64, one hash a line, left to right."""
    return "".join(f"{b64(item)}\n" for item in frontier.hashes).encode("ascii")


def parse_frontier(raw: bytes, size: int) -> Frontier:
    """Reads a frontier file.

    Args:
        raw: the file's bytes.
        size: the tree size that it belongs to, known from the checkpoint beside it.

    Raises:
        FrontierRefused: it is not base64, or has another number of hashes than ``size`` asks for.
    """
    try:
        text = raw.decode("ascii")
        if text and not text.endswith("\n"):
            raise FrontierRefused("The last line of the frontier is cut short.")
        return Frontier(size, [unb64(line) for line in text.split("\n")[:-1]])
    except FrontierRefused:
        raise
    except (Invalid, UnicodeDecodeError) as error:
        raise FrontierRefused(f"Not a frontier of {size} events: {error}") from error
