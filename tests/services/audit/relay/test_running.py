"""The relay as it runs: it follows the log, waits, takes over, stops; and its command."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit.formats.event import genesis_hash
from audit.models import RelayState
from audit.services import loghead, relay
from audit.services.relay import Relay
from tests.faults.processes import wait_until
from tests.servers.kafka import Cluster
from tests.services.audit.helpers import seal
from tests.services.audit.relay.helpers import in_thread, received, told

pytestmark = pytest.mark.usefixtures("committed_world")


@pytest.fixture
def running(cluster: Cluster) -> Iterator[Callable[..., Relay]]:
    """Starts relays in threads of their own, and stops them."""
    started: list[tuple[Relay, threading.Thread]] = []

    def start(**options: Any) -> Relay:
        made = Relay(**options)
        thread = threading.Thread(target=made.run)
        thread.start()
        started.append((made, thread))
        return made

    yield start
    for made, thread in started:
        made.stop()
        thread.join(20)
        assert not thread.is_alive()


class TestRunning:
    def test_it_follows_the_log(
        self, running: Callable[..., Relay], cluster: Cluster, settings: Any
    ) -> None:
        running()
        for _ in range(3):
            seal(2)
            size = loghead.current().size
            wait_until(lambda: relay.relay_status().next_seq == size)  # noqa: B023
        assert len(received(cluster, settings.KAFKA_TOPIC, size)) == size

    def test_it_waits_for_a_cluster_that_is_down(
        self, running: Callable[..., Relay], cluster: Cluster, settings: Any
    ) -> None:
        cluster.take_down()
        seal(2)
        running(patience_seconds=0.3)
        wait_until(lambda: relay.relay_status().failing_since is not None)
        assert len(told("failed")) == 1
        cluster.bring_up()
        wait_until(lambda: relay.relay_status().failing_since is None)
        size = loghead.current().size
        wait_until(lambda: relay.relay_status().next_seq >= size)
        assert len(told("failed")) == 1
        assert len(told("recovered")) == 1

    def test_it_stops_while_it_waits(self, cluster: Cluster, settings: Any) -> None:
        cluster.take_down()
        seal(2)
        made = Relay(patience_seconds=0.3)
        thread = threading.Thread(target=made.run)
        thread.start()
        wait_until(lambda: relay.relay_status().failing_since is not None)
        began = time.monotonic()
        made.stop()
        thread.join(20)
        assert not thread.is_alive()
        assert time.monotonic() - began < 10
        assert relay.relay_status().next_seq == 0

    def test_a_second_one_takes_over(
        self, running: Callable[..., Relay], cluster: Cluster, settings: Any
    ) -> None:
        first = running()
        seal(1)
        size = loghead.current().size
        wait_until(lambda: relay.relay_status().next_seq == size)
        running()
        first.stop()
        seal(1)
        wait_until(lambda: relay.relay_status().next_seq == size + 1)

    def test_a_lost_database_connection(
        self, running: Callable[..., Relay], cluster: Cluster, settings: Any
    ) -> None:
        running()
        seal(1)
        size = loghead.current().size
        wait_until(lambda: relay.relay_status().next_seq == size)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
                " WHERE locktype = 'advisory' AND classid = %s AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())",
                [relay._RELAY_LOCK],
            )
            assert cursor.fetchone()[0] == 1
        seal(1)
        wait_until(lambda: relay.relay_status().next_seq == size + 1)


class TestCommand:
    def test_once(self, cluster: Cluster) -> None:
        seal(2)
        size = loghead.current().size
        out = io.StringIO()
        call_command("stream_relay", "--once", stdout=out)
        assert out.getvalue() == f"{size} events were sent; the next one is {size}.\n"

    def test_another_topic(self, cluster: Cluster) -> None:
        call_command("stream_relay", "--once", "--topic", "history", stdout=io.StringIO())
        assert relay.relay_status("history").behind == 0

    def test_without_a_cluster(self) -> None:
        with pytest.raises(CommandError, match="KAFKA_BOOTSTRAP_SERVERS") as refused:
            call_command("stream_relay")
        assert refused.value.returncode == 2

    def test_a_topic_that_is_none(self, cluster: Cluster) -> None:
        with pytest.raises(CommandError) as refused:
            call_command("stream_relay", "--once", "--topic", "a b")
        assert refused.value.returncode == 2

    def test_a_log_that_is_another(self, cluster: Cluster, settings: Any) -> None:
        RelayState.objects.create(topic=settings.KAFKA_TOPIC, head=genesis_hash("elsewhere/audit"))
        with pytest.raises(CommandError, match="relay_refused") as refused:
            call_command("stream_relay", "--once")
        assert refused.value.returncode == 1

    def test_while_another_is_at_work(self, cluster: Cluster) -> None:
        with Relay()._alone():
            out = io.StringIO()
            in_thread(
                lambda: found.append(call_command("stream_relay", "--once", stdout=out)),
                found := [],
            )
        assert "Another relay" in out.getvalue()
