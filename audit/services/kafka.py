"""The way into Kafka: an idempotent producer that never gives up on a message by itself."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import structlog
from django.conf import settings

from audit.formats.cloudevent import Message
from sealing.errors import Invalid, Unavailable

_TOPIC = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}\Z", re.ASCII)
_POLL_SECONDS = 0.1
# How long what is under way may still be acknowledged when somebody wants an end.
_STOP_SECONDS = 2.0
# What the promises of the relay rest on, and nobody can set otherwise.
_FIXED: dict[str, Any] = {
    "client.id": "strongroom-relay",
    "enable.idempotence": True,
    "acks": "all",
    # A message that can't be stored stops the producer, instead of being left out.
    "enable.gapless.guarantee": True,
    # Nothing is ever dropped for being late, which would leave a gap: the relay decides itself.
    "message.timeout.ms": 0,
    # More than a batch, which is waited for as a whole.
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 1 << 20,
    # As the Java clients divide keys among partitions.
    "partitioner": "murmur2_random",
}
_USUAL: dict[str, Any] = {
    "compression.type": "lz4",
    "linger.ms": 5,
    "reconnect.backoff.max.ms": 5_000,
}
log = structlog.get_logger(__name__)


class KafkaMissing(Unavailable):
    """The library for Kafka is not installed."""

    code = "kafka_missing"


class KafkaRefused(Invalid):
    """A setting of the stream is not valid."""

    code = "kafka_setting_invalid"


class BrokerUnavailable(Unavailable):
    """The cluster did not acknowledge what was sent."""

    code = "broker_unavailable"


def is_configured() -> bool:
    """Whether there is a cluster to send to."""
    return bool(settings.KAFKA_BOOTSTRAP_SERVERS)


def check_topic(name: str) -> None:
    """Raises KafkaRefused unless ``name`` may name a topic."""
    if not _TOPIC.match(name):
        raise KafkaRefused("A topic's name is 1 to 249 of A-Z a-z 0-9 . _ -", field="KAFKA_TOPIC")


def ensure_installed() -> None:
    """Raises KafkaMissing where the library for Kafka is not installed."""
    _library()


class Producer:
    """Sends messages to one topic, in order.

    When something went wrong, throw it away: what it has not been told of yet may or may not have
    arrived, but per key only ever a beginning of what was sent.

    Raises:
        KafkaMissing, KafkaRefused.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._reason = ""
        self._waiting = 0
        self._is_broken = False
        self._library = _library()
        try:
            self._producer = self._library.Producer(self._configuration())
        except self._library.KafkaException as error:
            raise KafkaRefused(f"Kafka's client refuses its settings: {_told(error)}") from error

    def deliver(
        self,
        messages: Iterable[Message],
        *,
        patience_seconds: float,
        on_impatience: Callable[[str], None],
        stopped: threading.Event,
    ) -> None:
        """Sends all messages and waits until the cluster has stored every one of them.

        Args:
            messages: in their order.
            patience_seconds: how long nothing may be acknowledged until it counts as a failure.
            on_impatience: called once with a reason when that is so; it may raise, or return to go
                on waiting.
            stopped: set by whoever wants this to end.

        Raises:
            BrokerUnavailable: it was stopped, or the cluster refuses a message.
        """
        self._reason = ""
        for message in messages:
            self._send(message)
        last, before, is_told = time.monotonic(), self._waiting, False
        while self._waiting:
            self._poll()
            silent_seconds = time.monotonic() - last
            if self._waiting != before:
                last, before = time.monotonic(), self._waiting
            elif stopped.is_set() and silent_seconds > _STOP_SECONDS:
                raise BrokerUnavailable("Stopped before everything was acknowledged.")
            elif not is_told and silent_seconds > patience_seconds:
                is_told = True
                on_impatience(self._reason or "the cluster does not answer")

    def close(self) -> None:
        """Forgets what was not acknowledged, and ends the connections."""
        try:
            self._producer.purge(in_queue=True, in_flight=True, blocking=False)
            self._producer.flush(_POLL_SECONDS)
            self._producer.close()
        except self._library.KafkaException as error:
            # What broke it was told when it did.
            log.warning("Kafka's client did not end cleanly", reason=_told(error))

    def _send(self, message: Message) -> None:
        try:
            self._producer.produce(
                self._topic,
                key=message.key.encode("utf-8"),
                value=message.value,
                headers=list(message.headers),
                on_delivery=self._on_delivery,
            )
        except (BufferError, self._library.KafkaException) as error:
            raise BrokerUnavailable(f"Kafka refuses a message: {_told(error)}") from error
        self._waiting += 1

    def _poll(self) -> None:
        """Lets the callbacks run. Raises BrokerUnavailable if the order could not be kept."""
        try:
            self._producer.poll(_POLL_SECONDS)
        except self._library.KafkaException as error:
            raise BrokerUnavailable(f"Kafka refuses a message: {_told(error)}") from error
        if self._is_broken:
            raise BrokerUnavailable(f"Kafka refuses a message: {self._reason}")

    def _on_delivery(self, error: Any, message: Any) -> None:
        if error is None:
            self._waiting -= 1
        else:
            self._is_broken, self._reason = True, str(error.str())

    def _on_error(self, error: Any) -> None:
        self._reason = str(error.str())
        self._is_broken = self._is_broken or error.fatal()

    def _configuration(self) -> dict[str, Any]:
        return {
            **_USUAL,
            **_options(),
            **_FIXED,
            "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
            "error_cb": self._on_error,
            "logger": logging.getLogger("strongroom.kafka"),
        }


def _options() -> dict[str, str]:
    """KAFKA_OPTIONS: how the cluster is reached, such as TLS and SASL, as ``name=value`` lines."""
    found: dict[str, str] = {}
    for line in settings.KAFKA_OPTIONS.splitlines():
        name, sign, value = (part.strip() for part in line.partition("="))
        if (not name and not sign) or name.startswith("#"):
            continue
        if not sign or name in _FIXED or name in ("bootstrap.servers", "transactional.id"):
            raise KafkaRefused(f"KAFKA_OPTIONS can't set {name[:80]}.", field="KAFKA_OPTIONS")
        found[name] = value
    return found


def _library() -> ModuleType:
    try:
        # Here, so that an installation without a stream needs no library for one.
        import confluent_kafka
    except ImportError as error:
        raise KafkaMissing(
            "The library for Kafka is not installed: pip install 'strongroom[kafka]'."
        ) from error
    return confluent_kafka


def _told(error: Exception) -> str:
    inner = error.args[0] if error.args else error
    return str(inner.str()) if hasattr(inner, "str") else str(inner)
