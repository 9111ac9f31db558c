"""What only a server that keeps its locks can show: Ceph's gateway, with real Object Lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sealing.errors import NotFound
from sealing.files import AlreadyExists
from sealing.stores.base import LockMode, Retention, Stored, StoreDenied
from sealing.stores.opening import S3Options
from tests.servers.buckets import Bucket
from tests.servers.faulty import FaultyProxy, Kind
from tests.servers.rados import RadosServer

pytestmark = pytest.mark.real

DATA = b"what is to be kept " * 500
NAME = "2025/10/16/0000000000000000-0000000000000001.jsonl.gz"


def lock(days: int = 10, mode: LockMode = LockMode.COMPLIANCE) -> Retention:
    until = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    return Retention(mode, until)


@pytest.fixture
def kept(rados_bucket: Bucket) -> Stored:
    """An object that is locked in compliance mode."""
    return rados_bucket.store().put_new(NAME, DATA, retention=lock())


@pytest.fixture
def proxy(rados_server: RadosServer) -> Iterator[FaultyProxy]:
    made = FaultyProxy(rados_server.endpoint_url)
    try:
        yield made
    finally:
        made.stop()


def one(bucket: Bucket, stored: Stored) -> dict[str, Any]:
    """The parameters that name the version that is kept."""
    return {
        "Bucket": bucket.name,
        "Key": bucket.key(stored.name),
        "VersionId": stored.version_id,
    }


def refused(act: Callable[[], Any]) -> str:
    """The code with which the server refuses the bucket's own owner."""
    with pytest.raises(ClientError) as error:
        act()
    return str(error.value.response["Error"]["Code"])


def assert_untouched(bucket: Bucket, stored: Stored) -> None:
    store = bucket.store()
    assert store.read(stored.name, version_id=stored.version_id) == DATA
    told = store.stat(stored.name, version_id=stored.version_id)
    assert told.retention == stored.retention


@pytest.mark.parametrize("bypass", [False, True], ids=["plain", "bypass-governance"])
def test_a_locked_version_is_not_deleted(rados_bucket: Bucket, kept: Stored, bypass: bool) -> None:
    asked = one(rados_bucket, kept) | {"BypassGovernanceRetention": bypass}
    assert refused(lambda: rados_bucket.client.delete_object(**asked)) == "AccessDenied"
    assert_untouched(rados_bucket, kept)


def test_a_locked_version_is_not_deleted_in_a_batch(rados_bucket: Bucket, kept: Stored) -> None:
    answer = rados_bucket.client.delete_objects(
        Bucket=rados_bucket.name,
        Delete={"Objects": [{"Key": rados_bucket.key(NAME), "VersionId": kept.version_id}]},
    )
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    assert "Deleted" not in answer
    assert_untouched(rados_bucket, kept)


@pytest.mark.parametrize("bypass", [False, True], ids=["plain", "bypass-governance"])
@pytest.mark.parametrize(
    ("mode", "days"),
    [("COMPLIANCE", 9), ("GOVERNANCE", 10), ("GOVERNANCE", 20)],
    ids=["shorter", "weaker", "weaker-longer"],
)
def test_a_compliance_lock_is_neither_shortened_nor_weakened(
    rados_bucket: Bucket, kept: Stored, mode: str, days: int, bypass: bool
) -> None:
    asked = one(rados_bucket, kept) | {
        "Retention": {"Mode": mode, "RetainUntilDate": lock(days).until},
        "BypassGovernanceRetention": bypass,
    }
    assert refused(lambda: rados_bucket.client.put_object_retention(**asked)) == "AccessDenied"
    assert_untouched(rados_bucket, kept)


def test_the_bucket_keeps_its_versions_and_its_lock(rados_bucket: Bucket, kept: Stored) -> None:
    client, name = rados_bucket.client, rados_bucket.name
    suspended = {"Status": "Suspended"}
    refused(lambda: client.put_bucket_versioning(Bucket=name, VersioningConfiguration=suspended))
    refused(lambda: client.delete_bucket(Bucket=name))
    assert client.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert_untouched(rados_bucket, kept)


def test_a_held_version_is_not_deleted_until_the_hold_is_off(rados_bucket: Bucket) -> None:
    store = rados_bucket.store()
    stored = store.put_new(NAME, DATA)
    assert store.hold(NAME, on=True, version_id=stored.version_id).legal_hold
    asked = one(rados_bucket, stored)
    assert refused(lambda: rados_bucket.client.delete_object(**asked)) == "AccessDenied"
    assert_untouched(rados_bucket, stored)
    assert not store.hold(NAME, on=False, version_id=stored.version_id).legal_hold
    rados_bucket.client.delete_object(**asked)
    assert not store.exists(NAME)


