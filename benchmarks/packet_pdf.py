"""The PDF of a packet with 10,000 rows beside ReportLab's canvas, and the memory that it takes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.running import Row

COUNT, ROUNDS = 10_000, 3
_TIMES = 3
_DIGEST = f"sha256:{'0' * 64}"
_SIZE, _LEFT, _TOP, _BOTTOM, _LEADING = 6.5, 42, 790, 50, 10
# Points, as wide as the columns of the packet's own table.
_COLUMNS = (0, 64, 128, 172, 258, 344, 386)

_MEMORY = """
import json, resource, sys
from reports.rendering import render
render(json.load(sys.stdin), json_sha256=sys.argv[1])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    yield Row(
        f"PDF of a packet with {COUNT:,} rows: seconds beyond {_TIMES} times ReportLab's canvas",
        together=_turns,
        wanted="≤ 3.0",
        unit="s",
        method="The whole packet of 12 controls and an annex of 10,000 rows of seven columns, from"
        " the call of the service's function to the finished bytes, so with the start of the"
        " process that renders. The canvas draws the same texts at fixed places in the PDF's own"
        " font, breaks no lines, and is started and imported before the clock runs.",
    )
    yield Row(
        f"memory of rendering a packet with {COUNT:,} rows",
        ours=_memory,
        wanted="≤ 150",
        unit="MiB",
        rounds=1,
        method="Peak resident memory of the process that renders, interpreter and libraries"
        " included.",
    )


def _turns() -> list[Mapping[str, float]]:
    from reports.rendering import render

    document = _document()
    turns = []
    for _ in range(ROUNDS):
        limit = _seconds(lambda: _canvas(document["annexes"][0]["rows"]))
        ours = _seconds(lambda: render(document, json_sha256=_DIGEST))
        turns.append({"": ours - _TIMES * limit})
    return turns


def _seconds(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _document() -> dict[str, Any]:
    from tests.reports_documents import document

    return document(12, COUNT)


def _canvas(found: list[list[str]]) -> bytes:
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4, invariant=1, pageCompression=1)
    y = 0
    for row in found:
        if y < _BOTTOM:
            if y:
                canvas.showPage()
            y = _TOP
            canvas.setFont("Helvetica", _SIZE)
            canvas.setLineWidth(0.3)
        for x, text in zip(_COLUMNS, row, strict=True):
            canvas.drawString(_LEFT + x, y, text)
        canvas.line(_LEFT, y - 2, 553, y - 2)
        y -= _LEADING
    canvas.save()
    return target.getvalue()


def _memory() -> float:
    found = subprocess.run(
        [sys.executable, "-c", _MEMORY, _DIGEST],
        cwd=Path(__file__).parent.parent,
        input=json.dumps(_document()),
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise SystemExit(f"the renderer failed: {found.stderr[-2000:]}")
    return float(found.stdout)
