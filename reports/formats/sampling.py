"""Which events a packet samples: chosen by digests, so that anybody can repeat it.

The seed follows from the packet's name and from the root of the log that its checkpoint signs: it
is known only when nothing can be added to what it chooses from, and nobody chooses it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from sealing.digests import b64

PER_CONTROL: Final = 25
PREFIX: Final = b"strongroom/sample/v1\n"
METHOD: Final = (
    "The seed is the SHA-256 of the line 'strongroom/sample/v1', the packet's id and the root hash"
    " of the checkpoint in base64, joined by single line feeds, with none at the end. Of the events"
    " that the event figures of a control rest on, those with the smallest SHA-256 of the seed's 32"
    " bytes followed by the event's number as 8 bytes, big-endian, are sampled: 25 of them, or all"
    " where there are fewer."
)


def seed_of(packet_name: str, root: bytes) -> bytes:
    """The seed of a packet's samples.

    Args:
        packet_name: its name without the suffix of a file.
        root: the root hash of the log at the packet's checkpoint, 32 bytes.
    """
    return sha256(PREFIX + packet_name.encode("utf-8") + b"\n" + b64(root).encode("ascii")).digest()


def choose(seed: bytes, numbers: Iterable[int], count: int = PER_CONTROL) -> list[int]:
    """The chosen events, ascending, of those with the given numbers, each given once."""
    return sorted(heapq.nsmallest(count, numbers, key=lambda number: rank(seed, number)))


def rank(seed: bytes, number: int) -> bytes:
    """What decides whether an event is chosen: the smallest are."""
    return sha256(seed + number.to_bytes(8, "big")).digest()