def test_a_governance_lock_gives_way_to_whoever_may_bypass_it(rados_bucket: Bucket) -> None:
    store, held = rados_bucket.store(), lock(10, LockMode.GOVERNANCE)
    stored = store.put_new(NAME, DATA, retention=held)
    asked = one(rados_bucket, stored)
    assert refused(lambda: rados_bucket.client.delete_object(**asked)) == "AccessDenied"
    with pytest.raises(StoreDenied, match="PutObjectRetention"):
        store.put_new(NAME, DATA, retention=lock(10))
    rados_bucket.client.delete_object(**asked, BypassGovernanceRetention=True)
    assert not store.exists(NAME)


def test_what_hides_the_object_does_not_replace_it(rados_bucket: Bucket, kept: Stored) -> None:
    store, key = rados_bucket.store(), rados_bucket.key(NAME)
    rados_bucket.client.put_object(Bucket=rados_bucket.name, Key=key, Body=b"evil")
    assert store.read(NAME) == b"evil"
    rados_bucket.client.delete_object(Bucket=rados_bucket.name, Key=key)
    with pytest.raises(NotFound):
        store.read(NAME)
    assert not store.exists(NAME)
    told = list(store.versions())
    assert [(v.version_id == kept.version_id, v.is_delete_marker, v.is_latest) for v in told] == [
        (True, False, False),
        (False, False, False),
        (False, True, True),
    ]
    for act in (store.read, store.stat):
        with pytest.raises(NotFound):
            act(NAME, version_id=told[-1].version_id)
    assert_untouched(rados_bucket, kept)
    assert store.put_new(NAME, DATA, retention=kept.retention).version_id == kept.version_id
    with pytest.raises(AlreadyExists):
        store.put_new(NAME, b"evil")


def test_a_lock_that_is_extended_does_not_make_its_version_a_newer_one(
    rados_bucket: Bucket, kept: Stored
) -> None:
    """The gateway gives a version a new time when its lock changes; its place stays."""
    store, key = rados_bucket.store(), rados_bucket.key(NAME)
    rados_bucket.client.put_object(Bucket=rados_bucket.name, Key=key, Body=b"evil")
    time.sleep(1.1)
    longer = lock(20)
    store.extend(NAME, longer, version_id=kept.version_id)
    store.hold(NAME, on=True, version_id=kept.version_id)
    first, second = store.versions()
    assert first.version_id == kept.version_id
    assert second.is_latest
    stored = store.put_new(NAME, DATA, retention=lock())
    assert (stored.version_id, stored.retention, stored.legal_hold) == (
        kept.version_id,
        longer,
        True,
    )


def test_the_server_ignores_the_condition_and_still_nothing_is_put_twice(
    rados_bucket: Bucket, proxy: FaultyProxy
) -> None:
    for _ in range(2):
        rados_bucket.client.put_object(
            Bucket=rados_bucket.name, Key=rados_bucket.key("other"), Body=b"", IfNoneMatch="*"
        )
    assert len(rados_bucket.versions("other")) == 2  # or else this test shows nothing
    proxy.inject(Kind.RESET_AFTER, times=1)
    held = lock()
    store = rados_bucket.store(rados_bucket.options_through(proxy.endpoint_url))
    stored = store.put_new(NAME, DATA, retention=held)
    assert (proxy.count("PUT"), stored.retention) == (1, held)
    assert [stored.version_id] == rados_bucket.versions(NAME)


def test_those_who_put_at_once_agree_on_one_version(rados_bucket: Bucket) -> None:
    held, told = lock(), []
    start = threading.Barrier(4)

    def put() -> None:
        store = rados_bucket.store()
        start.wait()
        told.append(store.put_new(NAME, DATA, retention=held).version_id)

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [rados_bucket.versions(NAME)[-1]] * 4


def test_a_refused_put_does_not_stall_what_comes_next(rados_server: RadosServer) -> None:
    bucket = rados_server.bucket(lock=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", rados_server.credentials.access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", rados_server.credentials.secret_key)
        store = bucket.store()
        start = time.monotonic()
        for _ in range(3):
            with pytest.raises(StoreDenied, match=r"PutObject .* 400 "):
                store.put_new(NAME, DATA, retention=lock())
            assert not store.exists(NAME)
        assert time.monotonic() - start < 5


def test_the_key_of_encryption_is_read_back(rados_bucket: Bucket) -> None:
    plain = rados_bucket.options
    options = S3Options(plain.region, plain.endpoint_url, True, kms_key_id="testkey-1")
    stored = rados_bucket.store(options).put_new(NAME, DATA, retention=lock())
    assert stored.kms_key_id == "testkey-1"
    assert rados_bucket.store().read(NAME) == DATA
