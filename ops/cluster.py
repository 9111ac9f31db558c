"""The processes that take runs from the queue: django-q2's, made to end and to be killed cleanly.

Theirs share locks, which a process that is killed never gives back, and end at once where a signal
reaches all of them (docs/adr/0025). Here nothing is shared but sockets and the end of a pipe.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import multiprocessing
import os
import pickle
import signal
import socket
import uuid
from collections.abc import Iterator
from types import FrameType
from typing import Any

import structlog
from django.db import connections
from django_q.cluster import Sentinel
from django_q.worker import worker

from ops.stopping import Stop

_PR_SET_PDEATHSIG = 1
_MOST_BYTES = 1 << 20
log = structlog.get_logger(__name__)


class Cluster:
    """Starts and stops them; made before the process has any thread."""

    def __init__(self) -> None:
        self._stop = Stop()
        self._process = multiprocessing.get_context("fork").Process(
            target=_guard, args=(self._stop,), name="queue"
        )

    def start(self) -> None:
        """Forks them. Connections to the database are closed: no two processes share one."""
        connections.close_all()
        self._process.start()
        log.info("queue started", pid=self._process.pid)

    def is_alive(self) -> bool:
        """Whether they are there."""
        return self._process.is_alive()

    def stop(self, seconds: float) -> bool:
        """Lets them end what they do, or kills them after so many seconds.

        Returns:
            Whether they ended by themselves.
        """
        self._stop.set()
        self._process.join(seconds)
        if self._process.exitcode is not None:
            return self._process.exitcode == 0
        log.error("queue killed", reason="it did not end in time")
        os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.join()
        return False


class Messages:
    """A queue between processes without a lock: every message is one packet of a socket.

    Whoever waits for one holds nothing, and may be killed.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._out, self._in = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._in.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, most_bytes)

    def put(self, message: Any) -> None:
        """Sends a message; waits while too many are under way."""
        self._in.send(pickle.dumps(message))

    def get(self) -> Any:
        """The next message, whoever sent it."""
        return pickle.loads(self._out.recv(_MOST_BYTES))  # noqa: S301 - from our own processes

    def empty(self) -> bool:
        """Whether none is under way."""
        return self.qsize() == 0

    def qsize(self) -> int:
        """1 if any is under way."""
        try:
            return int(bool(self._out.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)))
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Nothing to do: the sockets end with the processes."""

    def join_thread(self) -> None:
        """Nothing to do: what was put was sent."""


class Timer:
    """A number that a worker and its guard share, written and read as a whole, without a lock."""

    def __init__(self) -> None:
        self._number = multiprocessing.RawValue(ctypes.c_double, -1.0)

    @property
    def value(self) -> float:
        """Seconds left; -1 while idle."""
        return float(self._number.value)

    @value.setter
    def value(self, number: float) -> None:
        self._number.value = number

    @contextlib.contextmanager
    def get_lock(self) -> Iterator[None]:
        """No lock, where django-q2 takes one."""
        yield


class _Flag:
    """An event of django-q2's that is only ever looked at by whoever sets it."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set


class _Guard(Sentinel):  # type: ignore[misc]
    """django-q2's guard over its processes, with what they share replaced."""

    def start(self) -> None:
        # Signals that reach all processes at once (Ctrl-C, systemd) are the first one's business:
        # it tells the others through the pipe. Not ignored, as programs that a job starts would
        # inherit that.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _do_nothing)
        os.register_at_fork(after_in_child=_end_with_parent)
        # So small that hardly more is taken from the table than can be begun.
        self.task_queue = Messages(most_bytes=1)
        self.result_queue = Messages()
        self.event_out = self.stop_event
        super().start()

    def spawn_worker(self) -> None:
        self.spawn_process(worker, self.task_queue, self.result_queue, Timer(), self.timeout)

    def reincarnate(self, process: Any) -> None:
        timer = getattr(process, "timer", None)
        if timer is not None and timer.value == 0 and process.is_alive():
            process.kill()  # it does not listen to SIGTERM, with which django-q2 would end it
        super().reincarnate(process)


def _guard(stop: Stop) -> None:
    os.setpgid(0, 0)  # so that all of them can be killed at once, and by nobody by mistake
    stop.listen()
    # Every start and end of a task is a line of its own otherwise; ours are about runs.
    logging.getLogger("django-q").setLevel(logging.WARNING)
    _Guard(stop, _Flag(), uuid.uuid4())


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Handles a signal that is for another process."""


def _end_with_parent() -> None:
    """Has the kernel kill this process when the one that forked it is gone (Linux)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
