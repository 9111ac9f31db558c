"""A Kafka cluster to be taken down and up: librdkafka's own mock brokers in a process of theirs.

It is real TCP and the real protocol, but not Apache Kafka. A broker that is down has closed its
port and all its connections; what it stored is there when it is up again, as a broker's disk would
have it. Killing the process would lose the data, so a restart here is down and up.

Run as a program it reads commands, one a line, and answers each with a line.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import confluent_kafka

BROKERS = 3
_RD_KAFKA_PRODUCER = 0
_PROJECT = Path(__file__).resolve().parents[2]


class Cluster:
    """The cluster as a test sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.bootstrap_servers = self._ask("bootstrap")

    def create_topic(self, name: str, partitions: int = 4) -> None:
        """Makes a topic; others are made when something is first sent to them."""
        self._do(f"topic {name} {partitions}")

    def take_down(self, *brokers: int) -> None:
        """Closes the ports and connections of brokers (all if none is named)."""
        for broker in brokers or range(1, BROKERS + 1):
            self._do(f"down {broker}")

    def bring_up(self, *brokers: int) -> None:
        """Opens them again, with everything that they stored."""
        for broker in brokers or range(1, BROKERS + 1):
            self._do(f"up {broker}")

    def move_leader(self, topic: str, partition: int, broker: int) -> None:
        """Gives a partition another leader, as a rolling restart does."""
        self._do(f"leader {topic} {partition} {broker}")

    def fail_requests(self, *codes: int) -> None:
        """Answers the next requests that store messages with these error codes of Kafka's."""
        self._do("fail " + " ".join(map(str, codes)))

    def forgive(self) -> None:
        """Takes back what `fail_requests` still has in store."""
        self._do("forgive")

    def _do(self, command: str) -> None:
        answer = self._ask(command)
        assert answer == "done", f"{command}: {answer}"

    def _ask(self, command: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


class Received(NamedTuple):
    """A message as a consumer gets it."""

    partition: int
    offset: int
    key: str
    value: bytes
    headers: dict[str, bytes]


class Reader:
    """A consumer of a whole topic from its beginning, in no group."""

    def __init__(self, servers: str, topic: str) -> None:
        self._consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "tests",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "reconnect.backoff.max.ms": 500,
                "logger": logging.getLogger("tests.kafka"),
            }
        )
        partitions = self._consumer.list_topics(topic, timeout=20).topics[topic].partitions
        start = confluent_kafka.OFFSET_BEGINNING
        self._consumer.assign(
            [confluent_kafka.TopicPartition(topic, number, start) for number in partitions]
        )

    def read(self, seconds: float = 0.2) -> list[Received]:
        """What arrives until nothing does for ``seconds``."""
        found: list[Received] = []
        while batch := self._consumer.consume(1_000, timeout=seconds):
            for message in batch:
                if message.error() is None:
                    found.append(_received(message))
        return found

    def close(self) -> None:
        """Ends the connections."""
        self._consumer.close()


def _received(message: Any) -> Received:
    return Received(
        message.partition(),
        message.offset(),
        message.key().decode(),
        message.value(),
        dict(message.headers() or ()),
    )


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster of three brokers on free ports of this host, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.servers.kafka"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_PROJECT,
    ) as process:
        try:
            yield Cluster(process)
        finally:
            process.kill()


class _Brokers:
    """The mock cluster's C interface (librdkafka, src/rdkafka_mock.h)."""

    _PRODUCE = 0

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(_bundled_library()))
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
            getattr(self._library, name).restype = ctypes.c_void_p
        self._library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        reason = ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        handle = self._library.rd_kafka_new(_RD_KAFKA_PRODUCER, conf, reason, len(reason))
        if not handle:
            raise RuntimeError(reason.value.decode())
        self._cluster = ctypes.c_void_p(
            self._library.rd_kafka_mock_cluster_new(ctypes.c_void_p(handle), BROKERS)
        )

    def obey(self, command: str, arguments: list[str]) -> str:
        """Carries out a command; returns what to answer."""
        library, cluster = self._library, self._cluster
        if command == "bootstrap":
            found: bytes = library.rd_kafka_mock_cluster_bootstraps(cluster)
            return found.decode()
        if command == "down":
            code = library.rd_kafka_mock_broker_set_down(cluster, int(arguments[0]))
        elif command == "up":
            code = library.rd_kafka_mock_broker_set_up(cluster, int(arguments[0]))
        elif command == "topic":
            name, partitions = arguments[0].encode(), int(arguments[1])
            code = library.rd_kafka_mock_topic_create(cluster, name, partitions, BROKERS)
        elif command == "leader":
            name, partition, broker = arguments[0].encode(), int(arguments[1]), int(arguments[2])
            code = library.rd_kafka_mock_partition_set_leader(cluster, name, partition, broker)
        elif command == "fail":
            codes = (ctypes.c_int * len(arguments))(*map(int, arguments))
            library.rd_kafka_mock_push_request_errors_array(
                cluster, ctypes.c_int16(self._PRODUCE), ctypes.c_size_t(len(arguments)), codes
            )
            code = 0
        elif command == "forgive":
            library.rd_kafka_mock_clear_request_errors(cluster, ctypes.c_int16(self._PRODUCE))
            code = 0
        else:
            return "no such command"
        return "done" if code == 0 else f"error {code}"


def _bundled_library() -> Path:
    """The librdkafka that confluent-kafka's wheel brings along."""
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    return next(iter(sorted(folder.glob("librdkafka-*.so*"))))


def main() -> None:
    """Obeys until its input ends."""
    brokers = _Brokers()
    for line in sys.stdin:
        command, *arguments = line.split()
        print(brokers.obey(command, arguments), flush=True)


if __name__ == "__main__":
    main()
