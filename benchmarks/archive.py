"""Uploading to the archive in segments, beside one object for each event."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit.ids import uuid7
from benchmarks.events import canonical, recorded_event
from benchmarks.running import Row
from benchmarks.serving import free_port, wait_for

BUCKET, SINGLE, SEGMENTS, SEGMENT_EVENTS = "bench-archive", 60, 10, 2_000
_COMPANIONS = {"checkpoint": b"c" * 400, "frontier": b"f" * 600}
_names = itertools.count()


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    with moto(free_port()):
        yield Row(
            "archive upload: a segment with its companions; limit: one event per object (1 ×)",
            limit=one_by_one,
            ours=in_segments,
            wanted="≥ 500",
            peers={"the whole of archive_pending": whole},
            rounds=3,
            method=f"Into a bucket with Object Lock on a moto server in a process of its own, by"
            f" the S3 store of the archive, which reads every receipt back: {SINGLE} events as an"
            f" object each, against {SEGMENTS} packed segments of {SEGMENT_EVENTS:,} events, each"
            " with a checkpoint and a frontier beside it. The bytes are ready; what is measured is"
            " the upload. For comparison the whole of `archive_pending` over as many sealed events,"
            " which also cuts, packs, signs and keeps the receipts in the database. moto proves"
            " nothing of locks; it stands for what a request costs.",
        )


def one_by_one() -> float:
    """Events a second, each in an object of its own."""
    bodies = [_lines(1) for _ in range(SINGLE)]
    start = time.perf_counter()
    for body in bodies:
        _put(f"single/{next(_names):016d}.jsonl", body)
    return SINGLE / (time.perf_counter() - start)


def in_segments() -> float:
    """Events a second, in segments with their companions."""
    bodies = [gzip.compress(_lines(SEGMENT_EVENTS), mtime=0) for _ in range(SEGMENTS)]
    start = time.perf_counter()
    for body in bodies:
        stem = f"segments/{next(_names):016d}"
        _put(f"{stem}.jsonl.gz", body)
        for suffix, companion in _COMPANIONS.items():
            _put(f"{stem}.{suffix}", companion)
    return SEGMENTS * SEGMENT_EVENTS / (time.perf_counter() - start)


def whole() -> float:
    """Events a second of `archive_pending`."""
    from audit.services import archiving
    from benchmarks.ingest import in_service

    while archiving.archive_pending().events:
        continue  # what earlier rows left
    in_service()
    start = time.perf_counter()
    done = archiving.archive_pending().events
    return done / (time.perf_counter() - start)


def _lines(count: int) -> bytes:
    from audit.formats import event

    before, lines = bytes(32), []
    for seq in range(count):
        body = canonical(recorded_event(next(_names), uuid7())).encode()
        line, before = event.line(seq, "2026-01-02T03:04:05.000000Z", before, body)
        lines.append(line + b"\n")
    return b"".join(lines)


def _put(name: str, data: bytes) -> None:
    from audit import storage
    from sealing.stores.base import Retention

    until = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)
    # Beside the archive, whose own objects `archive_pending` looks at.
    store = storage.open_location(f"s3://{BUCKET}/uploads")
    store.put_new(name, data, retention=Retention(storage.lock_mode(), until))


@contextlib.contextmanager
def moto(port: int) -> Iterator[None]:
    """A moto server in a process of its own; the settings point at it meanwhile."""
    import boto3
    from django.test.utils import override_settings

    os.environ.update(
        AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench", AWS_EC2_METADATA_DISABLED="true"
    )
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        with override_settings(
            AUDIT_STORAGE_BACKEND="s3",
            AUDIT_S3_BUCKET=BUCKET,
            AUDIT_S3_REGION="us-east-1",
            AUDIT_S3_ENDPOINT_URL=address,
            AUDIT_S3_FORCE_PATH_STYLE=True,
        ):
            yield
    finally:
        server.terminate()
        server.wait(30)
