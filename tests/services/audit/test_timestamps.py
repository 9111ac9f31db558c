"""Timestamps of archived checkpoints: put beside them, and never in the archiver's way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import storage
from audit.models import ArchiverState, AuditEvent, Checkpoint, Segment, Timestamp
from audit.services import archiving, checkpoints, sealing, timestamps
from audit.services.tokens import Stamp, StampRefused, check_time
from sealing import files
from sealing.digests import sha256, sha256_tag
from sealing.stores.base import Store
from tests.factories import World
from tests.servers import tsa
from tests.servers.tsa import Answer, Authority
from tests.services.audit.helpers import seal

pytestmark = pytest.mark.usefixtures("committed_world")


@pytest.fixture
def authority(settings: Any, tmp_path: Path) -> Iterator[Authority]:
    """A running authority that the settings name."""
    with Authority(tmp_path / "tsa").serving() as serving:
        settings.TSA_URL = serving.url
        (tmp_path / "tsa.pem").write_bytes(serving.certificates)
        settings.TSA_CERTIFICATES = str(tmp_path / "tsa.pem")
        yield serving


def archived() -> Store:
    """An archive with one segment more."""
    seal(3)
    archiving.archive_pending()
    return storage.archive_store()


def tokens(store: Store) -> list[str]:
    return [name for name in store.iterate() if name.endswith(".tsr")]


def told(kind: str) -> int:
    sealing.seal_pending()
    return AuditEvent.objects.filter(type=f"audit.timestamps.{kind}").count()


def test_nothing_without_an_authority() -> None:
    store = archived()
    assert timestamps.stamp_archived(store) == 0
    assert tokens(store) == []
    assert not ArchiverState.objects.filter(stamp_failing_since__isnull=False).exists()


def test_a_segment_gets_its_token(authority: Authority) -> None:
    store = archived()
    segment = Segment.objects.get()
    assert timestamps.stamp_archived(store) == 1
    name = f"{segment.object_name.partition('.')[0]}.checkpoint.tsr"
    token = store.read(name)
    note = store.read(name.removesuffix(".tsr"))
    # An outsider needs nothing of ours: the note, the token and the authority's certificate.
    assert authority.openssl_verifies(token, sha256(note), authority.certificates)
    row = Timestamp.objects.get()
    assert bytes(row.token) == token
    assert row.checkpoint == segment.checkpoint
    assert row.authority == "CN=Test Authority"
    assert abs(row.stamped_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_token_is_locked_as_its_checkpoint_is(authority: Authority) -> None:
    store = archived()
    timestamps.stamp_archived(store)
    (name,) = tokens(store)
    beside = store.stat(name.removesuffix(".tsr"))
    assert store.stat(name).retention == beside.retention
    companion = Segment.objects.get().companions[-1]
    assert companion["name"] == name
    assert companion["sha256"] == sha256_tag(store.read(name))
    assert companion["retain_until"] is not None


def test_the_token_is_held_as_its_checkpoint_is(authority: Authority) -> None:
    store = archived()
    segment = Segment.objects.get()
    checkpoint = f"{segment.object_name.partition('.')[0]}.checkpoint"
    store.hold(checkpoint, on=True)
    timestamps.stamp_archived(store)
    assert store.stat(f"{checkpoint}.tsr").legal_hold


def test_a_heartbeat_gets_its_token(authority: Authority) -> None:
    store = archived()
    archiving.heartbeat()
    # Two names, one checkpoint of that size or two: each name gets its token.
    timestamps.stamp_archived(store)
    names = [name for name in store.iterate() if name.endswith(".checkpoint")]
    assert [name.startswith("heartbeat/") for name in names].count(True) == 1
    assert sorted(tokens(store)) == sorted(f"{name}.tsr" for name in names)
    for name in names:
        assert authority.openssl_verifies(
            store.read(f"{name}.tsr"), sha256(store.read(name)), authority.certificates
        )


def test_a_checkpoint_under_two_names_is_stamped_once(authority: Authority) -> None:
    seal(3)
    store = storage.archive_store()
    signed = checkpoints.issue()
    archiving.archive_pending()
    assert Segment.objects.get().checkpoint == signed
    archiving.put_heartbeat(signed)
    assert timestamps.stamp_archived(store) >= 1
    assert authority.asked == 1
    first, second = tokens(store)
    assert store.read(first) == store.read(second)
    assert Timestamp.objects.get().checkpoint == signed


def test_a_heartbeat_that_follows_its_stamped_segment(authority: Authority) -> None:
    seal(3)
    store = storage.archive_store()
    signed = checkpoints.issue()
    archiving.archive_pending()
    timestamps.stamp_archived(store)
    archiving.put_heartbeat(signed)
    assert timestamps.stamp_archived(store) == 1
    assert authority.asked == 1
    assert len(tokens(store)) == 2


def test_again_is_nothing(authority: Authority) -> None:
    store = archived()
    assert timestamps.stamp_archived(store) == 1
    assert timestamps.stamp_archived(store) == 0
    assert authority.asked == 1


def test_the_newest_first_and_no_more_than_asked_for(authority: Authority) -> None:
    store = archived()
    archived()
    archived()
    assert timestamps.stamp_archived(store, limit=1) == 1
    newest = Checkpoint.objects.filter(segments__isnull=False).order_by("-size").first()
    assert Timestamp.objects.get().checkpoint == newest
    assert timestamps.stamp_archived(store) == 2


def test_a_checkpoint_that_is_not_archived_is_not_stamped(authority: Authority) -> None:
    store = archived()
    timestamps.stamp_archived(store)
    checkpoints.issue()
    assert timestamps.stamp_archived(store) == 0


def test_a_run_that_died_before_its_row(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = archived()

    class Dead(Exception):
        pass

    def die(*arguments: Any, **named: Any) -> None:
        raise Dead

    with monkeypatch.context() as patch:
        patch.setattr(Timestamp.objects, "get_or_create", die)
        with pytest.raises(Dead):
            timestamps.stamp_archived(store)
    (name,) = tokens(store)
    assert not Timestamp.objects.exists()
    assert timestamps.stamp_archived(store) == 1
    assert authority.asked == 1
    assert bytes(Timestamp.objects.get().token) == store.read(name)


def test_failing_and_recovering_are_told_once(authority: Authority) -> None:
    store = archived()
    authority.instead = lambda query: Answer(status=503)
    assert timestamps.stamp_archived(store) == 0
    since = ArchiverState.objects.get().stamp_failing_since
    assert since is not None
    assert timestamps.stamp_archived(store) == 0
    assert ArchiverState.objects.get().stamp_failing_since == since
    assert (told("failed"), told("recovered")) == (1, 0)
    # Archiving goes on meanwhile.
    archived()
    authority.instead = None
    assert timestamps.stamp_archived(store) == 2
    assert ArchiverState.objects.get().stamp_failing_since is None
    assert timestamps.stamp_archived(store) == 0
    assert (told("failed"), told("recovered")) == (1, 1)


def test_one_question_is_enough_while_nobody_answers(authority: Authority) -> None:
    store = archived()
    archived()
    authority.instead = lambda query: Answer(status=503)
    timestamps.stamp_archived(store)
    assert authority.asked == 1


def test_an_authority_that_nobody_trusts(authority: Authority, settings: Any) -> None:
    settings.TSA_CERTIFICATES = tsa.make_ca().pem.decode()
    store = archived()
    assert timestamps.stamp_archived(store) == 0
    assert tokens(store) == []
    assert not Timestamp.objects.exists()
    assert ArchiverState.objects.get().stamp_failing_since is not None


@pytest.mark.parametrize(
    ("value", "reason"),
    [("", "TSA_CERTIFICATES is not set"), ("/nonexistent/tsa.pem", "can't be read")],
    ids=["none", "no such file"],
)
def test_no_certificates(authority: Authority, settings: Any, value: str, reason: str) -> None:
    settings.TSA_CERTIFICATES = value
    store = archived()
    assert timestamps.stamp_archived(store) == 0
    assert tokens(store) == []
    assert authority.asked == 0
    sealing.seal_pending()
    event = AuditEvent.objects.get(type="audit.timestamps.failed")
    assert reason in event.event


def test_a_clock_that_is_wrong(authority: Authority) -> None:
    store = archived()
    wanted = Checkpoint.objects.filter(segments__isnull=False).get()
    hour = timedelta(hours=1)
    for wrong in (wanted.signed_at + hour, wanted.signed_at - hour):
        with pytest.raises(StampRefused, match="That can't be"):
            check_time(Stamp(wrong, "CN=X"), wanted)
    check_time(Stamp(wanted.signed_at, "CN=X"), wanted)
    assert tokens(store) == []


def test_something_else_under_the_name_of_a_token(authority: Authority) -> None:
    store = archived()
    segment = Segment.objects.get()
    stem = segment.object_name.partition(".")[0]
    files.write_new(Path(store.location) / f"{stem}.checkpoint.tsr", b"not a token")
    archived()
    # The others are stamped; this one is told of, and what lies there is not touched.
    assert timestamps.stamp_archived(store) == 1
    assert store.read(f"{stem}.checkpoint.tsr") == b"not a token"
    assert ArchiverState.objects.get().stamp_failing_since is not None
    assert Timestamp.objects.count() == 1


def test_an_archive_out_of_reach(
    authority: Authority, settings: Any, committed_world: World
) -> None:
    store = archived()
    root = Path(store.location)
    root.rename(root.with_name("gone"))
    assert timestamps.stamp_archived(store) == 0
    assert ArchiverState.objects.get().stamp_failing_since is not None
