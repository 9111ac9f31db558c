"""What the tests of packages share: events to put into them, and shorthands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.events import Actor, EventType
from audit.models import AuditEvent, PendingEvent
from audit.services import sealing, trail
from evidence.formats.package import Package as Archive
from evidence.formats.package import open_package
from evidence.models import CountersignEntry, Package
from evidence.services import countersigning, exporting
from tests.factories import PASSWORD, World

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 2, 1, tzinfo=UTC)


def record(*times: datetime, client: str | None = "clinic-001", **data: Any) -> None:
    """Events of a client at these times; of an own type, so that tests can ask for them alone."""
    with transaction.atomic():
        for moment in times:
            trail.record(
                EventType.ACCESS_DENIED,
                actor=Actor.system("tests"),
                client=client,
                occurred_at=moment,
                data=data or None,
            )


def some_events(client: str | None = "clinic-001", count: int = 3) -> None:
    """A few events within the period."""
    record(*(START + timedelta(hours=hour) for hour in range(count)), client=client)


def export(world: World, *, by: str = "olivia", client: str | None = "clinic-001", **options: Any):
    """A package of the period, made by somebody."""
    payload = {"client_id": client, "period_start": START, "period_end": END, **options}
    for key in ("period_start", "period_end"):
        if isinstance(payload[key], datetime):
            payload[key] = payload[key].isoformat()
    return exporting.export_now(actor=world.actor(by), payload=payload)


def countersign(world: World, package: Package, *, by: str = "oscar", **options: Any):
    """A countersignature of somebody with his own key, who says who he is."""
    wanted: dict[str, Any] = {
        "package_path": package.package_path,
        "signer": by,
        "password": PASSWORD,
        **options,
    }
    if "signing_key_id" not in wanted:
        wanted["signing_key_id"] = world.key(by).key_id
    return countersigning.countersign(actor=world.actor(by), **wanted)


def file(package: Package, suffix: str = ".zip") -> Path:
    """Where a file of a package lies."""
    return Path(settings.EVIDENCE_PACKAGE_DIR) / package.name.sidecar(suffix)


def opened(package: Package) -> Archive:
    """The zip file of a package."""
    return open_package(file(package).read_bytes())


def member(package: Package, name: str) -> Any:
    """A JSON member of a package."""
    return json.loads(opened(package).read(name, max_bytes=1 << 24))


def lines(package: Package) -> list[dict[str, Any]]:
    """The log lines of a package."""
    return [
        json.loads(line) for line in opened(package).lines("audit_events.jsonl", max_bytes=1 << 20)
    ]


def events_of(kind: EventType, object_id: str | None = None) -> list[dict[str, Any]]:
    """The recorded events of a type, sealed or not."""
    sealing.seal_pending()
    assert not PendingEvent.objects.exists()
    found = AuditEvent.objects.filter(type=kind).order_by("seq")
    if object_id is not None:
        found = found.filter(object_id=object_id)
    return [json.loads(event.event) for event in found]


def entries_of(package: Package) -> list[CountersignEntry]:
    """The countersignatures of a package."""
    return list(package.countersignatures.order_by("number"))
