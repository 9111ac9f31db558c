"""The table of results, for people."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.running import Result

TARGET = Path(__file__).parent / "RESULTS.md"


def line(result: Result) -> str:
    """A result on one line, for the terminal."""
    least, median, most = _figures(result)
    peers = f"; {_peers(result)}" if _peers(result) else ""
    return (
        f"{result.row.name}: {median} [{least} to {most}] wanted {result.row.wanted}:"
        f" {_verdict(result)}{peers}"
    )


def write(results: Sequence[Result], minutes: float) -> None:
    """Writes benchmarks/RESULTS.md."""
    TARGET.write_text(document(results, minutes, _postgresql()), encoding="utf-8")


def document(results: Sequence[Result], minutes: float, postgresql: str) -> str:
    """The table, and how each row was measured."""
    load = os.getloadavg()[2]
    open_rows = [result for result in results if not result.is_reached]
    lines = [
        "# Benchmarks",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench` in {minutes:.0f} minutes, with"
        f" Python {platform.python_version()} on {os.cpu_count()} cores ({platform.machine()}),"
        f" PostgreSQL {postgresql} with durable settings; the load average over the last quarter"
        f" of an hour was {load:.1f}, the benchmarks' own work included. Each figure is the median"
        " of interleaved rounds, as a ratio to the limit that the row names, where it has no unit;"
        " peers are ratios to the same limit.",
        "",
        "| Work, and its limit | Ours | Least | Most | Wanted | Reached | Peers |",
        "|---|---|---|---|---|---|---|",
        *(_row(result) for result in results),
        "",
        f"{len(open_rows)} of {len(results)} rows are not reached, and stay open."
        if open_rows
        else "Every row is reached.",
        "",
        "## How each row is measured",
        "",
    ]
    for result in results:
        if result.row.method:
            lines += [f"**{result.row.name}.** {result.row.method}", ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(result: Result) -> str:
    least, median, most = _figures(result)
    cells = (
        result.row.name,
        median,
        least,
        most,
        result.row.wanted,
        _verdict(result),
        _peers(result),
    )
    return "| " + " | ".join(cells) + " |"


def _figures(result: Result) -> tuple[str, str, str]:
    if not result.figures:
        return "–", "not measured", "–"
    least, most = min(result.figures), max(result.figures)
    return tuple(_number(value, result.row.unit) for value in (least, result.median, most))  # type: ignore[return-value]


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
    return f"{text} {unit}".strip()


def _verdict(result: Result) -> str:
    if not result.figures:
        return f"not measured: {result.missing}"
    return "yes" if result.is_reached else "no"


def _peers(result: Result) -> str:
    known = [f"{name} {ratio:.2f}" for name, ratio in result.peers.items()]
    if result.missing:
        known.append(f"not measured: {result.missing}")
    return ", ".join(known)


def _postgresql() -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])
