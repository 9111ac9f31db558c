"""`make bench`: our speed as ratios to limits measured in the same run.

Absolute times move with the machine; ratios inside one run do not, much. Each row is the median of
interleaved rounds. Results are printed and written to benchmarks/RESULTS.md.
"""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import record, sealer, verify
from benchmarks.installation import prepared

ROUNDS = 5
Measure = Callable[[], float]


def ratios(limit: Measure, ours: Measure) -> list[float]:
    """Ours divided by the limit, round by round, in alternating order."""
    found = []
    for number in range(ROUNDS):
        if number % 2:
            mine, base = ours(), limit()
        else:
            base, mine = limit(), ours()
        found.append(mine / base)
    return found


def main() -> int:
    """Measures every row and writes the table."""
    rows = []
    with prepared() as workdir:
        for module in (verify, record, sealer):
            for name, limit, ours, wanted in module.rows(workdir):
                found = ratios(limit, ours)
                median = statistics.median(found)
                reached = "yes" if median >= float(wanted.removeprefix("≥ ")) else "no"
                row = (name, median, min(found), max(found), wanted, reached)
                print("{:78s} {:5.2f} [{:.2f} to {:.2f}] wanted {}: {}".format(*row), flush=True)
                rows.append(row)
    write(rows)
    return 0


def write(rows: list[tuple[str, float, float, float, str, str]]) -> None:
    """Writes the table for people."""
    lines = [
        "# Benchmarks",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()} on"
        f" {platform.machine()}, PostgreSQL with durable settings, by `make bench`. Each figure is"
        f" the median of {ROUNDS} interleaved rounds, as a ratio to the limit named in the row.",
        "",
        "| Work, and its limit | Ratio | Least | Most | Wanted | Reached |",
        "|---|---|---|---|---|---|",
    ]
    lines += ["| {} | {:.2f} | {:.2f} | {:.2f} | {} | {} |".format(*row) for row in rows]
    lines += [
        "",
        "A row that is not reached is open. The verifier also builds the Merkle tree, one more"
        " SHA-256 for each line, which its limit does not. The sealer parses every event and"
        " encodes it again, in Python, to be sure that it is canonical. Recording validates"
        " and encodes the event; its writers are threads of one process and share the interpreter.",
    ]
    target = Path(__file__).parent / "RESULTS.md"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
