"""Verifications for the worker: asked for once, claimed once, told of, and never left hanging."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from audit.events import Actor
from audit.models import Storage, VerificationRequest, VerificationRun
from audit.services import requests
from audit.services.archive_verification import configured_locks
from audit.services.log_checks import TOLD_EVERY
from audit.services.requests import TooManyRequests, ask, run_next_request
from sealing.errors import Forbidden, Invalid, NotFound, Unavailable
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.audit.helpers import seal
from tests.services.audit.trails import ACTOR, archive, in_s3, seal_on

Status = VerificationRequest.Status
DAY = date(2026, 3, 2)


def asked(**options: Any) -> VerificationRequest:
    return ask(**({"actor": ACTOR, "storage": Storage.DATABASE} | options))


def test_a_request_is_carried_out_and_leads_to_its_result(
    committed_world: World, settings: Any
) -> None:
    seal(5)
    mine = asked(actor=committed_world.actor("audrey"))
    assert (mine.status, mine.run) == (Status.QUEUED, None)
    done = run_next_request()
    assert done is not None
    assert (done.pk, done.status) == (mine.pk, Status.DONE)
    assert done.run is not None
    assert (done.run.verdict, done.run.actor_id) == ("VALID", "user:audrey")
    assert done.done == done.run.checked_events
    assert (settings.AUDIT_STORAGE_PATH / done.run.archived_as).is_file()
    assert run_next_request() is None


def test_an_archive_is_verified_with_the_locks_that_were_asked_for(
    committed_world: World, settings: Any, locked_bucket: Bucket
) -> None:
    in_s3(settings, locked_bucket)
    seal(3)
    archive()
    asked(storage=Storage.S3, locks=configured_locks(Storage.S3))
    settings.AUDIT_S3_OBJECT_LOCK_DAYS = 365
    asked(storage=Storage.S3, locks=configured_locks(Storage.S3))
    first, second = run_next_request(), run_next_request()
    assert first is not None and first.run is not None
    assert second is not None and second.run is not None
    assert (first.run.verdict, second.run.verdict) == ("VALID", "INVALID")
    assert second.run.lock_mismatches > 0


def test_the_same_request_is_not_queued_twice(world: World) -> None:
    first = asked(start_day=DAY)
    assert asked(start_day=DAY, actor=world.actor("olivia")).pk == first.pk
    assert asked(start_day=DAY, end_day=DAY).pk != first.pk
    VerificationRequest.objects.update(status=Status.DONE)
    assert asked(start_day=DAY).pk != first.pk


def test_the_queue_has_an_end(world: World) -> None:
    for day in range(requests.MAX_OPEN):
        asked(start_day=DAY + timedelta(days=day))
    with pytest.raises(TooManyRequests):
        asked()


@pytest.mark.parametrize("username", ["omar", "nobody", "root", "svc-clinic-001"])
def test_whoever_sees_only_his_own_may_not_ask(world: World, username: str) -> None:
    with pytest.raises(Forbidden):
        asked(actor=world.actor(username))
    assert not VerificationRequest.objects.exists()


@pytest.mark.parametrize("username", ["alice", "olivia", "audrey", "ben"])
def test_whoever_may_look_at_the_log_may_ask(world: World, username: str) -> None:
    assert asked(actor=world.actor(username)).actor_id == f"user:{username}"


def test_what_can_not_be_verified_is_not_queued(world: World) -> None:
    for options in ({"storage": Storage.S3}, {"start_day": DAY, "end_day": date(2026, 3, 1)}):
        with pytest.raises(Invalid):
            asked(**options)
    assert not VerificationRequest.objects.exists()


def test_two_workers_never_carry_out_the_same(
    committed_world: World, committed_db: CommittedDatabase
) -> None:
    seal()
    for day in range(6):
        asked(start_day=DAY + timedelta(days=day))
    together = threading.Barrier(3)

    def work() -> None:
        try:
            together.wait(timeout=10)
            while run_next_request() is not None:
                continue
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert VerificationRun.objects.count() == 6
    assert set(VerificationRequest.objects.values_list("status", flat=True)) == {Status.DONE}


def test_progress_is_stored_while_it_runs(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "TOLD_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("audit.services.log_checks.TOLD_EVERY", 4)
    seen: list[tuple[int, int | None]] = []
    tell = requests._Heartbeat.__call__

    def told(self: Any, done: int, total: int | None) -> None:
        assert not connection.in_atomic_block
        tell(self, done, total)
        stored = VerificationRequest.objects.get()
        assert stored.status == Status.RUNNING
        assert stored.heartbeat_at is not None
        seen.append((stored.done, stored.total))

    monkeypatch.setattr(requests._Heartbeat, "__call__", told)
    seal_on(DAY, 20)
    asked()
    done = run_next_request()
    assert done is not None
    assert done.status == Status.DONE
    assert TOLD_EVERY > 4
    assert {entry[0] for entry in seen} >= {0, 4, 8}
    assert all(entry[1] == done.done for entry in seen)


def test_a_lost_request_fails_and_says_so(committed_world: World) -> None:
    silent = timezone.now() - requests.LOST_AFTER - timedelta(seconds=1)
    asked()
    VerificationRequest.objects.update(status=Status.RUNNING, heartbeat_at=silent)
    assert run_next_request() is None
    lost = VerificationRequest.objects.get()
    assert (lost.status, lost.error_message) == (Status.FAILED, requests.LOST)


def test_a_request_that_is_alive_is_left_alone(world: World) -> None:
    asked()
    VerificationRequest.objects.update(status=Status.RUNNING, heartbeat_at=timezone.now())
    assert requests.give_up_lost() == 0
    assert run_next_request() is None


@pytest.mark.parametrize("storage", [Storage.DATABASE, Storage.LOCAL])
def test_whoever_was_given_up_stops_and_changes_nothing(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, storage: Storage
) -> None:
    seal()
    archive()
    asked(storage=storage)
    tell = requests._Heartbeat.__call__

    def lose(self: Any, done: int, total: int | None) -> None:
        VerificationRequest.objects.update(status=Status.FAILED, error_message=requests.LOST)
        tell(self, done, total)

    monkeypatch.setattr(requests._Heartbeat, "__call__", lose)
    done = run_next_request()
    assert done is not None
    assert (done.status, done.error_message) == (Status.FAILED, requests.LOST)
    assert not VerificationRun.objects.exists()


def test_a_failure_is_stored_with_its_reason(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**options: Any) -> None:
        raise Unavailable("The clock stands still.")

    monkeypatch.setattr(requests, "verify_database", fail)
    asked()
    done = run_next_request()
    assert done is not None
    assert (done.status, done.error_message) == (Status.FAILED, "The clock stands still.")


def test_what_nobody_foresaw_is_a_failure_too(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "verify_database", lambda **options: 1 // 0)
    asked()
    with pytest.raises(ZeroDivisionError):
        run_next_request()
    failed = VerificationRequest.objects.get()
    assert failed.status == Status.FAILED
    assert "ZeroDivisionError" in failed.error_message


def test_small_windows_are_verified_at_once_and_large_ones_queued(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal_on(DAY, 30)
    seal_on(date(2026, 3, 3), 2)
    archive()
    monkeypatch.setattr(requests, "AT_ONCE_EVENTS", 25)
    for storage in (Storage.DATABASE, Storage.LOCAL):
        small = requests.verify(actor=ACTOR, storage=storage, start_day=date(2026, 3, 3))
        assert isinstance(small, VerificationRun)
        assert (small.verdict, small.archived_as) == ("VALID", "")
        large = requests.verify(actor=ACTOR, storage=storage, end_day=DAY)
        assert isinstance(large, VerificationRequest)
        assert large.status == Status.QUEUED


def test_a_request_that_is_not_there(world: World) -> None:
    with pytest.raises(NotFound):
        requests.get(1)


def test_the_worker_may_verify_in_its_own_name(world: World) -> None:
    requests.require_may_verify(Actor.system("worker"))
