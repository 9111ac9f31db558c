"""Servers and vaults for the tests under fire."""

from __future__ import annotations

import pytest

from tests.servers.external_fixture import external
from tests.services.evidence.vaults import local_vault, s3_vault
from tests.services.reports.conftest import rendered_here

__all__ = ["external", "local_vault", "rendered_here", "s3_vault"]
pytest.register_assert_rewrite("tests.faults.exports")
