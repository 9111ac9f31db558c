"""Keeping hold of a run while it is carried out: its lease, its progress, its time, the way out."""

from __future__ import annotations

import contextvars
import signal
import threading
import time
from collections.abc import Callable
from enum import Enum
from types import FrameType
from typing import Any, TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, connections

from audit.events import Actor
from ops import stopping
from ops.models import Run
from ops.services import claims
from sealing.errors import Conflict

TICK_SECONDS = 1.0
BEAT_SECONDS = 10.0
# How long a run may go on to the end of its step when the worker is to stop.
GRACE_SECONDS = 3.0
_SIGNAL = signal.SIGUSR1
T = TypeVar("T")
log = structlog.get_logger(__name__)


class LeaseLost(Conflict):
    """The lease ran out: another attempt may have taken over, so this one must change nothing."""

    code = "lease_lost"


class Interrupted(BaseException):
    """The run is to end now. Not an Exception: no job may take it for a failure of its own."""


class Why(Enum):
    """What a run is interrupted for."""

    STOPPING = "the worker is to stop"
    TIMEOUT = "its time is over"
    LOST = "its lease is lost"


class Context:
    """What a job's function is given: the run, whose authority it has, and how to tell of it."""

    def __init__(self, run: Run, actor: Actor) -> None:
        self.run = run
        self.actor = actor
        # Two threads may have a reason at the same time: the first stays. Not under a lock, which
        # the signal that interrupts could leave locked: `setdefault` is one step.
        self._reasons: dict[str, Why] = {}
        self._values: dict[str, Any] = {}
        self._is_new = False

    @property
    def why(self) -> Why | None:
        """What the run is to end for; None while it may go on."""
        return self._reasons.get("why")

    def interrupt(self, why: Why) -> None:
        """Has the run end, unless it is to end for another reason already."""
        self._reasons.setdefault("why", why)

    def progress(
        self, done: int, total: int | None = None, *, unit: str = "", step: str = ""
    ) -> None:
        """Tells how far it is; what is not given stays. It is written about once a second.

        Raises:
            LeaseLost: another attempt may have taken over. Interrupted: it is to end now.
        """
        self._values["progress_done"] = done
        if total is not None:
            self._values["progress_total"] = total
        if unit:
            self._values["progress_unit"] = unit[:32]
        if step:
            self._values["step"] = step[:200]
        self._is_new = True
        self._check()

    def ensure_held(self) -> None:
        """Asks the database whether the run is still held; before what can't be taken back.

        Raises:
            LeaseLost: another attempt may have taken over. Interrupted: it is to end now.
        """
        self._check()
        if not claims.is_held(self.run):
            self.interrupt(Why.LOST)
            self._check()

    def values(self) -> dict[str, Any]:
        """The last progress, as the run's columns."""
        return dict(self._values)

    def take_news(self) -> dict[str, Any] | None:
        """The progress, if it was told since this was asked last."""
        if not self._is_new:
            return None
        self._is_new = False
        return self.values()

    def _check(self) -> None:
        if self.why is None and stopping.is_stopping():
            self.interrupt(Why.STOPPING)
        if self.why is Why.LOST:
            raise LeaseLost("The lease on this run was lost; another attempt may be at work.")
        if self.why is not None:
            raise Interrupted(self.why.value)


def hold(context: Context, work: Callable[[Context], T], *, timeout_seconds: float) -> T:
    """Does the work of a run while a thread renews its lease, and interrupts it when it is to end.

    In a process's main thread, where queued runs are, it is interrupted wherever it is; elsewhere
    at its next call of the context.

    Raises:
        Interrupted: ``context.why`` says what for. Whatever the work raises.
    """
    watch = _Watch(context, timeout_seconds)
    try:
        try:
            watch.start()
            return work(context)
        finally:
            watch.is_armed = False
    finally:
        # Again: the signal may have arrived just when the line above was to be done.
        watch.is_armed = False
        watch.stop()


class _Watch:
    def __init__(self, context: Context, timeout_seconds: float) -> None:
        self.is_armed = False
        self._context = context
        self._deadline = time.monotonic() + timeout_seconds
        self._renewed = time.monotonic()
        self._stopping_since: float | None = None
        self._signal_at: float | None = None
        self._done = threading.Event()
        # What is logged there belongs to the same run.
        inherited = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=inherited, args=(self._watch,), name="lease", daemon=True
        )
        self._can_signal = threading.current_thread() is threading.main_thread()

    def start(self) -> None:
        """Begins to renew, and to be able to interrupt."""
        if self._can_signal:
            signal.signal(_SIGNAL, self._on_signal)
        self._thread.start()
        self.is_armed = True

    def stop(self) -> None:
        """Ends both."""
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._can_signal:
            # Not what it was before: by default it would end the process.
            signal.signal(_SIGNAL, signal.SIG_IGN)

    def _watch(self) -> None:
        next_beat = time.monotonic() + BEAT_SECONDS
        while not self._done.wait(TICK_SECONDS):
            now = time.monotonic()
            news = self._context.take_news()
            # Past its time it is not renewed: what can't be interrupted loses its lease.
            if (news is not None or now >= next_beat) and now < self._deadline:
                self._renew(now, news or {})
                next_beat = now + BEAT_SECONDS
            self._interrupt_if_due(now)
        connections.close_all()

    def _renew(self, now: float, news: dict[str, Any]) -> None:
        try:
            if claims.renew(self._context.run, **news):
                self._renewed = now
            else:
                self._context.interrupt(Why.LOST)
        except (DatabaseError, InterfaceError) as error:
            log.warning("the lease could not be renewed", kind=type(error).__name__)
            connections.close_all()
        if now - self._renewed >= claims.LEASE.total_seconds():
            self._context.interrupt(Why.LOST)

    def _interrupt_if_due(self, now: float) -> None:
        if self._stopping_since is None and stopping.is_stopping():
            self._stopping_since = now
        if self._context.why is None:
            if now >= self._deadline:
                self._context.interrupt(Why.TIMEOUT)
            elif self._stopping_since is not None and now >= self._stopping_since + GRACE_SECONDS:
                self._context.interrupt(Why.STOPPING)
            else:
                return
        elif self._signal_at is None:
            # The context has said so already: the work has that long to come to its end.
            self._signal_at = now + GRACE_SECONDS
        if self._signal_at is not None and now < self._signal_at:
            return
        self._signal_at = now + GRACE_SECONDS
        if self._can_signal:
            signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.is_armed:
            raise Interrupted(self._context.why.value if self._context.why else "")
