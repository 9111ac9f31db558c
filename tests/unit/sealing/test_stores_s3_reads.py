"""What is read from a bucket, over a network that fails, past versions and markers above it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ResponseStreamingError

from sealing.errors import NotFound
from sealing.files import AlreadyExists
from sealing.stores.base import StoreDenied, StoreUnavailable
from sealing.stores.opening import S3Options
from sealing.stores.s3 import S3Store
from tests.servers.buckets import Bucket
from tests.servers.faulty import FaultyProxy, Kind
from tests.servers.ports import free_ports
from tests.unit.sealing.s3_helpers import DATA, NAME, lock, through


@pytest.mark.parametrize("kind", [Kind.CUT_BODY, Kind.RESET_BEFORE], ids=str)
def test_a_read_that_breaks_off_is_read_again(
    locked_bucket: Bucket, faulty_s3: FaultyProxy, kind: Kind
) -> None:
    locked_bucket.store().put_new(NAME, DATA)
    store = through(locked_bucket, faulty_s3)
    faulty_s3.inject(kind, methods="GET", times=2)
    assert store.read(NAME) == DATA
    assert faulty_s3.count("GET") == 3
    faulty_s3.inject(kind, methods="GET", times=None)
    with pytest.raises(StoreUnavailable):
        through(locked_bucket, faulty_s3, max_attempts=2).read(NAME)


class BreaksOff:
    """An answer's body of which one block arrives."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        yield self._body.read(size)
        raise ResponseStreamingError(error="cut by the test")


