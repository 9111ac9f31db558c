"""A run of the relay, against a cluster of real (mock) brokers over TCP."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

from audit import selectors
from audit.formats import cloudevent
from audit.formats.cloudevent import Stream
from audit.models import AuditEvent, RelayState
from audit.services import checkpoints, kafka, keys, loghead, relay
from audit.services.relay import Relay
from tests.servers.kafka import Cluster
from tests.services.audit.helpers import record, seal
from tests.services.audit.relay.helpers import in_thread, received, state

pytestmark = pytest.mark.usefixtures("committed_world")


class TestOnce:
    def test_nothing_without_a_cluster(self) -> None:
        seal(3)
        assert relay.relay_once() == relay.Relayed(is_configured=False)
        assert not RelayState.objects.exists()
        assert not relay.relay_status().is_configured

    def test_every_event_in_order_by_key(self, cluster: Cluster, settings: Any) -> None:
        for client in ("clinic-001", "clinic-002", None):
            record(5, client=client)
        seal(5)
        size = loghead.current().size
        assert relay.relay_once() == relay.Relayed(size, size)
        found = received(cluster, settings.KAFKA_TOPIC, size)
        assert len(found) == size
        assert {item.key for item in found} == {"clinic-001", "clinic-002", "platform"}
        for key in {item.key for item in found}:
            mine = [item for item in found if item.key == key]
            assert len({item.partition for item in mine}) == 1
            numbers = [int(item.headers["seq"]) for item in sorted(mine, key=lambda m: m.offset)]
            assert numbers == sorted(numbers)
        hashes = {int(item.headers["seq"]): item.headers["hash"] for item in found}
        for event in AuditEvent.objects.all():
            assert hashes[event.seq] == f"sha256:{bytes(event.hash).hex()}".encode()

    def test_a_consumer_recomputes_the_chain(self, cluster: Cluster, settings: Any) -> None:
        seal(300)
        note = checkpoints.issue().note.encode()
        size = loghead.current().size
        relay.relay_once()
        stream = Stream(settings.AUDIT_ORIGIN)
        for item in received(cluster, settings.KAFKA_TOPIC, size):
            stream.add(item.value)
        findings = stream.check(note, keys.signers())
        assert [finding.ok for finding in findings] == [True, True], findings

    def test_it_goes_on_where_it_was(self, cluster: Cluster, settings: Any) -> None:
        seal(5)
        first = relay.relay_once()
        assert relay.relay_once() == relay.Relayed(0, first.next_seq)
        seal(2)
        assert relay.relay_once() == relay.Relayed(2, first.next_seq + 2)
        assert len(received(cluster, settings.KAFKA_TOPIC, first.next_seq + 2)) == (
            first.next_seq + 2
        )
        stored = state(settings.KAFKA_TOPIC)
        assert bytes(stored.head) == loghead.current().hash
        assert stored.sent_at is not None

    def test_no_more_than_asked_for(self, cluster: Cluster) -> None:
        seal(5)
        assert relay.relay_once(max_events=3) == relay.Relayed(3, 3)
        assert relay.relay_once(max_events=3) == relay.Relayed(3, 6)

    def test_small_batches(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relay, "BATCH_BYTES", 1)
        seal(3)
        size = loghead.current().size
        assert relay.relay_once() == relay.Relayed(size, size)

    def test_what_is_not_sealed_is_not_sent(self, cluster: Cluster) -> None:
        size = loghead.current().size
        record(3)
        assert relay.relay_once() == relay.Relayed(size, size)

    def test_one_relay_a_topic(self, cluster: Cluster, settings: Any) -> None:
        seal(1)
        with Relay()._alone():
            in_thread(lambda: found.append(relay.relay_once()), found := [])
            assert found == [relay.Relayed(is_busy=True)]
            in_thread(lambda: found.append(relay.relay_once(topic="another")), found)
            assert found[1].events > 0

    def test_the_lock_goes_with_the_run(self, cluster: Cluster) -> None:
        seal(1)
        relay.relay_once()
        in_thread(lambda: found.append(relay.relay_once().is_busy), found := [])
        assert found == [False]

    def test_status(self, cluster: Cluster, settings: Any) -> None:
        seal(3)
        size = loghead.current().size
        before = relay.relay_status()
        assert (before.is_configured, before.next_seq, before.behind) == (True, 0, size)
        relay.relay_once()
        after = relay.relay_status()
        assert (after.topic, after.next_seq, after.behind) == (settings.KAFKA_TOPIC, size, 0)
        assert (after.failing_since, after.last_error) == (None, "")
        assert after.sent_at is not None


class TestDocs:
    def test_the_program_in_the_docs(self, cluster: Cluster, settings: Any) -> None:
        """It is run as it is printed there."""
        seal(50)
        relay.relay_once()
        head = loghead.current()
        done = self.run(cluster, settings)
        assert done.stdout == f"{head.size} events hold\nhead sha256:{head.hash.hex()}\n"
        assert done.returncode == 0

    def test_it_notices_what_is_forged(self, cluster: Cluster, settings: Any) -> None:
        seal(5)
        relay.relay_once(max_events=3)
        lines = [line for _, line in selectors.all_lines(start_seq=3, end_seq=4)]
        forged = cloudevent.message(settings.AUDIT_ORIGIN, lines[0])
        changed = forged.value.replace(b'"outcome":"success"', b'"outcome":"failure"')
        assert changed != forged.value
        producer = kafka.Producer(settings.KAFKA_TOPIC)
        producer.deliver(
            [replace(forged, value=changed)],
            patience_seconds=10,
            on_impatience=pytest.fail,
            stopped=threading.Event(),
        )
        producer.close()
        done = self.run(cluster, settings)
        assert (done.returncode, done.stderr) == (1, "event 3 does not hold\n")

    @staticmethod
    def run(cluster: Cluster, settings: Any) -> subprocess.CompletedProcess[str]:
        page = (settings.BASE_DIR / "docs/operators/streams.md").read_text(encoding="utf-8")
        program = page.split("```python\n")[1].split("```")[0]
        arguments = [cluster.bootstrap_servers, settings.KAFKA_TOPIC, settings.AUDIT_ORIGIN]
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
