"""Servers and vaults for the tests of packages."""

from __future__ import annotations

from tests.servers.external_fixture import external
from tests.services.evidence.vaults import flags, local_vault, s3_vault

__all__ = ["external", "flags", "local_vault", "s3_vault"]
