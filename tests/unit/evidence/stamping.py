"""Stamps packages with a real authority, and reads when it did."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from evidence.formats.check_timestamp import timestamp_digest
from sealing import timestamps
from tests.servers.tsa import Authority
from tests.unit.evidence.making import Made


def token_over(authority: Authority, made: Made) -> bytes:
    """The authority's answer for a package."""
    return authority.stamp(timestamps.request_bytes(timestamp_digest(made.digest), 7))


def stamped(authority: Authority, made: Made) -> Made:
    """The package with its timestamp beside it."""
    return replace(made, sidecars=made.with_(timestamp=token_over(authority, made)))


def time_of(authority: Authority, made: Made) -> datetime:
    """When the authority says that it saw the package."""
    token = made.sidecars.timestamp
    assert token is not None
    found = timestamps.check_token(token, timestamp_digest(made.digest), authority.certificates)
    assert found.time is not None
    return found.time
