"""The worker: seals often, signs on a heartbeat, runs the schedule, survives a lost database."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

import structlog
from django.db import DatabaseError, connections

from access.models import Grant
from audit import schedule
from audit.events import Actor
from audit.services import checkpoints, keys, loghead, requests, sealing, trail
from sealing.errors import StrongroomError

log = structlog.get_logger(__name__)

BUSY_SECONDS, IDLE_SECONDS = 0.02, 0.2
HEARTBEAT_SECONDS = 60.0
ROUND_EVENTS = 2000
# A log that did not grow is signed again after this long, to show that it is not forgotten.
QUIET_SECONDS = 3600.0
RETRY_SECONDS = 2.0
# How often the schedule is looked at, and whether somebody asked for a verification.
SCHEDULE_SECONDS = 1.0
REQUESTS = "requests"


class Worker:
    """One process that seals and runs the schedule; several may run.

    Sealing goes on while something slow is archived or verified: each lane of the schedule is a
    thread of its own, with its own connection to the database.
    """

    def __init__(
        self, heartbeat_seconds: float = HEARTBEAT_SECONDS, *, with_schedule: bool = True
    ) -> None:
        self._stopped = threading.Event()
        self._heartbeat_seconds = heartbeat_seconds
        self._with_schedule = with_schedule
        self._next_heartbeat = 0.0
        self._keys_registered = False

    def run(self) -> None:
        """Works until SIGTERM or SIGINT arrives, or `stop` is called."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
        log.info("worker started")
        lanes = self._start_lanes() if self._with_schedule else []
        while not self._stopped.is_set():
            self._stopped.wait(self._once())
        for lane in lanes:
            lane.join()
        connections.close_all()
        log.info("worker stopped")

    def stop(self) -> None:
        """Ends `run` after the batch at hand."""
        self._stopped.set()

    def _start_lanes(self) -> list[threading.Thread]:
        work: dict[str, Callable[[], object]] = {
            lane: partial(schedule.run_due, lane, actor=Actor.system("scheduler"))
            for lane in schedule.LANES
        }
        work[REQUESTS] = requests.run_next_request
        lanes = [
            threading.Thread(target=self._run_lane, args=(name, step), name=name)
            for name, step in work.items()
        ]
        for lane in lanes:
            lane.start()
        return lanes

    def _run_lane(self, name: str, step: Callable[[], object]) -> None:
        """Takes step after step until the worker stops; what fails is told and tried again."""
        while not self._stopped.wait(SCHEDULE_SECONDS):
            try:
                if _is_set_up():
                    step()
            except (DatabaseError, StrongroomError, OSError) as error:
                log.error("step failed", lane=name, error=str(error), kind=type(error).__name__)
                connections.close_all()
                self._stopped.wait(RETRY_SECONDS)
        connections.close_all()

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
            if not _is_set_up():
                self._next_heartbeat = 0.0  # there are no keys yet
                return
            if trail.is_enabled() and not self._keys_registered:
                # A SIGNING_PRIVATE_KEY that was changed is a rotation, which is recorded.
                keys.ensure_service_keys(actor=Actor.system("worker"))
                self._keys_registered = True
            # What was ingested never was in the outbox, so the head is asked.
            size = loghead.current().size
            covering = size - 1 if size else None
            checkpoints.issue(covering=covering, max_age_seconds=QUIET_SECONDS)
        except (DatabaseError, StrongroomError, OSError) as error:
            log.error("no checkpoint was signed", error=str(error), kind=type(error).__name__)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()


def _is_set_up() -> bool:
    """Whether `bootstrap` was run: before, there is nobody to work for."""
    return Grant.objects.exists()
