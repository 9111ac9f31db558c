"""The worker: seals often, signs on a heartbeat, has the queue worked off, outlives a database."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import structlog
from django.db import DatabaseError, InterfaceError, connections

from access.models import Grant
from audit.events import Actor, EventType
from audit.services import checkpoints, keys, loghead, requests, sealing, trail
from ops.cluster import Cluster
from ops.services import jobs, schedules, sweeping
from sealing.errors import StrongroomError

log = structlog.get_logger(__name__)

BUSY_SECONDS, IDLE_SECONDS = 0.02, 0.2
HEARTBEAT_SECONDS = 60.0
ROUND_EVENTS = 2000
# A log that did not grow is signed again after this long, to show that it is not forgotten.
QUIET_SECONDS = 3600.0
RETRY_SECONDS = 2.0
# How often it is looked whether somebody asked for a verification, for runs that were lost, and
# whether the schedules are what the jobs say.
REQUESTS_SECONDS, SWEEP_SECONDS, SYNC_SECONDS = 1.0, 5.0, 60.0
# How often what failed runs began is taken away again.
LET_GO_SECONDS = 600.0
# What has not ended by then is killed; its run is taken up by another worker.
STOP_SECONDS = 20.0


class PartDied(RuntimeError):
    """A part of the worker is gone, so that the whole has to be started anew."""


class Worker:
    """One process that seals, and starts those that work the queue off; several may run.

    Sealing goes on while something slow is archived or verified: each lane is a thread of its
    own, and runs are carried out by processes of their own (`ops.cluster`).
    """

    def __init__(
        self, heartbeat_seconds: float = HEARTBEAT_SECONDS, *, with_queue: bool = True
    ) -> None:
        self._stopped = threading.Event()
        self._heartbeat_seconds = heartbeat_seconds
        self._with_queue = with_queue
        self._next_heartbeat = 0.0
        self._next_sync = 0.0
        self._next_let_go = 0.0
        self._keys_registered = False
        self._refusal_told = False

    def run(self) -> None:
        """Works until SIGTERM or SIGINT arrives, or `stop` is called.

        Raises:
            PartDied: the queue's processes or a lane ended by themselves.
        """
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
        _without_pools()
        # Before any thread: what is forked must not inherit a lock that a thread holds.
        cluster = Cluster() if self._with_queue else None
        if cluster is not None:
            cluster.start()
        log.info("worker started")
        lanes = self._start_lanes() if self._with_queue else []
        try:
            while not self._stopped.is_set():
                self._stopped.wait(self._once())
                dead = [lane.name for lane in lanes if not lane.is_alive()]
                if cluster is not None and not cluster.is_alive():
                    dead.append("queue")
                if dead and not self._stopped.is_set():
                    raise PartDied(f"A part of the worker is gone: {', '.join(dead)}.")
        finally:
            self.stop()
            self._end(cluster, lanes)
        log.info("worker stopped")

    def stop(self) -> None:
        """Ends `run` after the batch at hand."""
        self._stopped.set()

    def _end(self, cluster: Cluster | None, lanes: list[threading.Thread]) -> None:
        end = time.monotonic() + STOP_SECONDS
        if cluster is not None:
            cluster.stop(STOP_SECONDS)
        for lane in lanes:
            lane.join(max(0.0, end - time.monotonic()))
            if lane.is_alive():
                log.warning("left in the middle", lane=lane.name)
        connections.close_all()

    def _start_lanes(self) -> list[threading.Thread]:
        lanes = [
            threading.Thread(
                target=self._run_lane, args=(name, seconds, step), name=name, daemon=True
            )
            for name, seconds, step in (
                ("requests", REQUESTS_SECONDS, requests.run_next_request),
                ("sweeper", SWEEP_SECONDS, self._sweep),
            )
        ]
        for lane in lanes:
            lane.start()
        return lanes

    def _run_lane(self, name: str, seconds: float, step: Callable[[], object]) -> None:
        """Takes step after step until the worker stops; what fails is told and tried again."""
        while True:
            try:
                if _is_set_up():
                    step()
            except (DatabaseError, InterfaceError, StrongroomError, OSError) as error:
                log.error("step failed", lane=name, error=str(error), kind=type(error).__name__)
                connections.close_all()
                self._stopped.wait(RETRY_SECONDS)
            if self._stopped.wait(seconds):
                break
        connections.close_all()

    def _sweep(self) -> None:
        """Finds what was lost; now and then makes jobs and schedules what they should be."""
        if time.monotonic() >= self._next_sync:
            jobs.ensure_builtin_jobs()
            schedules.sync_schedules()
            self._next_sync = time.monotonic() + SYNC_SECONDS
        sweeping.sweep()
        if time.monotonic() >= self._next_let_go:
            self._next_let_go = time.monotonic() + LET_GO_SECONDS
            sweeping.let_go_again()

    def _once(self) -> float:
        """Does one round; returns the seconds to wait before the next."""
        try:
            # Not until the outbox is empty: under steady load that would be never.
            sealed = sealing.seal_pending(limit=ROUND_EVENTS)
        except (DatabaseError, InterfaceError, StrongroomError) as error:
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
                self._register_keys()
            # What was ingested never was in the outbox, so the head is asked.
            size = loghead.current().size
            covering = size - 1 if size else None
            checkpoints.issue(covering=covering, max_age_seconds=QUIET_SECONDS)
        except (DatabaseError, InterfaceError, StrongroomError, OSError) as error:
            log.error("no checkpoint was signed", error=str(error), kind=type(error).__name__)

    def _register_keys(self) -> None:
        """Registers what is configured; checkpoints have a key of their own and go on without."""
        actor = Actor.system("worker")
        try:
            # A SIGNING_PRIVATE_KEY that was changed is a rotation, which is recorded.
            keys.ensure_service_keys(actor=actor)
            self._keys_registered = True
        except StrongroomError as error:
            log.error("the service's keys were not registered", code=error.code, error=str(error))
            if not self._refusal_told:
                trail.record_alone(
                    EventType.AUDIT_KEY_CREATED,
                    actor=actor,
                    obj=("key", "SIGNING_PRIVATE_KEY"),
                    outcome="failure",
                    data={"code": error.code, "reason": error.message},
                )
                self._refusal_told = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()


def _without_pools() -> None:
    """Each thread and process gets a connection of its own: pools do not survive a fork."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        if connection.vendor == "postgresql":
            connection.close_pool()  # type: ignore[attr-defined]
    for alias in connections:
        connections.settings[alias].get("OPTIONS", {}).pop("pool", None)


def _is_set_up() -> bool:
    """Whether `bootstrap` was run: before, there is nobody to work for."""
    return Grant.objects.exists()
