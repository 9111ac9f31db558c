"""Runs the web server and the worker for as long as the demo needs them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

START_SECONDS = 60


@contextlib.contextmanager
def running(logs: Path) -> Iterator[str]:
    """Starts gunicorn and a worker; yields the server's address; stops both."""
    logs.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # fmt: off
    commands = {
        "web": ["-m", "gunicorn", "config.wsgi:application", "--bind", f"127.0.0.1:{port}",
                "--threads", "4", "--access-logfile", "-"],
        "worker": ["manage.py", "worker"],
    }
    # fmt: on
    with contextlib.ExitStack() as stack:
        processes = {}
        for name, command in commands.items():
            log = stack.enter_context((logs / f"{name}.log").open("wb"))
            processes[name] = subprocess.Popen(
                [sys.executable, *command],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "DEBUG": "true"},
            )
        try:
            _wait(f"http://127.0.0.1:{port}", processes, logs)
            yield f"http://127.0.0.1:{port}"
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                process.wait(timeout=30)


def _wait(url: str, processes: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for name, process in processes.items():
            if process.poll() is not None:
                text = (logs / f"{name}.log").read_text(errors="replace")
                raise SystemExit(f"{name} did not start:\n{text[-3000:]}")
        try:
            with urlopen(f"{url}/healthz", timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise SystemExit(f"The server did not answer within {START_SECONDS} s; see {logs}")
