"""Processes that a test starts, and kills without warning."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable

from django.db import connections


def start(work: Callable[[], object]) -> int:
    """Runs ``work`` in a forked process with database connections of its own; returns its id."""
    connections.close_all()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        # Nothing of the test runner's clean-up belongs into this copy of it.
        os._exit(code)


def kill(pid: int) -> None:
    """Ends a process as a power failure would, and waits until it is gone."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def stop(pid: int) -> int:
    """Asks a process to end; returns its exit code."""
    os.kill(pid, signal.SIGTERM)
    return finished(pid)


def finished(pid: int) -> int:
    """Waits for a process to end by itself; returns its exit code."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Waits until ``holds`` does."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.002)
