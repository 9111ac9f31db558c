"""Makes logs, checkpoints and archives to verify, and to damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audit.formats import checkpoint, event
from audit.formats.checkpoint import Checkpoint
from audit.formats.segment import frontier_document
from sealing.keys import Signers, TrustedKey, signers_document
from sealing.merkle import Frontier
from sealing.signers.local import LocalSigner
from sealing.times import format_time
from tests.unit.audit_formats import golden

ORIGIN = golden.ORIGIN
BEGIN = datetime(2026, 3, 1, 22, tzinfo=UTC)


def event_bytes(number: int, **changes: Any) -> bytes:
    """A valid event."""
    fields: dict[str, Any] = {
        "id": f"0190a6c1-0000-7000-8000-{number:012x}",
        "type": "ops.test.happened",
        "occurred_at": "2026-03-01T00:00:00.000000Z",
        "actor": {"id": "user:alice"},
        "recorder": "strongroom",
        "data": {"number": number},
    }
    return event.build(**{**fields, **changes})


def sealed_at(number: int) -> str:
    """The time of the event of that number: one every 20 minutes, from 22:00 on."""
    return format_time(BEGIN + timedelta(minutes=20 * number))


@dataclass
class Log:
    """A log that grows; each line without its newline."""

    origin: str = ORIGIN
    lines: list[bytes] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)

    @property
    def head(self) -> bytes:
        return self.hashes[-1] if self.hashes else event.genesis_hash(self.origin)

    def add(self, body: bytes | None = None, when: str | None = None) -> None:
        """Seals one more event."""
        seq = len(self.lines)
        body = event_bytes(seq) if body is None else body
        line, digest = event.line(seq, when or sealed_at(seq), self.head, body)
        self.lines.append(line)
        self.hashes.append(digest)

    def frontier(self, size: int) -> Frontier:
        made = Frontier()
        made.extend(self.hashes[:size])
        return made

    def checkpoint(
        self, size: int, signer: LocalSigner | None = None, *, when: str | None = None
    ) -> bytes:
        """The signed checkpoint at that size."""
        head = self.hashes[size - 1] if size else event.genesis_hash(self.origin)
        made = Checkpoint(
            self.origin, size, self.frontier(size).root(), head, when or sealed_at(size)
        )
        return checkpoint.sign(made, signer or golden.signer())


def log_of(size: int, **same: Any) -> Log:
    """A log of that many events."""
    log = Log(**same)
    for _ in range(size):
        log.add()
    return log


def trusted(signer: LocalSigner | None = None, **changes: Any) -> TrustedKey:
    """The entry of a checkpoint key in the signers file."""
    signer = signer or golden.signer()
    fields: dict[str, Any] = {
        "signer_kid": signer.key_id,
        "name": "Checkpoints",
        "person": None,
        "purposes": ("checkpoint",),
        "algorithm": signer.algorithm,
        "public_key_pem": signer.public_key_pem,
        "status": "active",
        "not_before": "2026-01-01T00:00:00.000000Z",
        "not_after": None,
        "compromised_at": None,
    }
    return TrustedKey(**{**fields, **changes})


def signers_of(*keys: TrustedKey, origin: str = ORIGIN) -> Signers:
    """A signers file's content; the golden key's unless others are named."""
    return Signers(origin, keys or (trusted(),))


def write_signers(path: Path, signers: Signers | None = None) -> Path:
    """Writes a signers file."""
    path.write_bytes(signers_document(signers or signers_of()))
    return path


def write_archive(root: Path, log: Log, ranges: Sequence[tuple[int, int]]) -> list[Path]:
    """Writes segments with their checkpoints and frontiers; returns the segments' paths.

    Args:
        ranges: first and last number of each segment.
    """
    paths = []
    for first, last in ranges:
        day = log.lines[first].split(b'"sealed_at":"')[1][:10].decode().replace("-", "/")
        path = root / day / f"{first:016d}-{last:016d}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(line + b"\n" for line in log.lines[first : last + 1]))
        path.with_suffix(".checkpoint").write_bytes(log.checkpoint(last + 1))
        frontier = frontier_document(log.frontier(last + 1))
        path.with_suffix(".frontier").write_bytes(frontier)
        paths.append(path)
    return paths
