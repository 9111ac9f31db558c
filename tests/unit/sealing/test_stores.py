"""What every store keeps to, whether it is memory, a folder or a bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sealing.digests import sha256_tag
from sealing.errors import NotFound, StrongroomError
from sealing.files import AlreadyExists, PathRefused
from sealing.stores.base import (
    LockMode,
    NotReleasable,
    Retention,
    RetentionShortened,
    Store,
    StoreDenied,
)
from sealing.stores.local import LocalStore
from sealing.stores.memory import MemoryStore
from sealing.stores.opening import LocationRefused, S3Options, open_store, split_s3
from sealing.stores.s3 import S3Store

GOVERNANCE, COMPLIANCE = LockMode.GOVERNANCE, LockMode.COMPLIANCE


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now


def lock(mode: LockMode = COMPLIANCE, days: float = 10) -> Retention:
    return Retention(mode, (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "local", "s3", pytest.param("rados", marks=pytest.mark.real)])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Store:
    if request.param == "memory":
        return MemoryStore(now=clock)
    if request.param == "local":
        return LocalStore(tmp_path / "store", now=clock)
    bucket = "locked_bucket" if request.param == "s3" else "rados_bucket"
    made: Store = request.getfixturevalue(bucket).store()
    return made


# Ceph's gateway changes governance to compliance only for those who may bypass governance, and
# our identity must not be able to do that.
changes_mode = pytest.mark.parametrize("store", ["memory", "local", "s3"], indirect=True)


def test_an_object_is_kept_as_it_was_given(store: Store) -> None:
    stored = store.put_new("a/b", b"abc")
    assert (stored.name, stored.size_bytes, stored.sha256) == ("a/b", 3, sha256_tag(b"abc"))
    assert (stored.retention, stored.legal_hold) == (None, False)
    assert stored.stored_at is not None
    assert abs(stored.stored_at - store.clock()) < timedelta(minutes=1)
    assert store.read("a/b") == b"abc"
    assert store.exists("a/b")
    assert not store.exists("a/c")
    assert not store.exists("a")


def test_an_object_may_be_empty(store: Store) -> None:
    assert store.put_new("a", b"").size_bytes == 0
    assert store.read("a") == b""


def test_an_object_is_locked_from_its_first_moment(store: Store) -> None:
    wanted = lock()
    assert store.put_new("a", b"abc", retention=wanted).retention == wanted
    stored = store.stat("a")
    assert (stored.retention, stored.sha256, stored.size_bytes) == (wanted, "", 3)


def test_an_object_is_never_replaced(store: Store) -> None:
    store.put_new("a", b"abc")
    for data in (b"abd", b"ab", b"abcd", b""):
        with pytest.raises(AlreadyExists):
            store.put_new("a", data, retention=lock())
    assert store.read("a") == b"abc"
    assert store.stat("a").retention is None


def test_an_equal_object_in_place_is_adopted(store: Store) -> None:
    first = store.put_new("a", b"abc", retention=lock())
    assert store.put_new("a", b"abc", retention=first.retention) == first
    assert store.put_new("a", b"abc") == first
    assert len(list(store.versions())) == 1


@changes_mode
@pytest.mark.parametrize(
    ("held", "wanted", "mode", "days"),
    [
        (None, (GOVERNANCE, 5), GOVERNANCE, 5),
        ((GOVERNANCE, 5), (GOVERNANCE, 6), GOVERNANCE, 6),
        ((GOVERNANCE, 5), (COMPLIANCE, 5), COMPLIANCE, 5),
        ((GOVERNANCE, 5), (COMPLIANCE, 3), COMPLIANCE, 5),
        ((COMPLIANCE, 5), (GOVERNANCE, 6), COMPLIANCE, 6),
        ((COMPLIANCE, 5), (GOVERNANCE, 4), COMPLIANCE, 5),
        ((COMPLIANCE, 5), None, COMPLIANCE, 5),
    ],
    ids=["none", "longer", "stronger", "stronger-shorter", "longer-weaker", "less", "not-asked"],
)
def test_adopting_extends_a_shorter_or_weaker_lock(
    store: Store, held: Any, wanted: Any, mode: LockMode, days: int
) -> None:
    start = datetime.now(UTC).replace(microsecond=0)

    def locked(spec: tuple[LockMode, int] | None) -> Retention | None:
        return spec and Retention(spec[0], start + timedelta(days=spec[1]))

    store.put_new("a", b"abc", retention=locked(held))
    stored = store.put_new("a", b"abc", retention=locked(wanted))
    assert stored.retention == store.stat("a").retention == locked((mode, days))


def test_a_lock_gets_longer(store: Store) -> None:
    store.put_new("a", b"abc")
    for wanted in (lock(days=1), lock(days=2)):
        assert store.extend("a", wanted).retention == wanted
        assert store.put_new("a", b"abc", retention=lock(days=1)).retention == wanted
    longest = lock(days=3)
    assert store.put_new("a", b"abc", retention=longest).retention == longest
    assert store.stat("a").retention == longest


@changes_mode
def test_a_lock_gets_longer_and_stronger(store: Store) -> None:
    store.put_new("a", b"abc")
    for wanted in (lock(GOVERNANCE, 1), lock(GOVERNANCE, 2), lock(COMPLIANCE, 3)):
        assert store.extend("a", wanted).retention == wanted
        assert store.extend("a", wanted).retention == wanted
    assert store.stat("a").retention == wanted
    assert store.read("a") == b"abc"


@pytest.mark.parametrize(
    ("mode", "days"),
    [(COMPLIANCE, -1), (GOVERNANCE, 0), (GOVERNANCE, 1)],
    ids=["shorter", "weaker", "longer-weaker"],
)
def test_a_lock_never_gets_shorter_or_weaker(store: Store, mode: LockMode, days: int) -> None:
    held = lock()
    weaker = Retention(mode, held.until + timedelta(days=days))
    store.put_new("a", b"abc", retention=held)
    with pytest.raises(RetentionShortened):
        store.extend("a", weaker)
    assert store.stat("a").retention == held


def test_a_legal_hold_is_put_on_and_taken_off(store: Store) -> None:
    held = lock()
    store.put_new("a", b"abc", retention=held)
    for on in (True, True, False, False):
        stored = store.hold("a", on=on)
        assert (stored.legal_hold, stored.retention) == (on, held)
        assert store.stat("a").legal_hold is on


def test_a_hold_survives_an_extension_and_an_adoption(store: Store) -> None:
    store.put_new("a", b"abc", retention=lock(days=1))
    store.hold("a", on=True)
    assert store.extend("a", lock(days=2)).legal_hold
    assert store.put_new("a", b"abc", retention=lock(days=3)).legal_hold


def test_a_store_says_what_it_does_not_have(store: Store) -> None:
    store.put_new("a/b", b"")
    acts: list[Callable[[str], Any]] = [
        store.read,
        store.stat,
        lambda name: store.extend(name, lock()),
        lambda name: store.hold(name, on=True),
        lambda name: store.read(name, version_id="no-such-version"),
        lambda name: store.stat(name, version_id="no-such-version"),
    ]
    for act in acts:
        for name in ("absent", "a", "a/c"):
            with pytest.raises(NotFound):
                act(name)


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/..", "./a", "a\\b", "a\0", "a\n", ".a", "a/.b/c"]
)
def test_a_store_refuses_unsafe_names(store: Store, name: str) -> None:
    acts: list[Callable[[str], Any]] = [
        store.key,
        store.read,
        store.stat,
        store.exists,
        lambda name: store.put_new(name, b""),
        lambda name: store.put_new(name, b"", retention=lock()),
        lambda name: store.extend(name, lock()),
        lambda name: store.hold(name, on=True),
        store.release,
    ]
    for act in acts:
        with pytest.raises(PathRefused):
            act(name)
    assert list(store.iterate()) == []


NAMES = ["2", "2025/1", "2025/10/a", "2025/10/b.x", "2025/10/b/1", "2025.x", "2025/é", "z/y/x"]


def test_names_come_in_the_order_of_their_bytes(store: Store) -> None:
    assert list(store.iterate()) == []
    for name in reversed(NAMES):
        store.put_new(name, name.encode())
    assert list(store.iterate()) == sorted(NAMES)
    for prefix in (
        "2",
        "2025",
        "2025/",
        "2025/1",
        "2025/10/",
        "2025/10/b",
        "2025/10/b/",
        "q",
        "z/",
    ):
        wanted = sorted(name for name in NAMES if name.startswith(prefix))
        assert list(store.iterate(prefix)) == wanted
        for after in [*NAMES, "2025/10/", "2025/2", "0", "zz"]:
            beyond = [name for name in wanted if name > after]
            assert list(store.iterate(prefix, start_after=after)) == beyond


def test_versions_come_by_name(store: Store) -> None:
    for name in reversed(NAMES):
        store.put_new(name, name.encode())
    found = list(store.versions("2025/"))
    assert [version.name for version in found] == sorted(n for n in NAMES if n[:5] == "2025/")
    for version in found:
        assert version.is_latest
        assert not version.is_delete_marker
        assert version.size_bytes == len(version.name.encode())
        assert store.read(version.name, version_id=version.version_id) == version.name.encode()
        assert abs(version.stored_at - store.clock()) < timedelta(minutes=1)


@pytest.mark.parametrize("held", ["lock", "hold", "both"])
def test_what_is_locked_or_held_is_not_released(store: Store, held: str) -> None:
    store.put_new("a", b"abc", retention=lock() if held != "hold" else None)
    if held != "lock":
        store.hold("a", on=True)
    with pytest.raises((NotReleasable, StoreDenied)):
        store.release("a")
    assert store.read("a") == b"abc"


def test_what_is_free_is_released_only_where_nothing_else_does_it(store: Store) -> None:
    store.put_new("a", b"abc")
    if isinstance(store, S3Store):
        with pytest.raises(StoreDenied, match="lifecycle"):
            store.release("a")
        assert store.exists("a")
    else:
        store.release("a")
        assert not store.exists("a")
        assert list(store.iterate()) == []


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_a_lock_ends_by_the_clock(kind: str, tmp_path: Path, clock: Clock) -> None:
    store: Store = (
        MemoryStore(now=clock) if kind == "memory" else LocalStore(tmp_path / "s", now=clock)
    )
    held = lock(days=1)
    store.put_new("a", b"abc", retention=held)
    clock.now = held.until - timedelta(seconds=1)
    with pytest.raises(NotReleasable):
        store.release("a")
    clock.now = held.until
    store.hold("a", on=True)
    with pytest.raises(NotReleasable, match="hold"):
        store.release("a")
    store.hold("a", on=False)
    store.release("a")
    with pytest.raises(NotFound):
        store.release("a")
    assert store.put_new("a", b"other").retention is None


@pytest.mark.parametrize(
    "until",
    [
        datetime(2030, 1, 1),  # noqa: DTZ001
        datetime(2030, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime.fromisoformat("2030-01-01T00:00:00+01:00"),
    ],
    ids=["no-zone", "fraction", "other-zone"],
)
def test_a_lock_ends_at_a_whole_second_in_utc(until: datetime) -> None:
    with pytest.raises(ValueError, match="whole second"):
        Retention(COMPLIANCE, until)


def test_a_location_says_which_store_is_meant(tmp_path: Path) -> None:
    assert isinstance(open_store(str(tmp_path)), LocalStore)
    assert open_store(str(tmp_path)).location == str(tmp_path)
    for location in ("s3://bucket", "s3://bucket/a/b"):
        found = open_store(location, S3Options(region="eu-west-1"))
        assert isinstance(found, S3Store)
        assert found.location == location
    assert open_store("s3://bucket/a/b/").key("c") == "a/b/c"
    assert open_store("s3://bucket/").key("c") == "c"


@pytest.mark.parametrize(
    "location",
    ["", "a\0b", "s3://", "s3:///a", "s3://B/a", "s3://a", "s3://a_b", "s3://bucket/a//b"],
)
def test_a_location_that_names_nothing_is_refused(location: str) -> None:
    with pytest.raises((LocationRefused, PathRefused)):
        open_store(location)


def test_a_bucket_without_a_scheme_is_no_s3_location() -> None:
    with pytest.raises(LocationRefused):
        split_s3("bucket/prefix")


def test_an_impossible_endpoint_is_refused() -> None:
    store = open_store("s3://bucket", S3Options(region="eu-west-1", endpoint_url="nowhere"))
    with pytest.raises(StrongroomError) as refused:
        store.exists("a")
    assert refused.value.code == "location_invalid"
