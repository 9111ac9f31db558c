"""The reference server as a fixture; a `conftest.py` imports it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.external import ExternalServer


@pytest.fixture
def external(tmp_path: Path) -> Iterator[ExternalServer]:
    """An archive and a key service of this test's own, over http on this host, without faults."""
    with ExternalServer(tmp_path / "external").serving() as serving:
        yield serving
