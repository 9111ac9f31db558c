"""What stops the relay, and that it never passes anything over."""

from __future__ import annotations

import sys
from typing import Any

import psycopg
import pytest

from audit.formats.event import genesis_hash
from audit.models import RelayState
from audit.services import loghead, relay
from audit.services.kafka import BrokerUnavailable, KafkaMissing
from audit.services.relay import Relay, RelayRefused
from tests.servers.kafka import Cluster
from tests.services.audit.helpers import seal
from tests.services.audit.relay.helpers import received, state, told

pytestmark = pytest.mark.usefixtures("committed_world")


class TestFailures:
    def test_no_cluster_there(self, cluster: Cluster, settings: Any) -> None:
        seal(3)
        cluster.take_down()
        with pytest.raises(BrokerUnavailable):
            relay.relay_once(patience_seconds=0.5)
        with pytest.raises(BrokerUnavailable):
            relay.relay_once(patience_seconds=0.5)
        status = relay.relay_status()
        assert status.next_seq == 0
        assert status.failing_since is not None
        assert "127.0.0.1" in status.last_error or "down" in status.last_error
        assert len(told("failed")) == 1
        cluster.bring_up()
        size = loghead.current().size
        assert relay.relay_once(patience_seconds=20).next_seq == size
        assert relay.relay_status().failing_since is None
        assert len(told("recovered")) == 1
        assert len(received(cluster, settings.KAFKA_TOPIC, size)) >= size

    def test_errors_that_pass(self, cluster: Cluster) -> None:
        """REQUEST_TIMED_OUT, NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS (Kafka, error codes)."""
        seal(3)
        cluster.fail_requests(7, 6, 19)
        size = loghead.current().size
        assert relay.relay_once() == relay.Relayed(size, size)
        assert told("failed") == []

    def test_a_message_that_is_refused_is_never_passed_over(
        self, cluster: Cluster, settings: Any
    ) -> None:
        """MESSAGE_TOO_LARGE: the broker will never take it."""
        seal(3)
        cluster.fail_requests(10, 10, 10, 10)
        with pytest.raises(BrokerUnavailable, match="refuses"):
            relay.relay_once()
        assert state(settings.KAFKA_TOPIC).next_seq == 0
        assert len(told("failed")) == 1

    def test_a_log_that_was_cut(self, cluster: Cluster, settings: Any) -> None:
        seal(3)
        relay.relay_once()
        RelayState.objects.update(next_seq=10_000, head=b"\x01" * 32)
        with pytest.raises(RelayRefused, match="missing"):
            relay.relay_once()
        assert state(settings.KAFKA_TOPIC).next_seq == 10_000
        assert len(told("failed")) == 1

    def test_another_log(self, cluster: Cluster, settings: Any) -> None:
        seal(3)
        relay.relay_once()
        RelayState.objects.update(head=b"\x01" * 32)
        seal(1)
        with pytest.raises(RelayRefused, match="another"):
            relay.relay_once()

    def test_another_log_from_the_beginning_on(self, cluster: Cluster, settings: Any) -> None:
        RelayState.objects.create(topic=settings.KAFKA_TOPIC, head=genesis_hash("elsewhere/audit"))
        with pytest.raises(RelayRefused):
            relay.relay_once()

    def test_an_event_that_was_changed(self, cluster: Cluster, committed_db: Any) -> None:
        seal(3)
        with psycopg.connect(committed_db.superuser_url) as conn:
            conn.execute("ALTER TABLE audit_events DISABLE TRIGGER ALL")
            conn.execute(
                "UPDATE audit_events SET hash = decode(repeat('01', 32), 'hex') WHERE seq = 2"
            )
        with pytest.raises(Exception) as refused:
            relay.relay_once()
        assert refused.value.code == "stored_line_invalid"  # type: ignore[attr-defined]
        assert relay.relay_status().next_seq == 0

    def test_without_the_library(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        seal(1)
        monkeypatch.setitem(sys.modules, "confluent_kafka", None)
        with pytest.raises(KafkaMissing, match=r"strongroom\[kafka\]"):
            relay.relay_once()
        with pytest.raises(KafkaMissing):
            Relay().run()

    def test_options(self, cluster: Cluster, settings: Any) -> None:
        settings.KAFKA_OPTIONS = "# how\n\ncompression.type = gzip\nclient.rack=a=b\n"
        seal(1)
        assert relay.relay_once().events > 0

    def test_a_stalled_relay_whose_lock_was_lost(self, cluster: Cluster, settings: Any) -> None:
        """Where another relay went on meanwhile, what was sent twice moves nothing back."""
        seal(3)
        late = Relay()
        before = relay.relay_state.load(settings.KAFKA_TOPIC, loghead.current())
        messages = relay._next_messages(before, loghead.current(), 2)
        relay.relay_once()
        done = state(settings.KAFKA_TOPIC).next_seq
        with pytest.raises(relay.RelayBusy):
            relay.relay_state.advance(before, messages)
        assert state(settings.KAFKA_TOPIC).next_seq == done
        late.close()
