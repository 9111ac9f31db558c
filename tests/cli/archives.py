"""An archive to verify, as `python -m audit.verify` finds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit import verify
from sealing import keys
from sealing.signers.local import LocalSigner
from tests.unit.audit_formats import logs

PROJECT = Path(__file__).resolve().parents[2]
# Events 0–5 are sealed on 1 March (from 22:00 on, every 20 minutes), 6–11 on 2 March.
LOG = logs.log_of(12)
RANGES = ((0, 2), (3, 5), (6, 9), (10, 11))
DAYS = ("2026/03/01", "2026/03/01", "2026/03/02", "2026/03/02")
OTHER = LocalSigner.generate(keys.ED25519)


@dataclass
class Archive:
    """An archive of LOG, and the answers of the verifier about it."""

    root: Path
    signers: Path
    segments: list[Path]

    def run(self, *options: str, path: Path | None = None) -> int:
        """The exit code."""
        arguments = [str(path or self.root), "--signers", str(self.signers), *options]
        return verify.main(arguments)


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def drop_segment_whole(number: int) -> Callable[[Archive], None]:
    def drop(archive: Archive) -> None:
        for path in archive.segments[number].parent.glob(f"{archive.segments[number].stem}.*"):
            path.unlink()

    return drop
