"""The stream of sealed events: ordered, at least once, no gap (docs/operators/streams.md).

How far it has come is stored only after the cluster has acknowledged everything up to there. One
relay works for a topic at a time. It goes on only in the log that it began with, and sends nothing
whose hash it has not recomputed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import FrameType

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, connections

from audit import selectors
from audit.formats import cloudevent
from audit.formats.cloudevent import Message
from audit.formats.event import parse_line
from audit.models import RelayState
from audit.services import kafka, loghead, relay_state
from audit.services.kafka import BrokerUnavailable, Producer
from audit.services.loghead import Head
from audit.services.relay_state import RelayBusy, RelayRefused
from sealing.errors import StrongroomError

BATCH_EVENTS = 2_000
BATCH_BYTES = 8 << 20
IDLE_SECONDS = 0.2
# How long a cluster may be silent before the stream counts as failing.
PATIENCE_SECONDS = 10.0
BUSY_RETRY_SECONDS = 1.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
# The first of two numbers that nothing else in this database takes; the second is the topic's.
_RELAY_LOCK = 7_405_005
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Relayed:
    """What a run did.

    Attributes:
        events: how many events were sent and acknowledged.
        next_seq: the number of the first event that was not.
        is_configured: False where no cluster is configured; nothing was done then.
        is_busy: whether another relay is at work; nothing was done then either.
    """

    events: int = 0
    next_seq: int = 0
    is_configured: bool = True
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How the stream stands.

    Attributes:
        is_configured: whether a cluster is configured.
        topic: where it goes.
        next_seq: the number of the first event that was not acknowledged.
        behind: how many sealed events were not.
        sent_at: when something was acknowledged last.
        failing_since: since when it fails; None while it works.
        last_error: the reason; empty while it works.
    """

    is_configured: bool
    topic: str
    next_seq: int
    behind: int
    sent_at: datetime | None
    failing_since: datetime | None
    last_error: str


def relay_status(topic: str | None = None) -> RelayStatus:
    """How the stream stands; for status pages and metrics."""
    name = topic or settings.KAFKA_TOPIC
    state = RelayState.objects.filter(topic=name).first() or RelayState(topic=name)
    return RelayStatus(
        is_configured=kafka.is_configured(),
        topic=name,
        next_seq=state.next_seq,
        behind=max(0, loghead.current().size - state.next_seq),
        sent_at=state.sent_at,
        failing_since=state.last_failed_at if state.is_failing else None,
        last_error=state.last_error if state.is_failing else "",
    )


