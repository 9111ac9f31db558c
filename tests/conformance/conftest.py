"""Other people's test vectors; they are not in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.data import folder


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of vectors; without one every test here is skipped."""
    return folder("")
