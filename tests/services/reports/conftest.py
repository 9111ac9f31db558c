"""Vaults for the tests of packets, and the renderer without a process of its own."""

from __future__ import annotations

from typing import Any

import pytest

from reports.rendering.assembling import pdf_bytes
from reports.services import making
from tests.services.evidence.vaults import local_vault, s3_vault

__all__ = ["local_vault", "rendered_here", "s3_vault"]


@pytest.fixture
def rendered_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pages, without the second that a new process takes to begin."""

    def render(document: Any, *, json_sha256: str) -> bytes:
        return pdf_bytes(document, json_sha256=json_sha256)

    monkeypatch.setattr(making, "render", render)