def relay_once(
    *,
    max_events: int | None = None,
    topic: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Relayed:
    """Sends what is sealed and was not sent yet, and waits until it is stored; for a job.

    Args:
        max_events: stop after so many.
        topic: KAFKA_TOPIC, if not given.
        patience_seconds: how long the cluster may be silent until this gives up.

    Raises:
        RelayRefused: the log is another one. BrokerUnavailable: the cluster did not acknowledge.
        KafkaMissing, KafkaRefused: it can't be done with this installation. Each is told by
        `RelayState` and recorded when it begins.
    """
    if not kafka.is_configured():
        return Relayed(is_configured=False)
    relay = Relay(topic, patience_seconds=patience_seconds, gives_up=True)
    try:
        return relay.once(max_events)
    except RelayBusy:
        return Relayed(is_busy=True)
    finally:
        relay.close()


class Relay:
    """Streams the log to a topic.

    Args:
        topic: KAFKA_TOPIC, if not given.
        patience_seconds: how long the cluster may be silent before that counts as a failure.
        gives_up: whether a failure ends the run; otherwise it waits, for as long as it takes.
    """

    def __init__(
        self,
        topic: str | None = None,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        gives_up: bool = False,
    ) -> None:
        self.topic = topic or settings.KAFKA_TOPIC
        kafka.check_topic(self.topic)
        self._patience_seconds = patience_seconds
        self._gives_up = gives_up
        self._stopped = threading.Event()
        self._producer: Producer | None = None

    def run(self) -> None:
        """Works until SIGTERM or SIGINT arrives, or `stop` is called; failures are tried again.

        Raises:
            KafkaMissing: the library for Kafka is not installed.
        """
        kafka.ensure_installed()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
        log.info("relay started", topic=self.topic)
        failures = 0
        while not self._stopped.is_set():
            try:
                with self._alone():
                    while not self._stopped.is_set():
                        self._until_all_is_sent(None)
                        failures = 0
                        self._stopped.wait(IDLE_SECONDS)
            except RelayBusy:
                self._stopped.wait(BUSY_RETRY_SECONDS)
            except (StrongroomError, DatabaseError) as error:
                if not self._stopped.is_set():
                    log.error("relay failed", topic=self.topic, error=str(error))
                self._forget()
                self._stopped.wait(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1
        self.close()
        connections.close_all()
        log.info("relay stopped", topic=self.topic)

    def stop(self) -> None:
        """Ends `run`. What was not acknowledged by then is sent again next time."""
        self._stopped.set()

    def once(self, max_events: int | None = None) -> Relayed:
        """Sends what there is.

        Raises:
            RelayBusy: another relay is at work. As `relay_once`.
        """
        with self._alone():
            return self._until_all_is_sent(max_events)

    def close(self) -> None:
        """Ends the connections to the cluster."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def _until_all_is_sent(self, max_events: int | None) -> Relayed:
        sent = 0
        while True:
            wanted = BATCH_EVENTS if max_events is None else min(BATCH_EVENTS, max_events - sent)
            try:
                count, next_seq = self._batch(wanted)
            except StrongroomError as error:
                if not self._stopped.is_set():
                    relay_state.tell_failure(self.topic, error.code, error.message)
                raise
            sent += count
            if not count or self._stopped.is_set() or sent == max_events:
                return Relayed(sent, next_seq)

    def _batch(self, wanted: int) -> tuple[int, int]:
        """Sends the next events; returns how many, and the number after them."""
        head = loghead.current()
        state = relay_state.load(self.topic, head)
        relay_state.check_same_log(state, head)
        messages = _next_messages(state, head, wanted)
        if messages:
            if self._producer is None:
                self._producer = Producer(self.topic)
            self._producer.deliver(
                messages,
                patience_seconds=self._patience_seconds,
                on_impatience=self._on_impatience,
                stopped=self._stopped,
            )
        relay_state.advance(state, messages)
        return len(messages), state.next_seq + len(messages)

    def _on_impatience(self, reason: str) -> None:
        if self._gives_up:
            raise BrokerUnavailable(f"Kafka does not acknowledge what was sent: {reason}")
        log.error("relay waits for Kafka", topic=self.topic, reason=reason)
        relay_state.tell_failure(self.topic, BrokerUnavailable.code, reason)

    def _forget(self) -> None:
        """After a failure nothing is known of what was under way: begin afresh."""
        self.close()
        connections.close_all()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the topic's lock, which ends with the database connection at the latest."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_try_advisory_lock(%s, hashtext(%s))", [_RELAY_LOCK, self.topic]
            )
            if not cursor.fetchone()[0]:
                raise RelayBusy(f"Another relay is at work for {self.topic}.")
        try:
            yield
        finally:
            if connection.connection is not None and not connection.connection.closed:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT pg_advisory_unlock(%s, hashtext(%s))", [_RELAY_LOCK, self.topic]
                    )


def _next_messages(state: RelayState, head: Head, wanted: int) -> list[Message]:
    """The next events, each linked to the one before."""
    messages: list[Message] = []
    last, total = bytes(state.head), 0
    end = min(head.size, state.next_seq + wanted)
    for seq, line in selectors.all_lines(start_seq=state.next_seq, end_seq=end):
        parsed = parse_line(line)
        if seq != state.next_seq + len(messages) or parsed.prev_hash != last:
            raise RelayRefused(f"Event {seq} does not follow the one before it: verify the log.")
        messages.append(cloudevent.message(head.origin, line))
        last, total = parsed.hash, total + len(line)
        if total >= BATCH_BYTES:
            break
    if not messages and end > state.next_seq:
        raise RelayRefused(f"Event {state.next_seq} is missing: verify the log.")
    return messages
