"""The renderer as a process of its own: the document on standard input, the PDF on output."""

from __future__ import annotations

import argparse
import json
import sys

from reports.rendering import guard


def main() -> int:
    """Renders one document. What went wrong is the last line of standard error."""
    parser = argparse.ArgumentParser()
    for name in ("--memory-bytes", "--cpu-seconds", "--file-bytes"):
        parser.add_argument(name, type=int, required=True)
    chosen = parser.parse_args()
    guard.set_limits(
        memory_bytes=chosen.memory_bytes,
        cpu_seconds=chosen.cpu_seconds,
        file_bytes=chosen.file_bytes,
    )
    from reports.rendering.assembling import pdf_bytes

    walls = guard.Guard(guard.program_folders())
    walls.stand()
    request = json.load(sys.stdin.buffer)
    pdf = pdf_bytes(request["document"], json_sha256=request["json_sha256"])
    if walls.refused:
        print(f"refused: {walls.refused[0]}", file=sys.stderr)  # noqa: T201
        return 3
    sys.stdout.buffer.write(pdf)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
