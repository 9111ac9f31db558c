"""The worker's loop: seal often, sign a checkpoint on a heartbeat, survive a lost database."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType

import structlog
from django.db import DatabaseError, connections

from access.models import Grant
from audit.events import Actor
from audit.services import checkpoints, keys, loghead, sealing, trail
from sealing.errors import StrongroomError

log = structlog.get_logger(__name__)

BUSY_SECONDS, IDLE_SECONDS = 0.02, 0.2
HEARTBEAT_SECONDS = 60.0
ROUND_EVENTS = 2000
# A log that did not grow is signed again after this long, to show that it is not forgotten.
QUIET_SECONDS = 3600.0
RETRY_SECONDS = 2.0


class Worker:
    """One process that seals; several may run, since sealing takes the log's lock."""

    def __init__(self, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._stopped = threading.Event()
        self._heartbeat_seconds = heartbeat_seconds
        self._next_heartbeat = 0.0
        self._keys_registered = False

    def run(self) -> None:
        """Works until SIGTERM or SIGINT arrives, or `stop` is called."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
        log.info("worker started")
        while not self._stopped.is_set():
            self._stopped.wait(self._once())
        connections.close_all()
        log.info("worker stopped")

    def stop(self) -> None:
        """Ends `run` after the batch at hand."""
        self._stopped.set()

    def _once(self) -> float:
        """Does one round; returns the seconds to wait before the next."""
        try:
            # Not until the outbox is empty: under steady load that would be never.
            sealed = sealing.seal_pending(limit=ROUND_EVENTS)
        except (DatabaseError, StrongroomError) as error:
            # The trail waits: nothing is lost, since the outbox is in the database.
            log.error("sealing failed", error=str(error), kind=type(error).__name__)
            connections.close_all()
            return RETRY_SECONDS
        if time.monotonic() >= self._next_heartbeat:
            self._heartbeat()
        if sealed.count >= ROUND_EVENTS:
            return 0.0
        return BUSY_SECONDS if sealed.count else IDLE_SECONDS

    def _heartbeat(self) -> None:
        """Registers the service's keys and signs a checkpoint; a failure does not stop sealing."""
        # Set first: a refusal is recorded as an event, and must not be repeated every round.
        self._next_heartbeat = time.monotonic() + self._heartbeat_seconds
        try:
            if not Grant.objects.exists():
                self._next_heartbeat = 0.0  # not bootstrapped yet: there are no keys
                return
            if trail.is_enabled() and not self._keys_registered:
                # A SIGNING_PRIVATE_KEY that was changed is a rotation, which is recorded.
                keys.ensure_service_keys(actor=Actor.system("worker"))
                self._keys_registered = True
            # What was ingested never was in the outbox, so the head is asked.
            size = loghead.current().size
            covering = size - 1 if size else None
            checkpoints.issue(covering=covering, max_age_seconds=QUIET_SECONDS)
        except (DatabaseError, StrongroomError) as error:
            log.error("no checkpoint was signed", error=str(error), kind=type(error).__name__)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()
