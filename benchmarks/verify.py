"""Verifying a local log, beside reading its lines and hashing each once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.installation import data_of

EVENTS = 200_000
ORIGIN = "bench.test/audit"
Row = tuple[str, Callable[[], float], Callable[[], float], str]


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    log = workdir / "log.jsonl"
    write_log(log)
    yield (
        "verify a local log, one process; limit: read lines, one SHA-256 each",
        lambda: timed(lambda: hash_lines(log)),
        lambda: timed(lambda: verify_log(log)),
        "≥ 0.55",
    )


def write_log(path: Path) -> None:
    """Writes a chained log of `EVENTS` events."""
    from audit.formats import event

    previous = event.genesis_hash(ORIGIN)
    with path.open("wb") as out:
        for seq in range(EVENTS):
            body = event.build(
                id=f"00000000-0000-7000-8000-{seq:012x}",
                type="ops.bench.measured",
                occurred_at="2026-01-01T00:00:00.000000Z",
                actor={"id": f"user:operator-{seq % 2000}"},
                recorder="strongroom",
                client_id="clinic-001",
                object={"type": "incident", "id": f"INC-{seq}"},
                outcome="success",
                data=data_of(seq),
            )
            line, previous = event.line(seq, "2026-01-01T00:00:00.000000Z", previous, body)
            out.write(line + b"\n")


def hash_lines(path: Path) -> None:
    """The limit: iterate the lines and hash each."""
    sha256 = hashlib.sha256
    with path.open("rb", buffering=1 << 20) as file:
        for line in file:
            sha256(line).digest()


def verify_log(path: Path) -> None:
    """Ours: numbers, links, hashes, times and the tree."""
    from audit.formats.log import LogVerifier

    verifier = LogVerifier(ORIGIN)
    with path.open("rb", buffering=1 << 20) as file:
        verifier.feed(file)
    if verifier.size != EVENTS:
        raise SystemExit("the benchmark's own log does not verify")


def timed(work: Callable[[], None]) -> float:
    """Events a second."""
    start = time.perf_counter()
    work()
    return EVENTS / (time.perf_counter() - start)
