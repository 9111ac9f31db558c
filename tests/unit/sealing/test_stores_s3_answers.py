"""S3's answers, read without a server: descriptions, and listings however they are cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.stores.base import LockMode, Retention, StoreUnavailable
from sealing.stores.s3versions import described, grouped, merged

BASE = datetime(2025, 1, 1, tzinfo=UTC)


def entry(key: str, version: str, second: int, *, latest: bool = False) -> dict[str, Any]:
    moment = BASE + timedelta(seconds=second)
    return {"Key": key, "VersionId": version, "IsLatest": latest, "LastModified": moment, "Size": 1}


@given(data=st.data())
def test_however_a_listing_is_cut_each_key_comes_once_and_whole(data: Any) -> None:
    keys = data.draw(st.lists(st.sampled_from("abcé/"), unique=True, max_size=5))
    listing: list[tuple[str, dict[str, Any]]] = []
    for key in sorted(keys):
        kinds = data.draw(
            st.lists(st.sampled_from(["Versions", "DeleteMarkers"]), min_size=1, max_size=5)
        )
        listing += [
            (kind, entry(key, f"{key}{number}", -number, latest=number == 0))
            for number, kind in enumerate(kinds)
        ]
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(listing) - 1)), max_size=4)))
    pages, start = [], 0
    for end in [*cuts, len(listing)]:
        part: list[tuple[str, dict[str, Any]]] = listing[start:end]
        page: dict[str, Any] = {"IsTruncated": end < len(listing)}
        for kind, each in part:
            page.setdefault(kind, []).append(each)
        if page["IsTruncated"] and part:
            page["NextKeyMarker"] = part[-1][1]["Key"]
        pages.append(page)
        start = end
    found = list(grouped(pages))
    assert [key for key, _, _ in found] == sorted(keys)
    for key, versions, markers in found:
        oldest_first = [each for _, each in reversed(listing) if each["Key"] == key]
        told = [version.version_id for version in merged(key, versions, markers)]
        assert told == [each["VersionId"] for each in oldest_first]


def test_versions_of_one_second_keep_the_order_of_the_listing() -> None:
    versions = [entry("a", "2", 0, latest=True), entry("a", "1", 0), entry("a", "0", 0)]
    assert [v.version_id for v in merged("a", versions, [])] == ["0", "1", "2"]


def test_a_version_whose_time_changed_with_its_lock_stays_the_oldest() -> None:
    versions = [entry("a", "evil", 5), entry("a", "original", 99)]
    markers = [entry("a", "marker", 6, latest=True)]
    told = list(merged("a", versions, markers))
    assert [v.version_id for v in told if not v.is_delete_marker] == ["original", "evil"]
    assert (told[-1].version_id, told[-1].size_bytes) == ("marker", 1)


ANSWER = {"ContentLength": 3, "LastModified": BASE, "VersionId": "v"}


def test_an_answer_is_told_whole() -> None:
    until = datetime.fromisoformat("2030-01-01T01:00:00.900+01:00")
    told = described(
        "a",
        ANSWER
        | {
            "ObjectLockMode": "GOVERNANCE",
            "ObjectLockRetainUntilDate": until,
            "ObjectLockLegalHoldStatus": "ON",
            "ReplicationStatus": "COMPLETED",
            "SSEKMSKeyId": "key",
        },
    )
    assert told.retention == Retention(LockMode.GOVERNANCE, datetime(2030, 1, 1, tzinfo=UTC))
    assert (told.legal_hold, told.replication, told.kms_key_id) == (True, "COMPLETED", "key")
    assert described("a", ANSWER | {"ObjectLockLegalHoldStatus": "OFF"}).retention is None


def test_a_lock_of_an_unknown_mode_is_not_taken_for_one() -> None:
    with pytest.raises(StoreUnavailable, match="ETERNAL"):
        described("a", ANSWER | {"ObjectLockMode": "ETERNAL", "ObjectLockRetainUntilDate": BASE})
