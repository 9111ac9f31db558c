"""Fixtures of the command lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.archives import LOG, RANGES, Archive
from tests.unit.audit_formats import logs


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    root = tmp_path / "archive"
    segments = logs.write_archive(root / "audit", LOG, RANGES)
    return Archive(root, logs.write_signers(tmp_path / "signers.json"), segments)
