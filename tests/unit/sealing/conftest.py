"""Servers for the tests of external endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.external import ExternalServer
from tests.servers.external_fixture import external  # noqa: F401


@pytest.fixture
def other(tmp_path: Path) -> Iterator[ExternalServer]:
    """A second server, which should hear of nothing."""
    with ExternalServer(tmp_path / "other").serving() as serving:
        yield serving


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[ExternalServer]:
    """A server with TLS, whose certificate is for its address."""
    with ExternalServer(tmp_path / "secure", tls_names=("127.0.0.1",)).serving() as serving:
        yield serving
