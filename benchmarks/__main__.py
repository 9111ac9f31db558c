"""`make bench`: our speed as ratios to limits and to peers measured in the same run.

Absolute times move with the machine; ratios inside one run do not, much. Each figure is the median
of interleaved rounds. Results are printed and written to benchmarks/RESULTS.md. Names of modules as
arguments (`python -m benchmarks record proof`) measure those alone and write nothing.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import time
from collections.abc import Iterator
from pathlib import Path

import benchmarks
from benchmarks import results
from benchmarks.installation import prepared
from benchmarks.running import Result, Row, measured

# The verifiers come first, since they need no database; the archive before a long log has grown;
# the proofs last, since they put the tiles of another log in place of this one's.
ORDER = ("record", "archive", "sealer", "ingest", "package", "packet_pdf", "proof")


def main() -> int:
    """Measures every row and writes the table."""
    parser = argparse.ArgumentParser(description="Ratios to limits and peers.")
    parser.add_argument("module", nargs="*", help="only the rows of these modules")
    chosen = parser.parse_args().module
    start = time.monotonic()
    found: list[Result] = []
    with prepared() as workdir:
        for row in _rows(workdir, chosen or [*_verifiers(), *ORDER]):
            result = measured(row)
            print(results.line(result), flush=True)
            found.append(result)
    if not chosen:
        results.write(found, minutes=(time.monotonic() - start) / 60)
    return 0


def _verifiers() -> list[str]:
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    return [name for name in names if name.startswith("verify")]


def _rows(workdir: Path, names: list[str]) -> Iterator[Row]:
    for name in names:
        module = importlib.import_module(f"benchmarks.{name}")
        for row in module.rows(workdir) if hasattr(module, "rows") else ():
            yield row if isinstance(row, Row) else Row(*row)


if __name__ == "__main__":
    raise SystemExit(main())