def test_a_large_read_that_breaks_off_goes_on_where_it_was(
    locked_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * (12 << 10)
    store = locked_bucket.store()
    version = store.put_new(NAME, data).version_id
    client, asked = store._bucket.client, []
    real = client.get_object

    def get_object(**arguments: Any) -> Any:
        answer = real(**arguments)
        asked.append(arguments)
        return answer if len(asked) == 3 else answer | {"Body": BreaksOff(answer["Body"])}

    monkeypatch.setattr(client, "get_object", get_object)
    stored, blocks = store.opened(NAME)
    assert b"".join(blocks) == data
    assert (stored.size_bytes, stored.version_id) == (len(data), version)
    assert [each.get("Range") for each in asked] == [None, "bytes=1048576-", "bytes=2097152-"]
    assert [each.get("VersionId") for each in asked] == [None, version, version]


READS: dict[str, Callable[[S3Store], Any]] = {
    "read": lambda store: store.read(NAME),
    "stat": lambda store: store.stat(NAME),
    "exists": lambda store: store.exists(NAME),
    "iterate": lambda store: list(store.iterate()),
    "versions": lambda store: list(store.versions()),
}


@pytest.mark.parametrize("act", READS.values(), ids=READS)
def test_a_read_is_repeated_and_then_told(
    locked_bucket: Bucket, faulty_s3: FaultyProxy, act: Callable[[S3Store], Any]
) -> None:
    locked_bucket.store().put_new(NAME, DATA)
    wanted = act(locked_bucket.store())
    for status in (500, 503):
        fault = faulty_s3.inject(Kind.ANSWER, status=status, methods="GET HEAD")
        assert act(through(locked_bucket, faulty_s3)) == wanted
        assert fault.met == 1
    for status, error in ((503, StoreUnavailable), (403, StoreDenied)):
        faulty_s3.heal()
        fault = faulty_s3.inject(Kind.ANSWER, status=status, methods="GET HEAD", times=None)
        with pytest.raises(error, match=str(status)):
            act(through(locked_bucket, faulty_s3, max_attempts=2))
        assert fault.met == (2 if status == 503 else 1)


def test_a_slow_answer_is_waited_for_only_so_long(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    locked_bucket.store().put_new(NAME, DATA)
    faulty_s3.inject(Kind.SLOW, seconds=0.6, methods="GET")
    assert through(locked_bucket, faulty_s3, timeout_seconds=5).read(NAME) == DATA
    faulty_s3.inject(Kind.SLOW, seconds=0.6, methods="GET", times=None)
    with pytest.raises(StoreUnavailable, match="ReadTimeout"):
        through(locked_bucket, faulty_s3, timeout_seconds=0.2, max_attempts=1).read(NAME)


def test_nothing_listening_is_unavailable(locked_bucket: Bucket) -> None:
    (port,) = free_ports(1)
    store = locked_bucket.store(locked_bucket.options_through(f"http://127.0.0.1:{port}"))
    for act in (store.clock, lambda: store.put_new(NAME, DATA), *_bound(store)):
        with pytest.raises(StoreUnavailable):
            act()


def test_a_server_that_speaks_no_http_is_unavailable(locked_bucket: Bucket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        options = S3Options("us-east-1", f"http://127.0.0.1:{port}", True, None, 1, 0.2)
        with pytest.raises(StoreUnavailable):
            locked_bucket.store(options).read(NAME)


def test_a_bucket_that_is_not_there_is_told(locked_bucket: Bucket) -> None:
    store = S3Store("no-such-bucket-of-ours", "audit", locked_bucket.options)
    for act in (
        lambda: store.put_new(NAME, DATA),
        lambda: store.read(NAME),
        lambda: list(store.iterate()),
        lambda: list(store.versions()),
    ):
        with pytest.raises(StoreUnavailable, match="no such bucket"):
            act()


def test_missing_credentials_are_a_refusal(
    locked_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreDenied, match="no credentials"):
        locked_bucket.store().read(NAME)


@pytest.mark.parametrize("lock_wanted", [True, False], ids=["lock", "no-lock"])
def test_a_bucket_without_versions_keeps_nothing(
    unlocked_bucket: Bucket, lock_wanted: bool
) -> None:
    retention = lock() if lock_wanted else None
    for _ in range(2):
        with pytest.raises((StoreDenied, StoreUnavailable)):
            unlocked_bucket.store().put_new(NAME, DATA, retention=retention)


def test_versions_and_markers_above_an_object_do_not_replace_it(locked_bucket: Bucket) -> None:
    store, held = locked_bucket.store(), lock()
    original = store.put_new(NAME, DATA, retention=held)
    key = locked_bucket.key(NAME)
    locked_bucket.client.put_object(Bucket=locked_bucket.name, Key=key, Body=b"evil")
    locked_bucket.client.delete_object(Bucket=locked_bucket.name, Key=key)
    told = list(store.versions())
    assert [
        (v.version_id == original.version_id, v.is_delete_marker, v.is_latest) for v in told
    ] == [
        (True, False, False),
        (False, False, False),
        (False, True, True),
    ]
    assert not store.exists(NAME)
    assert list(store.iterate()) == []
    with pytest.raises(NotFound):
        store.read(NAME)
    for act in (store.read, store.stat):
        with pytest.raises(NotFound):
            act(NAME, version_id=told[-1].version_id)
    assert store.read(NAME, version_id=original.version_id) == DATA
    assert store.stat(NAME, version_id=original.version_id).retention == held
    assert store.put_new(NAME, DATA, retention=held) == original
    adopted = store.put_new(NAME, DATA, retention=lock(15))
    assert adopted.version_id == original.version_id
    assert adopted.retention == store.stat(NAME, version_id=original.version_id).retention
    longer = lock(20)
    assert store.extend(NAME, longer, version_id=original.version_id).retention == longer
    assert store.hold(NAME, on=True, version_id=original.version_id).legal_hold
    with pytest.raises(AlreadyExists):
        store.put_new(NAME, b"evil")


def test_keys_that_are_no_names_are_left_out(locked_bucket: Bucket) -> None:
    for key in ("audit/", "audit/d/", "audit/.hidden", "audit/d//e", "auditing/x", "audit/good"):
        locked_bucket.client.put_object(Bucket=locked_bucket.name, Key=key, Body=b"")
    assert list(locked_bucket.store().iterate()) == ["good"]
    assert [version.name for version in locked_bucket.store().versions()] == ["good"]


def test_the_clock_is_the_servers_even_when_it_refuses(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    store = through(locked_bucket, faulty_s3)
    assert abs(store.clock() - datetime.now(UTC)) < timedelta(seconds=5)
    faulty_s3.inject(Kind.ANSWER, status=403, methods="HEAD")
    assert abs(store.clock() - datetime.now(UTC)) < timedelta(seconds=5)
    assert store.clock().microsecond == 0


def _bound(store: S3Store) -> list[Callable[[], Any]]:
    return [lambda act=act: act(store) for act in READS.values()]  # type: ignore[misc]
