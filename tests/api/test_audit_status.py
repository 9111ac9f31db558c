"""`/api/audit/status`: the log, its archive, and what feeds on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import ArchiverState, RelayState, Segment, VerificationRun
from audit.services import loghead, sealing, switches
from audit.services.archive_verification import verify_archived
from audit.services.verification import verify_database
from tests.api.audit import Api, problem
from tests.factories import World
from tests.services.audit.helpers import seal
from tests.services.audit.trails import ACTOR, archive

STATUS = "/api/audit/status"


def status(world: World) -> dict[str, Any]:
    response = Api(world, "olivia").get(STATUS)
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


def test_before_anything_was_archived(world: World) -> None:
    seal(3)
    body = status(world)
    assert body["unarchived"] == body["size"] > 0
    assert body["oldest_unarchived_seconds"] > 0
    assert body["last_archived"] is None
    assert body["last_verified_archive"] is None
    assert (body["archiver"]["state"], body["archiver"]["is_failing"]) == ("running", False)
    assert (body["object_lock_mismatches"], body["kms_keys"], body["relay"]) == (0, [], [])
    assert body["snowflake"] == {
        "available_through_seq": None,
        "behind_events": body["size"],
    }
    assert body["timestamps"] == {"is_configured": False, "failing_since": None}


def test_after_everything_was_archived(committed_world: World) -> None:
    seal(3)
    through = archive().through_seq
    verify_archived(actor=ACTOR, storage="local", archived=False)
    sealing.seal_pending()
    body = status(committed_world)
    segment = Segment.objects.get()
    assert body["last_archived"]["seq"] == through
    assert body["last_archived"]["object_key"] == segment.object_key
    assert body["unarchived"] == body["size"] - through - 1
    assert body["last_verified"] is None
    assert body["last_verified_archive"]["verdict"] == "VALID"
    assert body["last_verified_archive"]["end_seq"] == through + 1
    assert body["archiver"]["last_succeeded_at"] is not None
    assert body["kms_keys"] == [{"kms_key_id": None, "segments": 1}]
    assert body["snowflake"]["available_through_seq"] == through


def test_a_pause_is_told_with_its_reason(world: World) -> None:
    switches.pause(actor=world.actor("olivia"), what="archiver", reason="Case 7 is looked into.")
    archiver = status(world)["archiver"]
    assert (archiver["state"], archiver["paused_by"]) == ("paused", "user:olivia")
    assert archiver["pause_reason"] == "Case 7 is looked into."


def test_a_failure_is_told(world: World) -> None:
    switches.tell_failure(actor=ACTOR, code="store_denied", message="AccessDenied")
    since = timezone.now() - timedelta(hours=1)
    ArchiverState.objects.update(lock_mismatches=2, stamp_failing_since=since)
    body = status(world)
    assert (body["archiver"]["is_failing"], body["archiver"]["last_error"]) == (
        True,
        "AccessDenied",
    )
    assert body["object_lock_mismatches"] == 2
    assert body["timestamps"]["failing_since"] is not None


def test_the_stream_is_told(world: World, settings: Any) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = "localhost:9"
    seal(5)
    size = loghead.current().size
    assert status(world)["relay"][0]["behind_events"] == size
    RelayState.objects.create(
        topic=settings.KAFKA_TOPIC,
        next_seq=size - 2,
        head=bytes(32),
        is_failing=True,
        last_error="Broker down",
    )
    (relay,) = status(world)["relay"]
    assert (relay["topic"], relay["behind_events"]) == ("strongroom.audit", 2)
    assert (relay["is_failing"], relay["last_error"]) == (True, "Broker down")


def test_drills_are_no_verifications_of_the_trail(world: World) -> None:
    seal()
    verify_database(actor=ACTOR)
    first = status(world)["last_verified"]
    latest = VerificationRun.objects.get()
    VerificationRun.objects.create(
        **{
            name: getattr(latest, name)
            for name in (
                "started_at",
                "finished_at",
                "actor_id",
                "storage",
                "start_seq",
                "end_seq",
                "checked_events",
                "message",
                "findings",
            )
        },
        kind="drill",
        verdict="INVALID",
    )
    assert status(world)["last_verified"] == first


@pytest.mark.parametrize("username", ["nobody", "root"])
def test_it_is_for_those_with_a_role(world: World, username: str) -> None:
    problem(Api(world, username).get(STATUS), 403)
