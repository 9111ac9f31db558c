"""The stream under fire: brokers that go away and come back, and a relay that is killed twice.

The brokers are librdkafka's mock ones: real TCP and the real protocol, but not Apache Kafka. A
broker that is down has closed its port and its connections, and has what it stored when it is up
again. What a broker loses when its machine burns is not shown here.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audit import selectors
from audit.formats.cloudevent import Stream, parse
from audit.models import RelayState
from audit.services import checkpoints, keys, loghead, relay, sealing
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.faults.processes import wait_until
from tests.servers import kafka
from tests.servers.kafka import Cluster, Reader, Received
from tests.services.audit.helpers import record

PROJECT = Path(__file__).resolve().parents[2]
TOPIC, PARTITIONS = "strongroom.faults", 6
CLIENTS = [*(f"clinic-{number:03d}" for number in range(24)), None]
AT_LEAST = 10_000


def grow(count: int, chance: random.Random) -> None:
    """Seals so many events more, of clients in turn."""
    for _ in range(count // 20):
        record(20, client=chance.choice(CLIENTS))
    sealing.seal_pending()


@contextmanager
def relaying(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py stream_relay` as a process of its own."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [sys.executable, "manage.py", "stream_relay"],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def next_seq() -> int:
    state = RelayState.objects.filter(topic=TOPIC).first()
    return state.next_seq if state else 0


@pytest.mark.real
@pytest.mark.xdist_group("faults")
def test_every_event_arrives_in_order_and_the_chain_holds(
    committed_world: World, committed_db: CommittedDatabase, settings: Any, tmp_path: Path
) -> None:
    chance, log = random.Random(20260808), tmp_path / "log"
    with kafka.cluster() as cluster:
        cluster.create_topic(TOPIC, PARTITIONS)
        _share_out(cluster, shift=0)
        settings.KAFKA_TOPIC, settings.KAFKA_BOOTSTRAP_SERVERS = TOPIC, cluster.bootstrap_servers
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": committed_db.app_url,
            "AUDIT_SIGNER_STATE": str(settings.AUDIT_SIGNER_STATE),
            "EVIDENCE_PACKAGE_DIR": str(settings.EVIDENCE_PACKAGE_DIR),
            "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
            "KAFKA_TOPIC": TOPIC,
        }
        with relaying(environment, log) as first:
            _in_peace_then_half_down(cluster, chance)
            first.send_signal(signal.SIGKILL)
        stored = next_seq()
        with relaying(environment, log) as second:
            _all_down(cluster, chance, second)
        # Not a single event was counted as sent that had not been acknowledged.
        assert next_seq() == stored
        cluster.bring_up()
        with relaying(environment, log) as third:
            _rolling_restart(cluster, chance)
            note = checkpoints.issue()
            wait_until(lambda: next_seq() >= note.size, seconds=90)
            third.send_signal(signal.SIGTERM)
            assert third.wait(timeout=30) == 0
        assert note.size > AT_LEAST
        found = _received(cluster, note.size)
    _check_order(found)
    _check_chain(found, note.note.encode(), note.size)
    assert len(found) > note.size, "nothing was sent twice, so nothing was in doubt"


def _share_out(cluster: Cluster, *, shift: int) -> None:
    """Gives each broker its share of the partitions."""
    for partition in range(PARTITIONS):
        cluster.move_leader(TOPIC, partition, (partition + shift) % kafka.BROKERS + 1)


def _in_peace_then_half_down(cluster: Cluster, chance: random.Random) -> None:
    """Ends with a batch of which some partitions have everything and others nothing."""
    grow(2_500, chance)
    wait_until(lambda: next_seq() == loghead.current().size, seconds=60)
    before = next_seq()
    cluster.take_down(2)
    grow(1_500, chance)
    reader = Reader(cluster.bootstrap_servers, TOPIC)
    try:
        seen: list[Received] = []
        wait_until(
            lambda: (
                seen.extend(reader.read())
                or any(int(item.headers["seq"]) >= before for item in seen)
            ),
            seconds=60,
        )
    finally:
        reader.close()
    assert next_seq() == before


def _all_down(cluster: Cluster, chance: random.Random, process: subprocess.Popen[bytes]) -> None:
    """The whole cluster goes, and then the relay that waits for it."""
    cluster.take_down(1, 3)
    grow(1_500, chance)
    wait_until(lambda: relay.relay_status().failing_since is not None, seconds=60)
    process.send_signal(signal.SIGKILL)


def _rolling_restart(cluster: Cluster, chance: random.Random) -> None:
    """One broker after another, while events go on."""
    for broker in (1, 2, 3):
        grow(800, chance)
        cluster.take_down(broker)
        grow(800, chance)
        cluster.bring_up(broker)
    _share_out(cluster, shift=1)
    # Codes by which a broker asks to be asked again, also where it has stored the messages.
    cluster.fail_requests(6, 7, 19, 7)
    grow(800, chance)


def _received(cluster: Cluster, size: int) -> list[Received]:
    reader = Reader(cluster.bootstrap_servers, TOPIC)
    try:
        found = reader.read(2.0)
        wait_until(
            lambda: (
                found.extend(reader.read(2.0))
                or len({item.headers["seq"] for item in found}) >= size
            ),
            seconds=60,
        )
        return found
    finally:
        reader.close()


def _check_order(found: list[Received]) -> None:
    """By key: one partition, and each event is there before any that follows it."""
    by_key: dict[str, list[Received]] = defaultdict(list)
    for item in sorted(found, key=lambda item: (item.partition, item.offset)):
        by_key[item.key].append(item)
    assert len(by_key) == len(CLIENTS)
    for items in by_key.values():
        assert len({item.partition for item in items}) == 1
        numbers = [int(item.headers["seq"]) for item in items]
        expected = iter(sorted(set(numbers)))
        newest = -1
        for number in numbers:
            if number > newest:
                assert number == next(expected)
                newest = number


def _check_chain(found: list[Received], note: bytes, size: int) -> None:
    """A consumer that trusts nothing but the signers' keys gets the log, to the byte."""
    origin = loghead.current().origin
    stream = Stream(origin)
    for item in found:
        if int(item.headers["seq"]) < size:
            stream.add(item.value)
    findings = stream.check(note, keys.signers())
    assert [finding.ok for finding in findings] == [True, True], findings
    lines = {int(item.headers["seq"]): parse(origin, item.value).line for item in found}
    assert [lines[n] for n in range(size)] == [
        line for _, line in selectors.all_lines(end_seq=size)
    ]
