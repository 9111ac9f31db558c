"""Verifying a log, beside reading its lines and hashing each once.

The limits and ours take turns. Where ours builds on the Merkle tree and the limit does not, that is
part of what ours has to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.running import Row
from benchmarks.verify_archives import ORIGIN, Built, build

PROJECT = Path(__file__).parents[1]
EVENTS = 200_000
# What the memory row verifies; STRONGROOM_BENCH_EVENTS=10000000 for the table's figure.
MEMORY_EVENTS = int(os.environ.get("STRONGROOM_BENCH_EVENTS", "300000"))
ARCHIVE_EVENTS = 800_000


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    whole = build(workdir / "one", EVENTS, segment=EVENTS)
    (log,) = whole.segments
    yield Row(
        "verify a local log, one process; limit: read lines, one SHA-256 each",
        lambda: timed(lambda: hash_lines(log), EVENTS),
        lambda: timed(lambda: verify_log(log), EVENTS),
        "≥ 0.55",
        method=(
            "One file of lines: numbers, links, times, hashes and the tree. The tree is one more"
            " SHA-256 for each line, which the limit does not compute."
        ),
    )
    packed = build(workdir / "packed", EVENTS, is_packed=True)
    yield Row(
        "verify packed segments, one process; limit: read lines unpacked, one SHA-256 each",
        lambda: timed(lambda: hash_lines(log), EVENTS),
        lambda: timed(lambda: verify_archive(packed), EVENTS),
        "≥ 0.35",
        method=(
            "The same events as gzip segments with checkpoints and frontiers, the whole of what"
            f" `audit.verify` does; unpacked by {unpacker()}."
        ),
    )
    plain = build(workdir / "plain", ARCHIVE_EVENTS)
    yield Row(
        "verify a local archive, two processes; limit: one process",
        lambda: timed(lambda: verify_archive(plain), ARCHIVE_EVENTS),
        lambda: timed(lambda: verify_archive(plain, jobs=2), ARCHIVE_EVENTS),
        "≥ 1.7",
        method="Needs two cores that nothing else uses at the time.",
    )
    many = build(workdir / "many", MEMORY_EVENTS, is_packed=True)
    yield Row(
        f"memory of verifying {MEMORY_EVENTS:,} events, the largest process",
        ours=lambda: memory_of(many),
        wanted="≤ 64 MiB",
        unit="MiB",
        rounds=1,
        method=(
            "Peak resident memory of `python -m audit.verify` on a packed archive;"
            " STRONGROOM_BENCH_EVENTS=10000000 measures ten million events."
        ),
    )


def hash_lines(path: Path) -> None:
    """The limit: iterate the lines and hash each."""
    sha256 = hashlib.sha256
    with path.open("rb", buffering=1 << 20) as file:
        for line in file:
            sha256(line).digest()


def verify_log(path: Path) -> None:
    """Ours: numbers, links, hashes, times and the tree."""
    from audit.folder import open_lines
    from audit.formats.log import LogVerifier

    verifier = LogVerifier(ORIGIN)
    with open_lines(path) as lines:
        verifier.feed(lines)
    if verifier.size != EVENTS:
        raise SystemExit("the benchmark's own log does not verify")


def verify_archive(built: Built, *, jobs: int = 1) -> None:
    """Ours, all of it: checkpoints and frontiers too."""
    from audit.sources import open_source
    from audit.verifying import verify_archive as verify
    from sealing.keys import parse_signers

    signers = parse_signers(built.signers.read_bytes())
    report = verify(open_source(str(built.root)), signers, jobs=jobs)
    if report.checked_events != built.events or report.report.issues:
        raise SystemExit("the benchmark's own archive does not verify")


def memory_of(built: Built) -> float:
    """The peak of resident memory, in MiB, of the command line."""
    script = (
        "import sys; from audit.verify import main\n"
        "from benchmarks.verify import peak_bytes\n"
        "code = main(sys.argv[1:])\n"
        "print(peak_bytes(), file=sys.stderr); sys.exit(code)\n"
    )
    command = [sys.executable, "-c", script, str(built.root), "--json"]
    command += ["--signers", str(built.signers)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    if json.loads(done.stdout)["checked_events"] != built.events:
        raise SystemExit("the benchmark's own archive does not verify")
    return int(done.stderr.split()[-1]) / (1 << 20)


def peak_bytes() -> int:
    """The most memory that this process ever had resident.

    Linux keeps in `getrusage` what the process was before it began this program, so the kernel's
    mark for the program alone is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        mark = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(mark.split()[1]) << 10
    import resource

    # KiB, but bytes on Darwin.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def unpacker() -> str:
    """What unpacks gzip here."""
    try:
        from isal import igzip
    except ImportError:
        return "the standard library"
    return f"python-isal ({igzip.__name__})"


def timed(work: Callable[[], None], events: int) -> float:
    """Events a second."""
    start = time.perf_counter()
    work()
    return events / (time.perf_counter() - start)
