"""Where the published vectors lie, for tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "STRONGROOM_CONFORMANCE_DATA"


def folder(name: str) -> Path:
    """A folder of vectors; the test is skipped, by name, where there are none."""
    root = os.environ.get(VARIABLE)
    if not root:
        pytest.skip(f"{VARIABLE} names no folder of published vectors")
    path = Path(root) / name
    assert path.exists(), f"{VARIABLE} is set, but {path} is not there"
    return path
