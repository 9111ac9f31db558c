"""The real worker with all of its processes, and what is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.databases import CommittedDatabase

PROJECT = Path(__file__).resolve().parents[2]
# The worker of `manage.py worker`, with a type of the tests, and leases of a moment.
PROGRAM = """
import sys
from datetime import timedelta
import django
django.setup()
from ops import queue, registry, worker
from ops.services import claims, holding, sweeping
from tests.services.ops import kinds
registry._types._entries[kinds.NAME] = kinds.kind()
registry._types._entries["sleepy"] = kinds.kind(kinds.sleepy, name="sleepy")
registry._types._entries["stubborn"] = kinds.kind(kinds.stubborn, name="stubborn")
claims.LEASE = timedelta(seconds=3)
claims.BACK_OFF = (timedelta(seconds=1),)
holding.BEAT_SECONDS = 0.5
queue.LOST_AFTER = sweeping.STRANDED_AFTER = timedelta(seconds=3)
worker.SWEEP_SECONDS = 0.5
worker.STOP_SECONDS = 5.0
worker.Worker().run()
"""


class RealWorker:
    """A worker that runs, and every process that it has ever had."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.seen: dict[int, psutil.Process] = {}

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def processes(self) -> list[psutil.Process]:
        """Those below the first one, as they are now."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self.seen.update({process.pid: process for process in found})
        return found

    def wait_until_ready(self) -> None:
        """Until the queue's guard, four workers, monitor and pusher are there."""
        wait_for(lambda: len(self.processes()) >= 7, what=lambda: self.log)

    def left(self) -> list[int]:
        """Which of its processes are still there."""
        return [
            pid
            for pid, process in self.seen.items()
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]

    def signal_all(self, number: int) -> None:
        """Signals every process at once, as systemd may, children first."""
        for process in [*self.processes(), self.process]:
            os.kill(process.pid, number)

    def signal_group(self, number: int) -> None:
        """Signals the process group, as a terminal does."""
        self.processes()
        os.killpg(self.process.pid, number)


@contextmanager
def real_worker(
    database: CommittedDatabase, settings: Any, tmp_path: Path, program: str = PROGRAM
) -> Iterator[RealWorker]:
    """Starts a worker in a group of its own; leaves none of its processes behind."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database.app_url,
        "AUDIT_SIGNER_STATE": str(settings.AUDIT_SIGNER_STATE),
        "AUDIT_STORAGE_PATH": str(settings.AUDIT_STORAGE_PATH),
        "EVIDENCE_PACKAGE_DIR": str(settings.EVIDENCE_PACKAGE_DIR),
    }
    path = tmp_path / f"worker-{time.monotonic_ns()}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=PROJECT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    worker = RealWorker(process, path)
    try:
        yield worker
    finally:
        worker.processes()
        process.kill()
        process.wait()
        for pid in worker.left():
            os.kill(pid, signal.SIGKILL)


def wait_for(
    condition: Callable[[], bool], seconds: float = 60.0, what: Callable[[], str] = str
) -> None:
    """Waits until the condition holds; says what it knows where it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen in time\n{what()}"
        time.sleep(0.05)
