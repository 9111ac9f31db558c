"""Small things that the tests of the relay share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections

from audit.models import AuditEvent, RelayState
from audit.services import sealing
from tests.faults.processes import wait_until
from tests.servers.kafka import Cluster, Reader, Received


def state(topic: str) -> RelayState:
    """How far the stream has come."""
    return RelayState.objects.get(topic=topic)


def received(cluster: Cluster, topic: str, count: int) -> list[Received]:
    """At least that many messages."""
    reader = Reader(cluster.bootstrap_servers, topic)
    try:
        found = reader.read()
        wait_until(lambda: found.extend(reader.read()) or len(found) >= count)
        return found
    finally:
        reader.close()


def told(kind: str) -> list[AuditEvent]:
    """What was recorded of the relay."""
    sealing.seal_pending()
    return list(AuditEvent.objects.filter(type=f"audit.relay.{kind}"))


def in_thread(work: Callable[[], Any], found: list[Any]) -> None:
    """Does it over a database connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert found
