"""Where events can't be recorded, the change is not made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connections
from django.utils import timezone

from access.models import ApiKey, Client, Grant, User
from access.roles import Role
from audit.models import ArchiverState, LegalHold, SigningKey
from audit.services import holds, keys, switches
from evidence.models import CountersignEntry, Package, PackageStatus
from evidence.services import exporting
from ops.services import people
from tests.databases import CommittedDatabase
from tests.factories import PASSWORD, World
from tests.services.audit.helpers import seal


@pytest.fixture
def outbox_closed(committed_world: World, committed_db: CommittedDatabase) -> Iterator[None]:
    """The application may no longer write into the outbox."""
    seal(3)
    connections.close_all()
    with psycopg.connect(committed_db.superuser_url, autocommit=True) as root:
        root.execute("REVOKE INSERT ON audit_pendingevent FROM strongroom_app")
    yield
    connections.close_all()


def counts() -> dict[str, Any]:
    """What the changes below would change."""
    models = (ApiKey, Client, CountersignEntry, Grant, LegalHold, SigningKey, User)
    found: dict[str, Any] = {model.__name__: model.objects.count() for model in models}
    found["active"] = User.objects.filter(is_active=True).count()
    found["statuses"] = sorted(SigningKey.objects.values_list("status", flat=True))
    # The plan of an export is stored before it is written; it counts when it is complete.
    found["packages"] = Package.objects.filter(status=PackageStatus.COMPLETE).count()
    found["paused"] = ArchiverState.objects.filter(paused_at__isnull=False).count()
    return found


def _pause(world: World) -> object:
    return switches.pause(actor=world.actor("olivia"), what="archiver", reason="test")


def _hold(world: World) -> object:
    return holds.place(actor=world.actor("olivia"), case_id="A", reason="test")


def _client(world: World) -> object:
    return people.create_client(actor=world.actor("alice"), client_id="clinic-003", name="Three")


def _grant(world: World) -> object:
    return people.grant(
        actor=world.actor("alice"),
        user=User.objects.get(username="nobody"),
        role=Role.AUDITOR,
        client=Client.objects.get(pk="clinic-001"),
    )


def _key(world: World) -> object:
    actor = world.actor("oscar")
    assert actor.account is not None
    return keys.create_person_key(actor=actor, person=actor.account.person, password=PASSWORD)


def _export(world: World) -> object:
    now = timezone.now()
    return exporting.export_now(
        actor=world.actor("olivia"),
        payload={
            "client_id": "clinic-001",
            "period_start": (now - timedelta(days=1)).isoformat(),
            "period_end": (now + timedelta(days=1)).isoformat(),
        },
    )


@pytest.mark.parametrize("change", [_pause, _hold, _client, _grant, _key, _export])
def test_no_event_no_change(
    committed_world: World, outbox_closed: None, change: Callable[[World], object]
) -> None:
    before = counts()
    with pytest.raises(DatabaseError, match="permission denied for table audit_pendingevent"):
        change(committed_world)
    assert counts() == before


def test_the_same_changes_are_made_when_they_can_be_recorded(committed_world: World) -> None:
    """Or the test above would pass for another reason."""
    seal(3)
    for change in (_pause, _hold, _client, _grant):
        before = counts()
        change(committed_world)
        assert counts() != before
