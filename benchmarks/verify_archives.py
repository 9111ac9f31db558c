"""Archives to verify, as an archiver would have written them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ORIGIN = "bench.test/audit"
SEALED_AT = "2026-01-01T00:00:00.000000Z"
# About 1 MiB of lines, as the archiver cuts them.
SEGMENT_EVENTS = 1_350
_ID = "00000000-0000-7000-8000-{:012x}"


@dataclass(frozen=True)
class Built:
    """An archive of a benchmark.

    Attributes:
        root: its folder.
        signers: the file of its key.
        segments: the segments' paths.
        events: how many there are.
    """

    root: Path
    signers: Path
    segments: tuple[Path, ...]
    events: int


def build(
    folder: Path, events: int, *, segment: int = SEGMENT_EVENTS, is_packed: bool = False
) -> Built:
    """Writes an archive of so many events of ordinary size below ``folder``.

    Args:
        folder: made here.
        events: how many.
        segment: how many in a segment.
        is_packed: whether segments are gzip.
    """
    from audit.formats import checkpoint, event
    from audit.formats.checkpoint import Checkpoint
    from audit.formats.segment import Range, frontier_document
    from sealing import keys
    from sealing.keys import Signers, TrustedKey, signers_document
    from sealing.merkle import Frontier
    from sealing.signers.local import LocalSigner

    signer = LocalSigner.generate(keys.ED25519)
    key = TrustedKey(signer.key_id, "Benchmark", None, ("checkpoint",), signer.algorithm,
                     signer.public_key_pem, "active", SEALED_AT, None, None)  # fmt: skip
    day = folder / "archive" / "2026" / "01" / "01"
    day.mkdir(parents=True)
    signers = folder / "signers.json"
    signers.write_bytes(signers_document(Signers(ORIGIN, (key,))))
    previous, frontier, segments = event.genesis_hash(ORIGIN), Frontier(), []
    bodies = _bodies()
    for first in range(0, events, segment):
        numbers = range(first, min(first + segment, events))
        lines = []
        for seq in numbers:
            line, previous = event.line(seq, SEALED_AT, previous, next(bodies))
            lines.append(line + b"\n")
            frontier.append(previous)
        path = day / f"{Range(first, numbers[-1]).stem}.jsonl{'.gz' if is_packed else ''}"
        data = b"".join(lines)
        path.write_bytes(gzip.compress(data, 6, mtime=0) if is_packed else data)
        segments.append(path)
        made = Checkpoint(ORIGIN, frontier.size, frontier.root(), previous, SEALED_AT)
        stem = day / path.name.partition(".")[0]
        stem.with_suffix(".checkpoint").write_bytes(checkpoint.sign(made, signer))
        stem.with_suffix(".frontier").write_bytes(frontier_document(frontier))
    return Built(folder / "archive", signers, tuple(segments), events)


def _bodies() -> Iterator[bytes]:
    """Events of about 600 bytes; built once, then only renumbered."""
    from audit.formats import event
    from benchmarks.events import data_of

    body = event.build(
        id=_ID.format(0xABCDEF),
        type="ops.bench.measured",
        occurred_at=SEALED_AT,
        actor={"id": "user:operator-1234567"},
        recorder="strongroom",
        client_id="clinic-001",
        object={"type": "incident", "id": "INC-7654321"},
        outcome="success",
        data=data_of(1),
    )
    before, _, rest = body.partition(b"1234567")
    middle, _, rest = rest.partition(b"000000abcdef")
    between, _, after = rest.partition(b"7654321")
    seq = 0
    while True:
        yield b"%b%07d%b%012x%b%07d%b" % (before, seq % 2000, middle, seq, between, seq, after)
        seq += 1
