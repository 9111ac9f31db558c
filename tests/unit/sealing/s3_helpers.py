"""A store over a bucket of the tests, past a proxy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sealing.stores.base import LockMode, Retention
from sealing.stores.opening import S3Options
from sealing.stores.s3 import S3Store
from tests.servers.buckets import Bucket
from tests.servers.faulty import FaultyProxy

DATA = b"the same bytes " * 1000
NAME = "2025/10/16/0000000000000000-0000000000000001.jsonl.gz"


def lock(days: int = 10) -> Retention:
    until = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    return Retention(LockMode.COMPLIANCE, until)


def through(bucket: Bucket, proxy: FaultyProxy, **changed: Any) -> S3Store:
    """A store over ``bucket`` that goes through the proxy, with some options changed."""
    plain = bucket.options_through(proxy.endpoint_url)
    known = {"region": plain.region, "endpoint_url": plain.endpoint_url, "force_path_style": True}
    return bucket.store(S3Options(**{**known, "timeout_seconds": 5, **changed}))
