"""Logs of pbpk-mcp, so that a site can bring its history along (docs/formats.md §8).

The chain has no signatures: it shows that no line was changed by somebody who did not also rewrite
every line after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

from audit.formats.log import Fault

GENESIS: Final = "0" * 64
MAX_LINE_BYTES: Final = 1 << 20


class PbpkVerifier:
    """Follows one log from its beginning; events are counted from 0."""

    def __init__(self) -> None:
        self.size = 0
        self.head = GENESIS
        self.fault: Fault | None = None

    def feed(self, lines: Iterable[bytes]) -> bool:
        """Checks lines until one does not hold; `fault` tells which."""
        if self.fault is not None:
            return False
        for line in lines:
            problem = self._problem(line)
            if problem is not None:
                self.fault = Fault(self.size, *problem)
                return False
        return True

    def _problem(self, line: bytes) -> tuple[str, str] | None:
        if not line.endswith(b"\n") or len(line) > MAX_LINE_BYTES:
            return "line_malformed", "The line is cut short or too long."
        try:
            event = json.loads(line, object_pairs_hook=_without_duplicates)
            claimed, link = event["hash"], event["previousHash"]
            body = {key: event[key] for key in event if key not in ("hash", "signature")}
            text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        except (ValueError, KeyError, TypeError, RecursionError):
            return "line_malformed", "Not an event of this profile."
        if link != self.head:
            return "chain_broken", "The line does not link to the one before."
        if claimed != hashlib.sha256(text.encode("ascii")).hexdigest():
            return "hash_mismatch", "The line's hash is not that of its content."
        self.head = claimed
        self.size += 1
        return None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found
