"""Objects put into a bucket over a network that loses, repeats and delays: none twice, none half.

moto does not prove that anything is locked; tests/real does.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable

import pytest

from sealing.digests import sha256_tag
from sealing.files import AlreadyExists
from sealing.stores.base import StoreDenied, StoreUnavailable
from tests.servers.buckets import Bucket
from tests.servers.faulty import FaultyProxy, Kind
from tests.unit.sealing.s3_helpers import DATA, NAME, lock, through


def assert_kept_once(bucket: Bucket) -> None:
    """One version, the very bytes; looked at past the proxy."""
    (version,) = bucket.versions(NAME)
    assert bucket.store().read(NAME, version_id=version) == DATA


def test_a_put_says_all_that_a_server_can_check(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    held = lock()
    stored = through(locked_bucket, faulty_s3).put_new(NAME, DATA, retention=held)
    assert stored.sha256 == sha256_tag(DATA)
    assert stored.retention == held
    assert [stored.version_id] == locked_bucket.versions(NAME)
    (put,) = [request for request in faulty_s3.requests if request.method == "PUT"]
    told = {
        "if-none-match": "*",
        "x-amz-object-lock-mode": "COMPLIANCE",
        "x-amz-object-lock-retain-until-date": f"{held.until:%Y-%m-%dT%H:%M:%SZ}",
        "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(DATA).digest()).decode(),
        "content-length": str(len(DATA)),
    }
    assert {name: put.headers.get(name) for name in told} == told
    assert "expect" not in put.headers
    assert put.target == f"/{locked_bucket.name}/audit/{NAME}"


def test_the_key_under_which_objects_are_encrypted_is_asked_for_and_told(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/1234"
    store = through(locked_bucket, faulty_s3, kms_key_id=key)
    assert store.put_new(NAME, DATA, retention=lock()).kms_key_id == key
    assert store.stat(NAME).kms_key_id == key


@pytest.mark.parametrize("honoured", [True, False], ids=["condition", "no-condition"])
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Kind.ANSWER, 500),
        (Kind.ANSWER, 503),
        (Kind.ANSWER, 409),
        (Kind.RESET_BEFORE, 0),
        (Kind.RESET_AFTER, 0),
    ],
    ids=["500", "503", "409", "reset-before", "reset-after-storing"],
)
def test_a_put_survives_and_leaves_one_version(
    locked_bucket: Bucket, faulty_s3: FaultyProxy, kind: Kind, status: int, honoured: bool
) -> None:
    held = lock()
    fault = faulty_s3.inject(kind, status=status)
    if not honoured:
        faulty_s3.inject(Kind.WITHOUT_CONDITION, times=None)
    stored = through(locked_bucket, faulty_s3).put_new(NAME, DATA, retention=held)
    assert fault.met == 1
    assert faulty_s3.count("PUT") == (1 if kind is Kind.RESET_AFTER else 2)
    assert (stored.retention, stored.sha256) == (held, sha256_tag(DATA))
    assert [stored.version_id] == locked_bucket.versions(NAME)
    assert_kept_once(locked_bucket)


@pytest.mark.parametrize(
    ("kind", "status", "puts"),
    [(Kind.ANSWER, 503, 3), (Kind.RESET_BEFORE, 0, 3), (Kind.RESET_AFTER, 0, 1)],
    ids=["503", "reset-before", "reset-after-storing"],
)
def test_a_put_gives_up_after_as_many_attempts_as_configured(
    locked_bucket: Bucket, faulty_s3: FaultyProxy, kind: Kind, status: int, puts: int
) -> None:
    faulty_s3.inject(kind, status=status, times=None)
    store = through(locked_bucket, faulty_s3, max_attempts=3)
    if kind is Kind.RESET_AFTER:
        store.put_new(NAME, DATA, retention=lock())
    else:
        with pytest.raises(StoreUnavailable, match="PutObject"):
            store.put_new(NAME, DATA, retention=lock())
        assert locked_bucket.versions(NAME) == []
    assert faulty_s3.count("PUT") == puts
    faulty_s3.heal()
    store.put_new(NAME, DATA, retention=lock())
    assert_kept_once(locked_bucket)


def test_one_attempt_is_one_attempt_and_the_next_call_adopts(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    faulty_s3.inject(Kind.RESET_AFTER)
    store = through(locked_bucket, faulty_s3, max_attempts=1)
    with pytest.raises(StoreUnavailable):
        store.put_new(NAME, DATA, retention=lock())
    held = lock(20)
    assert store.put_new(NAME, DATA, retention=held).retention == held
    assert faulty_s3.count("PUT", f"{NAME}?") == 1  # the lock's extension
    assert faulty_s3.count("PUT") == 2
    assert_kept_once(locked_bucket)


def test_a_put_that_arrives_after_it_was_given_up_does_not_count(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    faulty_s3.inject(Kind.WITHOUT_CONDITION, seconds=1.5)
    faulty_s3.inject(Kind.WITHOUT_CONDITION, times=None)
    store = through(locked_bucket, faulty_s3, timeout_seconds=0.5)
    stored = store.put_new(NAME, DATA, retention=lock())
    assert stored.version_id == locked_bucket.versions(NAME)[-1]
    _wait_for(lambda: len(locked_bucket.versions(NAME)) == 2)
    assert store.put_new(NAME, DATA, retention=stored.retention) == stored
    assert len(locked_bucket.versions(NAME)) == 2


def test_the_oldest_version_counts_where_two_were_put_at_once(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    faulty_s3.inject(Kind.OVERTAKEN)
    held = lock()
    stored = through(locked_bucket, faulty_s3).put_new(NAME, DATA, retention=held)
    newer, older = locked_bucket.versions(NAME)
    assert newer != older
    assert (stored.version_id, stored.retention) == (older, held)


def test_somebody_elses_bytes_put_just_before_are_not_ours(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    faulty_s3.inject(Kind.OVERTAKEN, body=b"another's")
    with pytest.raises(AlreadyExists):
        through(locked_bucket, faulty_s3).put_new(NAME, DATA, retention=lock())
    assert locked_bucket.store().read(NAME, version_id=locked_bucket.versions(NAME)[-1]) == (
        b"another's"
    )


def test_a_put_on_a_name_that_is_taken_between_look_and_put_adopts(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    store = through(locked_bucket, faulty_s3)
    faulty_s3.inject(Kind.ANSWER, status=412)
    real = store.put_new(NAME, DATA, retention=lock())
    assert real.version_id == locked_bucket.versions(NAME)[0]


def test_a_refusal_is_told_with_what_was_asked_and_is_not_repeated(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    faulty_s3.inject(Kind.ANSWER, status=403, times=None)
    with pytest.raises(StoreDenied) as denied:
        through(locked_bucket, faulty_s3).put_new(NAME, DATA, retention=lock())
    told = denied.value.message
    assert f"PutObject s3://{locked_bucket.name}/audit/{NAME}" in told
    assert "403 AccessDenied" in told
    assert "testing" not in told
    assert faulty_s3.count("PUT") == 1
    assert locked_bucket.versions(NAME) == []


def test_what_is_kept_without_its_lock_is_never_called_kept(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    faulty_s3.inject(Kind.WITHOUT_LOCK, times=None)
    store, held = through(locked_bucket, faulty_s3), lock()
    with pytest.raises(StoreUnavailable, match="no lock; it does not count as kept"):
        store.put_new(NAME, DATA, retention=held)
    faulty_s3.heal()
    stored = store.put_new(NAME, DATA, retention=held)
    assert stored.retention == held
    assert_kept_once(locked_bucket)


def test_a_lock_that_is_not_extended_is_told(locked_bucket: Bucket, faulty_s3: FaultyProxy) -> None:
    store = through(locked_bucket, faulty_s3)
    store.put_new(NAME, DATA, retention=lock(5))
    faulty_s3.inject(Kind.LOST, times=None)
    for act in (
        lambda: store.extend(NAME, lock(6)),
        lambda: store.put_new(NAME, DATA, retention=lock(6)),
        lambda: store.hold(NAME, on=True),
    ):
        with pytest.raises(StoreUnavailable):
            act()
    assert store.stat(NAME).legal_hold is False


def test_other_bytes_read_back_are_never_called_kept(
    locked_bucket: Bucket, faulty_s3: FaultyProxy
) -> None:
    faulty_s3.inject(Kind.OTHER_BYTES, methods="GET", containing="versionId=")
    with pytest.raises(StoreUnavailable, match="other bytes"):
        through(locked_bucket, faulty_s3).put_new(NAME, DATA, retention=lock())


def _wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
