"""Servers and vaults for the tests under fire."""

from __future__ import annotations

import pytest

from tests.servers.external_fixture import external
from tests.services.evidence.vaults import local_vault, s3_vault

__all__ = ["external", "local_vault", "s3_vault"]
pytest.register_assert_rewrite("tests.faults.exports")
